import { startProxy } from "../bed/fault-proxy.ts";
import { readAll, readNothing, startFakeConsul } from "../fakes/consul/server.ts";
import { freePort } from "../support/free-port.ts";
import { consulTraits, openReader } from "./consul-harness.ts";
import { untilAnswered } from "./observe.ts";
import { describeRegistry, type RegistryHarness, type TestInstance } from "./registry.contract.ts";

/** The fake keeps the promises that the real server keeps: it denies what no token allows. */
async function startHarness(): Promise<RegistryHarness> {
  await using starting = new AsyncDisposableStack();
  const tokens = { reader: readAll, stranger: readNothing };
  const server = starting.use(await startFakeConsul({ tokens }));
  const proxy = starting.use(await startProxy("127.0.0.1", server.port, { halfOpen: false }));
  const address = `http://${proxy.address}`;
  const services = new Set<string>();
  const owned = starting.move();
  return {
    proxy,
    open: (deps) => openReader({ address, credentials: { token: "reader" } }, deps),
    openUnauthorized: async () => openReader({ address, credentials: { token: "stranger" } }),
    openNowhere: async () => openReader({ address: `http://127.0.0.1:${await freePort()}` }),
    async clear() {
      for (const service of services) server.deregister(service);
      services.clear();
    },
    async register(service, instances) {
      services.add(service);
      server.register(service, instances.map(instanceOf));
    },
    deregister: async (service, instances) => server.deregister(service, instances),
    setHealth: async (service, instance, isHealthy) =>
      server.register(service, [{ ...instanceOf(instance), status: isHealthy ? "passing" : "critical" }]),
    registerMalformed: () => Promise.reject(new Error("see the reason for which C13 is skipped")),
    untilRead: () => untilAnswered(proxy),
    restart: () => server.restart(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const instanceOf = ({ address, port, note }: TestInstance) => ({
  address,
  port,
  ...(note !== undefined && { meta: { note } }),
});

describeRegistry("Consul, the fake", consulTraits, startHarness);
