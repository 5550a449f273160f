import { randomUUID } from "node:crypto";
import { startConsul } from "../bed/consul.ts";
import { startProxy } from "../bed/fault-proxy.ts";
import { consulRegistrant, readAll } from "../support/consul-registrant.ts";
import { eventually } from "../support/eventually.ts";
import { startApplication } from "./real-provider.ts";
import type { OutageRegistry, Provider, Registries } from "./registry.ts";

/** What is in the catalog stays there; this is for how long a story has it frozen. */
const SESSION_MS = 5_000;
/** Of 10 s, and of 60 s after a loss of data. Nobody comes back by himself but the real provider, at its next heartbeat. */
const SETTLE_FACTOR = 0.2;
/** A right that was taken away shows at the second catalog after it, a silent server after 15 s; both are told 5 s later. */
const TELL_MS = 30_000;
const WRITABLE_MS = 15_000;

/** The same for every server: a hub may be moved from one to another. */
const operatorToken = randomUUID();

/** The services that there is a right to. */
const readOnly = (services: Iterable<string>): string =>
  [...services, "consul"].map((service) => `service "${service}" { policy = "read" }`).join(" ");
const readNodes = 'node_prefix "" { policy = "read" }';
const readNothing = 'key_prefix "" { policy = "read" }';

/** Each of them is a server of its own. */
export async function startConsulRegistries(): Promise<Registries> {
  return { open: startConsulRegistry, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/**
 * A Consul whose services are registered in its catalog, as by a gateway or a script: nobody brings them back after a loss
 * of data. The real provider is one of its agent's.
 */
async function startConsulRegistry(): Promise<OutageRegistry> {
  await using starting = new AsyncDisposableStack();
  const server = starting.use(await startConsul({ acl: true }));
  const proxy = starting.use(await startProxy("127.0.0.1", server.port, { halfOpen: false }));
  const registrant = consulRegistrant(server);
  const operator = await registrant.createToken(readAll, operatorToken);
  const living = new Set<Provider>();

  const owned = starting.move();
  return {
    spec: { type: "consul", address: `http://${proxy.address}` },
    login: { token: operatorToken },
    proxy,
    sessionMs: SESSION_MS,
    settleFactor: SETTLE_FACTOR,
    tellMs: TELL_MS,
    speaksDubbo: false,
    hostOf: (service, namespace) => `${service.toLowerCase()}.${namespace}`,
    async register(providers) {
      for (const one of providers) living.add(one);
      await registrant.register(providers);
    },
    async deregister(providers) {
      for (const one of providers) living.delete(one);
      await registrant.deregister(providers);
    },
    async bury(providers) {
      for (const one of providers) living.delete(one);
    },
    startProvider: () =>
      startApplication({
        registry: "consul",
        address: `127.0.0.1:${server.port}`,
        properties: { "spring.cloud.consul.discovery.acl-token": server.managementToken ?? "" },
      }),
    kill: () => server.kill(),
    stop: () => server.stop(),
    async start({ wipe = false } = {}) {
      await server.restart({ wipe });
      // It serves before it has read all of its log, and before it lets anybody write.
      if (wipe) await eventually(() => operator.create(), WRITABLE_MS);
    },
    freeze: () => server.freeze(),
    resume: () => server.resume(),
    refill: (services) =>
      registrant.register([...living].filter(({ service }) => services.includes(service))),
    revokeAll: () => operator.setRules(readNothing),
    grantAll: () => operator.setRules(readAll),
    rightsToServices: {
      revoke(services) {
        const all = new Set([...living].map(({ service }) => service));
        return operator.setRules(`${readNodes} ${readOnly(all.difference(new Set(services)))}`);
      },
      grant: () => operator.setRules(readAll),
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
