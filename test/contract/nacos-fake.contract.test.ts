import type { FakeUser } from "../fakes/nacos/data.ts";
import { type FakeNacos, type FakeVersion, startFakeNacos } from "../fakes/nacos/server.ts";
import { freePort } from "../support/free-port.ts";
import { providerOf, providersOf } from "../support/nacos-dubbo.ts";
import { startNacosProxy } from "../support/nacos-proxy.ts";
import { handshakeBytes, nacosTraits, openReader } from "./nacos-harness.ts";
import { untilAnswered } from "./observe.ts";
import { describeRegistry, type RegistryHarness } from "./registry.contract.ts";

const reader: FakeUser = { username: "reader", password: "of-the-test" };
const stranger: FakeUser = { ...reader, username: "stranger", may: () => false };

/** The fake, to be read as the real servers are. */
async function startFakeHarness(version: FakeVersion, groups: readonly string[]): Promise<RegistryHarness> {
  await using starting = new AsyncDisposableStack();
  const server: FakeNacos = starting.use(await startFakeNacos({ version, users: [reader, stranger] }));
  const proxy = starting.use(await startNacosProxy(server.port));
  const owned = starting.move();
  let clears = 0;
  const at = () => ({ namespace: `contract-${clears}` });
  const open = (address: string, credentials: FakeUser, deps?: Parameters<typeof openReader>[1]) =>
    openReader({ address, credentials, groups, ...at() }, deps);
  return {
    proxy,
    open: (deps) => open(proxy.address, reader, deps),
    openUnauthorized: async () => open(proxy.address, stranger),
    openNowhere: async () => openReader({ address: `127.0.0.1:${await freePort([1000])}` }),
    async clear() {
      clears++;
    },
    async register(service, instances) {
      const providers = instances.map((one) => providerOf(service, one));
      server.register(providersOf(service), providers, at());
    },
    async deregister(service, instances) {
      const providers = instances.map((one) => providerOf(service, one));
      server.deregister(providersOf(service), providers, at());
    },
    async registerMalformed(service) {
      const metadata = { interface: service, protocol: "smoke-signal" };
      server.register(providersOf(service), [{ ip: "10.42.0.9", port: 20_880, metadata }], at());
    },
    async setHealth(service, instance, healthy) {
      server.register(providersOf(service), [{ ...providerOf(service, instance), healthy }], at());
    },
    untilRead: () => untilAnswered(proxy, handshakeBytes),
    restart: () => server.restart(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

describeRegistry("A fake Nacos 2.0", nacosTraits, () => startFakeHarness("2.0", ["DEFAULT_GROUP"]));
describeRegistry("A fake Nacos 2.3, all groups", nacosTraits, () => startFakeHarness("2.3", []));
describeRegistry("A fake Nacos 3.1, all groups", nacosTraits, () => startFakeHarness("3.1", []));
