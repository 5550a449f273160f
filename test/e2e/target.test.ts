import { describe, expect, test } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import { eventually } from "../support/eventually.ts";
import { recordEntries } from "./recording.ts";
import {
  endpointsOf,
  newTenant,
  providerUrl,
  SOON_MS,
  STATUS_MS,
  type Tenant,
  untilFailed,
  untilReady,
  useWorld,
} from "./world.ts";

const world = useWorld();

test("two hosts that would have one name get one each, though they are made at the same time", async () => {
  const tenant = await newTenant(world);
  await tenant.provide(
    providerUrl("com.acme.Order", "10.42.3.8:20880", { group: "v1", version: "" }),
    providerUrl("com.acme.order.V1", "10.42.3.9:20880", { version: "" }),
  );
  await tenant.applyHub();
  const entries = await eventually(async () => {
    const found = await tenant.entries();
    expect(found).toHaveLength(2);
    return found;
  }, SOON_MS);
  const names = entries.map(({ metadata }) => metadata.name).sort();
  expect(names[0]).toBe(`aeraki-com-acme-order-v1-${tenant.namespace}`);
  expect(names[1]).toMatch(/^aeraki-com-acme-order-v1-.*-[0-9a-f]{8}$/);
  expect(entries.flatMap(({ spec }) => spec.hosts ?? []).sort()).toEqual([
    `com.acme.order-v1.${tenant.namespace}`,
    `com.acme.order.v1.${tenant.namespace}`,
  ]);
  await untilReady(tenant);
});

describe.concurrent("the namespace of generate_to", () => {
  test("missing, created, deleted and created again: the status tells, the entries follow, the VIP stays", async () => {
    const tenant = await newTenant(world);
    const target = `${tenant.namespace}-target`;
    await tenant.provide(providerUrl("org.example.Shop", "10.42.3.1:20880"));
    await tenant.applyHub({ generate_to: target });
    await untilFailed(tenant, "NamespaceMissing", `namespace ${target} does not exist`);

    await world.api.kubectl(["create", "namespace", target]);
    const first = await untilOneEntry(target);
    await untilReady(tenant);

    await world.api.kubectl(["delete", "namespace", target]); // waits until it is gone
    await untilFailed(tenant, "NamespaceMissing", `namespace ${target} does not exist`);
    await world.api.kubectl(["create", "namespace", target]);
    const again = await untilOneEntry(target);
    expect(again.spec).toEqual(first.spec);
    await untilReady(tenant);
  });

  test("terminating: nothing is written to it, and the status says so", async () => {
    const tenant = await newTenant(world);
    const target = `${tenant.namespace}-target`;
    await world.api.kubectl(["create", "namespace", target]);
    await world.api.kubectl(["create", "configmap", "holder", "-n", target]);
    const finalizers = (names: readonly string[]) => JSON.stringify({ metadata: { finalizers: names } });
    const patch = (content: string) =>
      world.api.kubectl(["patch", "configmap", "holder", "-n", target, "--type=merge", "-p", content]);
    await patch(finalizers(["example.com/hold"]));
    await world.api.kubectl(["delete", "namespace", target, "--wait=false"]);
    const since = new Date();
    await tenant.provide(providerUrl("org.example.Shop", "10.42.3.2:20880"));
    await tenant.applyHub({ generate_to: target });
    await untilFailed(tenant, "NamespaceMissing", `namespace ${target} is being deleted`);
    expect(await world.api.writes({ since, namespace: target, resource: "serviceentries" })).toEqual([]);
    await patch(finalizers([]));
  });
});

describe.concurrent("what stands in the place of an entry", () => {
  test("another's entry under our name: ours takes another name", async () => {
    const tenant = await newTenant(world);
    const name = `aeraki-org-example-shop-1-0-0-${tenant.namespace}`;
    const foreign = await applyForeign(tenant, name, "somebody.else");
    await tenant.provide(providerUrl("org.example.Shop", "10.42.3.3:20880"));
    await tenant.applyHub();
    await untilReady(tenant);
    const entries = await tenant.entries();
    expect(entries.map(({ metadata }) => metadata.name)).toEqual([
      name,
      expect.stringMatching(new RegExp(`^${name}-[0-9a-f]{8}$`)),
    ]);
    expect(entries[0]).toEqual(foreign);
    expect(entries[1]?.spec.hosts).toEqual([`org.example.shop-1.0.0.${tenant.namespace}`]);
  });

  test("another's entry with our host: left alone and named; ours follows when it goes", async () => {
    const tenant = await newTenant(world);
    const host = `org.example.shop-1.0.0.${tenant.namespace}`;
    const foreign = await applyForeign(tenant, "theirs", host);
    await tenant.provide(providerUrl("org.example.Shop", "10.42.3.4:20880"));
    await tenant.applyHub();
    await eventually(async () => {
      expect((await tenant.hub()).status).toMatchObject({
        rejected: 1,
        problems: [
          {
            at: host,
            problem: `HostConflict: ServiceEntry ${tenant.namespace}/theirs already has this host and does not belong to the operator; delete it or change its host`,
            severity: "rejected",
          },
        ],
      });
    }, STATUS_MS);
    expect(await tenant.entries()).toEqual([foreign]);
    await world.api.kubectl(["delete", "serviceentry", "theirs", "-n", tenant.namespace]);
    expect(endpointsOf(await untilOneEntry(tenant.namespace))).toEqual(["10.42.3.4:20880"]);
  });

  test("ours, edited and deleted by hand: it is back within seconds, with its VIP; what others added stays", async () => {
    const tenant = await newTenant(world);
    await tenant.provide(providerUrl("org.example.Shop", "10.42.3.5:20880"));
    await tenant.applyHub();
    await untilReady(tenant);
    const before = await untilOneEntry(tenant.namespace);
    const { name } = before.metadata;
    const edit = { metadata: { labels: { team: "shop" } }, spec: { endpoints: [], resolution: "DNS" } };
    const target = ["serviceentry", name, "-n", tenant.namespace];
    await world.api.kubectl(["patch", ...target, "--type=merge", "-p", JSON.stringify(edit)]);
    await eventually(async () => {
      const [entry] = await tenant.entries();
      expect(entry?.spec).toEqual(before.spec);
      expect(entry?.metadata.labels).toEqual({ ...before.metadata.labels, team: "shop" });
    }, SOON_MS);

    await world.api.kubectl(["delete", ...target]);
    const after = await untilOneEntry(tenant.namespace);
    expect(after.metadata.uid).not.toBe(before.metadata.uid);
    expect(after.spec).toEqual(before.spec);
  });

  test("an entry of the old product is taken over: same object, same VIP, no delete", async () => {
    const tenant = await newTenant(world);
    const host = `org.example.shop-1.0.0.${tenant.namespace}`;
    const name = `aeraki-org-example-shop-1-0-0-${tenant.namespace}`;
    const labels = { manager: "aeraki", registry: "dubbo2istio" };
    const old = await applyForeign(tenant, name, host, labels);
    await tenant.provide(providerUrl("org.example.Shop", "10.42.3.6:20880"));
    const recording = await recordEntries(world.recorder, tenant.namespace);
    await tenant.applyHub();
    await untilReady(tenant);
    await eventually(async () => {
      const [entry, ...others] = await tenant.entries();
      expect(others).toEqual([]);
      expect(entry?.metadata.uid).toBe(old.metadata.uid);
      expect(entry?.metadata.labels).toMatchObject({
        ...labels,
        "app.kubernetes.io/managed-by": "registryhub",
      });
      expect(entry?.spec.addresses).toEqual(old.spec.addresses);
      // What the old product had listed and the registry does not goes once the registry has settled.
      expect(entry && endpointsOf(entry)).toEqual(["10.42.3.6:20880"]);
    }, SOON_MS);
    const changes = await recording.changes();
    expect(changes.map(({ type }) => type)).not.toContain("DELETED");
    expect(changes[0] && endpointsOf(changes[0].object)).toEqual(["10.42.3.6:20880", "10.42.9.9:20880"]);
  });
});

/** The only entry of a namespace, once it is there. */
function untilOneEntry(namespace: string): Promise<ServiceEntry> {
  return eventually(async () => {
    const entries = await world.cluster.serviceEntries(namespace);
    expect(entries).toHaveLength(1);
    return entries[0] as ServiceEntry;
  }, SOON_MS);
}

let foreignEntries = 0;

/** An entry as somebody else's tool makes it, with the endpoint 10.42.9.9. */
async function applyForeign(
  { namespace }: Tenant,
  name: string,
  host: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<ServiceEntry> {
  const port = "tcp-metaprotocol-dubbo";
  foreignEntries++;
  const entry = {
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: {
      name,
      namespace,
      labels,
      annotations: { interface: "org.example.Shop", workloadSelector: "" },
    },
    spec: {
      hosts: [host],
      addresses: [`240.240.0.${foreignEntries}`],
      location: "MESH_INTERNAL",
      resolution: "STATIC",
      ports: [{ name: port, number: 20880, protocol: "tcp", targetPort: 20880 }],
      endpoints: [{ address: "10.42.9.9", ports: { [port]: 20880 }, labels: { version: "1.0.0" } }],
    },
  };
  await world.api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(entry) });
  return untilOneEntry(namespace);
}
