import { describe, expect, test } from "vitest";
import { annotations } from "../../src/model/labels.ts";
import { addressesOf, listedHosts, said, statusOf, warningsOf, writesSince } from "./looks.ts";
import { edit, hostsOf, openSettled, ten, two, without } from "./scenes.ts";
import { hour, hub, hubKey, minute, openWorld, second, type World } from "./world.ts";

const pair = (at: number): readonly string[] => [`10.42.0.${at}:20880`, `10.42.1.${at}:20880`];

/** Namespace `other` takes entries of hubs in these namespaces. */
const allow = (world: World, from: string): void =>
  void world.person.edit("namespaces", "other", (object) => ({
    ...object,
    metadata: { ...object.metadata, annotations: { [annotations.allowFrom]: from } },
  }));

describe("a deadline that passes just before a listing, while its timer is late", () => {
  const busy = (world: World): void => world.registry().set("demo.Busy", ["10.42.7.1:20880"]);

  test("ends settling all the same: what has gone leaves (H2)", async () => {
    const world = await openSettled({ services: { "demo.A": pair(1), "demo.B": pair(2) } });
    await world.hubController.stop();
    world.clock.runLate(250);
    world.registry().lists({ "demo.A": ["10.42.0.1:20880"] });
    await world.hubController.start();
    await world.advance(60 * second + 100);
    busy(world);
    await world.advance(3 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880"]);
    expect(addressesOf(world, "demo.B")).toEqual([]);
    expect(said(world)).toMatchObject({ DeletionHeld: "False NothingHeld" });
  });

  test("ends the brake's hold all the same (H2)", async () => {
    const world = await openSettled({ services: ten });
    world.clock.runLate(250);
    world.registry().lists(without(ten, 4));
    await world.advance(5 * minute + 100);
    busy(world);
    await world.advance(3 * second);
    expect(listedHosts(world)).toEqual([...hostsOf({ ...without(ten, 4), "demo.Busy": [] })].sort());
    expect(said(world)).toMatchObject({ DeletionHeld: "False NothingHeld" });
  });
});

describe("the brake", () => {
  test("holds what is lost shortly before its end until that service's own end (H11)", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 4));
    await world.advance(5 * minute - 2 * second);
    world.registry().lists({});
    await world.advance(1 * minute);
    expect(listedHosts(world)).toEqual(hostsOf(without(ten, 4)));
    expect(statusOf(world).hold).toMatchObject({ services: 6, endpoints: 6 });
    expect(warningsOf(world)).toEqual(["RegistryHub hub: Shrunk"]);
    await world.advance(4 * minute - 2 * second);
    expect(listedHosts(world)).toHaveLength(6);
    await world.advance(4 * second);
    expect(listedHosts(world)).toEqual([]);
  });

  test.each(["upsert-only", "observe"] as const)(
    "judges what went unseen under %s when the hub may remove (H12)",
    async (policy) => {
      const world = await openSettled({ services: ten });
      edit(world, { policy });
      world.registry().lists(without(ten, 9));
      await world.advance(20 * minute);
      edit(world, { policy: "sync" });
      await world.advance(1 * minute + 5 * second);
      expect(listedHosts(world)).toEqual(hostsOf(ten));
      expect(said(world)).toMatchObject({ DeletionHeld: "True Shrunk" });
      await world.advance(5 * minute);
      expect(listedHosts(world)).toEqual(hostsOf(without(ten, 9)));
    },
  );

  test("judges what went unseen while the target took no entries (H12)", async () => {
    const world = openWorld();
    world.person.createNamespace("other");
    allow(world, "demo");
    world.registry().lists(ten);
    world.person.put(hub({ generate_to: "other" }));
    await world.hubController.start({ allowCrossNamespace: false });
    await world.advance(2 * minute);
    allow(world, "");
    world.registry().lists(without(ten, 9));
    await world.advance(20 * minute);
    allow(world, "demo");
    await world.advance(1 * minute + 5 * second);
    expect(listedHosts(world, "other")).toHaveLength(10);
    expect(said(world)).toMatchObject({ DeletionHeld: "True Shrunk" });
    await world.advance(5 * minute);
    expect(listedHosts(world, "other")).toHaveLength(1);
  });
});

describe("Applied", () => {
  /** What Applied says of a generation of the hub, looked at once a second. */
  async function saysOf(world: World, generation = 0, seconds = 0): Promise<readonly string[]> {
    const seen = new Set<string>();
    for (let passed = 0; passed < seconds; passed++) {
      await world.advance(1 * second);
      if (statusOf(world).observedGeneration === generation) seen.add(said(world).Applied);
    }
    return [...seen];
  }

  /** Writes of ServiceEntries arrive and are not answered. */
  const holdWrites = (world: World) => world.api.hold({ resource: "serviceentries", verb: "patch" });

  test.each<[string, () => Promise<World>, (world: World) => void]>([
    [
      "a hub that observed",
      () => openSettled({ services: ten, spec: { policy: "observe" } }),
      (world) => edit(world, { policy: "sync" }),
    ],
    ["another l7", () => openSettled({ services: ten }), (world) => edit(world, { l7: false })],
    [
      "a hub that was suspended",
      async () => {
        const world = await openSettled({ services: ten });
        edit(world, { suspend: true, l7: false });
        await world.advance(1 * minute);
        return world;
      },
      (world) => edit(world, { suspend: false }),
    ],
    [
      "a wider filter",
      () => openSettled({ services: ten, spec: { services: { exclude: ["demo.S1"] } } }),
      (world) => edit(world, { services: {} }),
    ],
  ])("is not True before everything is written, of %s (H5)", async (_, open, act) => {
    const world = await open();
    const gate = holdWrites(world);
    act(world);
    const { generation } = world.person.get("registryhubs", hubKey)?.metadata ?? {};
    expect(await saysOf(world, generation, 20)).toEqual(["Unknown Syncing"]);
    gate.open();
    await world.advance(3 * second);
    expect(said(world)).toMatchObject({ Applied: "True Applied", Ready: "True Ready" });
    expect(listedHosts(world)).toEqual(hostsOf(ten));
  });

  test("is not True before everything is written when the target takes entries again (H5)", async () => {
    const world = openWorld();
    world.person.createNamespace("other");
    world.registry().lists(ten);
    world.person.put(hub({ generate_to: "other" }));
    await world.hubController.start({ allowCrossNamespace: false });
    await world.advance(2 * minute);
    expect(said(world)).toMatchObject({ Applied: "False NamespaceNotAllowed" });
    const gate = holdWrites(world);
    allow(world, "demo");
    await world.advance(3 * second);
    expect(said(world)).toMatchObject({ Applied: "Unknown Syncing" });
    gate.open();
    await world.advance(3 * second);
    expect(said(world)).toMatchObject({ Applied: "True Applied" });
    expect(listedHosts(world, "other")).toHaveLength(10);
  });

  test("is not True while what a hold released still has to go (H5)", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 4));
    await world.advance(5 * minute - second);
    const gate = holdWrites(world);
    await world.advance(4 * second);
    expect(said(world)).toMatchObject({ Applied: "Unknown Syncing", DeletionHeld: "False NothingHeld" });
    gate.open();
    await world.advance(2 * second);
    expect(said(world)).toMatchObject({ Applied: "True Applied" });
  });

  test("stays True while an ordinary change of the registry is written", async () => {
    const world = await openSettled({ services: ten });
    const gate = holdWrites(world);
    world.registry().set("demo.S1", ["10.42.9.9:20880"]);
    await world.advance(4 * second);
    expect(said(world)).toMatchObject({ Applied: "True Applied" });
    gate.open();
  });

  test("is True after an edit that was made while nobody ran only when it is written (H5)", async () => {
    const world = await openSettled({ services: ten });
    await world.hubController.stop();
    edit(world, { l7: false });
    const gate = holdWrites(world);
    await world.hubController.start();
    expect(await saysOf(world, 2, 15)).toEqual(["Unknown Syncing"]);
    gate.open();
    await world.advance(3 * second);
    expect(said(world)).toMatchObject({ Applied: "True Applied" });
  });
});

describe("a restart", () => {
  test("in a hold, while the registry does not answer, changes no status and prolongs nothing (H6)", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 4));
    await world.advance(1 * minute);
    const { hold } = statusOf(world);
    expect(hold).toMatchObject({ services: 4, endpoints: 4 });
    const before = world.writes().length;
    world.registry().beSilent();
    await world.hubController.restart();
    await world.advance(5 * second);
    expect(writesSince(world, before)).toEqual([]);
    await world.advance(20 * second);
    expect(said(world)).toMatchObject({ RegistrySynced: "Unknown Connecting", DeletionHeld: "True Shrunk" });
    expect(statusOf(world).hold).toEqual(hold);
    await world.hubController.restart();
    world.registry().lists(without(ten, 4));
    await world.advance(30 * second);
    expect(said(world)).toMatchObject({ DeletionHeld: "True Shrunk" });
    expect(statusOf(world).hold).toEqual(hold);
    await world.hubController.restart();
    await world.advance(3 * minute + 3 * second);
    expect(listedHosts(world)).toEqual(hostsOf(ten));
    await world.advance(5 * second);
    expect(listedHosts(world)).toEqual(hostsOf(without(ten, 4)));
  });

  test("in a hold, while the registry is away, keeps it in the status (H6)", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 4));
    await world.advance(1 * minute);
    const { hold } = statusOf(world);
    world.registry().fail();
    await world.advance(30 * second);
    expect(said(world)).toMatchObject({ phase: "failed", DeletionHeld: "True Shrunk" });
    await world.hubController.restart();
    await world.advance(30 * second);
    expect(said(world)).toMatchObject({ phase: "failed", DeletionHeld: "True Shrunk" });
    expect(statusOf(world).hold).toEqual(hold);
  });

  test("with more missing than the hold was about holds all of them in full", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 4));
    await world.advance(4 * minute);
    await world.hubController.stop();
    world.registry().lists(without(ten, 5));
    await world.hubController.start();
    await world.advance(5 * minute + 55 * second);
    expect(listedHosts(world)).toEqual(hostsOf(ten));
    await world.advance(10 * second);
    expect(listedHosts(world)).toEqual(hostsOf(without(ten, 5)));
  });

  test("of a hub that observes keeps its plan until there is a new one (H6)", async () => {
    const world = await openSettled({ services: ten, spec: { policy: "observe" } });
    const plan = { create: 10, change: 0, remove: 0 };
    expect(statusOf(world).plan).toEqual(plan);
    world.registry().fail();
    await world.advance(30 * second);
    await world.hubController.restart();
    await world.advance(1 * minute);
    expect(statusOf(world).plan).toEqual(plan);
    world.registry().heal();
    const before = world.writes().length;
    await world.advance(2 * minute);
    expect(statusOf(world).plan).toEqual(plan);
    expect(writesSince(world, before)).toEqual([
      "patch registryhubs/status hub",
      expect.stringMatching(/^patch events hub\./), // Synced
    ]);
  });

  test("does not keep a failure that is over (H16)", async () => {
    const world = openWorld();
    world.registry().lists(two);
    world.person.put(hub({ generate_to: "later" }));
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(said(world)).toMatchObject({ Applied: "False NamespaceMissing" });
    world.registry().fail();
    await world.hubController.restart();
    world.person.createNamespace("later");
    await world.advance(3 * second);
    expect(said(world)).toMatchObject({ Applied: "Unknown Syncing", Ready: "False RegistryUnreachable" });
  });
});

test("a hub whose address and target are corrected says nothing of the old ones (H16)", async () => {
  const world = openWorld();
  world.registry().lists({ ...two, "demo.Bad": ["10.42.0.9:0"] });
  world.registry("new:2181").beSilent();
  world.person.put(hub({ generate_to: "nowhere" }));
  await world.hubController.start();
  await world.advance(12 * second); // counts are written every 10 s
  expect(said(world)).toMatchObject({ phase: "failed", Applied: "False NamespaceMissing" });
  expect(statusOf(world).rejected).toBe(1);
  edit(world, { generate_to: "demo", address: "new:2181" });
  await world.advance(2 * second);
  expect(said(world)).toMatchObject({
    phase: "pending",
    RegistrySynced: "Unknown Connecting",
    Applied: "Unknown Syncing",
  });
  expect(statusOf(world)).toMatchObject({ rejected: 0, problems: [] });
});

describe("a loss of data", () => {
  async function openWithOrigin(): Promise<World> {
    const world = await openSettled({ services: ten });
    world.registry().describe({ origin: "0x1/1" });
    await world.advance(1 * minute);
    return world;
  }

  test("that the adapter has shown is in the status at once, and survives a restart (H25)", async () => {
    const world = await openSettled({ services: ten, spec: { type: "consul" } });
    world.registry().drop({ reset: true });
    world.registry().beSilent();
    await world.advance(1 * second);
    expect(said(world)).toMatchObject({ DeletionHeld: "True RegistryReset" });
    expect(statusOf(world).hold).toMatchObject({ endpoints: 10 });
    await world.hubController.restart();
    world.registry().lists({});
    await world.advance(1 * hour);
    expect(listedHosts(world)).toEqual(hostsOf(ten));
    world.registry().lists(ten);
    await world.advance(2 * second);
    expect(said(world)).toMatchObject({ DeletionHeld: "False NothingHeld" });
  });

  test.each([{ policy: "upsert-only" }, { policy: "observe" }, { suspend: true }] as const)(
    "is held after a restart too, though the hub removed nothing meanwhile: %o",
    async (pause) => {
      const world = await openWithOrigin();
      if ("policy" in pause) edit(world, pause);
      world.registry().describe({ origin: "0x2/2" });
      world.registry().lists({});
      await world.advance(1 * minute);
      edit(world, pause);
      await world.advance(1 * minute);
      await world.hubController.restart();
      await world.advance(1 * minute);
      edit(world, { policy: "sync", suspend: false });
      await world.advance(1 * hour);
      expect(listedHosts(world)).toEqual(hostsOf(ten));
      expect(said(world)).toMatchObject({ DeletionHeld: "True RegistryReset" });
      expect(statusOf(world).hold).toMatchObject({ services: 10, endpoints: 10 });
    },
  );

  test("while entries are in the old target too ends when the registry lists as much as before", async () => {
    const world = await openWithOrigin();
    world.person.createNamespace("other");
    edit(world, { generate_to: "other" });
    await world.advance(10 * second);
    world.registry().describe({ origin: "0x2/2" });
    world.registry().lists(without(ten, 9));
    await world.advance(1 * minute);
    expect(statusOf(world)).toMatchObject({ hold: { endpoints: 10 } });
    world.registry().lists(ten);
    await world.advance(2 * minute);
    expect(said(world)).toMatchObject({ DeletionHeld: "False NothingHeld" });
    expect([listedHosts(world), listedHosts(world, "other").length]).toEqual([[], 10]);
  });

  describe("is not", () => {
    const otherRoot = { zookeeper: { root: "/other" } };

    test("another root that was chosen while nobody ran (H10)", async () => {
      const world = await openWithOrigin();
      await world.hubController.stop();
      edit(world, otherRoot);
      world.registry().describe({ origin: "0x2/2" });
      world.registry().lists(without(ten, 3));
      await world.hubController.start();
      await world.advance(2 * minute);
      expect(said(world)).toMatchObject({ DeletionHeld: "False NothingHeld" });
      expect(listedHosts(world)).toEqual(hostsOf(without(ten, 3)));
      expect(warningsOf(world)).toEqual([]);
    });

    test("another root of a hub that is deleted and created again (H10)", async () => {
      const world = await openWithOrigin();
      world.person.delete("registryhubs", hubKey);
      await world.advance(1 * second);
      world.registry().describe({ origin: "0x2/2" });
      world.registry().lists(without(ten, 3));
      world.person.put(hub(otherRoot));
      await world.advance(2 * minute);
      expect(said(world)).toMatchObject({ DeletionHeld: "False NothingHeld" });
      expect(listedHosts(world)).toEqual(hostsOf(without(ten, 3)));
    });

    test("lost of a hub that is created again as it was (H10)", async () => {
      const world = await openWithOrigin();
      world.person.delete("registryhubs", hubKey);
      await world.advance(1 * second);
      world.registry().describe({ origin: "0x2/2" });
      world.registry().lists(without(ten, 3));
      world.person.put(hub());
      await world.advance(2 * minute);
      expect(said(world)).toMatchObject({ DeletionHeld: "True RegistryReset" });
    });
  });

  test("a hold is not lost by an edit that was made while nobody ran (H10)", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 4));
    await world.advance(2 * minute);
    await world.hubController.stop();
    edit(world, { l7: false });
    await world.hubController.start();
    await world.advance(2 * minute + 55 * second);
    expect(listedHosts(world)).toEqual(hostsOf(ten));
    expect(said(world)).toMatchObject({ DeletionHeld: "True Shrunk" });
    await world.advance(10 * second);
    expect(listedHosts(world)).toEqual(hostsOf(without(ten, 4)));
  });
});
