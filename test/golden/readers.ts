import type { RegistryType } from "../../src/model/hub.ts";
import type { Snapshot } from "../../src/model/service.ts";
import type { RegistryConfig } from "../../src/registries/adapter.ts";
import { createConsulApi } from "../../src/registries/consul/api.ts";
import { ConsulReader } from "../../src/registries/consul/state.ts";
import { createEurekaApi } from "../../src/registries/eureka/api.ts";
import { EurekaReader } from "../../src/registries/eureka/state.ts";
import { parseServiceInfo } from "../../src/registries/nacos/service-info.ts";
import { ServiceTable } from "../../src/registries/nacos/state.ts";
import type { HttpAnswer, UseOfBytes } from "../../src/registries/transport/http-client.ts";
import type { HttpServer } from "../../src/registries/transport/servers.ts";
import type { Session } from "../../src/registries/zookeeper/session.ts";
import { Tree } from "../../src/registries/zookeeper/state.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { silentLogger } from "../support/model.ts";

/** What a registry answered or held. Where it was JSON it is YAML here; a string is the answer to the letter. */
type Recorded = unknown;

/** `registry` of `01-registry.yaml`, by `spec.type`. */
interface Registries {
  readonly zookeeper: ZooKeeperNodes;
  readonly nacos: NacosAnswers;
  /** The answer to GET /apps. */
  readonly eureka: Recorded;
  readonly consul: ConsulAnswers;
}

interface ZooKeeperNodes {
  /** Below <root>/<interface>/providers: URLs as Dubbo encodes them, or the name of a node to the letter. */
  readonly providers?: Readonly<Record<string, readonly (string | { readonly node: string })[]>>;
  /** Below /services, by application; `metadata` is what <root>/metadata has of it, by revision. */
  readonly applications?: Readonly<
    Record<
      string,
      { readonly instances: readonly Recorded[]; readonly metadata?: Readonly<Record<string, Recorded>> }
    >
  >;
  /** Below <root>/mapping: the applications of each interface. */
  readonly mapping?: Readonly<Record<string, readonly string[]>>;
}

interface NacosAnswers {
  /** The ServiceInfo of each service, by `<group>@@<name>`. */
  readonly services: Readonly<Record<string, Recorded>>;
  /** The content of each configuration, by `<group>@@<dataId>`. */
  readonly configs?: Readonly<Record<string, Recorded>>;
}

interface ConsulAnswers {
  /** The answer to GET /v1/catalog/services. */
  readonly catalog: Recorded;
  /** The answers to GET /v1/health/service/<name>, by name. */
  readonly health: Readonly<Record<string, Recorded>>;
}

/** How the operator's own reader of each type sees a registry. `undefined` = it says nothing. */
type Readers = {
  readonly [T in RegistryType]: (
    registry: Registries[T],
    config: RegistryConfig<T>,
  ) => Promise<Snapshot | undefined>;
};
const readers: Readers = {
  zookeeper(held, { registry, wants, known = () => [] }) {
    const session = sessionOver(nodesOf(held, registry.root));
    const changed = () => undefined;
    return new Tree({ session, root: registry.root, wants, known, changed, clock: fakeClock() }).refresh();
  },

  nacos({ services, configs = {} }, { wants }) {
    const config = (dataId: string, group: string) => {
      const content = configs[`${group}@@${dataId}`];
      return Promise.resolve(content === undefined ? ("missing" as const) : { content: textOf(content) });
    };
    const table = new ServiceTable({ wants, config });
    for (const [id, info] of Object.entries(services)) {
      const [group = "", name = ""] = id.split("@@");
      table.set({ group, name }, parseServiceInfo(JSON.parse(textOf(info))));
    }
    return table.publish();
  },

  eureka(applications, { wants }) {
    const http = httpOver((path) => (path === "/apps" ? applications : undefined));
    return new EurekaReader(createEurekaApi(http, server, {}), { wants }, fakeClock()).read();
  },

  async consul({ catalog, health }, config) {
    const http = httpOver((path) => {
      if (path === "/v1/catalog/services") return catalog;
      return health[decodeURIComponent(path.slice("/v1/health/service/".length))] ?? [];
    });
    const stop = new AbortController();
    const hooks = {
      changed: () => undefined,
      onLost: (error: Error) => {
        throw error;
      },
    };
    const deps = { clock: fakeClock(), logger: silentLogger, random: () => 0 };
    const api = createConsulApi(http, server, { datacenter: config.registry.datacenter }, deps.clock);
    const reader = await ConsulReader.open(config, api, hooks, deps, stop.signal);
    stop.abort();
    return reader.refresh();
  },
};

/** What the operator reads of a registry that holds this. */
export async function read(held: unknown, config: RegistryConfig): Promise<Snapshot> {
  const reader = readers[config.registry.type] as (
    registry: unknown,
    config: RegistryConfig,
  ) => Promise<Snapshot | undefined>;
  const snapshot = await reader(held, config);
  if (snapshot === undefined) throw new Error("a first listing is always a snapshot");
  return snapshot;
}

const textOf = (recorded: Recorded): string =>
  typeof recorded === "string" ? recorded : JSON.stringify(recorded);

/** Java's `URLEncoder.encode`, which Dubbo applies to what becomes one segment of a path. */
const encoded = (text: string): string => new URLSearchParams({ "": text }).toString().slice(1);

/** The data of each node, by path. */
function nodesOf(
  { providers = {}, applications = {}, mapping = {} }: ZooKeeperNodes,
  root: string,
): ReadonlyMap<string, string> {
  const nodes = new Map([[root, ""]]);
  for (const [name, nodesOfName] of Object.entries(providers)) {
    const path = `${root}/${encoded(name)}/providers`;
    nodes.set(path, "");
    for (const one of nodesOfName)
      nodes.set(`${path}/${typeof one === "string" ? encoded(one) : one.node}`, "");
  }
  for (const [name, { instances, metadata = {} }] of Object.entries(applications)) {
    for (const [at, instance] of instances.entries()) nodes.set(`/services/${name}/${at}`, textOf(instance));
    for (const [revision, info] of Object.entries(metadata))
      nodes.set(`${root}/metadata/${name}/${revision}`, textOf(info));
  }
  for (const [name, names] of Object.entries(mapping)) nodes.set(`${root}/mapping/${name}`, names.join());
  return nodes;
}

function sessionOver(nodes: ReadonlyMap<string, string>): Session {
  const stat = { czxid: 1n, ctime: 0n, pzxid: 1n };
  return {
    server: "zookeeper:2181",
    zxid: () => 1n,
    sync: () => Promise.resolve(),
    data(path) {
      const data = nodes.get(path);
      return Promise.resolve(data === undefined ? "missing" : { data, stat });
    },
    children(path) {
      const below = [...nodes.keys()].filter((node) => node.startsWith(`${path}/`));
      const names = new Set(below.map((node) => node.slice(path.length + 1).split("/")[0] ?? ""));
      const isMissing = names.size === 0 && !nodes.has(path);
      return Promise.resolve(isMissing ? "missing" : { children: [...names], stat });
    },
  };
}

const server: HttpServer = { host: "registry", port: 80, name: "registry:80", baseUrl: "http://registry" };

/** Answers at once, but for what waits for a change: there is none. */
function httpOver(answerTo: (path: string) => Recorded) {
  const answer = (url: string): HttpAnswer | undefined => {
    const { pathname, searchParams } = new URL(url);
    if (searchParams.has("wait")) return undefined;
    const recorded = answerTo(pathname);
    const headers = { "x-consul-index": "1", "x-consul-default-acl-policy": "allow" };
    return { status: recorded === undefined ? 404 : 200, headers, text: textOf(recorded ?? "") };
  };
  const never = <T>(): Promise<T> => Promise.withResolvers<T>().promise;
  return {
    connections: () => 1,
    get: (url: string): Promise<HttpAnswer> => Promise.resolve(answer(url) ?? never<HttpAnswer>()),
    getList<T>(url: string, _: unknown, use: UseOfBytes<T>): Promise<T> {
      const said = answer(url);
      if (said === undefined) return never<T>();
      return use({ ...said, bytes: Buffer.from(said.text) }, new AbortController().signal);
    },
    postJson: (url: string): Promise<HttpAnswer> => Promise.reject(new Error(`nobody answers ${url}`)),
  };
}
