import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { connectZkWriter } from "../support/zk-writer.ts";
import { startConsul } from "./consul.ts";
import { startDubboGoProvider } from "./dubbo-go-provider.ts";
import { startDubboProvider } from "./dubbo-provider.ts";
import { type Nacos, startNacos } from "./nacos.ts";
import { type NacosAgent, startNacosAgent } from "./nacos-agent.ts";
import { startSpringProvider } from "./spring-provider.ts";
import { canConnect } from "./tcp.ts";
import { startZooKeeper } from "./zookeeper.ts";

const INTERFACE = "org.apache.dubbo.samples.api.GreetingService";
const GROUP = "DEFAULT_GROUP";
const instanceMode = {
  "dubbo.application.register-mode": "instance",
  "dubbo.application.metadata-type": "remote",
};

// A server tells of a change within half a second, if the machine has one to give.
const TELL_MS = 15_000;

describe("in Nacos, with a login", { timeout: 60_000 }, () => {
  const stack = new AsyncDisposableStack();
  let nacos: Nacos;
  let agent: NacosAgent;
  let login: { readonly username: string; readonly password: string };

  beforeAll(async () => {
    nacos = stack.use(await startNacos({ version: "2.3", auth: true }));
    if (nacos.adminLogin) login = nacos.adminLogin;
    agent = stack.use(await startNacosAgent({ address: nacos.address, ...login }));
  }, 120_000);
  afterAll(() => stack.disposeAsync());

  const lists = (service: string, instances: readonly object[]) =>
    eventually(async () => expect(await agent.instances(service, GROUP)).toMatchObject(instances), TELL_MS);

  /** What an application's only instance says it serves; the server shows a configuration some time after it took it. */
  const describes = (application: string, metadata: object) =>
    eventually(async () => {
      const [instance] = await agent.instances(application, GROUP);
      const revision = instance?.metadata["dubbo.metadata.revision"] ?? "";
      expect(JSON.parse((await agent.config(application, revision)) ?? "null")).toMatchObject(metadata);
    }, TELL_MS);

  test("Dubbo 2.7 registers its interface until it dies", async () => {
    const registry = `nacos://${nacos.address}`;
    await using provider = await startDubboProvider({ registry, login, version: "1.0.0", group: "g1" });
    const service = `providers:${INTERFACE}:1.0.0:g1`;
    await eventually(async () => expect(await agent.services(GROUP)).toEqual([service]), TELL_MS);
    const metadata = { interface: INTERFACE, version: "1.0.0", group: "g1", protocol: "dubbo" };
    await lists(service, [{ ip: provider.host, port: provider.port, metadata }]);
    await provider.kill();
    await lists(service, []);
  });

  test("Dubbo 3.3 can register its application alone, and say in a configuration what that serves", async () => {
    await using provider = await startDubboProvider({
      dubbo: "3.3",
      registry: `nacos://${nacos.address}`,
      login,
      protocol: "tri",
      application: "orders",
      properties: instanceMode,
    });
    await lists("orders", [{ ip: provider.host, port: provider.port }]);
    await describes("orders", {
      app: "orders",
      services: { [`${INTERFACE}:tri`]: { port: provider.port, protocol: "tri" } },
    });
    await provider.stop();
    await lists("orders", []);
  });

  test("dubbo-go registers its application alone, and says in a configuration what that serves", async () => {
    await using provider = await startDubboGoProvider({
      registry: "nacos",
      address: nacos.address,
      login,
      application: "invoices",
      version: "1.0.0",
      metadata: "remote",
    });
    await lists("invoices", [{ ip: provider.host, port: provider.port }]);
    await describes("invoices", {
      app: "invoices",
      services: { [`${INTERFACE}:1.0.0:tri`]: { port: provider.port, protocol: "tri" } },
    });
    await provider.stop();
    await lists("invoices", []);
  });

  test("a Spring application registers its name", async () => {
    await using provider = await startSpringProvider({
      registry: "nacos",
      address: nacos.address,
      login,
      application: "order_service",
      ip: "10.42.0.7",
      properties: { "spring.cloud.nacos.discovery.metadata.zone": "a" },
    });
    const metadata = { "preserved.register.source": "SPRING_CLOUD", zone: "a" };
    await lists("order_service", [{ ip: "10.42.0.7", port: provider.port, metadata }]);
    expect(await (await fetch(`http://127.0.0.1:${provider.port}/hello`)).text()).toBe("Hello");
    await provider.stop();
    await lists("order_service", []);
  });
});

test("Dubbo 3.3 and dubbo-go can register their application alone in ZooKeeper", {
  timeout: 60_000,
}, async () => {
  await using zooKeeper = await startZooKeeper();
  await using witness = await connectZkWriter(zooKeeper.address);
  await using provider = await startDubboProvider({
    dubbo: "3.3",
    registry: `zookeeper://${zooKeeper.address}`,
    application: "orders",
    properties: instanceMode,
  });
  expect(await witness.getChildren("/services/orders")).toEqual([`${provider.host}:${provider.port}`]);
  await provider.stop();
  expect(await witness.getChildren("/services/orders")).toEqual([]);

  const options = { registry: "zookeeper", address: zooKeeper.address, application: "invoices" } as const;
  await using goProvider = await startDubboGoProvider(options);
  const children = [`${goProvider.host}:${goProvider.port}`];
  await eventually(
    async () => expect(await witness.getChildren("/services/invoices")).toEqual(children),
    TELL_MS,
  );
  await expect(witness.getChildren(`/dubbo/${INTERFACE}/providers`)).rejects.toThrow("NO_NODE");
});

describe("a provider that retires", { timeout: 60_000 }, () => {
  test.each(["2.7", "3.3"] as const)("Dubbo %s leaves ZooKeeper and goes on serving", async (dubbo) => {
    await using zooKeeper = await startZooKeeper();
    await using witness = await connectZkWriter(zooKeeper.address);
    await using provider = await startDubboProvider({ dubbo, registry: `zookeeper://${zooKeeper.address}` });
    const children = () => witness.getChildren(`/dubbo/${INTERFACE}/providers`);
    expect(await children()).toHaveLength(1);
    await provider.offline();
    await eventually(async () => expect(await children()).toEqual([]), TELL_MS);
    expect(await canConnect(provider.port)).toBe(true);
    await provider.offline(); // a second time does no harm
    await provider.stop();
    expect(await canConnect(provider.port)).toBe(false);
  });

  test("a Spring application leaves Consul and goes on serving", async () => {
    await using consul = await startConsul();
    await using provider = await startSpringProvider({ registry: "consul", address: consul.address });
    const url = `http://${consul.address}/v1/catalog/service/demo-application`;
    const listed = async () => (await (await fetch(url)).json()) as unknown[];
    await eventually(async () => expect(await listed()).toHaveLength(1), TELL_MS);
    await provider.offline();
    await eventually(async () => expect(await listed()).toEqual([]), TELL_MS);
    expect(await canConnect(provider.port)).toBe(true);
    await provider.offline();
    await provider.stop();
    expect(await canConnect(provider.port)).toBe(false);
  });
});
