import { describe, expect, test } from "vitest";
import { annotations } from "../../src/model/labels.ts";
import {
  addressesOf,
  entryOf,
  listedHosts,
  messageOf,
  said,
  statusOf,
  warningsOf,
  writesSince,
} from "./looks.ts";
import { hostsOf, openSettled, ten, two, without } from "./scenes.ts";
import { home, hour, hubKey, minute, second, type World } from "./world.ts";

/** As docs/operations.md tells people to: release the hold that the status shows. */
const release = (world: World): void => {
  const until = statusOf(world).hold?.until ?? "";
  world.person.edit("registryhubs", hubKey, (object) => ({
    ...object,
    metadata: { ...object.metadata, annotations: { [annotations.releaseHold]: until } },
  }));
};

describe("the brake", () => {
  test("keeps the last instance of each of many services that vanish at once, for 5 minutes, and tells", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 4));
    await world.advance(5 * minute - second);
    expect(listedHosts(world)).toEqual(hostsOf(ten));
    expect(said(world)).toMatchObject({ phase: "success", DeletionHeld: "True Shrunk", Ready: "True Ready" });
    expect(statusOf(world).hold).toMatchObject({ services: 4, endpoints: 4 });
    expect(messageOf(world, "DeletionHeld")).toContain("keeps those instances until status.hold.until");
    expect(warningsOf(world)).toEqual(["RegistryHub hub: Shrunk"]);
    await world.advance(2 * second);
    expect(listedHosts(world)).toEqual(hostsOf(without(ten, 4)));
    expect(said(world)).toMatchObject({ DeletionHeld: "False NothingHeld" });
    expect(statusOf(world).hold).toBeUndefined();
  });

  test("begins when a registry that restarted has settled, not before, and lasts as long", async () => {
    const world = await openSettled({ services: ten });
    world.registry().drop();
    world.registry().lists({});
    await world.advance(50 * second);
    expect(said(world)).toMatchObject({ DeletionHeld: "True Settling" });
    expect(warningsOf(world)).toEqual([]);
    await world.advance(15 * second);
    expect(said(world)).toMatchObject({ DeletionHeld: "True Shrunk" });
    await world.advance(4 * minute + 50 * second);
    expect(listedHosts(world)).toEqual(hostsOf(ten));
    await world.advance(10 * second);
    expect(listedHosts(world)).toEqual([]);
  });

  test("has no opinion on a few", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 3));
    await world.advance(1 * second);
    expect(listedHosts(world)).toEqual(hostsOf(without(ten, 3)));
    expect(warningsOf(world)).toEqual([]);
  });

  test("lets an instance go whose service still has another", async () => {
    const services = Object.fromEntries(
      Object.keys(ten).map((name, at) => [name, [`10.42.0.${at + 1}:20880`, `10.42.1.${at + 1}:20880`]]),
    );
    const world = await openSettled({ services });
    world.registry().lists(ten);
    await world.advance(1 * second);
    expect(addressesOf(world, "demo.S0")).toEqual(ten["demo.S0"]);
    expect(said(world)).toMatchObject({ DeletionHeld: "False NothingHeld" });
  });

  test("does not keep additions and changes waiting", async () => {
    const world = await openSettled({ services: ten });
    world
      .registry()
      .lists({ ...without(ten, 5), "demo.S9": ["10.42.9.9:20880"], "demo.New": ["10.42.9.1:20880"] });
    await world.advance(1 * second);
    expect(addressesOf(world, "demo.S9")).toEqual(["10.42.9.9:20880"]);
    expect(addressesOf(world, "demo.New")).toEqual(["10.42.9.1:20880"]);
    expect(addressesOf(world, "demo.S0")).toEqual(ten["demo.S0"]);
  });

  test("ends as soon as the services are back", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists({});
    await world.advance(1 * minute);
    expect(said(world)).toMatchObject({ DeletionHeld: "True Shrunk" });
    world.registry().lists(ten);
    await world.advance(2 * second);
    expect(said(world)).toMatchObject({ DeletionHeld: "False NothingHeld" });
    world.registry().lists(without(ten, 1));
    await world.advance(1 * second);
    expect(addressesOf(world, "demo.S0")).toEqual([]);
  });

  test("goes on after a restart, ends when it would have ended, and does not begin again", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists({});
    await world.advance(2 * minute);
    const { until } = statusOf(world).hold ?? {};
    await world.hubController.restart();
    await world.advance(2 * minute);
    expect(statusOf(world).hold?.until).toBe(until);
    expect(listedHosts(world)).toEqual(hostsOf(ten));
    await world.advance(1 * minute + 2 * second);
    expect(listedHosts(world)).toEqual([]);
    expect(said(world)).toMatchObject({ DeletionHeld: "False NothingHeld" });
    expect(warningsOf(world)).toEqual(["RegistryHub hub: Shrunk"]);
  });
});

describe("a registry that lost its data", () => {
  test.each<[string, (world: World) => void]>([
    ["another origin", (world) => world.registry().describe({ origin: "0x9/9" })],
    ["no origin any more", (world) => world.registry().describe({ origin: undefined as never })],
    ["a history that went back", (world) => world.registry().describe({ position: 10 })],
    ["a watch that broke with that", (world) => world.registry().drop({ reset: true })],
  ])("%s: nothing is removed for 24 h", async (_, lose) => {
    const world = await openSettled();
    world.registry().describe({ origin: "0x1/1", position: 500 });
    await world.advance(1 * minute);
    world.registry().lists({});
    lose(world);
    await world.advance(23 * hour);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    expect(said(world)).toMatchObject({ phase: "success", DeletionHeld: "True RegistryReset" });
    expect(statusOf(world).hold).toMatchObject({ services: 2, endpoints: 2 });
    expect(messageOf(world, "DeletionHeld")).toContain("Restart the providers");
    expect(warningsOf(world)).toContain("RegistryHub hub: RegistryReset");
    await world.advance(2 * hour);
    expect(listedHosts(world)).toEqual([]);
    expect(said(world)).toMatchObject({ DeletionHeld: "False NothingHeld" });
  });

  test("holds until it lists 80 % of the endpoints again, and settles for those that are late", async () => {
    const world = await openSettled({ services: ten });
    world.registry().drop({ reset: true });
    world.registry().lists({});
    await world.advance(1 * hour);
    expect(statusOf(world).hold).toMatchObject({ services: 10, endpoints: 10 });
    world.registry().lists(without(ten, 3));
    await world.advance(1 * hour);
    expect(listedHosts(world)).toEqual(hostsOf(ten));
    world.registry().lists(without(ten, 2));
    await world.advance(50 * second);
    expect(said(world)).toMatchObject({ DeletionHeld: "True Settling" });
    world.registry().lists(without(ten, 1)); // one more is back, just in time
    await world.advance(15 * second);
    expect(listedHosts(world)).toEqual(hostsOf(without(ten, 1)));
    expect(said(world)).toMatchObject({ DeletionHeld: "False NothingHeld" });
  });

  test("holds across a restart, as long as the status says", async () => {
    const world = await openSettled();
    world.registry().describe({ origin: "0x1/1" });
    await world.advance(1 * minute);
    world.registry().describe({ origin: "0x2/2" });
    world.registry().lists({});
    await world.advance(1 * hour);
    const { until } = statusOf(world).hold ?? {};
    await world.hubController.restart();
    await world.advance(22 * hour);
    expect(statusOf(world).hold?.until).toBe(until);
    expect(statusOf(world).origin).toBe("0x2/2");
    expect(listedHosts(world)).toEqual(hostsOf(two));
    await world.advance(1 * hour + 1 * second);
    expect(listedHosts(world)).toEqual([]);
  });

  test("while the operator did not run is seen at its start", async () => {
    const world = await openSettled();
    world.registry().describe({ origin: "0x1/1" });
    await world.advance(1 * minute);
    await world.hubController.stop();
    world.registry().describe({ origin: "0x2/2" });
    world.registry().lists({});
    await world.hubController.start();
    await world.advance(1 * hour);
    expect(said(world)).toMatchObject({ DeletionHeld: "True RegistryReset" });
    expect(listedHosts(world)).toEqual(hostsOf(two));
  });
});

describe("a hold that its owner releases", () => {
  test("the brake ends at once", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists({});
    await world.advance(1 * minute);
    release(world);
    await world.advance(2 * second);
    expect(listedHosts(world)).toEqual([]);
    expect(said(world)).toMatchObject({ DeletionHeld: "False NothingHeld" });
  });

  test("settling ends at once, and what it withheld is judged", async () => {
    const world = await openSettled({ services: ten });
    world.registry().drop();
    world.registry().lists(without(ten, 2));
    await world.advance(10 * second);
    expect(said(world)).toMatchObject({ DeletionHeld: "True Settling" });
    release(world);
    await world.advance(2 * second);
    expect(listedHosts(world)).toEqual(hostsOf(without(ten, 2)));
  });

  test("a reset hold ends at once, and a later one begins all the same", async () => {
    const world = await openSettled();
    world.registry().drop({ reset: true });
    world.registry().lists({});
    await world.advance(2 * minute);
    release(world);
    await world.advance(2 * second);
    expect(listedHosts(world)).toEqual([]);
    world.registry().lists(two);
    await world.advance(2 * minute);
    world.registry().drop({ reset: true });
    world.registry().lists({});
    await world.advance(1 * hour);
    expect(listedHosts(world)).toEqual(hostsOf(two));
  });
});

describe("an entry without endpoints", () => {
  test("stays for 10 minutes, so that callers fail fast, and is deleted then", async () => {
    const world = await openSettled();
    world.registry().remove("demo.A");
    await world.advance(10 * minute - second);
    expect(addressesOf(world, "demo.A")).toEqual([]);
    expect(statusOf(world)).toMatchObject({ services: 1, endpoints: 1 });
    await world.advance(2 * second);
    expect(entryOf(world, "demo.A")).toBeUndefined();
    expect(addressesOf(world, "demo.B")).toEqual(two["demo.B"]);
  });

  test("is the same entry when its service returns in time, and has the same name and virtual IP later", async () => {
    const world = await openSettled();
    const before = entryOf(world, "demo.A");
    world.registry().remove("demo.A");
    await world.advance(9 * minute);
    world.registry().lists(two);
    await world.advance(1 * second);
    expect(entryOf(world, "demo.A")?.metadata.uid).toBe(before?.metadata.uid);
    world.registry().remove("demo.A");
    await world.advance(11 * minute);
    expect(entryOf(world, "demo.A")).toBeUndefined();
    world.registry().lists(two);
    await world.advance(1 * second);
    const same = { metadata: { name: before?.metadata.name }, spec: { addresses: before?.spec.addresses } };
    expect(entryOf(world, "demo.A")).toMatchObject(same);
  });

  test("is deleted at its time although the operator was restarted meanwhile", async () => {
    const world = await openSettled();
    world.registry().remove("demo.A");
    await world.advance(5 * minute);
    await world.hubController.restart();
    await world.advance(4 * minute);
    expect(addressesOf(world, "demo.A")).toEqual([]);
    await world.advance(1 * minute + second);
    expect(entryOf(world, "demo.A")).toBeUndefined();
  });

  test("is not deleted in another version than the one that was looked at", async () => {
    const world = await openSettled();
    world.registry().remove("demo.A");
    await world.advance(9 * minute);
    const gate = world.api.hold({ verb: "delete" });
    await world.advance(1 * minute + second);
    expect(gate.waiting).toHaveLength(1);
    const before = world.writes().length;
    const [key] = [`${home}/${entryOf(world, "demo.A")?.metadata.name}`];
    world.person.edit("serviceentries", key, (object) => ({
      ...object,
      metadata: { ...object.metadata, labels: { ...object.metadata.labels, team: "red" } },
    }));
    world.registry().lists(two);
    gate.open();
    await world.advance(5 * second);
    expect(addressesOf(world, "demo.A")).toEqual(two["demo.A"]);
    expect(entryOf(world, "demo.A")?.metadata.labels).toMatchObject({ team: "red" });
    expect(writesSince(world, before).filter((write) => write.startsWith("delete"))).toEqual([]);
  });
});
