import { describe, expect, test } from "vitest";
import { EntryIndex } from "../../../../src/controllers/writes/entry-index.ts";
import type { ServiceEntry } from "../../../../src/model/istio.ts";

const ours = { "app.kubernetes.io/managed-by": "registryhub", "hub.ecns.easystack.cn/ddf6610a": "" };
const old = { manager: "aeraki", registry: "dubbo2istio" };

interface Overrides {
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly created?: string;
  readonly spec?: ServiceEntry["spec"];
  readonly status?: object;
  readonly managers?: readonly string[];
}

function object(name: string, overrides: Overrides = {}): ServiceEntry {
  const {
    labels = ours,
    annotations = {},
    created = "2024-01-01T00:00:00Z",
    spec,
    status,
    managers,
  } = overrides;
  const time = "2024-02-04T03:04:20Z";
  return {
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: {
      name,
      namespace: "ns",
      labels,
      annotations: { "ecns.easystack.cn/hubs": "dubbozk/registryhub-sample", ...annotations },
      creationTimestamp: created,
      managedFields: (managers ?? ["registryhub"]).map((manager) => ({ manager, time })),
    },
    spec: {
      hosts: ["a.ns"],
      addresses: ["240.241.0.1"],
      ports: [{ name: "tcp-metaprotocol-dubbo", number: 1, protocol: "tcp" }],
      endpoints: [
        { address: "10.0.0.1", labels: { "ecns.easystack.cn/by": "ddf6610a.00000001" } },
        { address: "10.0.0.2", labels: { "ecns.easystack.cn/by": "ddf6610a" } },
      ],
      ...spec,
    },
    ...(status && { status }),
  };
}

/** The hub that the annotation of these objects names, and others that are told apart by their ids alone. */
const sample = { id: "ddf6610a", key: "dubbozk/registryhub-sample", target: "ns" };
const nameless = (id: string) => ({ id, key: `ns/${id}`, target: "ns" });

/** An index over these objects, and a way to change the store below it. */
function indexOf(...objects: readonly ServiceEntry[]) {
  const store = new Map<string, ServiceEntry>();
  const index = new EntryIndex(store);
  const put = (one: ServiceEntry) => {
    store.set(`ns/${one.metadata.name}`, one);
    return index.update(`ns/${one.metadata.name}`);
  };
  const remove = (name: string) => {
    store.delete(`ns/${name}`);
    return index.update(`ns/${name}`);
  };
  for (const one of objects) put(one);
  return { index, store, put, remove };
}

describe("who has a host", () => {
  test("ours before the old product's before a stranger's", () => {
    const { index, remove } = indexOf(object("a", { labels: {} }), object("b", { labels: old }), object("c"));
    const seen = (): readonly unknown[] => [
      index.hostObject("ns/a.ns")?.object.metadata.name,
      index.hostObject("ns/a.ns")?.ownership,
    ];
    expect(seen()).toEqual(["c", "ours"]);
    expect(index.hostObject("ns/a.ns")?.entry?.name).toBe("c");
    remove("c");
    expect(seen()).toEqual(["b", "adoptable"]);
    remove("b");
    expect(seen()).toEqual(["a", "foreign"]);
    expect(index.hostObject("ns/a.ns")?.entry).toBeUndefined();
    remove("a");
    expect(index.hostObject("ns/a.ns")).toBeUndefined();
  });

  test("of several of ours the one with the base name, else the oldest; the others are copies and count for nothing", () => {
    const [old, young] = [object("a", { created: "2023-01-01T00:00:00Z" }), object("b")];
    const dubbo = object("aeraki-a-ns", { annotations: { interface: "a" }, created: "2025-01-01T00:00:00Z" });
    const { index, put, remove } = indexOf(young, old, object("0", { labels: {} }));
    const seen = (): readonly unknown[] => [
      index.hostObject("ns/a.ns")?.object.metadata.name,
      index.copiesAt("ns/a.ns"),
      index.isCopy("ns/b"),
    ];
    expect(seen()).toEqual(["a", ["ns/b"], true]);
    put(dubbo);
    expect(seen()).toEqual(["aeraki-a-ns", ["ns/a", "ns/b"], true]);
    expect([...index.hostsOf(sample)]).toMatchObject([
      { host: "ns/a.ns", endpoints: 2, name: "aeraki-a-ns" },
    ]);
    expect(index.endpointsOf(sample, "ns/a.ns")).toBe(2);
    expect([...index.othersAt("240.241.0.1", "ns/aeraki-a-ns")]).toEqual(["ns/0"]);
    remove("aeraki-a-ns");
    remove("a");
    expect(seen()).toEqual(["b", [], false]);
  });

  test("a change concerns the hosts before and after it", () => {
    const { index, put, remove } = indexOf(object("a"));
    expect(put(object("a", { spec: { hosts: ["b.ns"] } }))).toEqual(new Set(["ns/a.ns", "ns/b.ns"]));
    expect([...index.hosts()]).toEqual(["ns/b.ns"]);
    expect(remove("a")).toEqual(new Set(["ns/b.ns"]));
    expect(remove("never")).toEqual(new Set());
  });

  test("a name is taken by whoever has it, or has reserved it, but not from the host that asks", () => {
    const { index, put } = indexOf(object("a", { labels: {} }));
    const taken = (name: string, host: string) => index.isNameTaken("ns", name, `ns/${host}.ns`);
    expect([taken("a", "b"), taken("a", "a"), taken("b", "b")]).toEqual([true, false, false]);
    index.reserve("ns/b", "ns/b.ns");
    expect([taken("b", "c"), taken("b", "b")]).toEqual([true, false]);
    put(object("b", { spec: { hosts: ["b.ns"] } }));
    index.release("ns/b.ns");
    expect([taken("b", "c"), taken("b", "b")]).toEqual([true, false]);
  });

  test("a name is taken by an object of the store that the index could not read", () => {
    const { index, store } = indexOf();
    store.set("ns/a", object("a"));
    expect(index.isNameTaken("ns", "a", "ns/a.ns")).toBe(true);
  });
});

describe("what a hub has", () => {
  test("hosts, with how many endpoints it vouches for and their interface", () => {
    const { index } = indexOf(object("a", { annotations: { interface: "a.B" } }));
    expect([...index.hostsOf(sample)]).toMatchObject([{ host: "ns/a.ns", endpoints: 2, service: "a.B" }]);
    expect([...index.hostsOf(nameless("00000001"))]).toMatchObject([
      { host: "ns/a.ns", endpoints: 1, service: "a.B" },
    ]);
    expect([...index.hostsOf(nameless("00000002"))]).toEqual([]);
  });

  test.each([
    ["an interface", { interface: "a.B" }, "a.B"],
    ["a Spring service", {}, "a"],
    ["a Spring service of odd spelling", { "ecns.easystack.cn/original-name": "A_1" }, "A_1"],
  ])("hosts, with what the hub's filter has to judge: %s", (_, annotations, service) => {
    const { index } = indexOf(object("a", { annotations }));
    expect([...index.hostsOf(sample)]).toMatchObject([{ host: "ns/a.ns", service }]);
  });

  test("an empty entry is still its own; the old product's and strangers' are not", () => {
    const { index, put } = indexOf(object("a", { spec: { endpoints: [] } }));
    expect([...index.hostsOf(sample)]).toMatchObject([{ endpoints: 0 }]);
    put(object("a", { labels: { ...old, "hub.ecns.easystack.cn/ddf6610a": "" } }));
    expect([...index.hostsOf(sample)]).toEqual([]);
  });

  test("names, with the time of our last write and of nobody else's", () => {
    const { index, put } = indexOf(object("a"));
    expect([...index.hostsOf(sample)]).toMatchObject([{ name: "a", writtenAt: "2024-02-04T03:04:20Z" }]);
    put(object("a", { managers: ["kubectl"] }));
    expect([...index.hostsOf(sample)]).toMatchObject([{ name: "a", writtenAt: "" }]);
  });

  test("nothing of an entry that gives its id to another", () => {
    const { index } = indexOf(object("a"));
    const namesake = { ...sample, key: "evil/x" };
    const seen = (hub: typeof sample): readonly unknown[] => [
      [...index.hostsOf(hub)].length,
      [...index.servicesOf(hub)],
      index.endpointsOf(hub, "ns/a.ns"),
      index.has(hub, "ns/a.ns"),
    ];
    expect(seen(sample)).toEqual([1, ["a"], 2, true]);
    expect(seen(namesake)).toEqual([0, [], 0, false]);
  });

  test("nothing where there is no entry, or one without a host", () => {
    const { index } = indexOf(object("a", { spec: { hosts: [] } }));
    expect([...index.hostsOf(sample)]).toEqual([]);
    expect([index.endpointsOf(sample, "ns/a.ns"), index.has(sample, "ns/a.ns")]).toEqual([0, false]);
    expect([index.ownersAt("ns/never"), index.keysAt("ns/never.ns")]).toEqual([[], []]);
  });

  test("services of its target only, though it still has the hosts of an earlier one", () => {
    const { index } = indexOf(object("a"));
    const moved = { ...sample, target: "other" };
    expect([...index.hostsOf(moved)]).toMatchObject([{ host: "ns/a.ns" }]);
    expect([...index.servicesOf(moved)]).toEqual([]);
  });

  test("the rest, when one of its entries goes", () => {
    const { index, remove } = indexOf(object("a"), object("b", { spec: { hosts: ["b.ns"] } }));
    expect(index.countOf(sample.id)).toBe(2);
    remove("b");
    expect([...index.hostsOf(sample)].map(({ host }) => host)).toEqual(["ns/a.ns"]);
    expect(index.countOf(sample.id)).toBe(1);
    remove("a");
    expect([[...index.hostsOf(sample)], index.countOf(sample.id)]).toEqual([[], 0]);
    expect(index.countOf("00000009")).toBe(0);
  });

  test("objects that name it, copies too, and not those that give its id to another", () => {
    const { index } = indexOf(
      object("a"),
      object("copy"),
      object("theirs", { annotations: { "ecns.easystack.cn/hubs": "evil/x" } }),
      object("nobody", { labels: old }),
    );
    expect([...index.keysNaming(sample.key)].sort()).toEqual(["ns/a", "ns/copy"]);
    expect(index.keysNaming("dubbozk/never")).toEqual([]);
  });

  test("owners are those whose names the annotation tells", () => {
    const { index } = indexOf(object("a", { labels: { ...ours, "hub.ecns.easystack.cn/00000009": "" } }));
    expect(index.ownersAt("ns/a")).toEqual(["dubbozk/registryhub-sample"]);
  });
});

describe("a hub stands behind an object", () => {
  const two = {
    labels: { ...ours, "hub.ecns.easystack.cn/00000009": "" },
  };
  test.each<[string, Overrides, string | undefined, boolean]>([
    ["that lies in its target", {}, "ns", true],
    ["if one of several that it names does", two, "ns", true],
    ["but not in another target", {}, "other", false],
    ["but not if it does not exist", {}, undefined, false],
    ["but not by its id alone", { annotations: { "ecns.easystack.cn/hubs": "" } }, "ns", false],
    ["but not without its label", { labels: old }, "ns", false],
  ])("%s", (_, overrides, target, isBehind) => {
    const { index } = indexOf(object("a", overrides));
    const targetOf = (key: string): string | undefined =>
      key === sample.key || key === "" ? target : undefined;
    expect(index.isOfHub("ns/a", targetOf)).toBe(isBehind);
  });

  test("but not behind one that is gone", () => {
    const { index } = indexOf();
    expect(index.isOfHub("ns/a", () => "ns")).toBe(false);
  });
});

describe("addresses", () => {
  const auto = {
    status: { addresses: [{ value: "240.240.0.7" }] },
    labels: {},
    spec: { addresses: [], hosts: ["x.com"] },
  };

  test("used by any ServiceEntry, in its spec or by Istio's own allocation", () => {
    const { index, remove } = indexOf(object("a"), object("x", auto));
    const used = (ip: string) => index.isUsed(ip, "ns/other.ns");
    expect([used("240.241.0.1"), used("240.240.0.7"), used("240.241.0.2")]).toEqual([true, true, false]);
    expect(index.isUsed("240.241.0.1", "ns/a.ns")).toBe(false);
    remove("x");
    expect(used("240.240.0.7")).toBe(false);
  });

  test("reserved until the entry is seen, for everybody else", () => {
    const { index, put } = indexOf();
    index.reserve("240.241.0.1", "ns/a.ns");
    expect([index.isUsed("240.241.0.1", "ns/b.ns"), index.isUsed("240.241.0.1", "ns/a.ns")]).toEqual([
      true,
      false,
    ]);
    put(object("a"));
    expect(index.isUsed("240.241.0.1", "ns/b.ns")).toBe(true);
    index.reserve("240.241.0.9", "ns/b.ns");
    index.release("ns/b.ns");
    expect(index.isUsed("240.241.0.9", "ns/a.ns")).toBe(false);
  });

  test("that several have, by ServiceEntry; a change of one concerns the others, before and after it", () => {
    const other = object("b", { spec: { hosts: ["b.ns"] } });
    const { index, put } = indexOf(object("a"), other);
    expect([...index.othersAt("240.241.0.1", "ns/a")]).toEqual(["ns/b"]);
    expect([...index.othersAt("240.241.0.1")]).toEqual(["ns/a", "ns/b"]);
    const moved = { ...other, spec: { ...other.spec, addresses: ["240.241.0.2"] } };
    expect(put(moved)).toEqual(new Set(["ns/a.ns", "ns/b.ns"]));
    expect([...index.othersAt("240.241.0.1", "ns/a")]).toEqual([]);
    expect(put(other)).toEqual(new Set(["ns/a.ns", "ns/b.ns"]));
    expect([...index.othersAt("240.241.0.9")]).toEqual([]);
  });
});

describe("reservations", () => {
  const ip = "240.241.0.1";
  /** Whether the name "a" and the address are kept from another host, and from the host itself. */
  const kept = (index: EntryIndex) => ({
    fromOthers: [index.isNameTaken("ns", "a", "ns/b.ns"), index.isReserved(ip, "ns/b.ns")],
    fromItself: [index.isNameTaken("ns", "a", "ns/a.ns"), index.isReserved(ip, "ns/a.ns")],
  });
  const nothing = { fromOthers: [false, false], fromItself: [false, false] };

  test("an entry of ours that is gone leaves its name and address to its host until that is released", () => {
    const { index, remove } = indexOf(object("a"));
    remove("a");
    expect(kept(index)).toEqual({ ...nothing, fromOthers: [true, true] });
    expect([...index.ips()]).toContain(ip);
    index.release("ns/b.ns");
    expect(kept(index)).toEqual({ ...nothing, fromOthers: [true, true] });
    index.release("ns/a.ns");
    expect(kept(index)).toEqual(nothing);
    expect([...index.ips()]).toEqual([]);
  });

  test.each([
    ["the old product", { labels: old }],
    ["a stranger", { labels: {} }],
    ["us, without a host", { spec: { hosts: [] } }],
  ])("an entry of %s that is gone leaves nothing", (_, overrides) => {
    const { index, remove } = indexOf(object("a", overrides));
    remove("a");
    expect(kept(index)).toEqual(nothing);
    expect([...index.ips()]).toEqual([]);
  });

  test("a copy that is gone leaves nothing, and an entry no address that another one has", () => {
    const { index, remove } = indexOf(object("a"), object("b"), object("c", { spec: { hosts: ["c.ns"] } }));
    remove("b");
    expect(index.isNameTaken("ns", "b", "ns/c.ns")).toBe(false);
    remove("a");
    expect(kept(index)).toEqual({ ...nothing, fromOthers: [true, false] });
  });

  test("end when an object has the name or the address", () => {
    const { index, put, remove } = indexOf();
    for (const what of ["ns/a", ip]) index.reserve(what, "ns/a.ns");
    expect(kept(index)).toEqual({ ...nothing, fromOthers: [true, true] });
    put(object("a", { labels: {} }));
    remove("a");
    expect(kept(index)).toEqual(nothing);
  });
});
