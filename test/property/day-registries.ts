import type { RegistryType } from "../../src/model/hub.ts";
import type { Clock } from "../../src/runtime/deps.ts";
import { startFakeZooKeeper } from "../fakes/zookeeper/server.ts";

/** A registry on a socket that a day happens to. */
export interface DayRegistry extends AsyncDisposable {
  readonly type: RegistryType;
  readonly address: string;
  /** Everything that it was asked; what is taken away with `forget` counts too. */
  readonly asked: number;
  /** Drops the record of what it was asked, so that memory is the operator's. */
  forget(): void;
  /** The host of a service in a target namespace. */
  hostOf(service: string, target: string): string;
  register(service: string, ip: string): void;
  deregister(service: string, ip: string): void;
  /** What goes wrong with single requests; each returns how it is put right. */
  readonly slips: readonly (() => () => void)[];
  /** What breaks every connection, and heals by itself or by the returned function. */
  readonly outages: readonly (() => Promise<() => Promise<void>>)[];
}

const port = 20_880;
const healed = async (): Promise<void> => {};

export async function openZooKeeper(clock: Clock): Promise<DayRegistry> {
  const server = await startFakeZooKeeper({ clock });
  let forgotten = 0;
  /** Every n-th request that matches. */
  const every = (n: number, fault: Parameters<typeof server.faults.add>[0]) => () => {
    let at = 0;
    return server.faults.add((request) =>
      request.path !== "" && ++at % n === 0 ? fault(request) : undefined,
    );
  };
  return {
    type: "zookeeper",
    address: server.address,
    get asked() {
      return forgotten + server.faults.requests.length;
    },
    forget() {
      forgotten += server.faults.requests.length;
      server.faults.requests.length = 0;
    },
    hostOf: (service, target) => `${service.toLowerCase()}.${target}`,
    register: (service, ip) => server.register(service, [{ address: ip, port }]),
    deregister: (service, ip) => server.deregister(service, [{ address: ip, port }]),
    slips: [
      every(3, () => ({ error: -102 })), // no right
      every(5, () => ({ delayMs: 700 })),
      () => {
        server.faults.pieceBytes = 7;
        return () => void (server.faults.pieceBytes = Number.POSITIVE_INFINITY);
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
      async () => {
        const remove = server.faults.add(() => "hang");
        return async () => void remove();
      },
      async () => {
        await server.restart();
        return healed;
      },
      async () => {
        const remove = server.faults.add(() => ({ cut: 9 }));
        return async () => void remove();
      },
    ],
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** One of each type. */
export const dayRegistries: readonly ((clock: Clock) => Promise<DayRegistry>)[] = [openZooKeeper];
