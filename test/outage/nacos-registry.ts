import { type Nacos, startNacos } from "../bed/nacos.ts";
import { type NacosAgent, type NacosConnection, startNacosAgent } from "../bed/nacos-agent.ts";
import type { NacosUser, NacosVersion } from "../bed/nacos-api.ts";
import { eventually } from "../support/eventually.ts";
import { providerOf, providersOf } from "../support/nacos-dubbo.ts";
import { startNacosProxy } from "../support/nacos-proxy.ts";
import { startGreeter } from "./real-provider.ts";
import type { OutageRegistry, Provider, Registries } from "./registry.ts";

const GROUP = "DEFAULT_GROUP";
/** A server that hears nothing of a client for 20 s asks for an answer, and waits 5 s for it. */
const SESSION_MS = 25_000;
/**
 * Of 35 s that are 24.5 s. Nothing makes Nacos' clients come back sooner: they are back within 10 s of the server, and a
 * service that the first list lacks is in the next one or the one after it, 10 s later each (measured).
 */
const SETTLE_FACTOR = 0.7;
/** A right that was taken away shows at the next list, within 10 s, and is told after 5 s more. */
const TELL_MS = 20_000;
/** After an outage the operator may have the server back before a provider has. */
const CONNECT_MS = 15_000;

const operator: NacosUser = { username: "operator", password: "of-the-test" };

/**
 * Nacos namespaces of one version, with Dubbo's providers: `service` is an interface without group and version. They are
 * on one server, but those of their own; such a server is used again when its registry is disposed of, for it takes
 * seconds to start. The providers live in one process of Nacos' own client: those of one address have one connection, and
 * die together.
 */
export async function startNacosRegistries(version: NacosVersion): Promise<Registries> {
  await using starting = new AsyncDisposableStack();
  // Each connection names the server that it leads to.
  const agent = starting.use(await startNacosAgent({ address: "127.0.0.1:1" }));
  const owned = starting.move();
  const idle: Nacos[] = [];
  let shared: Promise<Nacos> | undefined;
  let count = 0;
  const start = async (): Promise<Nacos> => {
    const server = owned.use(await startNacos({ version, auth: true }));
    await server.createUser(operator);
    return server;
  };
  const common = (): Promise<Nacos> => {
    shared ??= start();
    return shared;
  };
  return {
    async open({ own }) {
      const server = await (own ? (idle.pop() ?? start()) : common());
      const leave = (isServing: boolean): void => {
        if (own && isServing) idle.push(server);
      };
      return openNamespace(`outage-${++count}`, { server, agent, isOwn: own, leave });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface House {
  readonly server: Nacos;
  readonly agent: NacosAgent;
  /** Whether it may be killed, frozen and emptied. */
  readonly isOwn: boolean;
  /** Called when it is left, serving or not. */
  readonly leave: (isServing: boolean) => void;
}

/** One process, and which services it provides. */
interface Pod {
  readonly connection: NacosConnection;
  readonly services: Set<string>;
}

async function openNamespace(namespace: string, house: House): Promise<OutageRegistry> {
  const { server, agent } = house;
  await using starting = new AsyncDisposableStack();
  let isServing = true;
  starting.defer(() => house.leave(isServing));
  const proxy = starting.use(await startNacosProxy(server.port));
  const entrance = starting.use(await startNacosProxy(server.port)); // of the providers
  const pods = new Map<string, Pod>();
  starting.defer(async () => {
    await Promise.all([...pods.values()].map(({ connection }) => connection.drop()));
  });
  let rights = readingRights(server, namespace);
  await rights.grantAll();

  const podAt = (address: string): Pod => {
    const at = { address: entrance.address, namespace, ...server.adminLogin };
    const pod = pods.get(address) ?? {
      connection: agent.connection(`${namespace}/${address}`, at),
      services: new Set(),
    };
    pods.set(address, pod);
    return pod;
  };
  const register = async (one: Provider): Promise<void> => {
    const { connection, services } = podAt(one.address);
    await connection.register(providersOf(one.service), GROUP, [providerOf(one.service, one)]);
    services.add(one.service);
  };
  const deregister = async (one: Provider): Promise<void> => {
    const { connection, services } = podAt(one.address);
    const withdraw = () =>
      connection.deregister(providersOf(one.service), GROUP, [providerOf(one.service, one)]);
    await eventually(withdraw, CONNECT_MS, 250);
    services.delete(one.service);
  };
  /** What the server is made to do now, after which it serves or does not. */
  const serving = (will: boolean): void => {
    if (!house.isOwn)
      throw new Error("the server has others to serve: the story has to ask for one of its own");
    isServing = will;
  };

  const owned = starting.move();
  return {
    spec: { type: "nacos", address: proxy.address, nacos: { namespace, groups: [GROUP] } },
    login: operator,
    proxy,
    sessionMs: SESSION_MS,
    settleFactor: SETTLE_FACTOR,
    tellMs: TELL_MS,
    speaksDubbo: true,
    hostOf: (service, target) => `${service.toLowerCase()}.${target}`,
    async register(providers) {
      await Promise.all(providers.map(register));
    },
    async deregister(providers) {
      await Promise.all(providers.map(deregister));
    },
    async bury(providers) {
      for (const [address, dead] of Map.groupBy(providers, (one) => one.address)) {
        const { connection, services } = podAt(address);
        if (!services.isSubsetOf(new Set(dead.map(({ service }) => service))))
          throw new Error(`${address} would die in part only`);
        await connection.drop();
        pods.delete(address);
      }
    },
    startProvider: () =>
      startGreeter({
        registry: `nacos://${entrance.address}?namespace=${namespace}`,
        ...(server.adminLogin && { login: server.adminLogin }),
      }),
    async kill() {
      serving(false);
      await server.kill();
    },
    async stop() {
      serving(false);
      await server.stop();
    },
    async start({ wipe = false } = {}) {
      if (wipe) await entrance.refuse();
      await server.restart({ wipe });
      serving(true);
      if (!wipe) return;
      await server.createUser(operator);
      rights = readingRights(server, namespace);
      await rights.grantAll();
    },
    freeze() {
      serving(false);
      server.freeze();
    },
    resume() {
      server.resume();
      serving(true);
    },
    refill: () => entrance.heal(), // its clients still know what they have to register
    revokeAll: () => rights.revokeAll(),
    grantAll: () => rights.grantAll(),
    rightsToServices: {
      async revoke(services) {
        const all = new Set([...pods.values()].flatMap((pod) => [...pod.services]));
        await rights.grantOnly([...all.difference(new Set(services))]);
      },
      grant: () => rights.grantAll(),
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** What the operator may read of a namespace. */
interface ReadingRights {
  grantAll(): Promise<void>;
  revokeAll(): Promise<void>;
  /** The list of all services, and these services. */
  grantOnly(services: readonly string[]): Promise<void>;
}

/**
 * A resource is a regular expression in which `*` stands for `.*`. A list needs the right to a service that is called `*`,
 * so `[*]` is the list and no service. Measured on 2.3.2 and 3.1.0.
 */
function readingRights(server: Nacos, namespace: string): ReadingRights {
  const everything = "*";
  const list = "[*]";
  let granted: readonly string[] = [];
  const to = (name: string) => ({ resource: `${namespace}:${GROUP}:naming/${name}`, action: "r" }) as const;
  /** New ones are given first: what may be read before and after may be read all the time. */
  const change = async (names: readonly string[]): Promise<void> => {
    const given = names.filter((name) => !granted.includes(name));
    const taken = granted.filter((name) => !names.includes(name));
    await Promise.all(given.map((name) => server.grant(operator.username, to(name))));
    await Promise.all(taken.map((name) => server.revoke(operator.username, to(name))));
    granted = names;
  };
  return {
    grantAll: () => change([everything]),
    revokeAll: () => change([]),
    grantOnly: (services) => change([list, ...services.map(providersOf)]),
  };
}
