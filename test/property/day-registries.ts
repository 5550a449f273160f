import type { RegistryType } from "../../src/model/hub.ts";
import type { Clock } from "../../src/runtime/deps.ts";
import { type Fault as ConsulFault, startFakeConsul } from "../fakes/consul/server.ts";
import type { Fault as EurekaFault } from "../fakes/eureka/faults.ts";
import { startFakeEureka } from "../fakes/eureka/server.ts";
import type { FakeRequest as NacosRequest, Reaction } from "../fakes/nacos/script.ts";
import { startFakeNacos } from "../fakes/nacos/server.ts";
import type { Fault } from "../fakes/zookeeper/faults.ts";
import { startFakeZooKeeper } from "../fakes/zookeeper/server.ts";

/** A registry on a socket that a day happens to. */
export interface DayRegistry extends AsyncDisposable {
  readonly type: RegistryType;
  readonly address: string;
  /** Everything that it was asked, until somebody empties it. */
  readonly requests: unknown[];
  register(service: string, ip: string): void;
  deregister(service: string, ip: string): void;
  /** What goes wrong with single requests; the returned function puts it right. */
  readonly slips: readonly (() => Heal)[];
  /** What breaks every connection; the returned function puts it right. */
  readonly outages: readonly (() => Promise<Heal>)[];
  /** The data are lost; the providers register again when it is put right. */
  lose(): Promise<void>;
  /** How late they may do that: a registry whose loss of data nobody can notice is believed once it has settled. */
  readonly returnMs: number;
}

type Heal = () => Promise<void> | void;

const port = 20_880;
const healed: Heal = () => undefined;
/** So many of the requests go wrong in a slip: one in three or five. */
const often = 3;
const seldom = 5;

/** True for every n-th call. */
function everyNth(n: number): () => boolean {
  let at = 0;
  return () => ++at % n === 0;
}

export async function openZooKeeper(clock: Clock): Promise<DayRegistry> {
  const server = await startFakeZooKeeper({ clock });
  const slip = (n: number, fault: Fault) => (): Heal => {
    const isDue = everyNth(n);
    return server.faults.add(({ path }) => (path !== "" && isDue() ? fault : undefined));
  };
  const outage = (fault: Fault) => async (): Promise<Heal> => server.faults.add(() => fault);
  return {
    type: "zookeeper",
    address: server.address,
    requests: server.faults.requests,
    register: (service, ip) => server.register(service, [{ address: ip, port }]),
    deregister: (service, ip) => server.deregister(service, [{ address: ip, port }]),
    slips: [
      slip(often, { error: -102 }), // no right
      slip(seldom, { delayMs: 700 }),
      () => {
        server.faults.pieceBytes = 7;
        return () => {
          server.faults.pieceBytes = Number.POSITIVE_INFINITY;
        };
      },
    ],
    outages: [
      async () => {
        server.dropConnections();
        return healed;
      },
      async () => {
        server.expireSessions();
        return healed;
      },
      async () => {
        server.freeze();
        return async () => server.thaw();
      },
      outage("hang"),
      outage({ cut: 9 }),
      async () => {
        await server.restart();
        return healed;
      },
    ],
    lose: () => server.restart({ lose: true }),
    returnMs: 60_000,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

export async function openEureka(clock: Clock): Promise<DayRegistry> {
  const server = await startFakeEureka({ clock, cacheMs: 30_000, gzip: false });
  const fault =
    (...args: Parameters<typeof server.fault>) =>
    (): Heal =>
      server.fault(...args);
  const outage = (what: EurekaFault) => async (): Promise<Heal> => fault("/apps", what)();
  return {
    type: "eureka",
    address: server.address,
    requests: server.asked,
    register: (service, ip) => server.register(service, [{ address: ip, port }]),
    deregister: (service, ip) => server.deregister(service, [{ address: ip, port }]),
    slips: [
      fault("/apps", { delayMs: 900 }, 2),
      fault("/apps", "close", 1),
      fault("/status", "close", 1),
      fault("/apps", { status: 503, body: "a proxy" }, 4),
      fault("/apps", { status: 404, body: "<html>" }, 3),
      fault("/apps", "cut", 3),
      fault("/status", { status: 500 }, 3),
      fault("/apps", { status: 200, body: '{"applications":{"application":[{"instance":[]}]}}' }, 2),
    ],
    outages: [
      outage("hang"),
      outage({ status: 503, body: "starting" }),
      outage({ status: 200, body: "<html>" }),
      outage("cut"),
      async () => {
        server.cut();
        return healed;
      },
      async () => {
        await server.restart({ lose: false, uptimeMs: 0 });
        return healed;
      },
    ],
    lose: () => server.restart({ lose: true, uptimeMs: 0 }),
    returnMs: 60_000,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

export async function openNacos(clock: Clock): Promise<DayRegistry> {
  const server = await startFakeNacos({ clock, pushMs: 500 });
  const fault =
    (...args: Parameters<typeof server.fault>) =>
    (): Heal => {
      server.fault(...args);
      return () => server.heal();
    };
  const outage = (reaction: Reaction) => async (): Promise<Heal> => fault("", reaction)();
  const ofService = (n: number): ((request: NacosRequest) => boolean) => {
    const isDue = everyNth(n);
    return ({ type }) => /Subscribe|ServiceQuery|ConfigQuery/.test(type) && isDue();
  };
  return {
    type: "nacos",
    address: server.address,
    requests: server.requests,
    register: (service, ip) => server.register(service, [{ ip, port }]),
    deregister: (service, ip) => server.deregister(service, [{ ip, port }]),
    slips: [
      fault(ofService(often), { refuse: 503, message: "Tps Flow restricted" }),
      fault(ofService(often), { refuse: 400, message: "requested file is being modified" }),
      fault("catalog", { status: 503 }, 2),
      fault("", { delayMs: 900 }, 3),
    ],
    outages: [
      outage("hang"),
      outage("cut"),
      outage({ refuse: 300, message: "starting" }),
      outage({ grpcStatus: 14 }),
      async () => {
        server.resetClients();
        return healed;
      },
      async () => {
        await server.restart();
        return healed;
      },
    ],
    lose: () => server.restart({ lose: true }),
    returnMs: 30_000,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

export async function openConsul(clock: Clock): Promise<DayRegistry> {
  const server = await startFakeConsul({ clock });
  const slip = (n: number, fault: ConsulFault) => (): Heal => {
    const isDue = everyNth(n);
    return server.fault((request, truth) => (isDue() ? fault(request, truth) : undefined));
  };
  const outage = (fault: ConsulFault) => async (): Promise<Heal> => server.fault(fault);
  return {
    type: "consul",
    address: server.address,
    requests: server.requests,
    register: (service, ip) => server.register(service, [{ address: ip, port }]),
    deregister: (service, ip) => server.deregister(service, [{ address: ip, port }]),
    slips: [
      slip(often, ({ path }) =>
        path.includes("/health/service/") ? { status: 400, body: "odd" } : undefined,
      ),
      slip(seldom, () => ({ status: 429, body: "too many" })),
      slip(seldom, ({ isWaiting }) => (isWaiting ? { status: 504, body: "a proxy" } : undefined)),
      () => {
        server.touch(3);
        return healed;
      },
    ],
    outages: [
      outage(() => "hang"),
      outage(() => "cut"),
      outage(() => "cut within"),
      outage(() => ({ status: 500, body: "No cluster leader" })),
      async () => {
        await server.restart();
        return healed;
      },
    ],
    lose: () => server.restart({ lose: true }),
    returnMs: 60_000,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** One of each type. */
export const dayRegistries: readonly ((clock: Clock) => Promise<DayRegistry>)[] = [
  openZooKeeper,
  openNacos,
  openEureka,
  openConsul,
];
