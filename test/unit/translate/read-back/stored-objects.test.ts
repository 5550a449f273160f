import { describe, expect, test } from "vitest";
import { copyOf, emptyCluster } from "../../../../src/cli/cluster-copy.ts";
import { rootOnly } from "../../../../src/controllers/dubbo/filter-scope.ts";
import { FilterWorker } from "../../../../src/controllers/dubbo/filter-worker.ts";
import { rulesUnknown } from "../../../../src/controllers/dubbo/rule-lists.ts";
import { EntryIndex } from "../../../../src/controllers/writes/entry-index.ts";
import { routeOf } from "../../../../src/translate/dubbo-route.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { pool, silentLogger } from "../../../support/model.ts";

/**
 * Objects that the API server stores. Each of them once ended a controller at every start (H3), and is read now.
 */

const ours = { "app.kubernetes.io/managed-by": "registryhub", "hub.ecns.easystack.cn/ddf6610a": "" };
const aeraki = { manager: "aeraki", registry: "dubbo2istio" };
const port = { name: "9000", number: 9_000, protocol: "tcp" };
const spec = { hosts: ["a.ns"], addresses: ["240.241.0.1"], ports: [port] };

interface Some {
  readonly labels?: object;
  readonly spec?: unknown;
  readonly status?: unknown;
}

/** As JSON that has just been read. */
const stored = (kind: string, { labels = ours, ...rest }: Some): never => {
  const metadata = { name: "x", namespace: "ns", uid: "u", resourceVersion: "1", labels };
  return JSON.parse(JSON.stringify({ kind, metadata, ...rest })) as never;
};

/** What the index of the ServiceEntries knows of the host a.ns once it has met the object. */
function occupantOf(some: Some) {
  const object = stored("ServiceEntry", some);
  const index = new EntryIndex(new Map([["ns/x", object]]));
  index.update("ns/x");
  return index.hostObject("ns/a.ns");
}

const rules = {
  foreign: true,
  accepts: (vip: string) => pool.accepts(vip),
  isCopy: () => false,
  isTaken: () => false,
};
const bare = { name: "9000", number: 9_000 };
const gateway = { network: "east" };
const instance = { address: "10.0.0.1", labels: { "ecns.easystack.cn/by": "ddf6610a" } };

describe("a ServiceEntry", () => {
  test.each([
    ["ours", { spec: { ...spec, ports: [bare] } }],
    ["adoptable", { labels: aeraki, spec: { ...spec, ports: [bare] } }],
  ])("with a port that leaves the protocol to Istio speaks TCP: %s", (ownership, some) => {
    expect(occupantOf(some)).toMatchObject({ ownership, entry: { shape: { protocol: "tcp", port: 9_000 } } });
  });

  test("with an endpoint that has a network and no address has the other endpoints", () => {
    const found = occupantOf({ spec: { ...spec, endpoints: [gateway, instance] } });
    expect([...(found?.entry?.endpoints.keys() ?? [])]).toEqual(["10.0.0.1:9000"]);
  });

  test.each([
    { addresses: "240.240.0.7" },
    { addresses: 7 },
    { addresses: null },
    { addresses: { value: "240.240.0.7" } },
    { addresses: ["240.240.0.7", null, { value: 7 }] },
    "none",
    null,
  ])("of a stranger whose status has addresses that are no list of them is a stranger's: %j", (status) => {
    expect(occupantOf({ labels: {}, spec, status })?.ownership).toBe("foreign");
  });

  test.each([{}, { spec: null }, { spec: "none" }, { spec: {} }])("without a spec is empty: %j", (some) => {
    expect(occupantOf(some)).toBeUndefined();
    expect(routeOf(stored("ServiceEntry", some), rules)).toEqual({ verdict: "unclear" });
  });
});

test.each([{}, { spec: null }, { spec: { configPatches: "none" } }, { spec: { configPatches: [null] } }])(
  "an EnvoyFilter of ours without patches is of its ServiceEntry, and routes no port: %j",
  (some) => {
    const labels = { "app.kubernetes.io/managed-by": "dubbo-controller" };
    const filter: object = stored("EnvoyFilter", { labels, ...some });
    const annotations = { "ecns.easystack.cn/serviceentry": "ns/x" };
    const metadata = { name: "f", namespace: "servicemesh", labels, annotations };
    const deps = { clock: fakeClock(), logger: silentLogger, random: () => 0 };
    const envoyFilters = [{ ...filter, metadata } as never];
    const {
      serviceEntries,
      envoyFilters: filters,
      entries,
      tools,
    } = copyOf({ ...emptyCluster, envoyFilters }, deps);
    const known = { isReady: () => true, knowsHubs: () => true, targetOf: () => undefined };
    const state = {
      ...known,
      namespaces: rootOnly,
      refused: () => undefined,
      ruleLists: rulesUnknown,
      keptInRoot: () => undefined,
      queue: () => undefined,
    };
    const world = { serviceEntries, filters, entries, foreign: true, accepts: pool.accepts, ...state };
    const options = {
      rootNamespace: "servicemesh",
      watchNamespaces: [],
      inboundFilters: false,
      dubboPorts: [],
      outlierDetection: true,
    };
    const worker = new FilterWorker(world, options, tools);
    expect(worker.take("servicemesh/f")).toEqual(["ns/x"]);
  },
);
