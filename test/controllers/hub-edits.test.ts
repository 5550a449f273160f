import { describe, expect, test } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import {
  addressesOf,
  entryOf,
  filtersOf,
  listedHosts,
  said,
  statusOf,
  warningsOf,
  writesSince,
} from "./looks.ts";
import { edit, hostsOf, openSettled, ten, two, without } from "./scenes.ts";
import { hub, hubKey, minute, openWorld, second } from "./world.ts";

describe("suspend", () => {
  test("ends the connection and all writes; everything stays, and the status says so", async () => {
    const world = await openSettled();
    edit(world, { suspend: true });
    await world.advance(1 * minute);
    expect(world.registry().isWatched).toBe(false);
    expect(said(world)).toMatchObject({
      phase: "success",
      RegistrySynced: "True Synced",
      Applied: "True Applied",
      DeletionHeld: "False NothingHeld",
      Ready: "True Suspended",
    });
    const before = world.writes().length;
    world.registry().lists({});
    await world.advance(60 * minute);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    expect(writesSince(world, before)).toEqual([]);
  });

  test("that ends settles first, and then believes what has gone meanwhile", async () => {
    const world = await openSettled();
    edit(world, { suspend: true });
    await world.advance(1 * minute);
    world.registry().lists({ "demo.A": ["10.42.0.9:20880"], "demo.B": two["demo.B"] ?? [] });
    edit(world, { suspend: false });
    await world.advance(59 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.9:20880"]);
    await world.advance(2 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
    await world.advance(1 * second);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
  });

  test("from the beginning reads and writes nothing", async () => {
    const world = await openSettled({ spec: { suspend: true } });
    expect(world.registry().opened).toEqual([]);
    expect(world.person.list("serviceentries")).toEqual([]);
    expect(said(world)).toMatchObject({
      phase: "success",
      RegistrySynced: "Unknown Connecting",
      Ready: "True Suspended",
    });
  });

  test("of a hub that failed is a success, also after a restart; when it ends the hub fails as before", async () => {
    const world = await openSettled();
    world.registry().fail();
    await world.advance(1 * minute);
    expect(said(world)).toMatchObject({ phase: "failed" });
    const suspended = {
      phase: "success",
      RegistrySynced: "False RegistryUnreachable",
      Ready: "True Suspended",
    };
    edit(world, { suspend: true });
    await world.advance(2 * second);
    expect(said(world)).toMatchObject(suspended);
    await world.hubController.restart();
    await world.advance(1 * minute);
    expect(said(world)).toMatchObject(suspended);
    edit(world, { suspend: false });
    await world.advance(1 * minute);
    expect(said(world)).toMatchObject({ phase: "failed", Ready: "False RegistryUnreachable" });
    expect(statusOf(world).conditions.find(({ type }) => type === "Ready")).toHaveProperty("failed_reason");
  });

  test("somebody's edit of an entry of a suspended hub stays until it goes on", async () => {
    const world = await openSettled();
    edit(world, { suspend: true });
    await world.advance(1 * second);
    const key = `demo/${entryOf(world, "demo.A")?.metadata.name}`;
    world.person.edit("serviceentries", key, (object) => ({
      ...object,
      spec: { ...object.spec, endpoints: [] },
    }));
    await world.advance(1 * minute);
    expect(addressesOf(world, "demo.A")).toEqual([]);
    edit(world, { suspend: false });
    await world.advance(1 * second);
    expect(addressesOf(world, "demo.A")).toEqual(two["demo.A"]);
  });
});

describe("policy", () => {
  test("observe writes nothing, and says what would be", async () => {
    const world = await openSettled({ spec: { policy: "observe" } });
    expect(world.person.list("serviceentries")).toEqual([]);
    expect(said(world)).toMatchObject({
      phase: "success",
      Applied: "True Observing",
      Ready: "True Observing",
    });
    expect(statusOf(world).plan).toEqual({ create: 2, change: 0, remove: 0 });
    world.registry().lists(without(two, 1));
    await world.advance(20 * second);
    expect(statusOf(world).plan).toEqual({ create: 1, change: 0, remove: 0 });
    edit(world, { policy: "sync" });
    await world.advance(20 * second);
    expect(listedHosts(world)).toEqual(hostsOf(without(two, 1)));
    expect(statusOf(world).plan).toBeUndefined();
    expect(said(world)).toMatchObject({ Applied: "True Applied", Ready: "True Ready" });
  });

  test("sync → observe keeps everything, and plans what it no longer does", async () => {
    const world = await openSettled();
    edit(world, { policy: "observe" });
    await world.settle();
    world.registry().lists({ "demo.A": ["10.42.0.9:20880"] });
    await world.advance(60 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(two["demo.A"]);
    expect(addressesOf(world, "demo.B")).toEqual(two["demo.B"]);
    expect(statusOf(world).plan).toEqual({ create: 0, change: 2, remove: 0 });
  });

  test("observe moves no virtual IP, and neither says so nor reserves another one", async () => {
    const world = openWorld();
    world.person.createNamespace("red");
    world.registry("red:2181").lists({ "demo.Red": ["10.42.7.1:20880"] });
    world.person.put(hub({ address: "red:2181", generate_to: "red" }, { namespace: "red" }));
    await world.hubController.start();
    await world.advance(10 * second);
    world.registry().lists({ "demo.A": ["10.42.0.1:20880"] });
    world.person.put(hub());
    await world.advance(2 * minute);
    edit(world, { policy: "observe" });
    await world.settle();
    const addresses = entryOf(world, "demo.Red", "red")?.spec.addresses;
    world.person.edit("serviceentries", "demo/aeraki-demo-a-demo", (object) => ({
      ...object,
      spec: { ...object.spec, addresses },
    }));
    await world.advance(1 * minute);
    expect(entryOf(world, "demo.A")?.spec.addresses).toEqual(addresses);
    expect(statusOf(world).plan).toEqual({ create: 0, change: 1, remove: 0 });
    expect(warningsOf(world)).toEqual([]);
    expect(await world.hubController.metrics()).toContain("registryhub_vip_pool_used 1");
    edit(world, { policy: "sync" });
    await world.settle();
    expect(entryOf(world, "demo.A")?.spec.addresses).not.toEqual(addresses);
    expect(warningsOf(world)).toEqual(["ServiceEntry aeraki-demo-a-demo: VipMoved"]);
  });

  test("upsert-only adds and changes, and never removes or shows a hold", async () => {
    const world = await openSettled({ spec: { policy: "upsert-only" }, services: ten });
    world.registry().lists({ "demo.S0": ["10.42.9.9:20880"] });
    await world.advance(60 * minute);
    expect(listedHosts(world)).toEqual(hostsOf(ten));
    expect(addressesOf(world, "demo.S0")).toEqual(["10.42.0.1:20880", "10.42.9.9:20880"]);
    expect(said(world)).toMatchObject({
      phase: "success",
      DeletionHeld: "False NothingHeld",
      Ready: "True Ready",
    });
  });
});

describe("another registry", () => {
  test("keeps what the old one listed until the new one is listed and has settled", async () => {
    const world = await openSettled();
    const other = world.registry("other:2181");
    other.beSilent();
    edit(world, { address: "other:2181" });
    await world.advance(10 * minute);
    expect(world.registry().isWatched).toBe(false);
    expect(said(world)).toMatchObject({ phase: "pending", RegistrySynced: "Unknown Connecting" });
    expect(listedHosts(world)).toEqual(hostsOf(two));
    other.lists({ "demo.A": ["10.42.0.1:20880", "10.42.0.7:20880"] });
    await world.advance(59 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.7:20880"]);
    expect(addressesOf(world, "demo.B")).toEqual(two["demo.B"]);
    await world.advance(2 * second);
    expect(addressesOf(world, "demo.B")).toEqual([]);
    await world.advance(1 * second);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
    expect(statusOf(world)).toMatchObject({ address: "other:2181", observedGeneration: 2 });
  });

  test("and its data are no reset", async () => {
    const world = await openSettled();
    world.registry().describe({ origin: "0x1/1", position: 500 });
    await world.advance(1 * minute);
    const other = world.registry("other:2181");
    other.lists({ "demo.A": ["10.42.0.7:20880"] });
    other.describe({ origin: "0x2/2", position: 3 });
    edit(world, { address: "other:2181" });
    await world.advance(2 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.7:20880"]);
    expect(statusOf(world).origin).toBe("0x2/2");
  });

  test("an address that cannot be used is said, and a better one heals it", async () => {
    const world = await openSettled();
    world.registry("bad").fail("InvalidSpec", "bad is no address");
    edit(world, { address: "bad" });
    await world.advance(1 * minute);
    expect(said(world)).toMatchObject({ phase: "failed", Ready: "False InvalidSpec" });
    edit(world, { address: "zk:2181" });
    await world.advance(5 * second);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
    expect(listedHosts(world)).toEqual(hostsOf(two));
  });

  test("another root of the same server is another registry", async () => {
    const world = await openSettled();
    edit(world, { zookeeper: { root: "/other" } });
    await world.settle();
    expect(world.registry().opened.at(-1)?.registry).toMatchObject({ root: "/other" });
    world.registry().lists({});
    await world.advance(30 * second);
    expect(listedHosts(world)).toEqual(hostsOf(two));
  });

  test("other settings of TLS are the same one, connected anew", async () => {
    const world = await openSettled();
    const before = world.writes().length;
    edit(world, { tls: { enabled: true } });
    await world.advance(10 * minute);
    expect(world.registry().opened.map(({ registry }) => registry.tls.enabled)).toEqual([false, true]);
    expect(writesSince(world, before)).toEqual(["patch registryhubs/status hub"]);
  });
});

describe("another target", () => {
  test("has its entries at once; the old ones stay until the registry has settled anew, and then go", async () => {
    const world = await openSettled();
    world.person.createNamespace("elsewhere");
    edit(world, { generate_to: "elsewhere" });
    await world.advance(30 * second);
    expect(addressesOf(world, "demo.A", "elsewhere")).toEqual(two["demo.A"]);
    expect(addressesOf(world, "demo.A")).toEqual(two["demo.A"]);
    expect(statusOf(world).generate_to).toBe("elsewhere");
    await world.advance(1 * minute);
    expect(addressesOf(world, "demo.A")).toEqual([]);
    await world.advance(11 * minute);
    expect(world.person.list("serviceentries", "demo")).toEqual([]);
    expect(world.person.list("serviceentries", "elsewhere")).toHaveLength(2);
  });
});

describe("another target that takes no writes", () => {
  /** Somebody else's entry, with a host that one of ours would have. */
  const theirs: ServiceEntry = {
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: { namespace: "elsewhere", name: "theirs" },
    spec: { hosts: ["demo.a.elsewhere"], addresses: ["10.0.0.1"] },
  };

  test("costs the old one nothing: its entries go when they are replaced", async () => {
    const world = await openSettled({ services: ten });
    world.person.createNamespace("elsewhere");
    const end = world.api.forbid({ resource: "serviceentries", verb: "patch", namespace: "elsewhere" });
    edit(world, { generate_to: "elsewhere" });
    await world.advance(20 * minute);
    expect(said(world)).toMatchObject({ phase: "failed", Applied: "False Forbidden" });
    expect(listedHosts(world)).toEqual(hostsOf(ten));
    end();
    await world.advance(15 * minute);
    expect(listedHosts(world, "elsewhere")).toHaveLength(10);
    expect(said(world)).toMatchObject({ phase: "success", DeletionHeld: "False NothingHeld" });
    await world.advance(12 * minute);
    expect(world.person.list("serviceentries", "demo")).toEqual([]);
  });

  test("of one service, because its name is somebody else's, costs that one nothing either", async () => {
    const world = await openSettled();
    world.person.createNamespace("elsewhere");
    world.person.put(theirs);
    edit(world, { generate_to: "elsewhere" });
    await world.advance(20 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(two["demo.A"]);
    expect(entryOf(world, "demo.B")).toBeUndefined();
    expect(statusOf(world).problems).toMatchObject([
      { at: "demo.a.elsewhere", problem: expect.stringMatching(/^HostConflict/) },
    ]);
    world.registry().set("demo.A", ["10.42.0.11:20880"]);
    await world.advance(second);
    world.registry().remove("demo.A"); // as the old host is called, nobody lists it
    await world.advance(20 * minute);
    expect(entryOf(world, "demo.A")).toBeUndefined();
  });

  test("of one service, because its name is somebody else's, ends when that one gives it up", async () => {
    const world = await openSettled();
    world.person.createNamespace("elsewhere");
    world.person.put(theirs);
    edit(world, { generate_to: "elsewhere" });
    await world.advance(5 * minute);
    world.person.delete("serviceentries", "elsewhere/theirs");
    await world.advance(2 * minute);
    expect(addressesOf(world, "demo.A", "elsewhere")).toEqual(two["demo.A"]);
    expect(addressesOf(world, "demo.A")).toEqual([]);
  });

  test("for one service costs that one nothing, and keeps no other", async () => {
    const world = await openSettled();
    world.person.createNamespace("elsewhere");
    const one = { namespace: "elsewhere", name: "aeraki-demo-a-elsewhere", verb: "patch" } as const;
    const end = world.api.forbid(one);
    edit(world, { generate_to: "elsewhere" });
    await world.advance(20 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(two["demo.A"]);
    expect(entryOf(world, "demo.B")).toBeUndefined();
    end();
    await world.advance(15 * minute);
    expect(addressesOf(world, "demo.A")).toEqual([]);
    expect(addressesOf(world, "demo.A", "elsewhere")).toEqual(two["demo.A"]);
  });
});

describe("the filter", () => {
  test("takes what it no longer wants out of the mesh, after settling and the brake (H12)", async () => {
    const world = await openSettled({ services: ten });
    edit(world, { services: { include: ["demo.S1", "demo.S2"] } });
    await world.advance(1 * minute + second);
    expect(said(world)).toMatchObject({ DeletionHeld: "True Shrunk" });
    await world.advance(5 * minute - 2 * second);
    expect(listedHosts(world)).toEqual(hostsOf(ten));
    await world.advance(2 * second);
    expect(listedHosts(world)).toEqual(["demo.s1.demo", "demo.s2.demo"]);
    expect(world.registry().opened.at(-1)?.wants("demo.S3")).toBe(false);
  });

  test("brings back what it wants again at once", async () => {
    const world = await openSettled({ spec: { services: { exclude: ["*.B"] } } });
    expect(listedHosts(world)).toEqual(["demo.a.demo"]);
    edit(world, { services: { exclude: [] } });
    await world.advance(1 * second);
    expect(listedHosts(world)).toEqual(hostsOf(two));
  });
});

describe("what an entry says for its hub", () => {
  test("l7: false takes the filters away, and true brings them back", async () => {
    const world = await openSettled();
    await world.dubboController.start();
    await world.advance(1 * second);
    expect(filtersOf(world)).toHaveLength(3);
    edit(world, { l7: false });
    await world.advance(2 * second);
    expect(entryOf(world, "demo.A")?.metadata.annotations).toMatchObject({ "ecns.easystack.cn/l7": "false" });
    expect(filtersOf(world)).toEqual([]);
    edit(world, { l7: true });
    await world.advance(2 * second);
    expect(filtersOf(world)).toHaveLength(3);
  });

  test("another protocol of a Spring hub is its entries' protocol", async () => {
    const world = await openSettled({ spec: { type: "eureka", protocol: "tcp" }, services: {} });
    world.registry().lists({ ORDERS: ["10.42.0.4:8080"] }, "spring");
    await world.advance(1 * second);
    const protocol = (): unknown => entryOf(world, "orders")?.spec.ports?.[0]?.protocol;
    expect(protocol()).toBe("tcp");
    edit(world, { protocol: "http" });
    await world.advance(1 * second);
    expect(protocol()).toBe("http");
  });

  test("annotations and labels of the hub that mean nothing here change nothing", async () => {
    const world = await openSettled();
    const before = world.writes().length;
    world.person.edit("registryhubs", hubKey, (object) => ({
      ...object,
      metadata: { ...object.metadata, labels: { team: "red" }, annotations: { note: "hello" } },
    }));
    await world.advance(10 * minute);
    expect(writesSince(world, before)).toEqual([]);
    expect(world.registry().opened).toHaveLength(1);
  });
});
