import { describe, expect, test } from "vitest";
import type { HubControllerOptions } from "../../src/controllers/hub/controller.ts";
import type { RegistryHub } from "../../src/model/registryhub.ts";
import { addressesOf, entryOf, listedHosts, said, statusOf, warningsOf } from "./looks.ts";
import {
  entryOfOldProduct,
  home,
  hour,
  hub,
  minute,
  openWorld,
  type Process,
  second,
  type World,
} from "./world.ts";

/** A cluster with two lanes, which are not started yet. */
interface Lanes extends World {
  readonly gold: Process<HubControllerOptions>;
  readonly grey: Process<HubControllerOptions>;
}

function openLanes(): Lanes {
  const world = openWorld();
  return { ...world, gold: world.lane("gold"), grey: world.lane("grey") };
}

async function start({ gold, grey }: Lanes): Promise<void> {
  await gold.start({ vipCidr: "240.241.0.0/16" });
  await grey.start({ vipCidr: "240.242.0.0/16" });
}

/** Hub `demo/<name>` of a lane, with the registry `<name>`. */
const hubOf = (name: string, lane: string, spec: Partial<RegistryHub["spec"]> = {}): RegistryHub =>
  hub({ address: name, ...spec }, { name, labels: { lane } });

/** As `kubectl label --overwrite`. */
const move = ({ person }: World, name: string, lane: string): void =>
  void person.edit("registryhubs", `${home}/${name}`, ({ metadata, ...rest }) => ({
    ...rest,
    metadata: { ...metadata, labels: { lane } },
  }));

/** "<lane> <verb> <name>" of the writes to entries, of those that were accepted. */
const entryWrites = ({ api }: World, since = 0): readonly string[] =>
  api
    .writes({ resource: "serviceentries" })
    .slice(since)
    .filter(({ code }) => code !== undefined && code < 300)
    .map(({ user, verb, name }) => `${user} ${verb} ${name}`);

/** Who wrote the status of a hub, in order, each time once. */
const statusWriters = ({ api }: World, name: string): readonly string[] =>
  api
    .writes({ resource: "registryhubs", name })
    .map(({ user }) => user)
    .filter((user, at, all) => user !== all[at - 1]);

const entryName = "aeraki-demo-a-demo";
const problemsOf = (world: World, name: string): readonly string[] =>
  statusOf(world, `${home}/${name}`).problems.map(({ problem, severity }) => `${severity} ${problem}`);
const otherLane = (owner: string): string => `OtherLane: hub demo/${owner} has the ServiceEntry of this host`;

describe("two lanes", () => {
  test("serve the hubs that match, each with its status, and no other hub", async () => {
    const world = openLanes();
    world.registry("one").lists({ "demo.A": ["10.42.0.1:20880"] });
    world.registry("two").lists({ "demo.B": ["10.42.0.2:20880"] });
    for (const object of [hubOf("one", "gold"), hubOf("two", "grey"), hubOf("three", "nobody")])
      world.person.put(object);
    await start(world);
    await world.advance(2 * minute);
    expect(["one", "two", "three"].map((name) => world.registry(name).opened.length)).toEqual([1, 1, 0]);
    expect(["one", "two", "three"].map((name) => statusWriters(world, name))).toEqual([
      ["gold"],
      ["grey"],
      [],
    ]);
    expect(entryWrites(world)).toEqual(["gold patch aeraki-demo-a-demo", "grey patch aeraki-demo-b-demo"]);
    expect(entryOf(world, "demo.A")?.spec.addresses?.[0]).toMatch(/^240\.241\./);
    expect(entryOf(world, "demo.B")?.spec.addresses?.[0]).toMatch(/^240\.242\./);
    const managers = ["demo.A", "demo.B"].map((name) => entryOf(world, name)?.metadata.managedFields);
    expect(managers.flat().map((one) => one?.manager)).toEqual(["registryhub", "registryhub"]);
    expect(await world.gold.metrics()).toContain('hub="demo/one"');
    expect(await world.gold.metrics()).not.toContain('hub="demo/two"');
  });

  test("that are started again at once write nothing", async () => {
    const world = openLanes();
    world.registry("one").lists({ "demo.A": ["10.42.0.1:20880"] });
    world.registry("two").lists({ "demo.A": ["10.42.0.2:20880"], "demo.B": ["10.42.0.2:20880"] });
    world.person.put(hubOf("one", "gold"));
    await start(world);
    world.person.put(hubOf("two", "grey"));
    await world.advance(5 * minute);
    const before = world.writes().length;
    for (const lane of [world.gold, world.grey]) await lane.stop();
    for (const lane of [world.gold, world.grey]) await lane.start();
    await world.advance(20 * minute);
    expect(world.writes(before)).toEqual([]);
  });

  test("one of which is taken away: its hosts stay, the other does not touch them, and its return writes nothing", async () => {
    const world = openLanes();
    world.registry("one").lists({ "demo.A": ["10.42.0.1:20880"] });
    world.registry("two").lists({ "demo.A": ["10.42.0.2:20880"] });
    world.person.put(hubOf("one", "gold"));
    await start(world);
    world.person.put(hubOf("two", "grey"));
    await world.advance(5 * minute);
    const before = world.writes().length;
    await world.gold.stop();
    await world.advance(1 * hour);
    await world.grey.restart();
    await world.advance(1 * hour);
    await world.gold.start();
    await world.advance(20 * minute);
    expect(world.writes(before)).toEqual([]);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880"]);
  });

  test("delete an entry none of whose hubs exists once, whichever comes first", async () => {
    const world = openLanes();
    world.registry("one").lists({ "demo.A": ["10.42.0.1:20880"] });
    world.person.put(hubOf("one", "gold"));
    await start(world);
    await world.advance(2 * minute);
    const before = entryWrites(world).length;
    world.person.delete("registryhubs", "demo/one");
    await world.advance(59 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880"]);
    await world.advance(2 * second);
    expect(entryOf(world, "demo.A")).toBeUndefined();
    expect(entryWrites(world, before)).toHaveLength(1);
    await world.advance(20 * minute);
    expect(entryWrites(world, before)).toHaveLength(1);
  });

  test("delete it also if the lane of its hub is gone", async () => {
    const world = openLanes();
    world.registry("one").lists({ "demo.A": ["10.42.0.1:20880"] });
    world.person.put(hubOf("one", "gold"));
    await start(world);
    await world.advance(2 * minute);
    await world.gold.stop();
    world.person.delete("registryhubs", "demo/one");
    await world.advance(2 * minute);
    expect(entryWrites(world).at(-1)).toBe(`grey delete ${entryName}`);
  });

  test("leave a hub alone whose spec cannot be read, but for its own lane", async () => {
    const world = openLanes();
    world.registry("one").lists({ "demo.A": ["10.42.0.1:20880"] });
    world.registry("two").lists({ "demo.A": ["10.42.0.2:20880"] });
    world.person.put(hubOf("one", "gold"));
    await start(world);
    await world.advance(2 * minute);
    world.person.put(hubOf("two", "grey"));
    world.person.edit("registryhubs", "demo/one", (object) => ({
      ...object,
      spec: { ...object.spec, type: "etcd" },
    }));
    await world.advance(5 * minute);
    expect(said(world, "demo/one")).toMatchObject({ phase: "failed", RegistrySynced: "False InvalidSpec" });
    expect(statusWriters(world, "one")).toEqual(["gold"]);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880"]);
    expect(problemsOf(world, "two")).toEqual([expect.stringContaining(otherLane("one"))]);
    move(world, "one", "grey");
    await world.advance(2 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.2:20880"]);
    expect(problemsOf(world, "two")).toEqual([]);
  });
});

describe("a hub that changes lanes", () => {
  test("and back under a dead registry: of 200 entries nothing is deleted, emptied, written or left behind", async () => {
    const world = openLanes();
    const names = Array.from({ length: 200 }, (_, at) => `demo.S${at}`);
    world.registry("one").lists(Object.fromEntries(names.map((name, at) => [name, [`10.42.1.${at}:20880`]])));
    world.person.put(hubOf("one", "gold"));
    await start(world);
    await world.advance(2 * minute);
    world.person.edit("serviceentries", "demo/aeraki-demo-s7-demo", ({ metadata, ...rest }) => ({
      ...rest,
      metadata: { ...metadata, labels: { ...metadata.labels, team: "shop" } },
    }));
    await world.advance(1 * second);
    const before = world.person.list("serviceentries");
    const writes = world.api.writes({ resource: "serviceentries" }).length;
    world.registry("one").fail();
    await world.advance(1 * minute);
    expect(said(world, "demo/one")).toMatchObject({ phase: "failed" });
    for (const lane of ["grey", "gold"]) {
      move(world, "one", lane);
      await world.advance(30 * minute);
      expect(world.person.list("serviceentries")).toEqual(before);
      expect(said(world, "demo/one")).toMatchObject({
        phase: "failed",
        RegistrySynced: "False RegistryUnreachable",
      });
    }
    expect(world.api.writes({ resource: "serviceentries" })).toHaveLength(writes);
    world.registry("one").heal();
    world.registry("one").remove("demo.S0");
    await world.advance(20 * minute);
    expect(listedHosts(world)).toHaveLength(199);
    const managers = world.person
      .list("serviceentries")
      .flatMap(({ metadata }) => metadata.managedFields ?? []);
    expect(new Set(managers.map(({ manager, operation }) => `${manager} ${operation}`))).toEqual(
      new Set(["registryhub Apply", "kubectl-edit Update"]),
    );
  });

  test("has one connection, and its new lane follows its registry", async () => {
    const world = openLanes();
    world.registry("one").lists({ "demo.A": ["10.42.0.1:20880"], "demo.B": ["10.42.0.2:20880"] });
    world.person.put(hubOf("one", "gold"));
    await start(world);
    await world.advance(2 * minute);
    const before = entryWrites(world).length;
    move(world, "one", "grey");
    await world.settle();
    await world.gold.stop(); // what still watches is the other lane
    expect(world.registry("one").isWatched).toBe(true);
    expect(world.registry("one").opened).toHaveLength(2);
    expect(entryWrites(world)).toHaveLength(before);
    world.registry("one").lists({ "demo.A": ["10.42.0.1:20880", "10.42.0.3:20880"] });
    await world.advance(1 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.3:20880"]);
    expect(addressesOf(world, "demo.B")).toEqual(["10.42.0.2:20880"]); // it settles first
    await world.advance(20 * minute);
    expect(entryOf(world, "demo.B")).toBeUndefined();
  });

  test("is not watched any more by the lane that it left, which says nothing more of it", async () => {
    const world = openLanes();
    world.registry("one").lists({ "demo.A": ["10.42.0.1:20880"] });
    world.person.put(hubOf("one", "gold"));
    await start(world);
    await world.advance(2 * minute);
    await world.grey.stop();
    move(world, "one", "grey");
    await world.settle();
    expect(world.registry("one").isWatched).toBe(false);
    const writes = world.writes().length;
    world.registry("one").lists({});
    await world.advance(1 * hour);
    expect(world.writes(writes)).toEqual([]);
    expect(await world.gold.metrics()).not.toContain('hub="demo/one"');
  });

  test("keeps its status until its registry has answered the new lane, or for 10 s", async () => {
    const world = openLanes();
    world.registry("one").lists({ "demo.A": ["10.42.0.1:20880"] });
    world.person.put(hubOf("one", "gold"));
    await start(world);
    await world.advance(2 * minute);
    world.registry("one").beSilent();
    move(world, "one", "grey");
    await world.advance(9 * second);
    expect(said(world, "demo/one")).toMatchObject({ phase: "success", Ready: "True Ready" });
    await world.advance(3 * second);
    expect(said(world, "demo/one")).toMatchObject({ phase: "pending", RegistrySynced: "Unknown Connecting" });
  });

  test("takes its hold along, and the services that it holds", async () => {
    const world = openLanes();
    const names = Array.from({ length: 10 }, (_, at) => `demo.S${at}`);
    world.registry("one").lists(Object.fromEntries(names.map((name, at) => [name, [`10.42.0.${at}:20880`]])));
    world.person.put(hubOf("one", "gold"));
    await start(world);
    await world.advance(2 * minute);
    world.registry("one").lists({ "demo.S9": ["10.42.0.9:20880"] });
    await world.advance(10 * second);
    const { until } = statusOf(world, "demo/one").hold ?? {};
    expect(until).toBeDefined();
    move(world, "one", "grey");
    await world.advance(3 * minute);
    expect(said(world, "demo/one").DeletionHeld).toBe("True Shrunk");
    expect(statusOf(world, "demo/one").hold?.until).toBe(until);
    expect(listedHosts(world)).toHaveLength(10);
    await world.advance(3 * minute);
    expect(listedHosts(world)).toEqual(["demo.s9.demo"]);
  });

  test("by delete and create inherits what it had", async () => {
    const world = openLanes();
    world.registry("one").lists({ "demo.A": ["10.42.0.1:20880"] });
    world.registry("one").describe({ origin: "before" });
    world.person.put(hubOf("one", "gold"));
    await start(world);
    await world.advance(2 * minute);
    world.registry("one").fail();
    world.person.delete("registryhubs", "demo/one");
    await world.advance(30 * second);
    world.registry("one").heal();
    world.registry("one").lists({});
    world.registry("one").describe({ origin: "after" });
    world.person.put(hubOf("one", "grey"));
    await world.advance(1 * hour);
    expect(said(world, "demo/one").DeletionHeld).toBe("True RegistryReset");
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880"]);
  });

  test("to a lane that nobody serves keeps its entries and its last status", async () => {
    const world = openLanes();
    world.registry("one").lists({ "demo.A": ["10.42.0.1:20880"] });
    world.person.put(hubOf("one", "gold"));
    await start(world);
    await world.advance(2 * minute);
    const [status, writes] = [statusOf(world, "demo/one"), world.writes().length];
    move(world, "one", "nobody");
    world.registry("one").lists({});
    await world.advance(1 * hour);
    expect(world.writes(writes)).toEqual([]);
    expect(statusOf(world, "demo/one")).toEqual(status);
  });
});

/** Hub `zk` of lane gold has the entry of demo.A; hub `nacos` of lane grey, which is younger, lists the service too. */
async function openPair(): Promise<Lanes> {
  const world = openLanes();
  world.registry("zk").lists({ "demo.A": ["10.42.0.1:20880"] });
  world.registry("nacos").lists({ "demo.A": ["10.42.0.2:20880"] });
  world.person.put(hubOf("zk", "gold"));
  await start(world);
  await world.advance(2 * minute);
  world.person.put(hubOf("nacos", "grey", { type: "nacos" }));
  await world.advance(2 * minute);
  return world;
}

/** The same, where both have been in lane gold, so that the entry has endpoints of both. */
async function openParted(): Promise<Lanes> {
  const world = await openPair();
  move(world, "nacos", "gold");
  await world.advance(2 * minute);
  expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.2:20880"]);
  move(world, "nacos", "grey");
  await world.advance(2 * minute);
  return world;
}

describe("a host of two lanes", () => {
  test("is the one's whose hub has the entry; the other says so", async () => {
    const world = await openPair();
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880"]);
    expect(problemsOf(world, "nacos")).toEqual([
      `rejected ${otherLane("zk")}${" and is in another lane, so what this hub lists does not change it; give both hubs the labels of one lane"}`,
    ]);
    expect(statusOf(world, "demo/nacos")).toMatchObject({ rejected: 1, services: 0, endpoints: 0 });
    expect(said(world, "demo/nacos")).toMatchObject({ phase: "success", Ready: "True Ready" });
    expect(problemsOf(world, "zk")).toEqual([]);
    world.registry("zk").lists({ "demo.A": ["10.42.0.9:20880"] });
    await world.advance(2 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
    expect(entryWrites(world).every((write) => write.startsWith("gold "))).toBe(true);
  });

  test("keeps what the other's hub had when the lanes parted: nobody here can say that it is gone", async () => {
    const world = await openParted();
    const writes = entryWrites(world).length;
    expect(problemsOf(world, "nacos")).toEqual([expect.stringContaining(otherLane("zk"))]);
    world.registry("nacos").lists({ "demo.A": ["10.42.0.3:20880"] }); // .2 is dead, .3 is new
    await world.advance(1 * hour);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.2:20880"]);
    world.registry("nacos").lists({});
    await world.advance(1 * hour);
    expect(problemsOf(world, "nacos")).toEqual([expect.stringMatching(`^warning ${otherLane("zk")}`)]);
    expect(entryWrites(world)).toHaveLength(writes);
    world.registry("zk").lists({ "demo.A": ["10.42.0.1:20880", "10.42.0.8:20880"] });
    await world.advance(1 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.2:20880", "10.42.0.8:20880"]);
    expect(entryWrites(world).slice(writes)).toEqual([`gold patch ${entryName}`]);
  });

  test("whose entry somebody empties of all that can be read stays its own lane's, which restores it", async () => {
    const world = await openPair();
    const before = entryOf(world, "demo.A")?.spec;
    await world.gold.stop();
    world.person.edit("serviceentries", `${home}/${entryName}`, ({ spec, ...rest }) => ({
      ...rest,
      spec: { ...spec, ports: [], endpoints: [] },
    }));
    const { length: writes } = entryWrites(world);
    await world.advance(10 * minute);
    expect(entryWrites(world).slice(writes)).toEqual([]);
    await world.gold.start();
    await world.advance(2 * minute);
    expect(entryOf(world, "demo.A")?.spec).toEqual(before);
  });

  test("changes its lane with the last endpoint of the older hub, and then follows the other one", async () => {
    const world = await openParted();
    const { uid } = entryOf(world, "demo.A")?.metadata ?? {};
    world.registry("nacos").lists({ "demo.A": ["10.42.0.3:20880"] });
    await world.advance(2 * minute);
    world.registry("zk").lists({});
    await world.advance(2 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.3:20880"]);
    expect(entryOf(world, "demo.A")?.metadata).toMatchObject({
      uid,
      annotations: { "ecns.easystack.cn/hubs": "demo/nacos" },
    });
    expect(problemsOf(world, "nacos")).toEqual([]);
  });

  test("changes its lane when the older hub is deleted; what that one had goes after a minute", async () => {
    const world = await openParted();
    world.person.delete("registryhubs", "demo/zk");
    world.registry("nacos").lists({ "demo.A": ["10.42.0.3:20880"] });
    await world.advance(30 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.3:20880"]);
    await world.advance(32 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.3:20880"]);
    expect(entryWrites(world).at(-1)).toBe(`grey patch ${entryName}`);
  });

  test("follows an edit of the other lane's hub as far as its spec tells: l7", async () => {
    const world = await openParted();
    const l7 = (): string | undefined =>
      entryOf(world, "demo.A")?.metadata.annotations?.["ecns.easystack.cn/l7"];
    for (const [value, expected] of [
      [false, "false"],
      [true, undefined],
    ] as const) {
      world.person.edit("registryhubs", "demo/nacos", (object) => ({
        ...object,
        spec: { ...object.spec, l7: value },
      }));
      await world.advance(2 * second);
      expect(l7()).toBe(expected);
    }
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.2:20880"]);
  });

  test("whose entry somebody deletes comes back from its own lane as it was", async () => {
    const world = await openPair();
    const { addresses } = entryOf(world, "demo.A")?.spec ?? {};
    world.person.delete("serviceentries", `${home}/${entryName}`);
    await world.advance(2 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880"]);
    expect(entryOf(world, "demo.A")?.spec.addresses).toEqual(addresses);
    expect(entryWrites(world).at(-1)).toBe(`gold patch ${entryName}`);
  });

  test("comes back from the other lane, with its virtual IP, if its own one does not restore it within a minute", async () => {
    const world = await openPair();
    const { addresses } = entryOf(world, "demo.A")?.spec ?? {};
    await world.gold.stop();
    world.person.delete("serviceentries", `${home}/${entryName}`);
    await world.advance(59 * second);
    expect(entryOf(world, "demo.A")).toBeUndefined();
    await world.advance(2 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.2:20880"]);
    expect(entryOf(world, "demo.A")?.spec.addresses).toEqual(addresses);
    await world.gold.start();
    await world.advance(2 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.2:20880"]);
    expect(problemsOf(world, "zk")).toEqual([expect.stringContaining(otherLane("nacos"))]);
  });

  test("that its lane has deleted becomes the other one's, which remembers nothing of it", async () => {
    const world = await openPair();
    world.registry("nacos").lists({});
    world.registry("zk").lists({});
    await world.advance(12 * minute);
    expect(entryOf(world, "demo.A")).toBeUndefined();
    world.registry("nacos").lists({ "demo.A": ["10.42.0.2:20880"] });
    await world.advance(2 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.2:20880"]);
    expect(entryOf(world, "demo.A")?.spec.addresses?.[0]).toMatch(/^240\.242\./);
  });

  test("of three hubs is the oldest one's, whoever else is of which lane", async () => {
    const world = await openParted();
    world.registry("eureka").lists({ "demo.A": ["10.42.0.4:20880"] });
    world.person.put(hubOf("eureka", "gold"));
    await world.advance(2 * minute);
    const all = ["10.42.0.1:20880", "10.42.0.2:20880", "10.42.0.4:20880"];
    expect(addressesOf(world, "demo.A")).toEqual(all);
    const writes = entryWrites(world).length;
    world.registry("nacos").lists({});
    world.registry("zk").lists({ "demo.A": ["10.42.0.1:20880", "10.42.0.8:20880"] });
    await world.advance(20 * minute);
    expect(addressesOf(world, "demo.A")).toEqual([...all, "10.42.0.8:20880"]);
    expect(entryWrites(world).slice(writes)).toEqual([`gold patch ${entryName}`]);
  });

  test("is nothing that an observing hub of the other lane would create", async () => {
    const world = openLanes();
    world.registry("nacos").lists({ "demo.A": ["10.42.0.2:20880"] });
    world.registry("zk").lists({ "demo.A": ["10.42.0.1:20880"] });
    world.person.put(hubOf("nacos", "grey", { policy: "observe" }));
    await start(world);
    await world.advance(2 * minute);
    expect(statusOf(world, "demo/nacos").plan).toEqual({ create: 1, change: 0, remove: 0 });
    world.person.put(hubOf("zk", "gold"));
    await world.advance(2 * minute);
    expect(statusOf(world, "demo/nacos").plan).toEqual({ create: 0, change: 0, remove: 0 });
    expect(said(world, "demo/nacos")).toMatchObject({ phase: "success", Applied: "True Observing" });
  });
});

describe("two lanes at one moment", () => {
  test("that create one entry: the first has it, and the other leaves it alone", async () => {
    const world = openLanes();
    world.registry("zk").lists({ "demo.A": ["10.42.0.1:20880"] });
    world.registry("nacos").lists({ "demo.A": ["10.42.0.2:20880"] });
    world.person.put(hubOf("zk", "gold"));
    world.person.put(hubOf("nacos", "grey"));
    const gate = world.api.hold({ verb: "patch", resource: "serviceentries" });
    await start(world);
    expect(gate.waiting.map(({ user }) => user)).toEqual(["gold", "grey"]);
    gate.open();
    await world.advance(5 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880"]);
    expect(entryWrites(world)).toEqual([`gold patch ${entryName}`]);
    expect(said(world, "demo/nacos")).toMatchObject({ phase: "success", Applied: "True Applied" });
  });

  test("of which one has not seen yet that the hub left it: a write that is late takes nothing away", async () => {
    const world = openLanes();
    world.registry("one").lists({ "demo.A": ["10.42.0.1:20880"] });
    world.person.put(hubOf("one", "gold"));
    await start(world);
    await world.advance(2 * minute);
    const gate = world.api.hold({ verb: "patch", resource: "serviceentries", user: "gold" });
    world.registry("one").set("demo.A", ["10.42.0.1:20880", "10.42.0.2:20880"]);
    await world.settle();
    expect(gate.waiting).toHaveLength(1);
    for (const stream of world.api.watches("registryhubs").slice(0, 1)) stream.hang();
    move(world, "one", "grey");
    await world.settle();
    world.registry("one").set("demo.A", ["10.42.0.1:20880", "10.42.0.2:20880", "10.42.0.3:20880"]);
    await world.advance(1 * second);
    expect(addressesOf(world, "demo.A")).toHaveLength(3);
    gate.open();
    await world.settle();
    expect(addressesOf(world, "demo.A")).toHaveLength(3);
    await world.advance(20 * minute);
    expect(addressesOf(world, "demo.A")).toHaveLength(3);
    const tried = world.api.writes({ resource: "serviceentries" });
    const endpoints = tried.map(({ user, code, body }) => {
      const { spec } = body as { spec: { endpoints: unknown[] } };
      return `${user} ${spec.endpoints.length}: ${code}`;
    });
    expect(endpoints).toEqual(["gold 1: 201", "gold 2: 409", "grey 2: 200", "grey 3: 200"]);
  });

  test("with one range give two hosts one virtual IP: the older entry keeps it, the other one moves", async () => {
    const world = openLanes();
    world.registry("one").lists({ "demo.B": ["10.42.0.1:20880"] });
    world.registry("two").lists({ "demo.C": ["10.42.0.2:20880"] });
    world.person.put(hubOf("one", "gold"));
    world.person.put(hubOf("two", "grey"));
    const gate = world.api.hold({ verb: "patch", resource: "serviceentries" });
    const vipCidr = "240.241.0.0/30"; // three usable addresses, of which both hosts want the first
    await world.gold.start({ vipCidr });
    await world.grey.start({ vipCidr });
    const asked = gate.waiting.map(({ body }) => (body as { spec: { addresses: string[] } }).spec.addresses);
    expect(asked).toEqual([asked[0], asked[0]]);
    gate.open();
    await world.advance(2 * minute);
    const vips = ["demo.B", "demo.C"].map((name) => entryOf(world, name)?.spec.addresses?.[0]);
    expect(new Set(vips).size).toBe(2);
    expect(vips[0]).toBe(asked[0]?.[0]);
    expect(warningsOf(world)).toEqual(["ServiceEntry aeraki-demo-c-demo: VipMoved"]);
    expect(["one", "two"].map((name) => problemsOf(world, name))).toEqual([[], []]);
  });

  test("an entry of the old product gets what both hubs vouch for, and no endpoint leaves that only the other one knows", async () => {
    const world = openLanes();
    world.registry("zk").fail();
    world.registry("nacos").lists({ "demo.A": ["10.42.0.2:20880"] });
    world.person.put(entryOfOldProduct({ registryName: "zk", interface: "demo.A" }));
    world.person.put(hubOf("zk", "gold"));
    await world.advance(1 * second);
    world.person.put(hubOf("nacos", "grey"));
    await start(world);
    await world.advance(10 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.2:20880"]);
    expect(entryOf(world, "demo.A")?.spec.addresses).toEqual(["240.240.0.1"]);
    world.registry("zk").heal();
    world.registry("zk").lists({ "demo.A": ["10.42.0.5:20880"] });
    await world.advance(10 * minute);
    // Of the first one both hubs vouch, because neither had settled, and only one of them can take that back.
    const all = ["10.42.0.1:20880", "10.42.0.2:20880", "10.42.0.5:20880"];
    expect(addressesOf(world, "demo.A")).toEqual(all);
  });
});
