import type { Credentials } from "../../src/model/hub.ts";
import type { RegistryAdapter } from "../../src/registries/adapter.ts";
import { createEurekaAdapter } from "../../src/registries/eureka/adapter.ts";
import type { Deps } from "../../src/runtime/deps.ts";
import { type Eureka, type EurekaUser, startEureka } from "../bed/eureka.ts";
import { startProxy } from "../bed/fault-proxy.ts";
import { type EurekaInstance, type EurekaRest, eurekaRest } from "../support/eureka-rest.ts";
import { freePort } from "../support/free-port.ts";
import { countingDeps } from "./counting-deps.ts";
import { untilAnswered } from "./observe.ts";
import type { RegistryHarness, RegistryTraits, TestInstance } from "./registry.contract.ts";

/** What an adapter is opened with where a test needs another than the usual. */
export interface ReaderOptions {
  readonly address: string;
  readonly pollIntervalMs?: number;
  readonly credentials?: Credentials;
  readonly wants?: (name: string) => boolean;
}

export const eurekaTraits: RegistryTraits = {
  emptied: "absent",
  metadataKey: "note",
  oddNames: ["A.B$INNER", "UPPER.CASE_NAME", "ORG.EXAMPLE.ÜNÏCODE", "WITH SPACE", "A+B,C=D"],
  visibleMs: 10_000,
  frozenMs: 15_000,
  skipped: { C19: "no connection is needed between two polls; C22 is about those that fail" },
};

/** A reader that polls each second. */
export function openReader(options: ReaderOptions, deps: Deps = countingDeps()): RegistryAdapter {
  const { address, pollIntervalMs = 1_000, credentials = {}, wants = () => true } = options;
  const tls = { enabled: false, insecureSkipVerify: false };
  const registry = { type: "eureka", address, pollIntervalMs, tls } as const;
  return createEurekaAdapter({ registry, credentials, wants }, deps);
}

/** A Eureka server, real or fake. */
export interface EurekaServer extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
  readonly login: EurekaUser | undefined;
  /** Ends it, and starts another on the same port that knows nothing. */
  restart(): Promise<void>;
}

/** The contract's harness, with what the Eureka cases need besides. */
export interface EurekaHarness<Server extends EurekaServer = Eureka> extends RegistryHarness {
  readonly server: Server;
  readonly rest: EurekaRest;
  /** What the adapters that `open` makes are opened with. */
  readonly usual: ReaderOptions & { readonly credentials: Credentials };
}

/** On a real server. */
export function startEurekaHarness(): Promise<EurekaHarness> {
  // What is registered is listed at once: the contract asks for the first snapshot right after it.
  const properties = { "eureka.server.use-read-only-response-cache": "false" };
  return startHarness(() => startEureka({ auth: true, properties }));
}

/** On a server that `start` starts, which has a login and lists at once what is registered. */
export async function startHarness<Server extends EurekaServer>(
  start: () => Promise<Server>,
): Promise<EurekaHarness<Server>> {
  await using starting = new AsyncDisposableStack();
  const server = starting.use(await start());
  const proxy = starting.use(await startProxy("127.0.0.1", server.port));
  const rest = starting.use(eurekaRest(server));
  const registered = new Map<string, { readonly app: string; readonly instance: EurekaInstance }>();
  const usual = { address: `http://${proxy.address}/eureka`, credentials: { ...server.login } };
  const add = async (app: string, instance: EurekaInstance): Promise<void> => {
    await rest.register(app, instance);
    registered.set(`${app} ${instance.ip}:${instance.port}`, { app, instance });
  };
  const remove = async (app: string, instance: EurekaInstance): Promise<void> => {
    await rest.deregister(app, instance);
    registered.delete(`${app} ${instance.ip}:${instance.port}`);
  };
  const owned = starting.move();
  return {
    server,
    rest,
    proxy,
    usual,
    open: (deps) => openReader(usual, deps),
    openUnauthorized: async () =>
      openReader({ ...usual, credentials: { ...server.login, password: "of-nobody" } }),
    openNowhere: async () => openReader({ address: `http://127.0.0.1:${await freePort()}/eureka` }),
    async clear() {
      await Promise.all([...registered.values()].map(({ app, instance }) => remove(app, instance)));
    },
    async register(service, instances) {
      await Promise.all(instances.map((one) => add(service, instanceOf(one))));
    },
    async deregister(service, instances) {
      await Promise.all(instances.map((one) => remove(service, instanceOf(one))));
    },
    registerMalformed: (service) =>
      add(service, { ip: "10.42.0.9", port: 80, fields: { port: { $: 80, "@enabled": "false" } } }),
    setHealth: (service, instance, isHealthy) =>
      rest.override(service, instanceOf(instance), isHealthy ? "UP" : "OUT_OF_SERVICE"),
    untilRead: () => untilAnswered(proxy),
    async restart() {
      await server.restart();
      await Promise.all([...registered.values()].map(({ app, instance }) => rest.register(app, instance)));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const instanceOf = ({ address, port, note }: TestInstance): EurekaInstance => ({
  ip: address,
  port,
  ...(note !== undefined && { metadata: { note } }),
});
