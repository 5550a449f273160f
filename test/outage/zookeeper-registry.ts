import { startProxy } from "../bed/fault-proxy.ts";
import { startZooKeeper } from "../bed/zookeeper.ts";
import { connectZkWriter } from "../support/zk-writer.ts";
import { startGreeter } from "./real-provider.ts";
import type { OutageRegistry, Provider, Registries } from "./registry.ts";
import { type Pod, startPod } from "./zookeeper-pod.ts";

/** Sessions of at most 20 ticks = 4 s: a tenth of what a server has by default. */
const TICK_MS = 200;
const SESSION_MS = 20 * TICK_MS;
/** Settling takes 9 s: half as much again as its sessions would have it, for providers on a machine that is busy. */
const SETTLE_FACTOR = 0.15;
/** A JVM whose session has ended needs as long on a busy machine as production allows for: one came after 48 s. */
const REAL_SETTLE_FACTOR = 1;
/**
 * How long after an outage the first provider is back, each further one half a second later: the slowest ones come after
 * their old sessions have expired, and within the time that settling allows for (a session + 15 s, a tenth of it).
 */
const RETURN_MS = 2_500;
/** Of Dubbo, after a lost session: a tenth of its default, too. */
const RETRY_MS = 500;
const ROOT = "/dubbo";

const admin = { username: "admin", password: "of-the-test" };

const directoryOf = (service: string): string => `${ROOT}/${service}/providers`;

function nodeOf({ service, address, port }: Provider): string {
  const url = `dubbo://${address}:${port}/${service}?interface=${service}&side=provider&timestamp=1680000000000`;
  return `${directoryOf(service)}/${encodeURIComponent(url)}`;
}

/** Each of them is a server of its own. */
export async function startZooKeeperRegistries(): Promise<Registries> {
  return { open: startZooKeeperRegistry, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** A ZooKeeper with the Dubbo tree: `service` is an interface without group and version. */
async function startZooKeeperRegistry(): Promise<OutageRegistry> {
  await using starting = new AsyncDisposableStack();
  const server = starting.use(await startZooKeeper({ tickTime: TICK_MS }));
  const proxy = starting.use(await startProxy("127.0.0.1", server.port));
  const pods = new Map<string, Pod>();
  starting.defer(
    async () => void (await Promise.all([...pods.values()].map((pod) => pod[Symbol.asyncDispose]()))),
  );

  const podAt = (address: string): Pod => {
    const pod = pods.get(address) ?? startPod(server, SESSION_MS, RETURN_MS + 500 * (pods.size % 6));
    pods.set(address, pod);
    return pod;
  };
  const byPod = (providers: readonly Provider[]): readonly (readonly [Pod, readonly string[]])[] =>
    [...Map.groupBy(providers, ({ address }) => address)].map(
      ([address, group]) => [podAt(address), group.map(nodeOf)] as const,
    );
  /** As an administrator who has come for this only. */
  const administer = async (paths: readonly string[], acl: "open" | "closed"): Promise<void> => {
    await using writer = await connectZkWriter(server.address, { user: admin });
    for (const path of paths) await writer.setAcl(path, acl === "open" ? "open" : { users: [admin] });
  };
  const createDirectories = async (services: Iterable<string>): Promise<void> => {
    await using writer = await connectZkWriter(server.address);
    const create = async (path: string): Promise<void> => {
      await writer.create(path).catch((error: unknown) => {
        if (!String(error).includes("NODE_EXISTS")) throw error;
      });
    };
    await Promise.all([...new Set(services)].map((service) => create(directoryOf(service))));
  };

  const owned = starting.move();
  return {
    spec: { type: "zookeeper", address: proxy.address },
    proxy,
    sessionMs: SESSION_MS,
    settleFactor: SETTLE_FACTOR,
    realSettleFactor: REAL_SETTLE_FACTOR,
    tellMs: 20_000,
    speaksDubbo: true,
    hostOf: (service, namespace) => `${service.toLowerCase()}.${namespace}`,
    async register(providers) {
      await createDirectories(providers.map(({ service }) => service));
      await Promise.all(byPod(providers).map(([pod, paths]) => pod.add(paths)));
    },
    async deregister(providers) {
      await Promise.all(byPod(providers).map(([pod, paths]) => pod.remove(paths)));
    },
    async bury(providers) {
      for (const [pod, paths] of byPod(providers)) pod.forget(paths);
    },
    startProvider: () => startGreeter({ registry: `zookeeper://${server.address}?retry.period=${RETRY_MS}` }),
    kill: () => server.kill(),
    stop: () => server.stop(),
    start: (options) => server.restart(options),
    freeze: () => server.freeze(),
    resume: () => server.resume(),
    refill: createDirectories,
    revokeAll: () => administer([ROOT], "closed"),
    grantAll: () => administer([ROOT], "open"),
    rightsToServices: {
      revoke: (services) => administer(services.map(directoryOf), "closed"),
      grant: (services) => administer(services.map(directoryOf), "open"),
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
