import { expect, test } from "vitest";
import type { EnvoyFilter } from "../../src/model/istio.ts";
import { eventually } from "../support/eventually.ts";
import { newTenant, providerUrl, SOON_MS, type Tenant, untilReady, useWorld } from "./world.ts";

const ROOT = "servicemesh";

const world = useWorld();

test("each filter follows its entry at once; the port's buffer filter comes first and goes last", async () => {
  const since = new Date();
  const tenant = await newTenant(world);
  const port = 21_001;
  await provideShops(tenant, 20, port);
  await tenant.applyHub();
  await untilReady(tenant);
  await eventually(async () => expect(await filtersOf(port)).toHaveLength(21), SOON_MS);

  const entryWrites = await world.api.writes({ since, namespace: tenant.namespace, verb: "patch" });
  const filterWrites = await world.api.writes({ since, resource: "envoyfilters" });
  expect(filterWrites[0]?.name).toBe(`aeraki-outbound-buffer-${port}`);
  for (const entry of await tenant.entries()) {
    const host = entry.spec.hosts?.[0];
    const wrote = entryWrites.find(({ name }) => name === entry.metadata.name);
    const filtered = filterWrites.find(({ name }) => name.includes(`-${host}-`));
    expect((filtered?.at.getTime() ?? Number.NaN) - (wrote?.at.getTime() ?? Number.NaN)).toBeLessThan(
      SOON_MS,
    );
  }

  await world.api.kubectl(["delete", "rh", "hub", "-n", tenant.namespace]);
  await eventually(async () => expect(await filtersOf(port)).toEqual([]), SOON_MS);
  expect(await tenant.entries()).toEqual([]);
  const deletions = await world.api.writes({ since, resource: "envoyfilters", verb: "delete" });
  expect(deletions.map(({ code }) => code)).toEqual(Array(21).fill(200));
  expect(deletions.at(-1)?.name).toBe(`aeraki-outbound-buffer-${port}`);
});

test("deleted or edited by hand, a filter comes back without a restart", async () => {
  const tenant = await newTenant(world);
  const port = 21_002;
  await provideShops(tenant, 1, port);
  await tenant.applyHub();
  const before = await untilFilters(port, 2);
  const names = before.map(({ metadata }) => metadata.name);

  await world.api.kubectl(["delete", "envoyfilter", ...names, "-n", ROOT]);
  const restored = await untilFilters(port, 2);
  expect(restored.map(({ spec }) => spec)).toEqual(before.map(({ spec }) => spec));
  expect(restored.map(({ metadata }) => metadata.uid)).not.toContain(before[0]?.metadata.uid);

  for (const name of names) {
    const edit = JSON.stringify({ spec: { priority: 99, configPatches: [] } });
    await world.api.kubectl(["patch", "envoyfilter", name, "-n", ROOT, "--type=merge", "-p", edit]);
  }
  await eventually(async () => {
    expect((await filtersOf(port)).map(({ spec }) => spec)).toEqual(before.map(({ spec }) => spec));
  }, SOON_MS);
});

test("entries of somebody else get filters only with --foreign-serviceentries", async () => {
  const { namespace } = await newTenant(world);
  const port = 21_003;
  const labels = { manager: "aeraki" };
  await applyEntry(namespace, "good", { labels, port });
  await applyEntry(namespace, "unmarked", { labels: {}, port });
  await applyEntry(namespace, "two-addresses", { labels, port, addresses: ["240.240.1.1", "240.240.1.2"] });
  await applyEntry(namespace, "not-an-interface", { labels, port, iface: "x|y" });
  const ours = await newTenant(world); // shows when the controller has had its time
  await provideShops(ours, 1, 21_004);
  await ours.applyHub();
  await untilFilters(21_004, 2);
  expect(await filtersOf(port)).toEqual([]);

  await world.controllers.dubbo.restart(["--foreign-serviceentries"]);
  const filters = await untilFilters(port, 2);
  expect(filters[1]?.metadata.annotations?.["ecns.easystack.cn/serviceentry"]).toBe(`${namespace}/good`);

  await world.controllers.dubbo.restart([]);
  await provideShops(ours, 2, 21_004);
  await untilFilters(21_004, 3);
  expect(await filtersOf(port)).toEqual(filters); // a filter goes with its entry, not with a flag
});

test("--inbound-filters adds the manual's second filter", async () => {
  const tenant = await newTenant(world);
  const port = 21_005;
  await provideShops(tenant, 1, port);
  await tenant.applyHub();
  await untilFilters(port, 2);
  await world.controllers.dubbo.restart(["--inbound-filters"]);
  const filters = await untilFilters(port, 3);
  const inbound = filters.find(({ metadata }) => metadata.name.startsWith("aeraki-inbound-"));
  expect(inbound?.metadata.name).toBe(`aeraki-inbound-org.example.shop1-1.0.0.${tenant.namespace}-${port}`);
  expect(inbound?.spec.configPatches).toMatchObject([
    {
      match: {
        context: "SIDECAR_INBOUND",
        listener: { name: "virtualInbound", filterChain: { destinationPort: port } },
      },
      patch: { value: { typed_config: { multiple_route_config: { route_config: [{ interface: "*" }] } } } },
    },
  ]);
});

test("a root namespace that is not the mesh's is said: in the log, as an Event and as a metric", async () => {
  const meshConfig = "--from-literal=mesh=rootNamespace: istio-system";
  await world.api.kubectl(["create", "configmap", "istio", "-n", ROOT, meshConfig]);
  const { dubbo } = world.controllers;
  await dubbo.restart([]);
  const message = `the mesh's root namespace is istio-system, but the EnvoyFilters are in ${ROOT} and apply only there; set --root-namespace=istio-system`;
  await eventually(async () => {
    expect((await dubbo.get("/metrics")).body).toContain("registryhub_root_namespace_mismatch 1");
    const events = await world.api.kubectl([
      "get",
      "events",
      "-n",
      ROOT,
      "-o",
      "jsonpath={.items[*].message}",
    ]);
    expect(events).toContain(message);
  }, SOON_MS);
  expect(dubbo.log()).toContainEqual(
    expect.objectContaining({
      level: "warn",
      msg: "root namespace differs from the mesh's",
      mesh: "istio-system",
    }),
  );
});

async function provideShops(tenant: Tenant, count: number, port: number): Promise<void> {
  const registered = await tenant.entries();
  const urls = Array.from({ length: count }, (_, index) =>
    providerUrl(`org.example.Shop${index + 1}`, `10.42.8.${index + 1}:${port}`),
  );
  await tenant.provide(...urls.slice(registered.length));
}

/** The filters for a port, by name: the buffer filter is the first. */
async function filtersOf(port: number): Promise<readonly EnvoyFilter[]> {
  const filters = await world.cluster.envoyFilters(ROOT);
  return filters.filter(({ metadata }) => metadata.name.endsWith(`-${port}`));
}

function untilFilters(port: number, count: number): Promise<readonly EnvoyFilter[]> {
  return eventually(async () => {
    const filters = await filtersOf(port);
    expect(filters).toHaveLength(count);
    return filters;
  }, SOON_MS);
}

interface EntryOptions {
  readonly labels: Readonly<Record<string, string>>;
  readonly port: number;
  readonly addresses?: readonly string[];
  readonly iface?: string;
}

let entries = 0;

/** A ServiceEntry for Dubbo as another tool makes it. */
async function applyEntry(namespace: string, name: string, options: EntryOptions): Promise<void> {
  entries++;
  const { labels, port, addresses = [`240.240.0.${entries}`], iface = "org.example.Theirs" } = options;
  await world.api.kubectl(["apply", "-f", "-"], {
    input: JSON.stringify({
      apiVersion: "networking.istio.io/v1beta1",
      kind: "ServiceEntry",
      metadata: { name, namespace, labels, annotations: { interface: iface } },
      spec: {
        hosts: [`${name}.${namespace}`],
        addresses,
        resolution: "STATIC",
        ports: [{ name: "tcp-metaprotocol-dubbo", number: port, protocol: "tcp", targetPort: port }],
        endpoints: [{ address: "10.42.9.1" }],
      },
    }),
  });
}
