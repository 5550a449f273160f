import { describe, expect, test } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import { type Consul, startConsul, startConsulServers } from "../bed/consul.ts";
import { startEureka } from "../bed/eureka.ts";
import { startSpringProvider } from "../bed/spring-provider.ts";
import { consulRegistrant, readAll } from "../support/consul-registrant.ts";
import { eventually } from "../support/eventually.ts";
import { explainRegistry } from "./command.ts";
import { recordEntries } from "./recording.ts";
import {
  conditionOf,
  endpointsOf,
  newTenant,
  RETRY_MS,
  STATUS_MS,
  type Tenant,
  untilFailed,
  untilReady,
  useWorld,
} from "./world.ts";

/** A right that was taken away shows at the second catalog after it, 10 s each. */
const UNAUTHORIZED_MS = 45_000;

const world = useWorld();

describe("an application that moves from a Eureka to a Consul", () => {
  test("is one entry while it is in both, and the same entry when the first hub is deleted", async () => {
    await using eureka = await startEureka();
    await using consul = await startConsul();
    await using old = await startSpringProvider({
      registry: "eureka",
      address: eureka.address,
      application: "order-service",
      ip: "10.42.6.1",
    });
    await using young = await startSpringProvider({
      registry: "consul",
      address: consul.address,
      application: "order-service",
      ip: "10.42.6.2",
      properties: { "spring.cloud.consul.discovery.metadata.version": "v2" },
    });
    const [oldAt, youngAt] = [`10.42.6.1:${old.port}`, `10.42.6.2:${young.port}`] as const;
    const tenant = await newTenant(world);
    await tenant.applyHub({ type: "eureka", address: eureka.address }, "eureka");
    await untilReady(tenant, { name: "eureka" });
    const first = await untilEndpoints(tenant, [oldAt]);
    await tenant.applyHub({ type: "consul", address: consul.url }, "consul");
    await untilReady(tenant, { name: "consul" });
    const both = await untilEndpoints(tenant, [oldAt, youngAt]);
    expect(both.spec.hosts).toEqual([`order-service.${tenant.namespace}`]);
    expect(labelsOf(both)).toMatchObject({
      "10.42.6.1": { eurekaName: "ORDER-SERVICE", registryName: "eureka" },
      "10.42.6.2": { consulName: "order-service", registryName: "consul", secure: "false", version: "v2" },
    });

    expect(await explainRegistry(world, tenant.namespace, "order-service")).toMatchObject({
      code: 0,
      answer: expect.stringMatching(/; the registry of \S+\/eureka, \S+\/consul, read now, agrees\.$/),
    });

    const recording = await recordEntries(world.recorder, tenant.namespace);
    await world.api.kubectl(["delete", "rh", "eureka", "-n", tenant.namespace]);
    const alone = await untilEndpoints(tenant, [youngAt]);
    expect(alone.metadata.uid).toBe(first.metadata.uid);
    expect([alone.spec.addresses, alone.spec.ports]).toEqual([first.spec.addresses, first.spec.ports]);
    expect(alone.metadata.annotations?.registry).toBe("consul");
    expect((await untilReady(tenant, { name: "consul" })).status).toMatchObject({
      services: 1,
      endpoints: 1,
    });
    const changes = await recording.changes();
    expect(changes.map(({ type, object }) => [type, ...endpointsOf(object)])).toEqual([
      ["MODIFIED", youngAt],
    ]);
  });
});

describe("a Consul's token", () => {
  test("loses its rights: failed, and nothing is removed; with them back the hub catches up; it is never shown", async () => {
    await using consul = await startConsul({ acl: true });
    const registrant = consulRegistrant(consul);
    const instance = { service: "order", address: "10.42.6.3", port: 9000 };
    const other = { ...instance, address: "10.42.6.4" };
    await registrant.register([instance, other]);
    const token = await registrant.createToken(readAll);
    const tenant = await newTenant(world);
    const secret = ["consul-token", "-n", tenant.namespace, `--from-literal=token=${token.secret}`];
    await world.api.kubectl(["create", "secret", "generic", ...secret]);
    await tenant.applyHub({ type: "consul", address: consul.url, secretRef: { name: "consul-token" } });
    await untilReady(tenant);
    const before = await untilEndpoints(tenant, ["10.42.6.3:9000", "10.42.6.4:9000"]);
    const read = await explainRegistry(world, tenant.namespace, "order");
    expect(read).toMatchObject({ code: 0, answer: expect.stringMatching(/, read now, agrees\.$/) });

    const recording = await recordEntries(world.recorder, tenant.namespace);
    await token.setRules('key_prefix "" { policy = "read" }');
    await untilFailed(
      tenant,
      "RegistryUnauthorized",
      /: the token may not read any service/,
      UNAUTHORIZED_MS,
    );
    await registrant.deregister([other]); // nobody tells the operator
    const blind = await tenant.hub();
    expect(conditionOf(blind, "Ready").message).toContain("service_prefix");
    expect(blind.status).toMatchObject({ services: 1, endpoints: 2 });
    expect(await recording.changes()).toEqual([]);

    await token.setRules(readAll);
    const hub = await untilReady(tenant, { deadlineMs: RETRY_MS });
    const after = await untilEndpoints(tenant, ["10.42.6.3:9000"]);
    expect(after.metadata.uid).toBe(before.metadata.uid);
    const events = await world.api.kubectl(["get", "events", "-A", "-o", "yaml"]);
    expect((await recording.changes()).map(({ type }) => type)).toEqual(["MODIFIED"]);
    const { body } = await world.controllers.hub.get("/metrics");
    const told = [JSON.stringify([blind, hub]), read.stdout, events, body, world.controllers.hub.readLog()];
    expect(told.filter((text) => text.includes(token.secret))).toEqual([]);
  });
});

describe("a Consul of three servers", () => {
  test("loses its leader: no entry is written, and the hub goes on by itself", async () => {
    await using stack = new AsyncDisposableStack();
    const servers = await startConsulServers(3);
    for (const server of servers) stack.use(server);
    const leads = await Promise.all(servers.map((server) => consulRegistrant(server).leads()));
    const leader = servers[leads.indexOf(true)] as Consul;
    const [follower, other] = servers.filter((server) => server !== leader) as [Consul, Consul];
    const instance = { service: "order", address: "10.42.6.5", port: 9000 };
    await consulRegistrant(leader).register([instance]);
    const tenant = await newTenant(world);
    await tenant.applyHub({ type: "consul", address: `${follower.url},${other.url}` });
    await untilReady(tenant);
    await untilEndpoints(tenant, ["10.42.6.5:9000"]);

    const recording = await recordEntries(world.recorder, tenant.namespace);
    await leader.kill();
    const added = { ...instance, address: "10.42.6.6" };
    await eventually(() => consulRegistrant(follower).register([added]), RETRY_MS, 250);
    await eventually(() => untilEndpoints(tenant, ["10.42.6.5:9000", "10.42.6.6:9000"]), RETRY_MS);
    await untilReady(tenant);
    const changes = await recording.changes();
    expect(changes.map(({ type, object }) => [type, endpointsOf(object).length])).toEqual([["MODIFIED", 2]]);
  });
});

/** Waits until the tenant's only entry has these endpoints. */
function untilEndpoints(tenant: Tenant, expected: readonly string[]): Promise<ServiceEntry> {
  return eventually(async () => {
    const [entry, ...others] = await tenant.entries();
    expect([entry && endpointsOf(entry), others]).toEqual([expected, []]);
    return entry as ServiceEntry;
  }, STATUS_MS);
}

const labelsOf = ({ spec }: ServiceEntry): Record<string, unknown> =>
  Object.fromEntries((spec.endpoints ?? []).map(({ address, labels }) => [address, labels]));
