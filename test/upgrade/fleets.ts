import type { RegistryHubSpec } from "../../src/model/registryhub.ts";
import { startConsul } from "../bed/consul.ts";
import { startEureka } from "../bed/eureka.ts";
import { startNacos } from "../bed/nacos.ts";
import { type NacosInstance, startNacosAgent } from "../bed/nacos-agent.ts";
import { startZooKeeper } from "../bed/zookeeper.ts";
import { consulRegistrant } from "../support/consul-registrant.ts";
import { eurekaRest } from "../support/eureka-rest.ts";
import { providerOf, providersOf } from "../support/nacos-dubbo.ts";
import { connectZkWriter } from "../support/zk-writer.ts";

/** An endpoint that the mesh has to have, and how its provider ends in good order. */
export interface Instance {
  /** Without the target namespace. */
  readonly service: string;
  readonly hostPort: string;
  /** Whether its host has an EnvoyFilter. */
  readonly isFiltered: boolean;
  readonly leave: () => Promise<void>;
}

/** A real registry and what is registered in it. Disposal ends both. */
export interface Fleet extends AsyncDisposable {
  readonly spec: Omit<RegistryHubSpec, "generate_to">;
  readonly instances: readonly Instance[];
}

/** Which address and port an instance has: two pods for each service, and a third for the first. */
interface Place {
  readonly at: number;
  readonly pod: number;
  readonly ip: string;
  readonly port: number;
}

/** How many services each registry has. */
const SERVICES = 75;
/** One of them leaves at each take-over. */
const PODS_OF_FIRST = 4;

function places(network: number, port: number): readonly Place[] {
  return Array.from({ length: SERVICES }, (_, at) =>
    Array.from({ length: at === 0 ? PODS_OF_FIRST : 2 }, (_none, pod) => ({
      at,
      pod,
      ip: `10.42.${network + pod}.${at + 1}`,
      port,
    })),
  ).flat();
}

/** Dubbo 2.7 as providers write it: groups and versions, names with `$`, weights, tags, lists of methods; a tenth is Triple. */
export async function zooKeeperFleet(): Promise<Fleet> {
  await using starting = new AsyncDisposableStack();
  const server = starting.use(await startZooKeeper());
  const writer = starting.use(await connectZkWriter(server.address));
  const instances = await Promise.all(
    places(10, 20_880).map(async ({ at, pod, ip, port }) => {
      const [protocol, iface] = [
        at % 10 === 9 ? "tri" : "dubbo",
        `org.example.Zk${at}${at % 7 === 3 ? "$Inner" : ""}`,
      ];
      const version = at % 3 === 0 ? "" : `${(at % 2) + 1}.0.0`;
      const group = at % 5 === 2 ? "blue" : "";
      const parameters = new URLSearchParams({
        anyhost: "true",
        application: `shop-${at}`,
        category: "providers",
        deprecated: "false",
        dubbo: "2.0.2",
        interface: iface,
        methods: "list,get,sayHello",
        pid: `${100 + pod}`,
        release: "2.7.23",
        side: "provider",
        timestamp: `${1_680_000_000_000 + pod}`,
        ...(version !== "" && { version, revision: version }),
        ...(group !== "" && { group }),
        ...(at % 4 === 1 && { weight: pod === 0 ? "100" : "200" }),
        ...(at % 6 === 5 && { "dubbo.tag": "gray" }),
      });
      const [path = ""] = await writer.registerProviders([
        `${protocol}://${ip}:${port}/${iface}?${parameters.toString()}`,
      ]);
      const service = [iface, group, version].filter((part) => part !== "").join("-");
      return {
        service,
        hostPort: `${ip}:${port}`,
        isFiltered: protocol === "dubbo",
        leave: () => writer.delete(path),
      };
    }),
  );
  return own(starting, { type: "zookeeper", address: server.address }, instances);
}

/** Two thirds Dubbo, one third Spring Cloud with weights and metadata, over Nacos' own client. */
export async function nacosFleet(): Promise<Fleet> {
  await using starting = new AsyncDisposableStack();
  const server = starting.use(await startNacos({ version: "2.3" }));
  const agent = starting.use(await startNacosAgent({ address: server.address }));
  const group = "DEFAULT_GROUP";
  const instances = await Promise.all(
    places(20, 20_881).map(async ({ at, pod, ip, port }) => {
      const isDubbo = at % 3 !== 2;
      const service = isDubbo ? `org.example.Nacos${at}` : `nacos-order-${at}`;
      const spring: NacosInstance = {
        ip,
        port,
        weight: at % 2 === 0 ? 1 : pod + 1,
        metadata: { "preserved.register.source": "SPRING_CLOUD", zone: "a", version: `v${pod}` },
      };
      const name = isDubbo ? providersOf(service) : service;
      const instance = isDubbo ? providerOf(service, { address: ip, port }) : spring;
      const connection = agent.connection(`pod-${pod}`);
      await connection.register(name, group, [instance]);
      return {
        service,
        hostPort: `${ip}:${port}`,
        isFiltered: isDubbo,
        leave: () => connection.deregister(name, group, [instance]),
      };
    }),
  );
  return own(starting, { type: "nacos", address: server.address, nacos: { groups: [group] } }, instances);
}

/** More metadata than an endpoint has room for labels. */
const muchMetadata = Object.fromEntries(Array.from({ length: 40 }, (_, key) => [`zz-key-${key}`, "x"]));

/** Spring Cloud with metadata, sometimes much of it, sometimes with a secret. */
export async function eurekaFleet(): Promise<Fleet> {
  await using starting = new AsyncDisposableStack();
  const server = starting.use(await startEureka());
  const rest = starting.use(eurekaRest(server));
  const instances = await Promise.all(
    places(30, 8_080).map(async ({ at, pod, ip, port }) => {
      const app = `EUREKA-${at}`;
      const metadata = {
        "management.port": "9090",
        zone: `zone-${pod}`,
        ...(at % 4 === 1 && { weight: `${pod + 1}` }),
        ...(at % 10 === 3 && { "user.password": "secret" }),
        ...(at === 7 && muchMetadata),
      };
      const instance = { ip, port, metadata };
      await rest.register(app, instance);
      return {
        service: app,
        hostPort: `${ip}:${port}`,
        isFiltered: false,
        leave: () => rest.deregister(app, instance),
      };
    }),
  );
  const spec = { type: "eureka", address: server.address, eureka: { pollIntervalSeconds: 1 } } as const;
  return own(starting, spec, instances);
}

/** Services with tags, metadata and weights. */
export async function consulFleet(): Promise<Fleet> {
  await using starting = new AsyncDisposableStack();
  const server = starting.use(await startConsul());
  const registrant = consulRegistrant(server);
  const registered = places(40, 9_000).map(({ at, pod, ip, port }) => ({
    service: `consul-${at}`,
    address: ip,
    port,
    tags: ["blue", `version=v${pod}`],
    meta: { team: "orders", secure: "false" },
    ...(at % 4 === 1 && { weights: { Passing: pod + 1, Warning: 1 } }),
  }));
  await registrant.register(registered);
  const instances = registered.map((one) => ({
    service: one.service,
    hostPort: `${one.address}:${one.port}`,
    isFiltered: false,
    leave: () => registrant.deregister([one]),
  }));
  return own(starting, { type: "consul", address: server.url }, instances);
}

function own(starting: AsyncDisposableStack, spec: Fleet["spec"], instances: readonly Instance[]): Fleet {
  const owned = starting.move();
  return { spec, instances, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
