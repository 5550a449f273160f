import { type Eureka, type EurekaUser, startEureka } from "../bed/eureka.ts";
import { startProxy } from "../bed/fault-proxy.ts";
import { eurekaRest } from "../support/eureka-rest.ts";
import { type Pod, startPod } from "./eureka-pod.ts";
import { startApplication } from "./real-provider.ts";
import type { OutageRegistry, Provider, Registries } from "./registry.ts";

/** A tenth of what Eureka's clients have by default. */
const RENEW_MS = 3_000;
const LEASE_SECONDS = 9;
/** Settling takes 24 s: a server that has just started is slow on a machine that is busy with several stories. */
const SETTLE_FACTOR = 0.2;
/** A server waits for twice a lease, and looks each second. */
const SESSION_MS = 2 * LEASE_SECONDS * 1_000 + 1_000;
/** A silent server is given up after 10 s, which is told 5 s later. */
const TELL_MS = 20_000;

const operator: EurekaUser = { username: "operator", password: "of-the-test" };

/**
 * Each is on a server of its own, which is used again when its registry is disposed of, for it takes seconds to start:
 * Eureka has nothing that would keep the stories of one server apart.
 */
export async function startEurekaRegistries(): Promise<Registries> {
  const owned = new AsyncDisposableStack();
  const idle: Eureka[] = [];
  const start = async (): Promise<Eureka> => owned.use(await startEureka({ auth: true }));
  return {
    async open() {
      const server = idle.pop() ?? (await start());
      return openServer(server, () => idle.push(server));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function openServer(server: Eureka, leave: () => void): Promise<OutageRegistry> {
  await using starting = new AsyncDisposableStack();
  let isServing = true;
  await server.createUser(operator);
  const proxy = starting.use(await startProxy("127.0.0.1", server.port));
  const entrance = starting.use(await startProxy("127.0.0.1", server.port)); // of the providers
  const address = `http://${entrance.address}/eureka`;
  const rest = starting.use(eurekaRest({ address, login: server.login }));
  starting.defer(async () => {
    if (!isServing) return;
    await rest.clear();
    leave();
  });
  const pods = new Map<string, Pod>();
  starting.defer(
    async () => void (await Promise.all([...pods.values()].map((pod) => pod[Symbol.asyncDispose]()))),
  );

  const podAt = ({ address: ip, port }: Provider): Pod => {
    const key = `${ip}:${port}`;
    const pod = pods.get(key) ?? startPod(rest, { ip, port, leaseSeconds: LEASE_SECONDS }, RENEW_MS);
    pods.set(key, pod);
    return pod;
  };
  const byPod = (providers: readonly Provider[]): readonly (readonly [Pod, readonly string[]])[] =>
    [...Map.groupBy(providers, podAt)].map(([pod, all]) => [pod, all.map(({ service }) => service)]);

  const owned = starting.move();
  return {
    spec: {
      type: "eureka",
      address: `http://${proxy.address}/eureka`,
      eureka: { pollIntervalSeconds: 1 },
    },
    login: operator,
    proxy,
    sessionMs: SESSION_MS,
    settleFactor: SETTLE_FACTOR,
    tellMs: TELL_MS,
    speaksDubbo: false,
    hostOf: (service, namespace) => `${service.toLowerCase()}.${namespace}`,
    async register(providers) {
      await Promise.all(byPod(providers).map(([pod, apps]) => pod.add(apps)));
    },
    async deregister(providers) {
      await Promise.all(byPod(providers).map(([pod, apps]) => pod.remove(apps)));
    },
    async bury(providers) {
      for (const [pod, apps] of byPod(providers)) pod.forget(apps);
    },
    startProvider: () =>
      startApplication({ registry: "eureka", address, ...(server.login && { login: server.login }) }),
    async kill() {
      isServing = false;
      await server.kill();
    },
    async stop() {
      isServing = false;
      await server.stop();
    },
    async start({ wipe = false } = {}) {
      if (wipe) await entrance.refuse();
      await server.restart(); // it never keeps anything
      isServing = true;
    },
    freeze() {
      isServing = false;
      server.freeze();
    },
    resume() {
      server.resume();
      isServing = true;
    },
    refill: () => entrance.heal(), // its clients still know what they have to register
    revokeAll: () => server.deleteUser(operator.username),
    grantAll: () => server.createUser(operator),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
