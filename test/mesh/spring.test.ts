import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type Consul, startConsul } from "../bed/consul.ts";
import { type Eureka, startEureka } from "../bed/eureka.ts";
import { type HttpConsumer, startHttpConsumer } from "../bed/http-consumer.ts";
import type { RetiringProvider } from "../bed/provider-process.ts";
import { type SpringRegistry, startSpringProvider } from "../bed/spring-provider.ts";
import { newTenant, untilNothingHeld } from "../e2e/world.ts";
import { consulRegistrant } from "../support/consul-registrant.ts";
import { eventually } from "../support/eventually.ts";
import { checkout } from "../support/install.ts";
import { ARRIVES_MS, at, DEAD_SHARE, openService, type Service, useMesh } from "./world.ts";

const mesh = useMesh();
const PORT = 9000;
const CALLS = 600;
/** As of Dubbo services, see dead-endpoints.test.ts. */
const FEW = 5;
let registries: { readonly eureka: Eureka; readonly consul: Consul };
let consumer: HttpConsumer;
beforeAll(async () => {
  const owned = new AsyncDisposableStack();
  const [eureka, consul, caller] = await Promise.all([startEureka(), startConsul(), startHttpConsumer()]);
  for (const one of [eureka, consul, caller]) owned.use(one);
  registries = { eureka, consul };
  consumer = caller;
  return () => owned.disposeAsync();
});

const addressOf = (registry: "eureka" | "consul"): string =>
  registry === "eureka" ? registries.eureka.address : registries.consul.url;

const start = (registry: SpringRegistry, application: string, ip: string): Promise<RetiringProvider> =>
  startSpringProvider({
    registry,
    address: registry === "eureka" ? registries.eureka.address : registries.consul.address,
    application,
    ip,
    port: PORT,
    listensOnHost: true,
    // On one machine all have one host name, of which their ids are made.
    properties: {
      "eureka.instance.instance-id": `${ip}:${application}`,
      "spring.cloud.consul.discovery.instance-id": `${application}-${ip.replaceAll(".", "-")}`,
    },
  });

const rights = ["-f", join(checkout, "config/components/destination-rules/rights.yaml")];

/** A path of a service, once it answers. */
async function answering({ host, port }: Service): Promise<string> {
  const url = `http://${host}:${port}/greeting`;
  await eventually(() => consumer.call({ url }), ARRIVES_MS);
  return url;
}

describe.each(["eureka", "consul"] as const)("Spring through %s", (registry) => {
  test("over tcp and http: an instance joins, another one leaves, and no call fails", async () => {
    const net = registry === "eureka" ? "10.42.11" : "10.42.12";
    await using first = await start(registry, "orders", `${net}.1`);
    const services: Service[] = [];
    const loops = [];
    for (const protocol of ["tcp", "http"] as const) {
      const tenant = await newTenant(mesh.world);
      const hub = { type: registry, address: addressOf(registry), protocol } as const;
      const service = await openService(mesh, tenant, [at(first)], hub);
      await untilNothingHeld(tenant);
      services.push(service);
      const url = await answering(service);
      for (const keepAlive of [true, false])
        loops.push(await consumer.loop({ url, keepAlive }, { perSecond: 25 }));
    }
    await using second = await start(registry, "orders", `${net}.2`);
    for (const service of services) await service.arrives(at(first), at(second));
    await first.offline();
    for (const service of services) await service.arrives(at(second));
    await first.stop();
    const counts = await Promise.all(loops.map((loop) => loop.stop()));
    expect(counts.map(({ errors }) => errors)).toEqual([[], [], [], []]);
    expect(Math.min(...counts.map(({ ok }) => ok))).toBeGreaterThan(100);
    const [tcp, http] = services as [Service, Service];
    // One by one, by Envoy's HTTP; of the other one it sees bytes.
    const byHttp = counts.slice(2).reduce((sum, { ok }) => sum + ok, 0);
    expect((await mesh.sidecar.httpCounters(http.host, http.port)).ok).toBeGreaterThanOrEqual(byHttp);
    expect(await mesh.sidecar.httpCounters(tcp.host, tcp.port)).toEqual({ completed: 0, ok: 0 });
  });
});

test("two Spring services on one TCP port: each call finds its own", async () => {
  const tenant = await newTenant(mesh.world);
  await using stock = await start("consul", "stock", "10.42.13.1");
  await using billing = await start("consul", "billing", "10.42.13.2");
  const hub = { type: "consul", address: registries.consul.url, protocol: "tcp" } as const;
  for (const [application, pod] of Object.entries({ stock, billing })) {
    const service = await openService(mesh, tenant, [at(pod)], hub);
    expect(service.port).toBe(PORT);
    const url = await answering(service);
    const answer = `Hello from ${application}:${PORT}`;
    expect(await consumer.calls({ url, keepAlive: false }, 50)).toMatchObject({
      failed: 0,
      answers: { [answer]: 50 },
    });
  }
});

test("outlierDetection: true: an endpoint where nobody listens costs a few calls, not every other one", async () => {
  const { api } = mesh.world;
  const tenant = await newTenant(mesh.world);
  const [application, gone] = ["shipping", { address: "10.42.14.2", port: PORT }];
  await using lives = await start("consul", application, "10.42.14.1");
  const registrant = consulRegistrant(registries.consul);
  await registrant.register([{ service: application, ...gone }]);
  const hub = { type: "consul", address: registries.consul.url, protocol: "tcp" } as const;
  const service = await openService(mesh, tenant, [at(lives), `${gone.address}:${gone.port}`], hub);
  const url = `http://${service.host}:${service.port}/greeting`;
  const failures = async () => (await consumer.calls({ url, keepAlive: false }, CALLS)).failed;
  expect(await failures()).toBeGreaterThan(CALLS * DEAD_SHARE);
  await api.kubectl(["apply", ...rights]);
  await tenant.applyHub({ ...hub, outlierDetection: true });
  const ejects = (wanted: boolean) =>
    eventually(async () => {
      const { outlier_detection: detection } = await mesh.sidecar.balancing(service.host, service.port);
      expect(detection !== undefined).toBe(wanted);
    }, ARRIVES_MS);
  await ejects(true);
  expect(await failures()).toBeLessThanOrEqual(FEW);
  await tenant.applyHub(hub);
  await ejects(false);
  await registrant.clear();
  await api.kubectl(["delete", ...rights]);
});
