import { promisify } from "node:util";
import { Eureka } from "eureka-js-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseStatus } from "../../src/registries/eureka/server-status.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { type Eureka as EurekaServer, startEureka } from "../bed/eureka.ts";
import { startProxy } from "../bed/fault-proxy.ts";
import { startSpringProvider } from "../bed/spring-provider.ts";
import { type EurekaRest, eurekaRest } from "../support/eureka-rest.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { countingDeps } from "./counting-deps.ts";
import { type EurekaHarness, openReader, startEurekaHarness } from "./eureka-harness.ts";
import { addressesOf, firstSnapshot, observe, serviceOf } from "./observe.ts";

const [a, b] = [
  { ip: "10.42.0.1", port: 8080 },
  { ip: "10.42.0.2", port: 8080 },
];

describe("what is particular about Eureka", () => {
  const stack = new AsyncDisposableStack();
  let eureka: EurekaHarness;
  beforeAll(async () => {
    eureka = stack.use(await startEurekaHarness());
  });
  afterAll(() => stack.disposeAsync());

  test("a Spring application is read as it registers itself", async () => {
    await using provider = await startSpringProvider({
      registry: "eureka",
      address: eureka.server.address,
      ...(eureka.server.login && { login: eureka.server.login }),
      application: "eureka-provider",
      ip: "10.42.0.59",
      properties: { "eureka.instance.metadata-map.zone": "eu-central-1b" },
    });
    await using observer = observe(eureka.open());
    const { services } = await observer.until((one) =>
      expect(addressesOf(one, "EUREKA-PROVIDER")).toHaveLength(1),
    );
    expect([...services.values()]).toEqual([
      {
        id: "EUREKA-PROVIDER",
        kind: "spring",
        name: "EUREKA-PROVIDER",
        instances: [
          {
            address: "10.42.0.59",
            port: provider.port,
            protocol: "tcp",
            version: "",
            group: "",
            locality: "eu-central-1/eu-central-1b",
            metadata: { "management.port": `${provider.port}`, zone: "eu-central-1b" },
          },
        ],
        problems: [],
      },
    ]);
    await provider.stop();
    await observer.until((one) => expect(one.services.size).toBe(0));
  });

  test("npm's client registers, sees the same list, and deregisters", async () => {
    await eureka.rest.register("ORDERS", a);
    const { username, password } = eureka.usual.credentials;
    const login = `${username}:${password}@`;
    const quiet = () => {};
    const client = new Eureka({
      logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
      instance: {
        app: "node-service",
        instanceId: "node-service-1",
        hostName: "node-service.example",
        ipAddr: "10.42.0.77",
        port: { $: 3_000, "@enabled": true },
        vipAddress: "node-service",
        dataCenterInfo: { "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", name: "MyOwn" },
      },
      eureka: {
        serviceUrls: { default: [`${eureka.server.address.replace("://", `://${login}`)}/apps/`] },
      },
    });
    await using observer = observe(eureka.open());
    await promisify(client.start.bind(client))();
    const listed = await observer.until((one) =>
      expect(addressesOf(one, "NODE-SERVICE")).toEqual(["10.42.0.77:3000"]),
    );
    expect(addressesOf(listed, "ORDERS")).toEqual(
      client.getInstancesByAppId("ORDERS").map(({ ipAddr }) => `${ipAddr}:8080`),
    );
    await promisify(client.stop.bind(client))();
    await observer.until((one) => expect([...one.services.keys()]).toEqual(["ORDERS"]));
    await eureka.rest.deregister("ORDERS", a);
  });

  test("renewals alone change nothing, not even in the server's own words", async () => {
    await eureka.clear();
    await eureka.rest.register("STOCK", a);
    await using observer = observe(eureka.open());
    const before = await observer.until((one) => expect(addressesOf(one, "STOCK")).toHaveLength(1));
    await eureka.rest.renew("STOCK", a);
    await eureka.rest.register("ORDERS", a); // the server makes its answer anew, with all times in it
    const after = await observer.until((one) => expect(addressesOf(one, "ORDERS")).toHaveLength(1));
    expect(serviceOf(after, "STOCK")).toBe(serviceOf(before, "STOCK"));
    expect(observer.snapshots).toHaveLength(2);
    await eureka.rest.deregister("STOCK", a);
    await eureka.rest.deregister("ORDERS", a);
  });

  test("a restart between two polls is noticed, though none failed", async () => {
    await eureka.rest.register("ORDERS", a);
    const isBack = Promise.withResolvers<void>();
    const clock = { ...systemClock, sleep: () => isBack.promise };
    await using observer = observe(openReader(eureka.usual, { ...countingDeps(), clock }));
    await observer.until((one) => expect(addressesOf(one, "ORDERS")).toHaveLength(1));
    await eureka.server.restart();
    isBack.resolve();
    expect(await observer.ended).toMatchObject({
      code: "RegistryUnreachable",
      detail: `127.0.0.1:${eureka.proxy.port} restarted, or another server that started recently answers there`,
    });
    expect(observer.snapshots).toHaveLength(1);
    expect((await firstSnapshot(eureka.open())).services.size).toBe(0); // complete, and settling protects what was
  });
});

/** Two servers that do not replicate: `rich` lists two instances of ORDERS, `poor` one of them. */
async function startEstranged() {
  await using starting = new AsyncDisposableStack();
  const properties = { "eureka.server.use-read-only-response-cache": "false" };
  const servers = await Promise.all([startEureka({ properties }), startEureka({ properties })]);
  const [rich, poor] = servers.map((server) => starting.use(server)) as [EurekaServer, EurekaServer];
  const [atRich, atPoor] = servers.map((server) => starting.use(eurekaRest(server))) as [
    EurekaRest,
    EurekaRest,
  ];
  for (const one of [a, b]) await atRich.register("ORDERS", one);
  await atPoor.register("ORDERS", a);
  const owned = starting.move();
  return { rich, poor, atPoor, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

describe("two servers that know different things", () => {
  const stack = new AsyncDisposableStack();
  let servers: Awaited<ReturnType<typeof startEstranged>>;
  beforeAll(async () => {
    servers = stack.use(await startEstranged());
  });
  afterAll(() => stack.disposeAsync());

  const whole = ["10.42.0.1:8080", "10.42.0.2:8080"];

  test("behind one address: the connection stays with one, at the default interval too", async () => {
    await using balancer = await startProxy("127.0.0.1", [servers.rich.port, servers.poor.port]);
    const address = `http://${balancer.address}/eureka`;
    await using observer = observe(openReader({ address, pollIntervalMs: 5_000 }));
    await observer.until((one) => expect(addressesOf(one, "ORDERS")).toEqual(whole));
    const before = balancer.answeredBytes;
    await eventually(() => expect(balancer.answeredBytes).toBeGreaterThan(before * 2.9), 20_000); // two polls more
    expect(balancer.accepted).toBe(1);
    expect(observer.snapshots).toHaveLength(1);
  });

  test("in spec.address: the one that lists more is read, wherever it stands", async () => {
    const addresses = [servers.rich.address, servers.poor.address];
    for (const address of [addresses.join(","), addresses.toReversed().join(",")])
      expect(addressesOf(await firstSnapshot(openReader({ address })), "ORDERS")).toEqual(whole);
  });

  test("behind one address: another one that lists less is not believed, however long it has run", async () => {
    const { poor, rich } = servers;
    const statusOf = async (): Promise<string> =>
      (await fetch(`${poor.address}/status`, { headers: { accept: "application/xml" } })).text();
    await eventually(
      async () => expect(parseStatus(await statusOf())?.uptimeMinutes).toBeGreaterThanOrEqual(2),
      130_000,
      1_000,
    );
    await using balancer = await startProxy("127.0.0.1", [rich.port, poor.port]);
    await using observer = observe(openReader({ address: `http://${balancer.address}/eureka` }));
    await observer.until((one) => expect(addressesOf(one, "ORDERS")).toEqual(whole));
    balancer.cut(); // nothing is under way for most of a second, so most likely no poll fails
    expect(await observer.ended).toMatchObject({
      code: "RegistryUnreachable",
      detail: `another server than before answers at ${balancer.address}, and lists less`,
    });
    expect(observer.snapshots).toHaveLength(1);
  });

  test("behind one address: another one that lists nothing is not believed", async () => {
    const { rich, poor, atPoor } = servers;
    await atPoor.deregister("ORDERS", a);
    await using balancer = await startProxy("127.0.0.1", [rich.port, poor.port]);
    await using observer = observe(openReader({ address: `http://${balancer.address}/eureka` }));
    await observer.until((one) => expect(addressesOf(one, "ORDERS")).toEqual(whole));
    balancer.cut();
    expect(await observer.ended).toMatchObject({ code: "RegistryUnreachable" });
    expect(observer.snapshots).toHaveLength(1);
  });
});

test("a server that waits for its peers is starting, and nobody's login is wrong", async () => {
  await using server = await startEureka({
    auth: true,
    properties: {
      "eureka.instance.registry.default-open-for-traffic-count": "0",
      "eureka.server.wait-time-in-ms-when-sync-empty": "300000",
    },
  });
  await using observer = observe(openReader({ address: server.address, credentials: { ...server.login } }));
  expect(await observer.ended).toMatchObject({
    code: "RegistryUnreachable",
    detail: `GET /apps at 127.0.0.1:${server.port}: HTTP 403, the server is starting`,
  });
  await using stranger = observe(openReader({ address: server.address }));
  expect(await stranger.ended).toMatchObject({ code: "RegistryUnauthorized" });
});

test("of two peers one is read, and when it is gone, the next watch reads the other", async () => {
  const ports = [await freePort(), await freePort()] as const;
  const start = (at: 0 | 1): Promise<EurekaServer> =>
    startEureka({ port: ports[at], peers: [ports[1 - at] as number] });
  const [one, other] = await Promise.all([start(0), start(1)]);
  await using stack = new AsyncDisposableStack();
  for (const server of [one, other]) stack.use(server);
  const [there, here] = [one, other].map((server) => stack.use(eurekaRest(server))) as [
    EurekaRest,
    EurekaRest,
  ];
  await there.register("ORDERS", a);
  await eventually(async () => expect((await here.listed()).size).toBe(1), 10_000);
  const open = () => openReader({ address: `${one.address},${other.address}` }); // in this order, for the tests' random is none
  await using observer = observe(open());
  await observer.until((it) => expect(addressesOf(it, "ORDERS")).toHaveLength(1));
  await one.kill();
  expect(await observer.ended).toMatchObject({ code: "RegistryUnreachable" });
  expect(addressesOf(await firstSnapshot(open()), "ORDERS")).toEqual(["10.42.0.1:8080"]);
});
