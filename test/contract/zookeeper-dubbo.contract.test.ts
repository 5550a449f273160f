import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { copyOf, emptyCluster } from "../../src/cli/cluster-copy.ts";
import { generate } from "../../src/cli/generate.ts";
import { readConfig } from "../../src/config.ts";
import type { ServiceEntry } from "../../src/model/istio.ts";
import type { ServiceInstance, Snapshot } from "../../src/model/service.ts";
import { startDubboGoProvider } from "../bed/dubbo-go-provider.ts";
import { type DubboProviderOptions, startDubboProvider } from "../bed/dubbo-provider.ts";
import type { ProviderProcess } from "../bed/provider-process.ts";
import { startZooKeeper } from "../bed/zookeeper.ts";
import { eventually } from "../support/eventually.ts";
import { hubOf } from "../support/model.ts";
import { connectZkWriter, type ZkWriter } from "../support/zk-writer.ts";
import { countingDeps } from "./counting-deps.ts";
import { addressesOf, firstSnapshot, instancesOf, observe, serviceOf } from "./observe.ts";
import { openReader, tickTime } from "./zookeeper-harness.ts";

const greeting = "org.apache.dubbo.samples.api.GreetingService";
const login = { username: "dubbo", password: "right" };

/** Ways in which Dubbo 3.3 registers, each at an address and under a version of its own. */
const variants = {
  all: { host: "10.42.1.1", version: "1.0.0" },
  interface: {
    host: "10.42.1.2",
    version: "2.0.0",
    group: "g1",
    properties: { "dubbo.application.register-mode": "interface" },
  },
  simplified: { host: "10.42.1.3", version: "3.0.0" },
  triple: {
    host: "10.42.1.4",
    version: "4.0.0",
    protocol: "tri",
    properties: { "dubbo.provider.token": "true" },
  },
} as const satisfies Record<string, Omit<DubboProviderOptions, "registry">>;
type Variant = keyof typeof variants;

describe("ZooKeeper: what Dubbo 3.3 registers", () => {
  const stack = new AsyncDisposableStack();
  let witness: ZkWriter;
  let address: string;
  let providers: Readonly<Record<Variant, ProviderProcess>>;
  let snapshot: Snapshot;
  let entries: readonly ServiceEntry[];

  const start = async (variant: Variant): Promise<ProviderProcess> => {
    const parameters = variant === "simplified" ? "?simplified=true" : "";
    const registry = `zookeeper://${address}${parameters}`;
    return stack.use(
      await startDubboProvider({ ...variants[variant], dubbo: "3.3", registry, application: variant }),
    );
  };
  beforeAll(async () => {
    const server = stack.use(await startZooKeeper({ tickTime }));
    address = server.address;
    witness = stack.use(await connectZkWriter(address));
    const [all, byInterface, simplified, triple] = await Promise.all([
      start("all"),
      start("interface"),
      start("simplified"),
      start("triple"),
    ]);
    providers = { all, interface: byInterface, simplified, triple };
    await using observer = observe(openReader({ address }));
    snapshot = await observer.until((one) => {
      if (instancesOf(one, greeting).length < 4) throw new Error("not all four are listed yet");
    }, 20_000);
    const cluster = copyOf(emptyCluster, countingDeps());
    await generate(hubOf(), snapshot, cluster, readConfig({}, {}));
    entries = [...cluster.serviceEntries.objects.values()] as ServiceEntry[];
  });
  afterAll(() => stack.disposeAsync());

  const instance = (variant: Variant): ServiceInstance | undefined =>
    instancesOf(snapshot, greeting).find((one) => one.address === variants[variant].host);
  /** Its ServiceEntry, as far as it says how the provider is called. */
  const entry = (host: string) => {
    const found = entries.find(({ spec }) => spec.hosts?.[0] === `${greeting.toLowerCase()}-${host}.dubbozk`);
    return {
      annotations: found?.metadata.annotations,
      ports: found?.spec.ports,
      endpoints: found?.spec.endpoints,
    };
  };
  const registered = async (variant: Variant): Promise<URL> => {
    const nodes = await witness.getChildren(`/dubbo/${greeting}/providers`);
    const urls = nodes.map((node) => new URL(decodeURIComponent(node)));
    return urls.find(({ host }) => host === `${variants[variant].host}:${providers[variant].port}`) as URL;
  };

  test("nothing but the four is listed, and nothing but the token is a problem", () => {
    expect([...snapshot.services.keys()]).toEqual([greeting]);
    expect(snapshot.problems).toEqual([]);
    expect(serviceOf(snapshot, greeting).problems).toMatchObject([
      { code: "TokenRequired", severity: "warning" },
    ]);
    expect(entries).toHaveLength(4);
  });

  test("by default, its interface and its application: one instance, which has what the interface says", async () => {
    const { port } = providers.all;
    // Its interface is registered first, and that is all that was waited for.
    await eventually(
      async () => expect(await witness.getChildren("/services/all")).toEqual([`10.42.1.1:${port}`]),
      10_000,
    );
    expect(instance("all")).toMatchObject({ port, protocol: "dubbo", version: "1.0.0", group: "" });
    expect(instance("all")?.metadata).toMatchObject({ methods: "sayHello", release: "3.3.6" });
    expect(entry("1.0.0")).toMatchObject({
      ports: [{ name: "tcp-metaprotocol-dubbo", number: port, protocol: "tcp" }],
      endpoints: [{ address: "10.42.1.1" }],
    });
  });

  test("its interface alone, in a group", async () => {
    const { port } = providers.interface;
    expect(await witness.getChildren("/services")).not.toContain("interface");
    expect(instance("interface")).toMatchObject({ port, protocol: "dubbo", version: "2.0.0", group: "g1" });
    expect(entry("g1-2.0.0").endpoints).toMatchObject([{ address: "10.42.1.2" }]);
  });

  test("simplified: the directory's name is the interface", async () => {
    const { port } = providers.simplified;
    const parameters = (await registered("simplified")).searchParams;
    expect([...parameters.keys()]).not.toContain("interface");
    expect([...parameters.keys()]).not.toContain("methods");
    expect(instance("simplified")).toMatchObject({ port, protocol: "dubbo", version: "3.0.0", group: "" });
    expect(entry("3.0.0")).toMatchObject({
      annotations: { interface: greeting },
      endpoints: [{ address: "10.42.1.3", labels: { application: "simplified", release: "3.3.6" } }],
    });
  });

  test("Triple with a token: a port for gRPC, and the token is nowhere", async () => {
    const { port } = providers.triple;
    const token = (await registered("triple")).searchParams.get("token") ?? "";
    expect(token).toMatch(/^[0-9a-f-]{36}$/);
    expect(instance("triple")).toMatchObject({ port, protocol: "grpc", version: "4.0.0", group: "" });
    expect(entry("4.0.0").ports).toMatchObject([{ name: "grpc-tri", number: port, protocol: "grpc" }]);
    const told = JSON.stringify([[...snapshot.services.values()], snapshot.problems, entries]);
    expect(told).toContain("TokenRequired");
    expect(told).not.toContain(token);
  });

  test("with a login, all its nodes are for that user only", async () => {
    const registry = `zookeeper://${address}?group=closed`;
    stack.use(
      await startDubboProvider({ dubbo: "3.3", registry, login, host: "10.42.1.5", version: "5.0.0" }),
    );
    const root = "/closed";
    const read = await firstSnapshot(openReader({ address, root, credentials: login }));
    expect(instancesOf(read, greeting)).toMatchObject([{ address: "10.42.1.5", version: "5.0.0" }]);
    await using stranger = observe(openReader({ address, root }));
    expect(await stranger.ended).toMatchObject({ code: "RegistryUnauthorized" });
  });
});

describe("ZooKeeper: one provider after the other", () => {
  let address: string;
  const stack = new AsyncDisposableStack();
  beforeAll(async () => {
    ({ address } = stack.use(await startZooKeeper({ tickTime })));
  });
  afterAll(() => stack.disposeAsync());

  test("a real Dubbo 2.7 provider comes, and goes when it is stopped", async () => {
    await using observer = observe(openReader({ address }));
    await observer.until(() => {});
    await using provider = await startDubboProvider({ registry: `zookeeper://${address}`, version: "1.0.0" });
    const snapshot = await observer.until((one) => expect(instancesOf(one, greeting)).toHaveLength(1));
    expect(serviceOf(snapshot, greeting).problems).toEqual([]);
    expect(instancesOf(snapshot, greeting)).toEqual([
      {
        address: "10.42.0.57",
        port: provider.port,
        protocol: "dubbo",
        version: "1.0.0",
        group: "",
        metadata: {
          anyhost: "true",
          application: "demo-provider",
          deprecated: "false",
          dubbo: "2.0.2",
          dynamic: "true",
          generic: "false",
          interface: greeting,
          methods: "sayHello",
          release: "2.7.23",
          revision: expect.any(String),
          side: "provider",
          version: "1.0.0",
        },
      },
    ]);
    await provider.stop();
    await observer.until((one) => expect(instancesOf(one, greeting)).toEqual([]));
  });

  test("what real providers of Dubbo 3.3 and dubbo-go register, with remote metadata", async () => {
    const remote = {
      "dubbo.application.register-mode": "instance",
      "dubbo.application.metadata-type": "remote",
    };
    await using observer = observe(openReader({ address }));
    await using java = await startDubboProvider({
      dubbo: "3.3",
      registry: `zookeeper://${address}`,
      host: "10.42.0.33",
      version: "1.0.0",
      properties: remote,
    });
    await using go = await startDubboGoProvider({
      registry: "zookeeper",
      address,
      version: "2.0.0",
      metadata: "remote",
    });
    const snapshot = await observer.until(
      (some) => expect(instancesOf(some, greeting)).toHaveLength(2),
      20_000,
    );
    expect(instancesOf(snapshot, greeting)).toMatchObject([
      { address: "10.42.0.33", port: java.port, protocol: "dubbo", version: "1.0.0" },
      { address: "10.42.0.58", port: go.port, protocol: "grpc", version: "2.0.0" },
    ]);
    expect(snapshot.problems).toEqual([]);
  });
});

describe("ZooKeeper: Dubbo 2.7, Dubbo 3.3 and dubbo-go side by side", () => {
  const remote = {
    "dubbo.application.register-mode": "instance",
    "dubbo.application.metadata-type": "remote",
  };
  const stack = new AsyncDisposableStack();
  let address: string;
  let witness: ZkWriter;
  beforeAll(async () => {
    ({ address } = stack.use(await startZooKeeper({ tickTime })));
    witness = stack.use(await connectZkWriter(address));
  });
  afterAll(() => stack.disposeAsync());

  /** All three below a registry group, or without one. Each has an address of its own. */
  async function start(registryGroup: string | undefined, network: string): Promise<readonly string[]> {
    const registry = `zookeeper://${address}${registryGroup === undefined ? "" : `?group=${registryGroup}`}`;
    const java = { registry, version: "1.0.0" };
    const go = { registry: "zookeeper", address, version: "2.0.0", metadata: "remote" } as const;
    const [two, three, third] = await Promise.all([
      startDubboProvider({ ...java, dubbo: "2.7", host: `${network}.27`, application: "two" }),
      startDubboProvider({
        ...java,
        dubbo: "3.3",
        host: `${network}.33`,
        application: "three",
        properties: remote,
      }),
      startDubboGoProvider({
        ...go,
        host: `${network}.99`,
        application: "third",
        ...(registryGroup !== undefined && { registryGroup }),
      }),
    ]);
    for (const provider of [two, three, third]) stack.use(provider);
    return [`${network}.27:${two.port}`, `${network}.33:${three.port}`, `${network}.99:${third.port}`];
  }

  test("every interface is listed once, with the right addresses, each group for itself", async () => {
    const places = [
      { root: "/dubbo", home: "/services", addresses: await start(undefined, "10.42.2") },
      { root: "/prod", home: "/prod", addresses: await start("prod", "10.42.3") },
    ];
    for (const { root, home, addresses } of places) {
      await using observer = observe(openReader({ address, root }));
      const snapshot = await observer.until(
        (one) => expect(instancesOf(one, greeting)).toHaveLength(3),
        20_000,
      );
      expect([...snapshot.services.keys()]).toEqual([greeting]);
      expect(addressesOf(snapshot, greeting)).toEqual(addresses);
      expect(serviceOf(snapshot, greeting)).toMatchObject({ problems: [] });
      expect(serviceOf(snapshot, greeting)).not.toHaveProperty("isPartial");
      expect(snapshot.problems).toEqual([]);
      expect(await witness.getChildren(home)).toEqual(expect.arrayContaining(["third", "three"]));
    }
  });
});
