import { isDeepStrictEqual } from "node:util";
import type { Credentials } from "../../src/model/hub.ts";
import type { RegistryAdapter } from "../../src/registries/adapter.ts";
import { createConsulAdapter } from "../../src/registries/consul/adapter.ts";
import type { Deps } from "../../src/runtime/deps.ts";
import { type Consul, startConsul } from "../bed/consul.ts";
import { startProxy } from "../bed/fault-proxy.ts";
import {
  type ConsulInstance,
  type ConsulRegistrant,
  consulRegistrant,
  readAll,
} from "../support/consul-registrant.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { countingDeps } from "./counting-deps.ts";
import { untilAnswered } from "./observe.ts";
import {
  oddNames,
  type RegistryHarness,
  type RegistryTraits,
  type TestInstance,
} from "./registry.contract.ts";

/** What an adapter is opened with where a test needs another than the usual. */
export interface ReaderOptions {
  /** A URL. */
  readonly address: string;
  readonly credentials?: Credentials;
  readonly datacenter?: string;
  readonly tags?: readonly string[];
  readonly includeWarning?: boolean;
  readonly insecureSkipVerify?: boolean;
  readonly wants?: (name: string) => boolean;
  readonly known?: () => Iterable<string>;
  readonly keys?: readonly string[];
}

export const consulTraits: RegistryTraits = {
  emptied: "absent",
  metadataKey: "note",
  oddNames: [...oddNames, "%", "a%62", "a//b", "../x", "a/../b", "a?b#c", "a+b"],
  visibleMs: 10_000,
  frozenMs: 20_000, // a query for the catalog waits for 10 s, and an answer is due 5 s later
  skipped: {
    C13: "what Consul takes has the shape of an instance; decode.ts has its own tests of what other software may answer",
  },
};

/** A reader of the services of one server or agent. */
export function openReader(options: ReaderOptions, deps: Deps = countingDeps()): RegistryAdapter {
  const { address, credentials = {}, datacenter = "", tags = [], includeWarning = false } = options;
  const { insecureSkipVerify = false, wants = () => true, known = () => [], keys = [] } = options;
  const tls = { enabled: false, insecureSkipVerify };
  return createConsulAdapter(
    {
      registry: { type: "consul", address, datacenter, tags, includeWarning, tls },
      credentials,
      wants,
      known,
      keys,
    },
    deps,
  );
}

/** The contract's harness, with what the Consul cases need besides. */
export interface ConsulHarness extends RegistryHarness {
  readonly server: Consul;
  readonly registrant: ConsulRegistrant;
  /** URL of the proxy. */
  readonly address: string;
  /** Of the token that may read everything. */
  readonly credentials: Credentials;
}

/** A server that denies what no token allows. */
export async function startConsulHarness(): Promise<ConsulHarness> {
  await using starting = new AsyncDisposableStack();
  const server = starting.use(await startConsul({ acl: true }));
  const proxy = starting.use(await startProxy("127.0.0.1", server.port, { halfOpen: false }));
  const registrant = consulRegistrant(server);
  const reader = await registrant.createToken(readAll);
  const address = `http://${proxy.address}`;
  const credentials = { token: reader.secret };
  const names = async () => Object.keys(await registrant.ask<object>("GET", "/v1/catalog/services"));
  const owned = starting.move();
  return {
    server,
    proxy,
    registrant,
    address,
    credentials,
    open: (deps) => openReader({ address, credentials }, deps),
    async openUnauthorized() {
      const stranger = await registrant.createToken('key_prefix "" { policy = "read" }');
      return openReader({ address, credentials: { token: stranger.secret } });
    },
    openNowhere: async () => openReader({ address: `http://127.0.0.1:${await freePort()}` }),
    clear: () => registrant.clear(),
    register: (service, instances) => registrant.register(instances.map((one) => instanceOf(service, one))),
    deregister: (service, instances) =>
      registrant.deregister(instances.map((one) => instanceOf(service, one))),
    setHealth: (service, instance, isHealthy) =>
      registrant.register([{ ...instanceOf(service, instance), status: isHealthy ? "passing" : "critical" }]),
    registerMalformed: () => Promise.reject(new Error("see the reason for which C13 is skipped")),
    untilRead: () => untilAnswered(proxy),
    async restart() {
      const before = await names();
      await server.restart();
      // It serves while it still reads its own log, and lists what there was long ago; that is the outage suite's affair.
      await eventually(async () => {
        if (!isDeepStrictEqual(await names(), before)) throw new Error("it has not read all of its log");
      }, 60_000);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function instanceOf(service: string, { address, port, note }: TestInstance): ConsulInstance {
  return { service, address, port, ...(note !== undefined && { meta: { note } }) };
}
