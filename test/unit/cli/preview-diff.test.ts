import { describe, expect, test } from "vitest";
import { type Change, type Cluster, copyOf, emptyCluster } from "../../../src/cli/cluster-copy.ts";
import { summaryOf } from "../../../src/cli/diff-summary.ts";
import { generate } from "../../../src/cli/generate.ts";
import { readConfig } from "../../../src/config.ts";
import type { EnvoyFilter, ServiceEntry } from "../../../src/model/istio.ts";
import type { RegistryHub } from "../../../src/model/registryhub.ts";
import { outboundFilter } from "../../../src/translate/envoy-filter.ts";
import { hubIdOf } from "../../../src/translate/names.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { codesOf, hubObject, hubOf, instanceOf, serviceOf, silentLogger } from "../../support/model.ts";

const config = readConfig({}, {});
const [first, second] = ["10.42.0.57", "10.42.0.58"];
const older = hubObject({}, { name: "older", creationTimestamp: "2023-01-01T00:00:00Z" });

/** What would change in the cluster if the hub were applied while its registry lists one service at these addresses. */
async function changed(cluster: Cluster, addresses: readonly string[], hub: RegistryHub = hubObject()) {
  const deps = { clock: fakeClock(), logger: silentLogger, random: () => 0 };
  const copy = copyOf(cluster, deps);
  const service = serviceOf({ instances: addresses.map((address) => instanceOf({ address })) });
  const services = new Map(addresses.length === 0 ? [] : [[service.id, service]]);
  const parsed = hubOf(hub.spec, hub.metadata);
  const generated = await generate(parsed, { services, problems: [] }, copy, config);
  return {
    entries: copy.serviceEntries.changes() as readonly Change<ServiceEntry>[],
    filters: copy.envoyFilters.changes() as readonly Change<EnvoyFilter>[],
    codes: codesOf(generated.problems),
    summary: [...summaryOf(parsed, generated, copy)],
    cluster: {
      ...cluster,
      hubs: [...cluster.hubs.filter(({ metadata }) => metadata.name !== hub.metadata.name), hub],
      serviceEntries: [...copy.serviceEntries.objects.values()] as readonly ServiceEntry[],
      envoyFilters: [...copy.envoyFilters.objects.values()],
    },
  };
}

/** The cluster once the hub is applied. */
const having = async (addresses: readonly string[], cluster = emptyCluster, hub = hubObject()) =>
  (await changed(cluster, addresses, hub)).cluster;

/** The cluster with its only ServiceEntry edited. */
const edited = (cluster: Cluster, edit: (entry: ServiceEntry) => ServiceEntry): Cluster => ({
  ...cluster,
  serviceEntries: cluster.serviceEntries.map((one) => edit(one as ServiceEntry)),
});

const addressesOf = (entry: ServiceEntry | undefined): readonly string[] =>
  (entry?.spec.endpoints ?? []).map(({ address = "" }) => address);
const byOf = (entry: ServiceEntry | undefined) =>
  entry?.spec.endpoints?.map(({ labels }) => labels?.["ecns.easystack.cn/by"]);
const only = <T extends ServiceEntry | EnvoyFilter>(changes: readonly Change<T>[]): Change<T> => {
  expect(changes).toHaveLength(1);
  return changes[0] as Change<T>;
};

describe("what a hub would change in a cluster", () => {
  test("that has nothing of it: all is created, the filter of the port first", async () => {
    const { entries, filters, summary } = await changed(emptyCluster, [first]);
    expect(only(entries)).toMatchObject({ before: undefined, after: { kind: "ServiceEntry" } });
    expect(filters.map(({ after }) => after?.metadata.name)).toEqual([
      "aeraki-outbound-buffer-20880",
      "aeraki-outbound-org.apache.dubbo.samples.api.greetingservice-1.0.0.dubbozk-240.241.184.190-20880",
    ]);
    expect(summary).toEqual([
      "dubbozk/registryhub-sample: ServiceEntries: 1 to create, 0 to change, 0 to delete; endpoints: 1 to add, 0 to remove; EnvoyFilters: 2 to create, 0 to change, 0 to delete",
    ]);
  });

  test("that is as it should be: nothing, whatever others have added", async () => {
    const cluster = edited(await having([first]), ({ metadata, ...rest }) => ({
      ...rest,
      metadata: { ...metadata, labels: { ...metadata.labels, team: "red" } },
    }));
    expect(await changed(cluster, [first])).toMatchObject({ entries: [], filters: [] });
  });

  test("an endpoint more: name, virtual IP, port and foreign labels stay", async () => {
    const vip = "240.241.9.9";
    const cluster = edited(await having([first]), ({ metadata, spec, ...rest }) => ({
      ...rest,
      metadata: { ...metadata, name: "named-long-ago", labels: { ...metadata.labels, team: "red" } },
      spec: { ...spec, addresses: [vip] },
    }));
    const moved = { ...cluster, envoyFilters: [] };
    const { before, after } = only((await changed(moved, [first, second])).entries);
    expect(addressesOf(after)).toEqual([first, second]);
    expect(after?.metadata.labels).toEqual(before?.metadata.labels);
    expect({ ...after?.spec, endpoints: [] }).toEqual({ ...before?.spec, endpoints: [] });
  });

  test("an endpoint less goes, and the summary says when", async () => {
    const { entries, filters, summary } = await changed(await having([first, second]), [second]);
    expect(addressesOf(only(entries).after)).toEqual([second]);
    expect(filters).toEqual([]);
    expect(summary.join("\n")).toMatch(
      /0 to add, 1 to remove.*\nthe operator removes nothing before it has read the registry for 60 s/,
    );
  });

  test("a service less: its entry is empty first, and deleted when it has been for the grace", async () => {
    const emptied = await changed(await having([first]), []);
    const { after } = only(emptied.entries);
    expect(addressesOf(after)).toEqual([]);
    expect(after?.metadata.annotations).toMatchObject({
      "ecns.easystack.cn/empty-since": "2024-02-04T03:00:00Z",
    });
    expect(emptied.filters).toEqual([]);
    expect(emptied.summary.join("\n")).toContain("1 ServiceEntries lose their last endpoint");
    expect(await changed(emptied.cluster, [])).toMatchObject({ entries: [], filters: [] });

    const longEmpty = edited(emptied.cluster, ({ metadata, ...rest }) => ({
      ...rest,
      metadata: {
        ...metadata,
        annotations: { ...metadata.annotations, "ecns.easystack.cn/empty-since": "2024-02-04T02:00:00Z" },
      },
    }));
    const { entries, filters } = await changed(longEmpty, []);
    expect(only(entries).after).toBeUndefined();
    expect(filters.map(({ after: filter }) => filter)).toEqual([undefined, undefined]);
  });

  test("somebody else's entry for the host is left alone: HostConflict", async () => {
    const cluster = edited(await having([first]), ({ metadata: { name, namespace }, ...rest }) => ({
      ...rest,
      metadata: { name, ...(namespace && { namespace }) },
    }));
    const { entries, codes } = await changed(cluster, [first, second]);
    expect(entries).toEqual([]);
    expect(codes).toEqual(["HostConflict"]);
  });

  test("the old product's entry is adopted with its virtual IP", async () => {
    const labels = { manager: "aeraki", registry: "dubbo2istio" };
    const cluster = edited(await having([first]), ({ metadata, spec, ...rest }) => ({
      ...rest,
      metadata: { ...metadata, labels },
      spec: { ...spec, addresses: ["240.240.0.1"] },
    }));
    const { after } = only((await changed(cluster, [first])).entries);
    expect(after?.metadata.labels).toMatchObject({
      ...labels,
      "app.kubernetes.io/managed-by": "registryhub",
    });
    expect(after?.spec.addresses).toEqual(["240.240.0.1"]);
  });

  test("what another hub vouches for stays, in the order of the hubs' ages", async () => {
    const { metadata, ...rest } = hubObject();
    const { creationTimestamp: _, ...ofFile } = metadata;
    const both = await having(
      [first, second],
      await having([first], emptyCluster, older),
      { ...rest, metadata: ofFile }, // one that does not exist yet is the youngest
    );
    const [olderId, id] = [hubIdOf("dubbozk/older"), hubIdOf("dubbozk/registryhub-sample")];
    expect(byOf(both.serviceEntries[0])).toEqual([`${olderId}.${id}`, id]);
    const known = { ...both, hubs: [hubObject(), older] };
    expect(await changed(known, [first, second])).toMatchObject({ entries: [], filters: [] });
    expect(await changed(known, [first], older)).toMatchObject({ entries: [], filters: [] });

    const { after } = only((await changed(known, [])).entries);
    expect(addressesOf(after)).toEqual([first]);
    expect(byOf(after)).toEqual([olderId]);
  });

  test("what an older hub says of an endpoint stands, and a suspended or deleted one's endpoints stay", async () => {
    const shared = edited(await having([first], emptyCluster, older), ({ spec, ...rest }) => ({
      ...rest,
      spec: {
        ...spec,
        endpoints: (spec.endpoints ?? []).map((one) => ({
          ...one,
          labels: { ...one.labels, application: "shop" },
        })),
      },
    }));
    const applicationsOf = (entry: ServiceEntry | undefined) =>
      entry?.spec.endpoints?.map(({ labels: { application } = {} }) => application);
    expect(applicationsOf(only((await changed(shared, [first])).entries).after)).toEqual(["shop"]);

    const suspended = { ...older, spec: { ...older.spec, suspend: true } };
    for (const hubs of [[suspended], []]) {
      const { after } = only((await changed({ ...shared, hubs }, [second])).entries);
      expect(addressesOf(after)).toEqual([first, second]);
    }
  });

  test("a hub that never removes holds what it does not list, and says so", async () => {
    const upsertOnly = hubObject({ policy: "upsert-only" });
    const { entries, summary } = await changed(await having([first]), [], upsertOnly);
    expect(entries).toEqual([]);
    expect(summary).toContain("held: 1 endpoints of 1 services stay: spec.policy is upsert-only");
  });

  test("a hub that only observes or is suspended shows what it would do otherwise", async () => {
    const { entries, summary } = await changed(
      emptyCluster,
      [first],
      hubObject({ policy: "observe", suspend: true }),
    );
    expect(entries).toHaveLength(1);
    expect(summary.slice(1)).toEqual([
      "spec.suspend is true: the operator writes none of this until it is false",
      "spec.policy is observe: the operator writes none of this",
    ]);
  });

  test("filters that are missing or edited are put right; one of somebody else keeps its name", async () => {
    const cluster = await having([first]);
    const [buffer, outbound] = cluster.envoyFilters as [EnvoyFilter, EnvoyFilter];
    const drifted = { ...outbound, spec: { ...outbound.spec, priority: 0 } };
    const { filters } = await changed({ ...cluster, envoyFilters: [drifted] }, [first]);
    expect(filters.map(({ before, after }) => [before, after])).toEqual([
      [drifted, outbound],
      [undefined, buffer],
    ]);

    const foreign = { ...buffer, metadata: { ...buffer.metadata, labels: {} }, spec: {} };
    const taken = await changed({ ...cluster, envoyFilters: [foreign] }, [first]);
    expect(taken.filters).toEqual([]);
    expect(taken.summary[0]).toMatch(
      /^warning: EnvoyFilter servicemesh\/aeraki-outbound-buffer-20880: NameTaken: /,
    );
  });
});

describe("the filters of a hub with exportTo", () => {
  const outbound =
    "aeraki-outbound-org.apache.dubbo.samples.api.greetingservice-1.0.0.dubbozk-240.241.184.190-20880";
  const buffer = "aeraki-outbound-buffer-20880";
  const scoped = (...exportTo: readonly string[]) => hubObject({ exportTo });
  /** A dubbo-controller that may write everywhere has one in another namespace. */
  const elsewhere = outboundFilter(
    {
      serviceEntry: "other/other",
      host: "other.other",
      vip: "240.241.1.1",
      port: 20_881,
      interface: "Other",
      outlierDetection: true,
    },
    "other",
    config.rootNamespace,
  );
  const withRight: Cluster = { ...emptyCluster, envoyFilters: [elsewhere] };
  /** What becomes of filters, by place. */
  const told = (filters: readonly Change<EnvoyFilter>[]) =>
    filters.map(({ before, after }) => {
      const { namespace, name } = (after ?? before)?.metadata ?? {};
      return `${after === undefined ? "-" : before === undefined ? "+" : "~"} ${namespace}/${name}`;
    });

  test("are in the root namespace, where nothing shows that the operator writes elsewhere", async () => {
    const { filters, cluster } = await changed(emptyCluster, [first], scoped("team-a"));
    expect(told(filters)).toEqual([`+ servicemesh/${buffer}`, `+ servicemesh/${outbound}`]);
    expect((await changed(cluster, [first], scoped("team-a"))).filters).toEqual([]);
  });

  test("are in its namespaces, and nothing changes once they are", async () => {
    const hub = scoped("team-a", "team-b");
    const { filters, cluster } = await changed(withRight, [first], hub);
    expect(told(filters)).toEqual([
      `+ team-a/${buffer}`,
      `+ team-a/${outbound}`,
      `+ team-b/${buffer}`,
      `+ team-b/${outbound}`,
    ]);
    expect(await changed(cluster, [first], hub)).toMatchObject({ entries: [], filters: [] });
  });

  test("move with an edit, those of the port, too", async () => {
    const inRoot = await having([first], withRight);
    const there = await changed(inRoot, [first], scoped("team-a"));
    expect(told(there.filters).sort()).toEqual([
      `+ team-a/${buffer}`,
      `+ team-a/${outbound}`,
      `- servicemesh/${buffer}`,
      `- servicemesh/${outbound}`,
    ]);
    const written = edited(there.cluster, ({ metadata, ...rest }) => {
      const fieldsV1 = { "f:spec": { "f:exportTo": {} } };
      const managedFields = [{ manager: "registryhub", operation: "Apply", fieldsV1 }] as const;
      return { ...rest, metadata: { ...metadata, managedFields } };
    });
    const back = await changed(written, [first]);
    expect(told(back.filters).sort()).toEqual([
      `+ servicemesh/${buffer}`,
      `+ servicemesh/${outbound}`,
      `- team-a/${buffer}`,
      `- team-a/${outbound}`,
    ]);
  });

  test("go with their entry", async () => {
    const hub = scoped("team-a");
    const cluster = await having([], await having([first], withRight, hub), hub);
    const longEmpty = edited(cluster, ({ metadata, ...rest }) => ({
      ...rest,
      metadata: {
        ...metadata,
        annotations: { ...metadata.annotations, "ecns.easystack.cn/empty-since": "2024-02-04T02:00:00Z" },
      },
    }));
    const { filters } = await changed(longEmpty, [], hub);
    expect(told(filters).sort()).toEqual([`- team-a/${buffer}`, `- team-a/${outbound}`]);
  });

  test("are in no namespace that does not exist", async () => {
    const cluster = { ...withRight, namespaces: new Set(["team-a"]) };
    const { filters } = await changed(cluster, [first], scoped("team-a", "later"));
    expect(told(filters)).toEqual([`+ team-a/${buffer}`, `+ team-a/${outbound}`]);
  });

  test("are in the root namespace where somebody has the name of one, and the summary says who", async () => {
    const taken = {
      ...elsewhere,
      metadata: { name: buffer, namespace: "team-b" },
      spec: { configPatches: [] },
    };
    const cluster = { ...withRight, envoyFilters: [elsewhere, taken] };
    const { filters, summary } = await changed(cluster, [first], scoped("team-a", "team-b"));
    expect(told(filters)).toEqual([`+ servicemesh/${buffer}`, `+ servicemesh/${outbound}`]);
    expect(summary[0]).toMatch(/^warning: EnvoyFilter team-b\/aeraki-outbound-buffer-20880: NameTaken: /);
  });
});
