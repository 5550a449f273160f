import { beforeAll, describe, expect, test } from "vitest";
import type { ServiceEntry, ServiceEntryPort } from "../../src/model/istio.ts";
import type { RegistryHubSpec } from "../../src/model/registryhub.ts";
import { type Nacos, startNacos } from "../bed/nacos.ts";
import { eventually } from "../support/eventually.ts";
import { type HttpRegistrant, httpRegistrant } from "../support/nacos-http-registrant.ts";
import { explainRegistry } from "./command.ts";
import { recordEntries } from "./recording.ts";
import {
  conditionOf,
  endpointsOf,
  newTenant,
  quickly,
  RETRY_MS,
  SOON_MS,
  STATUS_MS,
  type Tenant,
  untilReady,
  useWorld,
} from "./world.ts";

/** Whoever the hub-controller is to the API server. */
const userAgent = "registryhub-hub-controller";

/** A hold is there to be seen and let go of, not to end. */
const world = useWorld({ hub: [...quickly, "--shrink-hold=20s"] });
let nacos: Nacos;
let registrant: HttpRegistrant;
beforeAll(async () => {
  await using starting = new AsyncDisposableStack();
  nacos = starting.use(await startNacos({ version: "2.3" }));
  registrant = starting.use(httpRegistrant(nacos));
  const owned = starting.move();
  return () => owned.disposeAsync();
});

describe("a Kubernetes Service of the same name", () => {
  test("is warned of while it is there; nothing else is written because of it, nor for other Services", async () => {
    const tenant = await newTenant(world);
    await register(tenant, "order", "10.42.7.1", 9000);
    await createService(tenant.namespace, "order");
    await applyHub(tenant);
    await untilProblems(tenant, [
      {
        at: `order.${tenant.namespace}`,
        problem: `ShadowsService: Service ${tenant.namespace}/order has the same name in the mesh, so callers reach one of the two at random; rename the Service, or use another spec.generate_to`,
        severity: "warning",
      },
    ]);
    expect((await untilReady(tenant)).status).toMatchObject({ services: 1, rejected: 0 });
    expect((await tenant.entries()).map(({ spec }) => spec.hosts)).toEqual([[`order.${tenant.namespace}`]]);

    const since = new Date();
    const other = await newTenant(world);
    for (const name of ["payment", "order-2"]) await createService(tenant.namespace, name);
    await createService(other.namespace, "order"); // in another namespace it has another name
    await world.api.kubectl(["label", "service", "order", "-n", tenant.namespace, "changed=yes"]);
    await world.controllers.hub.restart();
    await untilQuiet();
    expect(await world.api.writes({ since, userAgent })).toEqual([]);

    await world.api.kubectl(["delete", "service", "order", "-n", tenant.namespace]);
    await untilProblems(tenant, []);
    await createService(tenant.namespace, "order");
    await untilProblems(tenant, [expect.objectContaining({ at: `order.${tenant.namespace}` })]);
    const kinds = (await world.api.writes({ since, userAgent })).map(({ resource }) => resource);
    expect(kinds).toEqual(["registryhubs", "registryhubs"]);
  });
});

describe("a live hub is edited", () => {
  test("protocol: the entry speaks it, on the port and virtual IP that it had, with the instances it had", async () => {
    const tenant = await newTenant(world);
    await register(tenant, "order", "10.42.8.1", 9000);
    await applyHub(tenant);
    const tcp = await untilPort(tenant, { name: "9000", number: 9000, protocol: "tcp", targetPort: 9000 });
    for (const ip of ["10.42.8.2", "10.42.8.3"]) await register(tenant, "order", ip, 9001);
    const endpoints = ["10.42.8.1:9000", "10.42.8.2:9001", "10.42.8.3:9001"];
    await eventually(
      async () => expect((await tenant.entries()).map(endpointsOf)).toEqual([endpoints]),
      STATUS_MS,
    );

    for (const protocol of ["http", "tcp"] as const) {
      const recording = await recordEntries(world.recorder, tenant.namespace);
      await applyHub(tenant, { protocol });
      const { metadata, spec } = await untilPort(tenant, {
        name: "9000",
        number: 9000,
        protocol,
        targetPort: 9000,
      });
      expect([metadata.uid, spec.addresses]).toEqual([tcp.metadata.uid, tcp.spec.addresses]);
      const changes = await recording.changes();
      expect(changes.map(({ type, object }) => [type, ...endpointsOf(object)])).toEqual([
        ["MODIFIED", ...endpoints],
      ]);
    }
  });

  test("services.exclude: many services at once are held by the brake, and go when the hub's owner says so", async () => {
    const tenant = await newTenant(world);
    const names = ["order", "pay", "ship", "stock"];
    for (const name of names) {
      await register(tenant, name, "10.42.9.1", 9000);
      await register(tenant, `${name}-MANAGEMENT`, "10.42.9.1", 9100);
    }
    await applyHub(tenant);
    await untilHosts(
      tenant,
      names.flatMap((name) => [name, `${name}-management`]),
    );
    await untilReady(tenant);
    const agrees = { code: 0, answer: expect.stringMatching(/, read now, agrees\.$/) as unknown };
    expect(await explainRegistry(world, tenant.namespace, "order-MANAGEMENT")).toMatchObject(agrees);
    await applyHub(tenant, { services: { exclude: ["*-management"] } });
    const held = await eventually(async () => {
      const hub = await tenant.hub();
      expect(conditionOf(hub, "DeletionHeld")).toMatchObject({ status: "True", reason: "Shrunk" });
      return hub;
    }, STATUS_MS);
    const { stdout } = await explainRegistry(world, tenant.namespace, "order-MANAGEMENT");
    expect(stdout).toMatch(/ left out, kept: hold until \S+Z \(Shrunk\) /);
    const release = `ecns.easystack.cn/release-hold=${held.status?.hold?.until}`;
    await world.api.kubectl(["annotate", "rh", "hub", "-n", tenant.namespace, release]);
    await untilHosts(tenant, names);
    await eventually(async () => {
      expect((await tenant.hub()).status).toMatchObject({ services: 4, endpoints: 4, problems: [] });
    }, STATUS_MS);
  });
});

/** The hub reads a group of the tenant's own, and no other. */
function applyHub(tenant: Tenant, spec: Partial<RegistryHubSpec> = {}): Promise<void> {
  const { namespace } = tenant;
  return tenant.applyHub({ type: "nacos", address: nacos.address, nacos: { groups: [namespace] }, ...spec });
}

function register({ namespace }: Tenant, name: string, ip: string, port: number): Promise<void> {
  return registrant.register({ namespace: "", group: namespace, name }, { ip, port }, true);
}

async function createService(namespace: string, name: string): Promise<void> {
  await world.api.kubectl(["create", "service", "clusterip", name, "--clusterip=None", "-n", namespace]);
}

async function untilProblems(tenant: Tenant, expected: readonly unknown[]): Promise<void> {
  await eventually(async () => expect((await tenant.hub()).status?.problems).toEqual(expected), STATUS_MS);
}

/** Waits until the tenant's only entry has this port and no other. */
function untilPort(tenant: Tenant, port: ServiceEntryPort): Promise<ServiceEntry> {
  return eventually(async () => {
    const [entry, ...others] = await tenant.entries();
    expect([entry?.spec.ports, others]).toEqual([[port], []]);
    return entry as ServiceEntry;
  }, STATUS_MS);
}

async function untilHosts(tenant: Tenant, names: readonly string[]): Promise<void> {
  const hosts = names.map((name) => `${name}.${tenant.namespace}`).sort();
  await eventually(async () => {
    expect((await tenant.entries()).flatMap(({ spec }) => spec.hosts)).toEqual(hosts);
  }, RETRY_MS);
}

/** The hub-controller that was just started has listed everything, and has nothing left to do. */
async function untilQuiet(): Promise<void> {
  await eventually(async () => {
    const { hub } = world.controllers;
    const started = hub.log().findLastIndex(({ msg }) => msg === "starting");
    const told = hub.log().slice(started);
    expect(told.filter(({ msg }) => msg === "registry listed")).toHaveLength(1);
    expect(told.filter(({ msg, resource }) => msg === "watching" && resource === "services")).toHaveLength(1);
    const { body } = await hub.get("/metrics");
    for (const queue of ["hosts", "status"])
      expect(body).toContain(`registryhub_queue_depth{queue="${queue}"} 0`);
  }, SOON_MS);
}
