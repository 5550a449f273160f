import { describe, expect, test } from "vitest";
import { serviceOf } from "../fakes/registries.ts";
import { addressesOf, entryOf } from "./looks.ts";
import { openSettled, ten, two } from "./scenes.ts";
import { hub, hubKey, minute, openWorld, second, type World } from "./world.ts";

/** What the registry says from some moment on: demo.A has moved from .1 to .9, demo.B has gone. */
const later = { "demo.A": ["10.42.0.9:20880"] };
const [old, moved, gone] = ["10.42.0.1:20880", "10.42.0.9:20880", "10.42.0.2:20880"] as const;

const edit = async (world: World, spec: object): Promise<void> => {
  world.person.edit("registryhubs", hubKey, (object) => ({ ...object, spec: { ...object.spec, ...spec } }));
  await world.settle();
};

interface Row {
  /** "the hub is ...", of docs/architecture.md. */
  readonly hub: string;
  /** Brings a hub that listed `two` there, and lets the registry say what it says. */
  readonly bring: (world: World) => Promise<void> | void;
  /** What is in the cluster then. */
  readonly a: readonly string[] | undefined;
  readonly b: readonly string[] | undefined;
}

const rows: readonly Row[] = [
  { hub: "synced and settled", bring: (world) => world.registry().lists(later), a: [moved], b: [] },
  {
    hub: "synced, not settled yet",
    bring(world) {
      world.registry().drop();
      world.registry().lists(later);
    },
    a: [old, moved],
    b: [gone],
  },
  {
    hub: "synced, in the brake's hold",
    async bring(world) {
      world.registry().lists({ ...two, ...ten });
      await world.advance(2 * second);
      world.registry().lists(later);
    },
    a: [moved],
    b: [gone],
  },
  {
    hub: "synced, in a reset hold",
    async bring(world) {
      world.registry().drop({ reset: true });
      world.registry().lists({});
      await world.advance(5 * minute);
      world.registry().lists(later);
    },
    a: [old, moved],
    b: [gone],
  },
  {
    hub: "synced, but this one service could not be read",
    bring: (world) => world.registry().listsServices([serviceOf("demo.A", "unknown")]),
    a: [old],
    b: [],
  },
  {
    hub: "stale: the registry was lost",
    bring(world) {
      world.registry().fail();
      world.registry().lists(later);
    },
    a: [old],
    b: [gone],
  },
  {
    hub: "pending: another registry since an edit",
    async bring(world) {
      world.registry("other").beSilent();
      await edit(world, { address: "other" });
    },
    a: [old],
    b: [gone],
  },
  {
    hub: "suspended",
    async bring(world) {
      await edit(world, { suspend: true });
      world.registry().lists(later);
    },
    a: [old],
    b: [gone],
  },
  {
    hub: "observing",
    async bring(world) {
      await edit(world, { policy: "observe" });
      world.registry().lists(later);
    },
    a: [old],
    b: [gone],
  },
  {
    hub: "upsert-only",
    async bring(world) {
      await edit(world, { policy: "upsert-only" });
      world.registry().lists(later);
    },
    a: [old, moved],
    b: [gone],
  },
  {
    hub: "missing for less than 60 s",
    async bring(world) {
      world.person.delete("registryhubs", hubKey);
      await world.settle();
      world.registry().lists(later);
    },
    a: [old],
    b: [gone],
  },
  {
    hub: "gone",
    async bring(world) {
      world.person.delete("registryhubs", hubKey);
      await world.advance(1 * minute);
    },
    a: undefined,
    b: undefined,
  },
];

describe("who says what: a hub that is", () => {
  test.each(rows)("$hub", async ({ bring, a, b }) => {
    const world = await openSettled();
    await bring(world);
    await world.advance(30 * second);
    expect(addressesOf(world, "demo.A")).toEqual(a);
    expect(addressesOf(world, "demo.B")).toEqual(b);
  });

  test("not allowed by its target", async () => {
    const world = openWorld();
    world.person.createNamespace("theirs", { "ecns.easystack.cn/allow-registryhubs-from": "demo" });
    world.registry().lists(two);
    world.person.put(hub({ generate_to: "theirs" }));
    await world.hubController.start({ allowCrossNamespace: false });
    await world.advance(2 * minute);
    world.person.edit("namespaces", "theirs", (object) => ({
      ...object,
      metadata: { ...object.metadata, annotations: {} },
    }));
    await world.settle();
    world.registry().lists(later);
    await world.advance(30 * second);
    expect(addressesOf(world, "demo.A", "theirs")).toEqual([old]);
    expect(addressesOf(world, "demo.B", "theirs")).toEqual([gone]);
  });
});

describe("what a hub lists comes back when somebody deletes it; of a hub that is", () => {
  const entry = "demo/aeraki-demo-a-demo";

  test("stale, its last snapshot does", async () => {
    const world = await openSettled();
    world.registry().fail();
    await world.advance(1 * minute);
    world.person.delete("serviceentries", entry);
    await world.settle();
    expect(addressesOf(world, "demo.A")).toEqual([old]);
  });

  describe("that writes nothing for a while, with the name and the virtual IP that it had", () => {
    const name = "aeraki-demo-a-demo-adopted";
    /** The entry has a name and an address that nobody would choose for it today. */
    async function openAdopted(): Promise<World> {
      const world = await openSettled();
      const { metadata, spec } = entryOf(world, "demo.A") ?? { metadata: {}, spec: {} };
      const { labels, annotations } = metadata as { labels: object; annotations: object };
      await world.hubController.stop();
      world.person.delete("serviceentries", entry);
      world.person.put({
        apiVersion: "networking.istio.io/v1beta1",
        kind: "ServiceEntry",
        metadata: { namespace: "demo", name, labels, annotations },
        spec: { ...spec, addresses: ["240.240.0.1"] },
      });
      await world.hubController.start();
      await world.advance(2 * minute);
      return world;
    }
    const expectSame = (world: World): void => {
      expect(entryOf(world, "demo.A")?.metadata.name).toBe(name);
      expect(entryOf(world, "demo.A")?.spec.addresses).toEqual(["240.240.0.1"]);
      expect(addressesOf(world, "demo.A")).toEqual([old]);
    };

    test.each([
      ["suspended", { suspend: true }, { suspend: false }],
      ["observing", { policy: "observe" }, { policy: "sync" }],
    ])("as %s", async (_, before, after) => {
      const world = await openAdopted();
      await edit(world, before);
      await world.hubController.restart();
      await world.advance(1 * minute);
      world.person.delete("serviceentries", `demo/${name}`);
      await world.advance(60 * minute);
      expect(entryOf(world, "demo.A")).toBeUndefined();
      await edit(world, after);
      await world.advance(1 * second);
      expectSame(world);
    });

    test("as its namespace is missing", async () => {
      const world = await openAdopted();
      world.person.put(hub({}, { namespace: "default" })); // in another namespace than its target, and older
      world.person.delete("registryhubs", hubKey);
      await world.advance(3 * minute);
      world.person.deleteNamespace("demo");
      await world.advance(10 * minute);
      world.person.createNamespace("demo");
      await world.advance(1 * second);
      expectSame(world);
    });

    test("which nobody else gets meanwhile", async () => {
      const world = await openSettled({ options: { vipCidr: "240.241.0.0/30" } }); // three addresses
      const before = entryOf(world, "demo.A")?.spec.addresses;
      await edit(world, { suspend: true });
      world.person.delete("serviceentries", entry);
      await world.settle();
      world.person.createNamespace("red");
      world.registry("red").lists({ "demo.C": ["10.42.7.1:20880"], "demo.D": ["10.42.7.2:20880"] });
      world.person.put(hub({ address: "red", generate_to: "red" }, { namespace: "red" }));
      await world.advance(1 * minute);
      expect(world.person.list("serviceentries", "red")).toHaveLength(1);
      await edit(world, { suspend: false });
      await world.advance(1 * second);
      expect(entryOf(world, "demo.A")?.spec.addresses).toEqual(before);
    });

    test("but not once the registry has said that the service is gone", async () => {
      const world = await openAdopted();
      await edit(world, { suspend: true });
      world.person.delete("serviceentries", `demo/${name}`);
      await world.advance(1 * minute);
      world.registry().lists({ "demo.B": two["demo.B"] ?? [] });
      await edit(world, { suspend: false });
      await world.advance(20 * minute);
      world.registry().lists(two);
      await world.advance(1 * second);
      expect(addressesOf(world, "demo.A")).toEqual([old]);
      expect(entryOf(world, "demo.A")?.metadata.name).not.toBe(name);
    });
  });

  test("suspended, nothing does before it goes on", async () => {
    const world = await openSettled();
    await edit(world, { suspend: true });
    world.person.delete("serviceentries", entry);
    await world.advance(10 * minute);
    expect(addressesOf(world, "demo.A")).toBeUndefined();
    await edit(world, { suspend: false });
    await world.advance(1 * second);
    expect(addressesOf(world, "demo.A")).toEqual([old]);
  });
});

test("a step of the wall clock moves no deadline", async () => {
  const world = await openSettled({ services: ten });
  world.registry().lists({});
  await world.advance(1 * minute);
  world.clock.jump(24 * 60 * minute);
  await world.advance(2 * minute);
  expect(addressesOf(world, "demo.S0")).toEqual(ten["demo.S0"]);
  world.clock.jump(-48 * 60 * minute);
  await world.advance(2 * minute + second);
  expect(addressesOf(world, "demo.S0")).toEqual([]);
});

test("timers that are late, as in a busy process, keep nothing for longer than they are late", async () => {
  const world = await openSettled({ services: ten });
  world.clock.runLate(250);
  world.registry().lists({});
  await world.advance(5 * minute);
  expect(addressesOf(world, "demo.S0")).toEqual(ten["demo.S0"]);
  await world.advance(1 * second);
  expect(addressesOf(world, "demo.S0")).toEqual([]);
});
