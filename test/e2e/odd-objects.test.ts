import { describe, expect, test } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import type { RegistryHub } from "../../src/model/registryhub.ts";
import { eventually } from "../support/eventually.ts";
import {
  endpointsOf,
  newTenant,
  providerUrl,
  SOON_MS,
  STATUS_MS,
  type Tenant,
  untilFailed,
  untilNothingHeld,
  untilReady,
  useWorld,
} from "./world.ts";

const world = useWorld();
const service = "org.example.Shop";

/** A hub that is settled, and its one entry. */
async function openShop(): Promise<{ readonly tenant: Tenant; readonly entry: ServiceEntry }> {
  const tenant = await newTenant(world);
  await tenant.provide(providerUrl(service, "10.42.7.1:20880"), providerUrl(service, "10.42.7.2:20880"));
  await tenant.applyHub();
  await untilReady(tenant);
  await untilNothingHeld(tenant);
  const [entry] = await tenant.entries();
  if (entry === undefined) throw new Error("the hub is ready and has no entry");
  return { tenant, entry };
}

describe("somebody adds a host to an entry", () => {
  const addHost = ({ namespace }: Tenant, { metadata, spec }: ServiceEntry) =>
    world.api.kubectl([
      "patch",
      "serviceentry",
      metadata.name ?? "",
      "-n",
      namespace,
      "--type=merge",
      `--patch=${JSON.stringify({ spec: { hosts: [...(spec.hosts ?? []), "alias.example"] } })}`,
    ]);

  /** The service has the one entry that it had, with its virtual IP and its endpoints. */
  async function expectWhole({ namespace }: Tenant, before: ServiceEntry): Promise<void> {
    const entries = await world.cluster.serviceEntries(namespace);
    const facts = ({ metadata, spec, ...rest }: ServiceEntry) => [
      metadata.uid,
      spec.hosts?.[0],
      spec.addresses,
      endpointsOf({ metadata, spec, ...rest }),
    ];
    expect(entries.map(facts)).toEqual([facts(before)]);
  }

  test("it is taken away", async () => {
    const { tenant, entry } = await openShop();
    await addHost(tenant, entry);
    await eventually(async () => {
      const [restored] = await tenant.entries();
      expect(restored?.spec.hosts).toEqual(entry.spec.hosts);
    }, SOON_MS);
    await expectWhole(tenant, entry);
  });

  test("nobody is there to take it away, nor to list the service: nothing is lost", async () => {
    const { tenant, entry } = await openShop();
    await world.controllers.hub.terminate();
    await addHost(tenant, entry);
    await world.zooKeeper.kill();
    await world.controllers.hub.restart();
    await untilFailed(tenant, "RegistryUnreachable", /connect/);
    await expectWhole(tenant, entry);
    await world.restartZooKeeper();
    await untilReady(tenant);
    await expectWhole(tenant, entry);
  });
});

test("legal objects of others that are odd end no controller, neither at work nor at its start", async () => {
  const { tenant } = await openShop();
  const { kubectl } = world.api;
  await kubectl(["create", "namespace", "elsewhere"]);
  const [ours, product] = [
    { "app.kubernetes.io/managed-by": "registryhub" },
    { manager: "aeraki", registry: "dubbo2istio" },
  ];
  const port = { name: "9000", number: 9_000 };
  const entry = (name: string, labels: object, spec: object): object => ({
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: { namespace: "elsewhere", name, labels },
    spec: { hosts: [`${name}.elsewhere`], resolution: "STATIC", ports: [port], ...spec },
  });
  const objects = [
    entry("product-without-protocol", product, {}),
    entry("ours-without-protocol", ours, {}),
    entry("ours-without-address", ours, { endpoints: [{ network: "east" }] }),
    entry("status-is-a-text", {}, { addresses: ["10.0.0.1"] }),
    {
      apiVersion: "networking.istio.io/v1alpha3",
      kind: "EnvoyFilter",
      metadata: {
        namespace: "servicemesh",
        name: "filter-without-spec",
        labels: { "app.kubernetes.io/managed-by": "dubbo-controller" },
      },
    },
  ];
  await kubectl(["create", "-f", "-"], {
    input: JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }),
  });
  const odd = ["patch", "serviceentry", "status-is-a-text", "-n", "elsewhere", "--subresource=status"];
  await kubectl([...odd, "--type=merge", '--patch={"status":{"addresses":"240.240.0.7"}}']);

  const { hub, dubbo } = world.controllers;
  for (const address of ["10.42.7.3:20880", "10.42.7.4:20880"]) {
    await tenant.provide(providerUrl(service, address));
    await eventually(async () => {
      const [shop] = await tenant.entries();
      expect(shop && endpointsOf(shop)).toContain(address);
    }, SOON_MS);
    expect([hub.isRunning(), dubbo.isRunning()]).toEqual([true, true]);
    await Promise.all([hub.restart(), dubbo.restart()]);
  }
  await untilReady(tenant);
});

test("a hub that observed is Ready only when the mesh has all that its registry lists", async () => {
  const tenant = await newTenant(world);
  const count = 60;
  const urls = Array.from({ length: count }, (_, at) => providerUrl(`org.example.S${at}`, "10.42.7.9:20880"));
  await tenant.provide(...urls);
  await tenant.applyHub({ policy: "observe" });
  await eventually(async () => {
    expect((await tenant.hub()).status?.plan).toMatchObject({ create: count });
  }, STATUS_MS);
  await tenant.applyHub({ policy: "sync" });
  const { metadata } = await untilReady(tenant);
  await world.recorder.caughtUp();
  const names = new Set<string>();
  for (const { kind, name, object } of world.recorder.changes(tenant.namespace)) {
    if (kind === "serviceentries") names.add(name);
    const { status } = kind === "registryhubs" ? (object as RegistryHub) : {};
    const ready = status?.conditions.find(({ type }) => type === "Ready");
    if (status?.observedGeneration === metadata.generation && ready?.status === "True") break;
  }
  expect(names.size).toBe(count);
});
