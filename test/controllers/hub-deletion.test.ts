import { describe, expect, test } from "vitest";
import { addressesOf, listedHosts, said, statusOf, writesSince } from "./looks.ts";
import { hostsOf, openSettled, two } from "./scenes.ts";
import { home, hour, hub, hubKey, minute, second } from "./world.ts";

describe("a hub that is deleted", () => {
  test("leaves its entries for 60 s, and then they go, registry up or down", async () => {
    const world = await openSettled();
    world.person.delete("registryhubs", hubKey);
    await world.advance(59 * second);
    expect(world.registry().isWatched).toBe(false);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    await world.advance(2 * second);
    expect(world.person.list("serviceentries", home)).toEqual([]);
  });

  test("while the operator does not run takes its entries along at the next start", async () => {
    const world = await openSettled();
    await world.hubController.stop();
    world.person.delete("registryhubs", hubKey);
    await world.advance(1 * hour);
    await world.hubController.start();
    await world.advance(59 * second);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    await world.advance(2 * second);
    expect(world.person.list("serviceentries", home)).toEqual([]);
  });

  test("and is created again within that time inherits everything, without a write to an entry", async () => {
    const world = await openSettled();
    const before = world.writes().length;
    world.person.delete("registryhubs", hubKey);
    await world.advance(30 * second);
    world.person.put(hub());
    await world.advance(10 * minute);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    expect(writesSince(world, before).filter((write) => write.includes("serviceentries"))).toEqual([]);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
  });

  test("in the middle of a reset hold and created again is held all the same", async () => {
    const world = await openSettled();
    world.registry().drop({ reset: true });
    world.registry().lists({});
    await world.advance(1 * hour);
    const { until } = statusOf(world).hold ?? {};
    world.person.delete("registryhubs", hubKey);
    await world.advance(30 * second);
    world.person.put(hub());
    await world.advance(10 * minute);
    expect(statusOf(world).hold?.until).toBe(until);
    expect(listedHosts(world)).toEqual(hostsOf(two));
  });

  test("has its status written no more", async () => {
    const world = await openSettled();
    const gate = world.api.hold({ resource: "registryhubs", subresource: "status" });
    world.registry().fail();
    await world.advance(6 * second);
    expect(gate.waiting).toHaveLength(1);
    world.person.delete("registryhubs", hubKey);
    gate.open();
    await world.advance(10 * minute);
    expect(world.api.writes({ subresource: "status" }).at(-1)?.code).toBe(404);
    expect(world.person.list("registryhubs")).toEqual([]);
  });
});

describe("a hub that is deleted and created again while nobody sees it", () => {
  test("is taken as it is now, though its generation is that of the old one", async () => {
    const world = await openSettled();
    world.registry("other:2181").lists({ "demo.A": ["10.42.0.9:20880"] });
    const goUp = world.api.goDown();
    world.person.delete("registryhubs", hubKey);
    world.person.put(hub({ address: "other:2181" }));
    world.api.compact();
    goUp();
    await world.advance(2 * minute);
    expect(world.person.get("registryhubs", hubKey)?.metadata.generation).toBe(1);
    expect([world.registry().isWatched, world.registry("other:2181").isWatched]).toEqual([false, true]);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
    expect(statusOf(world)).toMatchObject({ address: "other:2181" });
  });
});

test("--settle-factor shortens settling, and the wait for a hub that is missing", async () => {
  const world = await openSettled({ options: { settleFactor: 0.1 } });
  world.registry().drop();
  world.registry().lists({ "demo.A": two["demo.A"] ?? [] });
  await world.advance(6.7 * second); // it reconnects after 0.75 s
  expect(listedHosts(world)).toEqual(hostsOf(two));
  await world.advance(0.4 * second);
  expect(listedHosts(world)).toEqual(["demo.a.demo"]);
  world.person.delete("registryhubs", hubKey);
  await world.advance(5.9 * second);
  expect(listedHosts(world)).toEqual(["demo.a.demo"]);
  await world.advance(0.2 * second);
  expect(world.person.list("serviceentries", home)).toEqual([]);
});

describe("a hub that seems to be missing", () => {
  test("is not believed to be gone while the list of hubs is not complete", async () => {
    const world = await openSettled();
    const forbidden = world.api.forbid({ resource: "registryhubs" });
    for (const stream of world.api.watches("registryhubs")) stream.end(new Error("cut"));
    await world.advance(20 * second);
    world.person.delete("registryhubs", hubKey);
    await world.advance(10 * minute);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    forbidden();
    await world.advance(59 * second);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    await world.advance(10 * second);
    expect(listedHosts(world)).toEqual([]);
  });

  test("because its watch is dead is asked for once more, and found", async () => {
    const world = await openSettled();
    world.person.delete("registryhubs", hubKey);
    await world.settle();
    for (const stream of world.api.watches("registryhubs")) stream.hang();
    world.person.put(hub());
    await world.advance(65 * second);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    await world.advance(60 * minute);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    expect(said(world)).toMatchObject({ Ready: "True Ready" });
  });

  test("and cannot be asked for is not gone, which is logged once", async () => {
    const world = await openSettled();
    world.api.forbid({ resource: "registryhubs", verb: "get" });
    world.person.delete("registryhubs", hubKey);
    await world.advance(30 * minute);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    const told = world.hubController.log.filter(
      ({ message }) => message === "cannot confirm that a missing hub is deleted",
    );
    expect(told).toHaveLength(1);
  });

  test("because this operator does not look after its namespace any more is left alone", async () => {
    const world = await openSettled();
    await world.hubController.stop();
    world.person.delete("registryhubs", hubKey);
    await world.hubController.start({ watchNamespaces: ["other"] });
    await world.advance(60 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(two["demo.A"]);
  });
});
