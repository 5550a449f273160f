import { describe, expect, test } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import { eventually } from "../support/eventually.ts";
import {
  endpointsOf,
  newTenant,
  providerUrl,
  SOON_MS,
  STATUS_MS,
  type Tenant,
  untilReady,
  useWorld,
} from "./world.ts";

const world = useWorld();

const iface = "org.example.Shop";
const entryName = ({ namespace }: Tenant): string => `aeraki-org-example-shop-1-0-0-${namespace}`;

describe.concurrent("what others do beside an entry", () => {
  test("a copy of it: the entry follows the registry, the copy is left alone and named", async () => {
    const tenant = await newTenant(world);
    const [first = ""] = await tenant.provide(providerUrl(iface, "10.42.8.1:20880"));
    const entry = await openEntry(tenant);
    const { name, namespace, labels, annotations } = entry.metadata;
    const copied = { ...entry, metadata: { name: "a-backup", namespace, labels, annotations } };
    await apply(copied);
    const backup = await get(tenant, "a-backup");
    await tenant.provide(providerUrl(iface, "10.42.8.2:20880"));
    await world.writer.delete(first);
    await eventually(async () => {
      expect(endpointsOf(await get(tenant, name))).toEqual(["10.42.8.2:20880"]);
      const { services, endpoints, rejected, problems } = (await tenant.hub()).status ?? {};
      expect({ services, endpoints, rejected }).toEqual({ services: 1, endpoints: 1, rejected: 0 });
      expect(problems?.map(({ problem }) => problem)).toEqual([
        expect.stringContaining(`HostConflict: ServiceEntry ${namespace}/a-backup is a copy of the entry`),
      ]);
    }, STATUS_MS);
    expect(await get(tenant, "a-backup")).toEqual(backup);
    await world.api.kubectl(["delete", "serviceentry", "a-backup", "-n", tenant.namespace]);
    await eventually(async () => expect((await tenant.hub()).status?.problems).toEqual([]), STATUS_MS);
  });

  test("a finalizer on it: it outlives its service, has what returns, and comes back when it is gone", async () => {
    const tenant = await newTenant(world);
    const [path = ""] = await tenant.provide(providerUrl(iface, "10.42.8.3:20880"));
    const before = await openEntry(tenant);
    await setFinalizers(tenant, ["example.com/hold"]);
    const since = new Date();
    await world.writer.delete(path);
    await eventually(async () => {
      expect((await get(tenant, entryName(tenant))).metadata).toHaveProperty("deletionTimestamp");
    }, STATUS_MS);
    await tenant.provide(providerUrl(iface, "10.42.8.4:20880"));
    await eventually(async () => {
      const entry = await get(tenant, entryName(tenant));
      expect(entry.metadata.uid).toBe(before.metadata.uid);
      expect(endpointsOf(entry)).toEqual(["10.42.8.4:20880"]);
    }, SOON_MS);
    await setFinalizers(tenant, []);
    await eventually(async () => {
      const entry = await get(tenant, entryName(tenant));
      expect(entry.metadata.uid).not.toBe(before.metadata.uid);
      expect(entry.spec.addresses).toEqual(before.spec.addresses);
      expect(endpointsOf(entry)).toEqual(["10.42.8.4:20880"]);
    }, SOON_MS);
    const { namespace } = tenant;
    const writes = await world.api.writes({ since, namespace, resource: "serviceentries" });
    expect(writes.filter(({ verb }) => verb === "delete")).toHaveLength(1);
  });
});

test("a stranger's older entry with its virtual IP moves nothing and takes no filter, also after a restart", async () => {
  const stranger = await newTenant(world);
  const port = { name: "tcp-metaprotocol-dubbo", number: 20_880, protocol: "tcp" };
  await apply({
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: { name: "theirs", namespace: stranger.namespace, annotations: { interface: "x.Y" } },
    spec: {
      hosts: ["x.example"],
      addresses: ["10.0.0.1"],
      exportTo: ["."],
      resolution: "STATIC",
      ports: [port],
    },
  });
  const tenant = await newTenant(world);
  await tenant.provide(providerUrl(iface, "10.42.8.5:20880"));
  const before = await openEntry(tenant);
  const filters = await filtersOf(tenant);
  const since = new Date();
  const spec = JSON.stringify({ spec: { addresses: before.spec.addresses } });
  await world.api.kubectl([
    "patch",
    "serviceentry",
    "theirs",
    "-n",
    stranger.namespace,
    "--type=merge",
    "-p",
    spec,
  ]);
  const isTold = () =>
    eventually(async () => {
      expect((await tenant.hub()).status?.problems.map(({ problem }) => problem)).toEqual([
        expect.stringContaining(`VipShared: ServiceEntry ${stranger.namespace}/theirs,`),
      ]);
    }, STATUS_MS);
  await isTold();
  await world.controllers.hub.restart();
  await world.controllers.dubbo.restart();
  await tenant.provide(providerUrl(iface, "10.42.8.6:20880"));
  await eventually(async () => {
    const entry = await get(tenant, entryName(tenant));
    expect(endpointsOf(entry)).toEqual(["10.42.8.5:20880", "10.42.8.6:20880"]);
    expect(entry.spec.addresses).toEqual(before.spec.addresses);
  }, STATUS_MS);
  await isTold();
  expect(await filtersOf(tenant)).toEqual(filters);
  expect(await world.api.writes({ since, resource: "envoyfilters" })).toEqual([]);
});

/** The entry of the tenant's one service, believed and with its filter. */
async function openEntry(tenant: Tenant): Promise<ServiceEntry> {
  await tenant.applyHub();
  await untilReady(tenant);
  await eventually(async () => expect(await filtersOf(tenant)).toHaveLength(1), SOON_MS);
  return get(tenant, entryName(tenant));
}

async function get(tenant: Tenant, name: string): Promise<ServiceEntry> {
  const found = (await tenant.entries()).find(({ metadata }) => metadata.name === name);
  if (found === undefined) throw new Error(`no ServiceEntry ${name}`);
  return found;
}

async function apply(object: object): Promise<void> {
  await world.api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(object) });
}

async function setFinalizers(tenant: Tenant, finalizers: readonly string[]): Promise<void> {
  const target = ["serviceentry", entryName(tenant), "-n", tenant.namespace];
  const patch = JSON.stringify({ metadata: { finalizers } });
  await world.api.kubectl(["patch", ...target, "--type=merge", "-p", patch]);
}

/** The tenant's filters. */
async function filtersOf({ namespace }: Tenant) {
  const filters = await world.cluster.envoyFilters("servicemesh");
  return filters.filter(({ metadata }) =>
    metadata.annotations?.["ecns.easystack.cn/serviceentry"]?.startsWith(`${namespace}/`),
  );
}
