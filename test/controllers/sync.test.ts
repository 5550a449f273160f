import { describe, expect, test } from "vitest";
import { addressesOf, entryOf, said, statusOf, writesSince } from "./looks.ts";
import { home, hub, minute, openWorld, second, type World } from "./world.ts";

/** Both controllers, a hub and two services. */
async function openSynced(): Promise<World> {
  const world = openWorld();
  world.registry().lists({ "demo.A": ["10.42.0.1:20880"], "demo.B": ["10.42.0.2:20880"] });
  world.person.put(hub());
  await world.hubController.start();
  await world.dubboController.start();
  await world.advance(5 * minute);
  return world;
}

describe("what a registry lists is in the cluster", () => {
  test("a hub that is created is synced within a moment, and says so", async () => {
    const world = openWorld();
    world.registry().lists({ "demo.A": ["10.42.0.1:20880", "10.42.0.2:20880"] });
    await world.hubController.start();
    world.person.put(hub());
    await world.advance(1 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.2:20880"]);
    expect(said(world)).toEqual({
      phase: "success",
      RegistrySynced: "True Synced",
      Applied: "True Applied",
      DeletionHeld: "False NothingHeld",
      Ready: "True Ready",
    });
    expect(statusOf(world)).toMatchObject({
      services: 1,
      endpoints: 2,
      observedGeneration: 1,
      address: "zk:2181",
    });
  });

  test("an instance that starts is added at once; one that stops goes after 300 ms", async () => {
    const world = await openSynced();
    world.registry().set("demo.A", ["10.42.0.1:20880", "10.42.0.3:20880"]);
    await world.settle();
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.3:20880"]);
    world.registry().set("demo.A", ["10.42.0.3:20880"]);
    await world.advance(299);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.3:20880"]);
    await world.advance(1);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.3:20880"]);
  });

  test("an instance that leaves and comes back within 300 ms is no write", async () => {
    const world = await openSynced();
    const before = world.writes().length;
    world.registry().set("demo.A", []);
    await world.advance(200);
    world.registry().set("demo.A", ["10.42.0.1:20880"]);
    await world.advance(5 * second);
    expect(writesSince(world, before)).toEqual([]);
  });

  test("a cluster where nothing happens sees no write, and neither does a restart", async () => {
    const world = await openSynced();
    const before = world.writes().length;
    await world.advance(30 * minute);
    await world.hubController.restart();
    await world.dubboController.restart();
    await world.advance(30 * minute);
    expect(writesSince(world, before)).toEqual([]);
  });

  test("a restart in another world makes up for what happened meanwhile, and keeps name and virtual IP", async () => {
    const world = await openSynced();
    const { metadata, spec } = entryOf(world, "demo.A") ?? {};
    await world.hubController.stop();
    world.registry().lists({ "demo.A": ["10.42.0.9:20880"], "demo.C": ["10.42.0.3:20880"] });
    await world.hubController.start();
    await world.advance(59 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.9:20880"]);
    expect(addressesOf(world, "demo.C")).toEqual(["10.42.0.3:20880"]);
    await world.advance(2 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
    expect(entryOf(world, "demo.A")).toMatchObject({
      metadata: { name: metadata?.name },
      spec: { addresses: spec?.addresses },
    });
    expect(world.person.list("serviceentries", home)).toHaveLength(3);
  });
});
