import { NacosNamingClient } from "nacos";
import { describe, expect, test } from "vitest";
import { startDubboGoProvider } from "../bed/dubbo-go-provider.ts";
import { startDubboProvider } from "../bed/dubbo-provider.ts";
import type { NacosInstance } from "../bed/nacos-agent.ts";
import type { NacosVersion } from "../bed/nacos-api.ts";
import { startSpringProvider } from "../bed/spring-provider.ts";
import { freePort } from "../support/free-port.ts";
import { providerOf, providersOf } from "../support/nacos-dubbo.ts";
import { DEFAULT_GROUP, useNacos } from "./nacos-harness.ts";
import { addressesOf, firstSnapshot, instancesOf, observe, serviceOf } from "./observe.ts";

const a = { address: "10.42.0.1", port: 20_880 };
const b = { address: "10.42.0.2", port: 20_880 };
const greeting = "org.apache.dubbo.samples.api.GreetingService";

/** Dubbo's provider of a version and group, in a service whose name says so in whatever way. */
const provider = (ip: string, name: string, more: Readonly<Record<string, string>> = {}): NacosInstance => {
  const instance = providerOf(name, { address: ip, port: 20_880 });
  return { ...instance, metadata: { ...instance.metadata, ...more } };
};

describe.each(["2.3", "3.1"] satisfies NacosVersion[])("Nacos %s: services", (version) => {
  const nacos = useNacos(version);

  test("an interface is one service, however its providers spell themselves", async () => {
    await nacos.put("providers:a.B:1.0.0:", [provider("10.42.0.1", "a.B", { version: "1.0.0" })]);
    await nacos.put("providers:a.B:1.0.0", [provider("10.42.0.1", "a.B", { version: "1.0.0" })]); // register-compatible
    await nacos.put("providers:a.B::g1", [provider("10.42.0.2", "a.B", { group: "g1" })]);
    await nacos.put("providers:a.B:2.0.0:g1", [
      { ip: "10.42.0.3", port: 20_880, metadata: { protocol: "tri" } },
    ]);
    await nacos.put("providers:a.B", [provider("10.42.0.4", "a.B")]);
    await nacos.put("providers:a.C___D::", [provider("10.42.0.5", "a.C$D")]);
    for (const other of ["consumers", "routers", "configurators"])
      await nacos.put(`${other}:a.B:1.0.0:`, [provider("10.42.0.9", "a.B", { category: other })]);
    const snapshot = await firstSnapshot(nacos.reader());
    expect([...snapshot.services.keys()].toSorted()).toEqual([
      `${DEFAULT_GROUP}@@a.B`,
      `${DEFAULT_GROUP}@@a.C$D`,
    ]);
    const shown = instancesOf(snapshot, "a.B").map((one) => [
      one.address,
      one.protocol,
      one.version,
      one.group,
    ]);
    expect(shown).toEqual([
      ["10.42.0.1", "dubbo", "1.0.0", ""],
      ["10.42.0.2", "dubbo", "", "g1"],
      ["10.42.0.3", "grpc", "2.0.0", "g1"],
      ["10.42.0.4", "dubbo", "", ""],
    ]);
    expect(instancesOf(snapshot, "a.C$D")[0]?.metadata).toMatchObject({ interface: "a.C$D" });
  });

  test("what a hub asks for is told, of Dubbo's providers and others, and of two registrations the lower weight", async () => {
    const more = { env: "gray", timestamp: "1" };
    await nacos.put("providers:a.B:1.0.0:", [provider("10.42.0.1", "a.B", { version: "1.0.0", ...more })]);
    await nacos.put("providers:a.B:1.0.0", [
      { ...provider("10.42.0.1", "a.B", { version: "1.0.0", ...more }), weight: 0.5 },
    ]);
    await nacos.put("order", [{ ip: "10.42.0.2", port: 80, metadata: more }]);
    const snapshot = await firstSnapshot(nacos.reader({ keys: ["env", "timestamp", "none"] }));
    expect(instancesOf(snapshot, "a.B")).toMatchObject([{ facts: more, weight: 0.5 }]);
    expect(instancesOf(snapshot, "order")).toMatchObject([{ facts: more }]);
  });

  test("what takes no traffic is left out, and weights are what Nacos says", async () => {
    const at = (ip: string, more: Partial<NacosInstance>): NacosInstance => ({ ip, port: 8080, ...more });
    await nacos.put("order", [
      at("10.42.0.1", { weight: 0.5 }),
      at("10.42.0.2", { weight: 2 }),
      at("10.42.0.3", { weight: 0 }),
      at("10.42.0.4", { enabled: false }),
      at("10.42.0.1", { weight: 0.5, clusterName: "OTHER" }),
    ]);
    await nacos.put("plain", [
      at("10.42.0.1", { metadata: { zone: "a", "preserved.heart.beat.interval": "5000" } }),
    ]);
    const snapshot = await firstSnapshot(nacos.reader());
    expect(instancesOf(snapshot, "order").map(({ address, weight }) => [address, weight])).toEqual([
      ["10.42.0.1", 0.5],
      ["10.42.0.2", 2],
    ]);
    expect(serviceOf(snapshot, "plain")).toMatchObject({
      id: `${DEFAULT_GROUP}@@plain`,
      kind: "spring",
      registryGroup: DEFAULT_GROUP,
      instances: [{ address: "10.42.0.1", port: 8080, protocol: "tcp", metadata: { zone: "a" } }],
    });
    expect(instancesOf(snapshot, "plain")[0]).not.toHaveProperty("weight");
  });

  test("all groups are read unless some are named, and a group that is new", async () => {
    await nacos.put("order", [{ ip: "10.42.0.1", port: 8080 }]);
    await nacos.put("order", [{ ip: "10.42.0.2", port: 8080 }], "team-a");
    const ids = [`${DEFAULT_GROUP}@@order`, "team-a@@order"];
    await using all = observe(nacos.reader({ groups: [] }));
    await all.until((one) => expect([...one.services.keys()].toSorted()).toEqual(ids));
    expect([...(await firstSnapshot(nacos.reader({ groups: ["team-a"] }))).services.keys()]).toEqual([
      "team-a@@order",
    ]);
    expect((await firstSnapshot(nacos.reader({ groups: ["nobody"] }))).services.size).toBe(0);
    await nacos.put("late", [{ ip: "10.42.0.3", port: 8080 }], "team-b");
    const newIsSeenMs = version === "3.1" ? 8_000 : 20_000; // 3.x names new services, 2.x only lists them, every 10 s
    await all.until((one) => expect(one.services.has("team-b@@late")).toBe(true), newIsSeenMs);
  });

  test("what is not wanted is neither read nor there, but Dubbo applications are looked into", async () => {
    await nacos.put(providersOf("a.Wanted"), [provider("10.42.0.1", "a.Wanted")]);
    await nacos.put(providersOf("b.Other"), [provider("10.42.0.1", "b.Other")]);
    await nacos.put("order", [{ ip: "10.42.0.1", port: 8080 }]);
    const wants = (name: string): boolean => name.startsWith("a.");
    expect([...(await firstSnapshot(nacos.reader({ wants }))).services.keys()]).toEqual([
      `${DEFAULT_GROUP}@@a.Wanted`,
    ]);
  });

  test("an application's services are those of its metadata, and no twin of what is registered by interface", async () => {
    const services = {
      "a.B:1.0.0:dubbo": {
        name: "a.B",
        version: "1.0.0",
        protocol: "dubbo",
        port: 20_880,
        params: { side: "provider" },
      },
    };
    const metadata = {
      "dubbo.metadata.revision": "r1",
      "dubbo.metadata.storage-type": "remote",
      "dubbo.endpoints": JSON.stringify([{ port: 20_880, protocol: "dubbo" }]),
    };
    await nacos
      .connection()
      .publishConfig("shop", "r1", JSON.stringify({ app: "shop", revision: "r1", services }));
    await nacos.put("shop", [
      { ip: "10.42.0.1", port: 20_880, metadata },
      { ip: "10.42.0.2", port: 20_880, metadata },
    ]);
    await nacos.put("providers:a.B:1.0.0:", [provider("10.42.0.1", "a.B", { version: "1.0.0" })]);
    await using observer = observe(nacos.reader());
    await observer.until((one) => {
      expect([...one.services.keys()]).toEqual([`${DEFAULT_GROUP}@@a.B`]);
      expect(addressesOf(one, "a.B")).toEqual(["10.42.0.1:20880", "10.42.0.2:20880"]);
      expect(one.problems).toEqual([]);
    });
  });

  test("an application that keeps its metadata to itself is a problem that says what to do", async () => {
    const metadata = { "dubbo.metadata.revision": "r1", "dubbo.metadata.storage-type": "local" };
    await nacos.put("shop", [{ ip: "10.42.0.1", port: 20_880, metadata }]);
    const snapshot = await firstSnapshot(nacos.reader());
    expect(snapshot.services.size).toBe(0);
    expect(snapshot.problems).toMatchObject([
      { at: "shop", code: "ApplicationLevelOnly", severity: "warning" },
    ]);
  });

  test("what real providers register: Dubbo 2.7, Dubbo 3.3 in both modes, Spring Cloud", async () => {
    const { address, adminLogin } = nacos.server;
    const registry = `nacos://${address}?namespace=${nacos.namespace()}`;
    const common = { registry, ...(adminLogin && { login: adminLogin }), version: "1.0.0" };
    await using _old = await startDubboProvider({ ...common, host: "10.42.0.27" });
    await using _both = await startDubboProvider({
      ...common,
      dubbo: "3.3",
      host: "10.42.0.33",
      application: "both",
    });
    await using _only = await startDubboProvider({
      ...common,
      dubbo: "3.3",
      host: "10.42.0.34",
      application: "only",
      properties: {
        "dubbo.application.register-mode": "instance",
        "dubbo.application.metadata-type": "remote",
      },
    });
    await using spring = await startSpringProvider({
      registry: "nacos",
      address,
      ...(adminLogin && { login: adminLogin }),
      application: "order-service",
      ip: "10.42.0.81",
      properties: { "spring.cloud.nacos.discovery.namespace": nacos.namespace() },
    });
    await using observer = observe(nacos.reader());
    const snapshot = await observer.until((one) => {
      const addresses = instancesOf(one, greeting).map((instance) => instance.address);
      expect(addresses).toEqual(["10.42.0.27", "10.42.0.33", "10.42.0.34"]);
      expect([...one.services.keys()].toSorted()).toEqual([
        `${DEFAULT_GROUP}@@order-service`,
        `${DEFAULT_GROUP}@@${greeting}`,
      ]);
    }, 30_000);
    for (const one of instancesOf(snapshot, greeting)) {
      expect(one).toMatchObject({ protocol: "dubbo", version: "1.0.0", group: "" });
      expect(one.metadata).toMatchObject({
        interface: greeting,
        methods: expect.stringContaining("sayHello"),
      });
      expect(one.metadata).not.toHaveProperty("timestamp");
    }
    expect(serviceOf(snapshot, "order-service")).toMatchObject({
      kind: "spring",
      instances: [
        {
          address: "10.42.0.81",
          port: spring.port,
          metadata: { "preserved.register.source": "SPRING_CLOUD" },
        },
      ],
    });
    expect(snapshot.problems).toEqual([]);
  });

  test("what a real dubbo-go provider registers: its application only, in the public namespace", async () => {
    const { address, adminLogin } = nacos.server;
    const application = `go-${version}`;
    const login = adminLogin && { login: adminLogin };
    const common = { registry: "nacos", address, ...login, version: "1.0.0", application } as const;
    await using observer = observe(nacos.reader({ namespace: "" }));
    await using _provider = await startDubboGoProvider({ ...common, metadata: "remote" });
    const snapshot = await observer.until(
      (one) => expect(instancesOf(one, greeting)).toHaveLength(1),
      20_000,
    );
    expect(instancesOf(snapshot, greeting)).toMatchObject([
      {
        address: "10.42.0.58",
        protocol: "grpc",
        version: "1.0.0",
        metadata: { application, interface: greeting },
      },
    ]);
    expect((await firstSnapshot(nacos.reader({ namespace: "public" }))).services.keys().toArray()).toEqual(
      snapshot.services.keys().toArray(),
    );
  });

  test.each([
    ["a wrong password", { username: "reader", password: "wrong" }],
    ["an unknown user", { username: "nobody", password: "wrong" }],
    ["no login", {}],
    ["a token that is none", { token: "garbage" }],
  ])("%s is RegistryUnauthorized", async (_, credentials) => {
    await nacos.put("order", [{ ip: "10.42.0.1", port: 8080 }]);
    await using observer = observe(nacos.reader({ credentials }));
    const error = await observer.ended;
    expect(error).toMatchObject({ code: "RegistryUnauthorized" });
    expect(String(error)).not.toMatch(/wrong|garbage/);
    expect(observer.snapshots).toEqual([]);
  });

  test("of several servers one that answers is read, and if none does each is named", async () => {
    await nacos.put(providersOf("a.B"), [providerOf("a.B", a)]);
    const dead = `127.0.0.1:${await freePort([1000])}`;
    const snapshot = await firstSnapshot(nacos.reader({ address: `${dead},${nacos.proxy.address}` }));
    expect(addressesOf(snapshot, "a.B")).toHaveLength(1);
    const other = `127.0.0.1:${await freePort([1000])}`;
    await using observer = observe(nacos.reader({ address: `${dead},${other}` }));
    const error = await observer.ended;
    expect(error).toMatchObject({ code: "RegistryUnreachable" });
    for (const address of [dead, other]) expect(String(error)).toContain(`connect ${address} over gRPC`);
  });

  test("what the client of npm registers over HTTP", async () => {
    const { address, adminLogin } = nacos.server;
    const client = new NacosNamingClient({
      serverList: address,
      namespace: nacos.namespace(),
      ...adminLogin,
      logger: { ...console, debug() {}, info() {}, warn() {} },
    });
    await client.ready();
    const instance = { instanceId: "", ip: "10.42.0.61", port: 8080, healthy: true, enabled: true };
    await client.registerInstance("from-npm", instance);
    try {
      await using observer = observe(nacos.reader());
      await observer.until((one) => expect(addressesOf(one, "from-npm")).toEqual(["10.42.0.61:8080"]));
      await client.deregisterInstance("from-npm", instance);
      await observer.until((one) => expect(addressesOf(one, "from-npm")).toEqual([]));
    } finally {
      await (client as unknown as { close(): Promise<void> }).close(); // missing in its types
    }
  });

  test("the server asks its clients to connect anew: the watch ends, and the next one lists them all", async () => {
    await nacos.put(providersOf("a.B"), [providerOf("a.B", a), providerOf("a.B", b)]);
    await using one = observe(nacos.reader());
    await using two = observe(nacos.reader());
    await one.until((it) => expect(addressesOf(it, "a.B")).toHaveLength(2));
    await two.until((it) => expect(addressesOf(it, "a.B")).toHaveLength(2));
    await nacos.server.resetClients(); // it keeps one, whoever's
    expect(await Promise.race([one.ended, two.ended])).toMatchObject({ code: "RegistryUnreachable" });
    // The providers' own client is among them: what it registered is gone until it has registered it again.
    await using next = observe(nacos.reader());
    await next.until((it) => expect(addressesOf(it, "a.B")).toHaveLength(2));
  });
});
