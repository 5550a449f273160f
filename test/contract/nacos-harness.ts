import { afterAll, beforeAll, beforeEach } from "vitest";
import type { Credentials } from "../../src/model/hub.ts";
import type { RegistryAdapter } from "../../src/registries/adapter.ts";
import { createNacosAdapter } from "../../src/registries/nacos/adapter.ts";
import type { Deps } from "../../src/runtime/deps.ts";
import { type Nacos, startNacos } from "../bed/nacos.ts";
import {
  type NacosAgent,
  type NacosConnection,
  type NacosInstance,
  startNacosAgent,
} from "../bed/nacos-agent.ts";
import type { NacosUser, NacosVersion } from "../bed/nacos-api.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { providerOf, providersOf } from "../support/nacos-dubbo.ts";
import { httpRegistrant } from "../support/nacos-http-registrant.ts";
import { startNacosProxy } from "../support/nacos-proxy.ts";
import { countingDeps } from "./counting-deps.ts";
import { untilAnswered } from "./observe.ts";
import { oddNames, type RegistryHarness, type RegistryTraits } from "./registry.contract.ts";

/** What an adapter is opened with where a test needs another than the usual. */
export interface ReaderOptions {
  readonly address: string;
  readonly namespace?: string;
  readonly groups?: readonly string[];
  readonly credentials?: Credentials;
  readonly tls?: { readonly enabled: boolean; readonly insecureSkipVerify: boolean };
  readonly wants?: (name: string) => boolean;
  readonly known?: () => Iterable<string>;
  readonly keys?: readonly string[];
}

export const DEFAULT_GROUP = "DEFAULT_GROUP";

export const nacosTraits: RegistryTraits = {
  emptied: "present",
  metadataKey: "revision",
  oddNames: oddNames.filter((name) => !/[: ]/.test(name)), // it refuses blanks, and Dubbo puts colons around the name
  visibleMs: 15_000, // a list comes every 10 s, once the reader has been there for a while
  frozenMs: 15_000,
  skipped: {},
};

/** Reads everything and writes nothing. */
const everything: NacosUser = { username: "reader", password: "of-the-test" };

/** A reader of a namespace. */
export function openReader(options: ReaderOptions, deps: Deps = countingDeps()): RegistryAdapter {
  const {
    address,
    namespace = "",
    groups = [DEFAULT_GROUP],
    credentials = everything,
    wants = () => true,
    known = () => [],
    keys = [],
  } = options;
  const tls = options.tls ?? { enabled: false, insecureSkipVerify: false };
  return createNacosAdapter(
    { registry: { type: "nacos", address, namespace, groups, tls }, credentials, wants, known, keys },
    deps,
  );
}

/** The contract's harness, with what the Nacos cases need besides. Each `clear` moves on to another namespace. */
export interface NacosHarness extends RegistryHarness {
  readonly server: Nacos;
  readonly agent: NacosAgent;
  /** The agent's connection to the namespace of the moment. */
  connection(): NacosConnection;
  namespace(): string;
  put(service: string, instances: readonly NacosInstance[], group?: string): Promise<void>;
  /** A reader of the namespace of the moment, through the proxy. */
  reader(options?: Partial<ReaderOptions>, deps?: Deps): RegistryAdapter;
}

/** The harness of a file's tests: started before the first, with a namespace of its own for each. */
export function useNacos(version: NacosVersion): NacosHarness {
  let started: NacosHarness | undefined;
  beforeAll(async () => {
    started = await startNacosHarness(version);
  });
  afterAll(() => started?.[Symbol.asyncDispose]());
  const harness = (): NacosHarness => {
    if (started === undefined) throw new Error("the harness begins with the first test");
    return started;
  };
  beforeEach(async () => {
    await harness().proxy.heal();
    await harness().clear();
  });
  return new Proxy({} as NacosHarness, { get: (_, member) => Reflect.get(harness(), member) as unknown });
}

export async function startNacosHarness(version: NacosVersion): Promise<NacosHarness> {
  await using starting = new AsyncDisposableStack();
  const server = starting.use(await startNacos({ version, auth: true }));
  const proxy = starting.use(await startNacosProxy(server.port));
  const agent = starting.use(await startNacosAgent({ address: server.address, ...server.adminLogin }));
  const addReader = (): Promise<void> => server.createUser(everything, [{ resource: "*:*:*", action: "r" }]);
  await addReader();
  const registered = new Set<string>();
  let clears = 0;
  const namespace = (): string => `contract-${clears}`;
  const connection = (): NacosConnection => agent.connection(namespace(), { namespace: namespace() });
  const put: NacosHarness["put"] = (service, instances, group = DEFAULT_GROUP) =>
    connection().register(service, group, instances);
  const reader: NacosHarness["reader"] = (options, deps) =>
    openReader({ address: proxy.address, namespace: namespace(), ...options }, deps);
  const http = starting.use(httpRegistrant(server));
  const owned = starting.move();
  return {
    server,
    proxy,
    agent,
    connection,
    namespace,
    put,
    reader,
    open: (deps) => reader({}, deps),
    async openUnauthorized() {
      const stranger: NacosUser = { username: `stranger-${clears}`, password: "of-the-test" };
      await server.createUser(stranger, []);
      return reader({ credentials: stranger });
    },
    openNowhere: async () => openReader({ address: `127.0.0.1:${await freePort([1000])}` }),
    async clear() {
      await connection().drop();
      registered.clear();
      clears++;
    },
    register(service, instances) {
      registered.add(service);
      const providers = instances.map((one) => providerOf(service, one));
      return put(providersOf(service), providers);
    },
    deregister: (service, instances) =>
      connection().deregister(
        providersOf(service),
        DEFAULT_GROUP,
        instances.map((one) => providerOf(service, one)),
      ),
    registerMalformed: (service) =>
      put(providersOf(service), [
        { ip: "10.42.0.9", port: 20_880, metadata: { interface: service, protocol: "smoke-signal" } },
      ]),
    async setHealth(service, instance, isHealthy) {
      // Over gRPC an instance is healthy or gone; one that was registered over HTTP is ill once its heart stops beating.
      const provider = providerOf(service, instance);
      await connection().deregister(providersOf(service), DEFAULT_GROUP, [provider]);
      const at = { namespace: namespace(), group: DEFAULT_GROUP, name: providersOf(service) };
      await http.register(at, provider, isHealthy);
    },
    untilRead: () => untilAnswered(proxy, handshakeBytes),
    async restart() {
      await server.restart();
      // What a server lists until its clients have registered again is the outage suite's affair.
      await eventually(async () => {
        const names = await connection().services(DEFAULT_GROUP);
        if (names.length < registered.size) throw new Error(`only ${names.join(", ")} are back`);
      }, REGISTER_MS);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** What a server says until it is asked for services, and a little more. */
export const handshakeBytes = 1_500;
const REGISTER_MS = 20_000;
