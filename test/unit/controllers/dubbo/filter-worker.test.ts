import { describe, expect, test } from "vitest";
import { rootOnly } from "../../../../src/controllers/dubbo/filter-scope.ts";
import { FilterWorker, type FilterWorkerOptions } from "../../../../src/controllers/dubbo/filter-worker.ts";
import { rulesUnknown } from "../../../../src/controllers/dubbo/rule-lists.ts";
import { EntryIndex } from "../../../../src/controllers/writes/entry-index.ts";
import type { KubeError } from "../../../../src/kube/errors.ts";
import { objectKey } from "../../../../src/kube/resources.ts";
import { createStore } from "../../../../src/kube/store.ts";
import type { Hub } from "../../../../src/model/hub.ts";
import type { EnvoyFilter, ServiceEntry } from "../../../../src/model/istio.ts";
import type { Stored } from "../../../../src/model/kubernetes.ts";
import { outboundFilter, portFilter } from "../../../../src/translate/envoy-filter.ts";
import { failure } from "../../../fakes/api-server/answer.ts";
import { endpointOf, hubOf, pool, writtenEntry } from "../../../support/model.ts";
import { writerTools } from "../../../support/writer-tools.ts";

const root = "istio-system";
const hub = hubOf({ generate_to: "demo" }, { namespace: "demo" });
const buffer = "aeraki-outbound-buffer-20880";
const dubboPorts = [{ from: 20_000, to: 29_999, isAllowed: true }];

/** The entry of a Dubbo interface, as the hub-controller wrote it. */
function entryOf(name: string, vip: string): ServiceEntry {
  const service = { ...endpointOf("10.0.0.1:1").service, name };
  const entry = writtenEntry(hub, `demo/${name}.demo`, [endpointOf("10.0.0.1:20880", { service })]);
  return { ...entry, spec: { ...entry.spec, addresses: [vip] } };
}

const outbound = (name: string, vip: string): string => `aeraki-outbound-${name}.demo-${vip}-20880`;
const [a, b] = [entryOf("a", "240.241.0.1"), entryOf("b", "240.241.0.2")];
const [filterOfA, filterOfB] = [outbound("a", "240.241.0.1"), outbound("b", "240.241.0.2")];

/** A worker that has seen these entries and has done nothing yet. */
function open(
  entries: readonly ServiceEntry[] = [a],
  { foreign = false, ...options }: Partial<FilterWorkerOptions> & { readonly foreign?: boolean } = {},
) {
  const { tools, ...told } = writerTools();
  told.api.person.createNamespace(root);
  const serviceEntries = new Map<string, Stored<ServiceEntry>>();
  const index = new EntryIndex(serviceEntries);
  const filters = createStore<Stored<EnvoyFilter>>();
  filters.replace([], "1");
  const refused: string[] = [];
  const queued: string[] = [];
  let isReady = true;
  let hubsNow: readonly Hub[] | undefined = [hub];
  const worker: FilterWorker = new FilterWorker(
    {
      serviceEntries: { objects: serviceEntries, put: () => false, remove: () => false },
      filters: {
        objects: filters.objects,
        put(filter) {
          const isNew = filters.put(filter);
          worker.take(objectKey(filter));
          return isNew;
        },
        remove(filter) {
          const isNew = filters.remove(filter);
          worker.take(objectKey(filter));
          return isNew;
        },
      },
      entries: index,
      foreign,
      accepts: (vip) => pool.accepts(vip),
      targetOf: (key) => hubsNow?.find((one) => one.key === key)?.target,
      knowsHubs: () => hubsNow !== undefined,
      isReady: () => isReady,
      namespaces: rootOnly,
      ruleLists: rulesUnknown,
      keptInRoot: () => undefined,
      queue: (keys) => queued.push(...keys),
      refused: ({ reason }: KubeError) => void refused.push(reason),
    },
    {
      rootNamespace: root,
      watchNamespaces: [],
      inboundFilters: false,
      outlierDetection: true,
      dubboPorts,
      ...options,
    },
    tools,
  );
  const put = (object: Stored<ServiceEntry>): void => {
    serviceEntries.set(objectKey(object), object);
    index.update(objectKey(object));
  };
  entries.forEach(put);
  return {
    ...told,
    worker,
    refused,
    put,
    remove(object: ServiceEntry): void {
      serviceEntries.delete(objectKey(object));
      index.update(objectKey(object));
    },
    /** Somebody else's write, which the worker sees. */
    sees(filter: EnvoyFilter): readonly string[] {
      filters.put(filter);
      return worker.take(objectKey(filter));
    },
    /** Somebody deletes one, which the worker sees. */
    loses(name: string): void {
      const filter = filters.objects.get(`${root}/${name}`);
      if (filter === undefined) throw new Error(`there is no filter ${name}`);
      told.api.person.delete("envoyfilters", objectKey(filter));
      filters.remove(filter);
      worker.take(objectKey(filter));
    },
    /** Works on the entry, and then on what that has queued. */
    async work(object: ServiceEntry) {
      const outcome = await worker.work(objectKey(object));
      for (let key = queued.shift(); key !== undefined; key = queued.shift()) await worker.work(key);
      return outcome;
    },
    listsAreLost(): void {
      isReady = false;
    },
    /** These exist from now on; undefined = they cannot be listed. */
    hubsAre(now: readonly Hub[] | undefined): void {
      hubsNow = now;
    },
    inCluster: () => told.api.person.list("envoyfilters", root).map(({ metadata }) => metadata.name),
  };
}

/** The same, with the filters of both entries written. */
async function openRouted() {
  const opened = open([a, b]);
  for (const entry of [a, b]) await opened.work(entry);
  return opened;
}

test("nothing is decided while the lists are not complete", async () => {
  const { work, listsAreLost, inCluster } = open();
  listsAreLost();
  expect([await work(a), inCluster()]).toEqual([undefined, []]);
});

test("an entry of a namespace that is not watched gets nothing, and loses nothing", async () => {
  const watched = open([a], { watchNamespaces: ["demo"] });
  await watched.work(a);
  expect(watched.inCluster()).toEqual([filterOfA, buffer]);
  const { work, inCluster } = open([a], { watchNamespaces: ["other"] });
  await work(a);
  expect(inCluster()).toEqual([]);
});

describe("the filters of an entry that is gone", () => {
  test("stay for a second, and go then; that of the port goes with the last one", async () => {
    const { work, worker, remove, clock, inCluster } = await openRouted();
    remove(a);
    expect(await work(a)).toEqual({ againInMs: 1_000 });
    clock.advance(400);
    expect(await work(a)).toEqual({ againInMs: 600 });
    clock.advance(600);
    expect([await work(a), inCluster()]).toEqual([undefined, [filterOfB, buffer]]);
    await worker.work(`:port/${root}/20880`);
    expect(inCluster()).toEqual([filterOfB, buffer]);
    remove(b);
    await work(b);
    clock.advance(1_000);
    await work(b);
    expect([await worker.work(`:port/${root}/20880`), inCluster()]).toEqual([undefined, []]);
    expect(await worker.work(`:port/${root}/20880`)).toBeUndefined();
  });

  test("go together", async () => {
    const { work, remove, clock, inCluster } = open([a], { inboundFilters: true });
    await work(a);
    expect(inCluster()).toEqual(["aeraki-inbound-a.demo-20880", filterOfA, buffer]);
    remove(a);
    await work(a);
    clock.advance(1_000);
    expect([await work(a), inCluster()]).toEqual([undefined, [buffer]]);
  });

  test("are waited for only while there are any", async () => {
    const { work, put, remove, clock } = await openRouted();
    remove(a);
    await work(a);
    clock.advance(1_000);
    await work(a);
    put({ ...a, spec: { ...a.spec, addresses: [] } });
    await work(a);
    remove(a);
    expect(await work(a)).toBeUndefined();
  });

  test("are not waited for if somebody has deleted them before", async () => {
    const { work, remove, loses } = open();
    await work(a);
    loses(filterOfA);
    remove(a);
    expect(await work(a)).toBeUndefined();
  });

  test("stay for a second again after it came back", async () => {
    const { work, put, remove, clock, inCluster } = await openRouted();
    remove(a);
    await work(a);
    clock.advance(900);
    put(a);
    expect(await work(a)).toBeUndefined();
    remove(a);
    expect(await work(a)).toEqual({ againInMs: 1_000 });
    expect(inCluster()).toContain(filterOfA);
  });

  test("stay as long as the API server refuses to delete them", async () => {
    const { work, remove, clock, api, inCluster, refused } = await openRouted();
    const end = api.refuse({ verb: "delete" }, () => failure(503, "ServiceUnavailable", "starting", {}, 3));
    remove(a);
    await work(a);
    clock.advance(1_000);
    expect(await work(a)).toEqual({ failed: true, atLeastMs: 3_000 });
    expect([inCluster(), refused]).toEqual([[filterOfA, filterOfB, buffer], []]);
    end();
    expect([await work(a), inCluster()]).toEqual([undefined, [filterOfB, buffer]]);
  });
});

describe("while the hubs are not known", () => {
  test("a filter of a port that nothing routes stays, and goes when they are", async () => {
    const { work, worker, remove, clock, hubsAre, inCluster } = open([a]);
    await work(a);
    remove(a);
    await work(a);
    clock.advance(1_000);
    await work(a);
    hubsAre(undefined);
    await worker.work(`:port/${root}/20880`);
    expect(inCluster()).toEqual([buffer]);
    hubsAre([hub]);
    await worker.work(`:port/${root}/20880`);
    expect(inCluster()).toEqual([]);
  });

  test("an entry of somebody else gets its filters, because it names no hub anyway", async () => {
    const labels = { manager: "aeraki" };
    const theirs = { ...a, metadata: { ...a.metadata, labels } };
    const { work, hubsAre, inCluster } = open([theirs], { foreign: true });
    hubsAre(undefined);
    await work(theirs);
    expect(inCluster()).toEqual([filterOfA, buffer]);
  });

  test("an entry that has its filter gets one for another address, and loses the old one", async () => {
    const { work, put, hubsAre, inCluster } = await openRouted();
    hubsAre(undefined);
    put({ ...a, spec: { ...a.spec, addresses: ["240.241.0.3"] } });
    await work(a);
    expect(inCluster()).toEqual([outbound("a", "240.241.0.3"), filterOfB, buffer]);
  });

  test("a port that changes loses the old filter only when the new one is there", async () => {
    const { work, put, hubsAre, inCluster } = open([a]);
    await work(a);
    const ports = [{ name: "tcp-metaprotocol-dubbo", number: 20_881, protocol: "tcp" }];
    put({ ...a, spec: { ...a.spec, ports } });
    hubsAre(undefined);
    await work(a);
    expect(inCluster()).toEqual([filterOfA, buffer]);
    hubsAre([hub]);
    await work(a);
    expect(inCluster()).toEqual(
      [filterOfA.replace("20880", "20881"), "aeraki-outbound-buffer-20881", buffer].sort(),
    );
  });
});

describe("a filter that is withheld", () => {
  const none = { HubsUnknown: 0, NoHub: 0, PortNotAllowed: 0 };

  test("because of its port does not keep that of another port, and is counted", async () => {
    const { work, worker, put, inCluster } = open();
    await work(a);
    expect(worker.rights.counts).toEqual(none);
    const ports = [{ name: "tcp-metaprotocol-dubbo", number: 30_000, protocol: "tcp" }];
    put({ ...a, spec: { ...a.spec, ports } });
    await work(a);
    expect([inCluster(), worker.rights.counts]).toEqual([[buffer], { ...none, PortNotAllowed: 1 }]);
  });

  test("because no hub stands behind its entry is counted, and made when one does", async () => {
    const { work, worker, hubsAre, inCluster } = open();
    hubsAre([]);
    await work(a);
    expect([inCluster(), worker.rights.counts]).toEqual([[], { ...none, NoHub: 1 }]);
    hubsAre([hub]);
    await work(a);
    expect([inCluster(), worker.rights.counts]).toEqual([[filterOfA, buffer], none]);
  });
});

test("nobody gets the inbound filter of another entry by naming its host", async () => {
  const metadata = {
    ...b.metadata,
    namespace: "evil",
    labels: { "app.kubernetes.io/managed-by": "registryhub" },
  };
  const forged = { ...b, metadata, spec: { ...b.spec, hosts: a.spec.hosts ?? [] } };
  const { work, api } = open([a, forged], { inboundFilters: true });
  await work(a);
  const before = api.writes().length;
  await work(forged);
  expect(api.writes().slice(before)).toEqual([]);
});

describe("the filters of an entry that is there", () => {
  test("stay while it decides nothing: without an address, or with two", async () => {
    const { work, put, inCluster } = await openRouted();
    for (const addresses of [[], ["240.241.0.1", "240.241.0.9"]]) {
      put({ ...a, spec: { ...a.spec, addresses } });
      expect(await work(a)).toBeUndefined();
      expect(inCluster()).toContain(filterOfA);
    }
  });

  test("go at once when it wants none, and move with its address, the new one first", async () => {
    const { work, put, inCluster, api } = await openRouted();
    put({ ...a, spec: { ...a.spec, addresses: ["240.241.0.3"] } });
    await work(a);
    const moved = outbound("a", "240.241.0.3");
    expect(inCluster()).toEqual([moved, filterOfB, buffer]);
    const order = api.writes().slice(-2);
    expect(order.map(({ verb, name }) => [verb, name])).toEqual([
      ["patch", moved],
      ["delete", filterOfA],
    ]);
    const annotations = { ...a.metadata.annotations, "ecns.easystack.cn/l7": "false" };
    put({ ...a, metadata: { ...a.metadata, annotations } });
    await work(a);
    expect(inCluster()).toEqual([filterOfB, buffer]);
  });

  test("none is deleted if one of them cannot be written", async () => {
    const { work, put, inCluster, api, refused } = await openRouted();
    api.forbid({ resource: "envoyfilters", verb: "patch" });
    put({ ...a, spec: { ...a.spec, addresses: ["240.241.0.3"] } });
    expect(await work(a)).toEqual({ failed: true, refused: true });
    expect([inCluster(), refused]).toEqual([[filterOfA, filterOfB, buffer], ["Forbidden"]]);
  });

  test("cost no write when they are there", async () => {
    const { work, api } = await openRouted();
    const before = api.writes().length;
    await work(a);
    expect(api.writes()).toHaveLength(before);
  });

  test("are repaired with pauses", async () => {
    const { work, sees, api, clock } = await openRouted();
    const key = `${root}/${filterOfA}`;
    const spoil = () =>
      sees(api.person.edit("envoyfilters", key, (object) => ({ ...object, spec: { configPatches: [] } })));
    const outcomes = [];
    for (let round = 0; round < 3; round++) {
      spoil();
      outcomes.push(await work(a));
    }
    expect(outcomes).toEqual([undefined, { againInMs: 1_000 }, { againInMs: 1_000 }]);
    clock.advance(1_000);
    expect(await work(a)).toBeUndefined();
  });
});

describe("the filter of a port", () => {
  const otherPort = (name: string, vip: string): ServiceEntry => {
    const entry = entryOf(name, vip);
    const ports = entry.spec.ports?.map((port) => ({ ...port, number: 20_990 })) ?? [];
    return { ...entry, spec: { ...entry.spec, ports } };
  };

  test("is written once for entries that need it at the same time", async () => {
    const { work, api } = open([a, b]);
    await Promise.all([work(a), work(b)]);
    expect(api.writes({ resource: "envoyfilters", name: buffer })).toHaveLength(1);
  });

  test("stays while a filter routes it, though the entry is gone", async () => {
    const { worker, work, remove, inCluster } = open();
    await work(a);
    remove(a);
    await worker.work(`:port/${root}/20880`);
    expect(inCluster()).toEqual([filterOfA, buffer]);
  });

  test("goes although other ports are routed, entries decide nothing, and strangers route this one", async () => {
    const unclear = { ...b, spec: { ...b.spec, addresses: [] } };
    const { worker, work, put, remove, sees, api, clock, inCluster } = open();
    await work(a);
    remove(a);
    put(unclear);
    put(otherPort("c", "240.241.0.3"));
    const stranger: EnvoyFilter = {
      apiVersion: "networking.istio.io/v1alpha3",
      kind: "EnvoyFilter",
      metadata: { namespace: root, name: "theirs" },
      spec: { configPatches: [{ match: { listener: { name: "10.0.0.9_20880" } } }] },
    };
    sees(api.person.put(stranger));
    await work(a);
    clock.advance(1_000);
    await work(a);
    await worker.work(`:port/${root}/20880`);
    expect(inCluster()).toEqual(["theirs"]);
  });

  test("stays while an entry is about to get a filter of that port", async () => {
    const { worker, inCluster, work, put, remove, clock } = open();
    await work(a);
    remove(a);
    put(b);
    await work(a);
    clock.advance(1_000);
    await work(a);
    await worker.work(`:port/${root}/20880`);
    expect(inCluster()).toEqual([buffer]);
  });
});

describe("of several entries with one address", () => {
  const created = (entry: ServiceEntry, creationTimestamp: string): ServiceEntry => ({
    ...entry,
    metadata: { ...entry.metadata, creationTimestamp },
  });
  const [early, late] = ["2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"];
  const vip = "240.241.0.1";
  const rival = entryOf("z", vip);

  test.each([
    ["the older one", late, early, outbound("z", vip)],
    ["of one age the first by name", early, early, filterOfA],
  ])("%s gets the filter", async (_, ageOfA, ageOfZ, filter) => {
    const [first, second] = [created(a, ageOfA), created(rival, ageOfZ)];
    const { work, inCluster } = open([first, second]);
    for (const entry of [first, second]) await work(entry);
    expect(inCluster()).toEqual([filter, buffer].sort());
  });

  test("the one that has the filter keeps it, though another one is older", async () => {
    const { work, put, inCluster } = open([created(a, late)]);
    await work(a);
    put(created(rival, early));
    for (const entry of [rival, a]) await work(entry);
    expect(inCluster()).toEqual([filterOfA, buffer]);
  });

  test("a filter for another address makes nobody the one that has it", async () => {
    const { work, put, inCluster } = open([created(a, late)]);
    await work(a);
    const older = created(entryOf("z", "240.241.0.9"), early);
    put(older);
    const moved = created({ ...a, spec: { ...a.spec, addresses: ["240.241.0.9"] } }, late);
    put(moved);
    for (const entry of [moved, older]) await work(entry);
    expect(inCluster()).toEqual([filterOfA, outbound("z", "240.241.0.9"), buffer].sort());
  });

  test("none of a stranger's takes it from ours while the hubs are not known", async () => {
    const labels = { manager: "aeraki" };
    const theirs = { ...rival, metadata: { ...rival.metadata, labels, creationTimestamp: early } };
    const ours = created(a, late);
    const { work, hubsAre, inCluster } = open([theirs, ours], { foreign: true });
    hubsAre(undefined);
    for (const entry of [theirs, ours]) await work(entry);
    expect(inCluster()).toEqual([]);
    hubsAre([hub]);
    await work(ours);
    expect(inCluster()).toEqual([filterOfA, buffer]);
  });

  test("none of a stranger's takes it from ours, however old", async () => {
    const labels = { manager: "aeraki" };
    const theirs = { ...rival, metadata: { ...rival.metadata, labels, creationTimestamp: early } };
    const { work, inCluster } = open([theirs, created(a, late)], { foreign: true });
    await work(theirs);
    expect(inCluster()).toEqual([]);
    await work(a);
    expect(inCluster()).toEqual([filterOfA, buffer]);
  });
});

test("a copy of an entry decides nothing", async () => {
  const copy = {
    ...a,
    metadata: { ...a.metadata, name: "a-copy", creationTimestamp: "2030-01-01T00:00:00Z" },
    spec: { ...a.spec, addresses: ["240.241.0.7"] },
  };
  const { work, put, api } = open();
  await work(a);
  put(copy);
  const before = api.writes().length;
  expect([await work(copy), await work(a), api.writes().length]).toEqual([undefined, undefined, before]);
});

test("each write is in the log, by the name of the filter", async () => {
  const { work, remove, clock, lines } = open();
  await work(a);
  remove(a);
  await work(a);
  clock.advance(1_000);
  await work(a);
  const about = (name: string) => ({ kind: "EnvoyFilter", name });
  expect(lines).toEqual([
    ["info", "object created", about(buffer)],
    ["info", "object created", about(filterOfA)],
    ["info", "object deleted", about(filterOfA)],
  ]);
});

describe("a filter that is not ours", () => {
  const theirs = (name: string, listener: string): EnvoyFilter => ({
    apiVersion: "networking.istio.io/v1alpha3",
    kind: "EnvoyFilter",
    metadata: { namespace: root, name },
    spec: { configPatches: [{ match: { listener: { name: listener } } }] },
  });

  test("keeps a name that ours needs, which an Event tells, and nothing of the entry goes meanwhile", async () => {
    const { work, put, sees, api, notes, inCluster } = await openRouted();
    const name = outbound("a", "240.241.0.3");
    sees(api.person.put(theirs(name, "something")));
    put({ ...a, spec: { ...a.spec, addresses: ["240.241.0.3"] } });
    expect(await work(a)).toEqual({ failed: true });
    const message = expect.stringContaining("delete or rename it");
    expect(notes).toMatchObject([{ reason: "NameTaken", message, object: { metadata: { name } } }]);
    expect(inCluster()).toEqual([buffer, filterOfA, name, filterOfB].sort());
  });

  test("of the same listener is the old product's, and becomes ours", async () => {
    const { work, sees, api } = open();
    sees(api.person.put(theirs(filterOfA, "240.241.0.1_20880")));
    expect(await work(a)).toBeUndefined();
    expect(api.person.get("envoyfilters", `${root}/${filterOfA}`)?.metadata.labels).toMatchObject({
      "app.kubernetes.io/managed-by": "dubbo-controller",
    });
  });

  test("of the same listener stays the old product's where no hub stands behind the entry", async () => {
    const { work, sees, hubsAre, api, notes } = open();
    sees(api.person.put(theirs(filterOfA, "240.241.0.1_20880")));
    hubsAre([]);
    expect(await work(a)).toBeUndefined();
    expect(api.person.get("envoyfilters", `${root}/${filterOfA}`)?.metadata.labels).toBeUndefined();
    expect(notes).toEqual([]);
  });

  test("of another listener is no reason for one of ours on a port that is not allowed", async () => {
    const { work, sees, api, notes } = open([a], { dubboPorts: [{ from: 1, to: 2, isAllowed: true }] });
    sees(api.person.put(theirs(filterOfA, "something")));
    expect([await work(a), notes]).toEqual([undefined, []]);
  });

  test("keeps the name of a port's filter, though neither routes anything", async () => {
    const { work, sees, api, notes } = open();
    const { spec: _, ...rest } = theirs(buffer, "");
    sees(api.person.put({ ...rest, spec: {} }));
    expect(await work(a)).toEqual({ failed: true });
    expect(notes).toMatchObject([{ reason: "NameTaken", object: { metadata: { name: buffer } } }]);
  });

  test("is nobody's: not deleted with an entry, nor with the last use of its port", async () => {
    const { worker, api, sees, inCluster } = open([]);
    expect(sees(api.person.put(theirs(buffer, "")))).toEqual([]);
    expect(await worker.work(`:port/${root}/20880`)).toBeUndefined();
    expect(inCluster()).toEqual([buffer]);
  });
});

test("a filter that appears, changes hands or goes concerns its owners, old and new, and its port", async () => {
  const { worker, api, sees } = await openRouted();
  const key = `${root}/${filterOfA}`;
  const owned = (by: string | undefined): readonly string[] =>
    sees(
      api.person.edit("envoyfilters", key, (object) => ({
        ...object,
        metadata: {
          ...object.metadata,
          annotations: { "ecns.easystack.cn/serviceentry": by },
          ...(by === undefined && { labels: {} }),
        },
      })),
    );
  expect(worker.take(key)).toEqual([objectKey(a), objectKey(a)]);
  expect(owned("demo/x")).toEqual([objectKey(a), "demo/x"]);
  expect(owned(undefined)).toEqual(["demo/x", `:port/${root}/20880`]);
  expect(worker.take(`${root}/${buffer}`)).toEqual([`:port/${root}/20880`, `:port/${root}/20880`]);
  expect(worker.take(`${root}/nothing`)).toEqual([]);
});

describe("endpoints that cannot be reached are ejected", () => {
  const wantsNone = (entry: ServiceEntry): ServiceEntry => {
    const annotations = { ...entry.metadata.annotations, "ecns.easystack.cn/outlier-detection": "false" };
    return { ...entry, metadata: { ...entry.metadata, annotations } };
  };
  const routeOfA = {
    serviceEntry: objectKey(a),
    host: "a.demo",
    interface: "a",
    vip: "240.241.0.1",
    port: 20_880,
    outlierDetection: true,
  };
  /** Whether the filter of their port says so. */
  const ejects = ({ api }: ReturnType<typeof open>): boolean =>
    JSON.stringify(api.person.get("envoyfilters", `${root}/${buffer}`)).includes("outlier_detection");

  test.each([
    ["by default", [a, b], {}, true],
    ["while one route of the port wants it", [wantsNone(a), b], {}, true],
    ["not if none does", [wantsNone(a), wantsNone(b)], {}, false],
    ["not if it is switched off", [a, b], { outlierDetection: false }, false],
  ])("%s", async (_, entries, options, wanted) => {
    const opened = open(entries, options);
    for (const entry of entries) await opened.work(entry);
    expect([ejects(opened), opened.notes]).toEqual([wanted, []]);
    expect(opened.api.person.get("envoyfilters", `${root}/${buffer}`)?.metadata.generation).toBe(1);
  });

  test("not on a port where others may be, though it has a filter from before", async () => {
    const opened = open([a], { dubboPorts: [{ from: 1, to: 2, isAllowed: true }] });
    opened.sees(opened.api.person.put(outboundFilter(routeOfA, root)));
    await opened.work(a);
    expect(opened.inCluster()).toEqual([filterOfA, buffer]);
    expect(ejects(opened)).toBe(false);
  });

  test("by the word of those alone that have a filter, or may have one", async () => {
    const forged = {
      ...b,
      metadata: { ...b.metadata, annotations: { ...b.metadata.annotations, "ecns.easystack.cn/hubs": "" } },
    };
    const opened = open([wantsNone(a), forged]);
    for (const entry of [wantsNone(a), forged]) await opened.work(entry);
    expect(opened.inCluster()).toEqual([filterOfA, buffer]);
    expect(ejects(opened)).toBe(false);
    opened.put({ ...forged, spec: { ...forged.spec, resolution: "DNS" } });
    await opened.work(forged);
    await opened.worker.work(`:port/${root}/20880`);
    expect(ejects(opened)).toBe(false);
  });

  test("by what entries say in namespaces that are not watched, too: two processes write one filter", async () => {
    const opened = open([a], { watchNamespaces: ["demo"] });
    await opened.work(a);
    expect(ejects(opened)).toBe(true);
    const elsewhere = open([a], { watchNamespaces: ["other"] });
    elsewhere.sees(elsewhere.api.person.put(portFilter(20_880, true, root)));
    const quiet = wantsNone(a);
    await elsewhere.work(a);
    elsewhere.put(quiet);
    await elsewhere.work(quiet);
    expect([elsewhere.inCluster(), ejects(elsewhere)]).toEqual([[buffer], false]);
  });

  test("as before while the routes of the port are unclear", async () => {
    const opened = open([wantsNone(a)]);
    await opened.work(wantsNone(a));
    const unclear = { ...a, spec: { ...a.spec, addresses: [] } };
    const restarted = open([unclear]);
    restarted.sees(restarted.api.person.put(outboundFilter(routeOfA, root)));
    restarted.sees(restarted.api.person.put(portFilter(20_880, false, root)));
    await restarted.work(unclear);
    await restarted.worker.work(`:port/${root}/20880`);
    expect([restarted.inCluster(), ejects(restarted)]).toEqual([[filterOfA, buffer], false]);
  });

  test("as the hubs of the port change their minds, and go", async () => {
    const opened = open([a, b]);
    const changes = async (...entries: readonly ServiceEntry[]): Promise<boolean> => {
      for (const entry of entries) {
        opened.put(entry);
        await opened.work(entry);
      }
      return ejects(opened);
    };
    expect(await changes(a, b)).toBe(true);
    expect(await changes(wantsNone(a))).toBe(true);
    expect(await changes(wantsNone(b))).toBe(false);
    expect(await changes(a)).toBe(true);
    opened.remove(a);
    await opened.work(a);
    opened.clock.advance(1_000);
    await opened.work(a);
    await opened.worker.work(`:port/${root}/20880`);
    expect(ejects(opened)).toBe(false);
  });
});
