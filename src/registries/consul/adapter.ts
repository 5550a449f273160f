import type { Snapshot } from "../../model/service.ts";
import type { Deps } from "../../runtime/deps.ts";
import type { RegistryAdapter, RegistryConfig, RegistryTypeTraits } from "../adapter.ts";
import { tlsOptionsOf } from "../transport/dialer.ts";
import { createHttpClient } from "../transport/http-client.ts";
import { type Refresh, type RefreshHooks, refreshes } from "../transport/refreshes.ts";
import { parseServerUrls, tryAny } from "../transport/servers.ts";
import { createConsulApi } from "./api.ts";
import { ConsulReader, maxConnections } from "./state.ts";

const advice = "Write spec.address as http://consul:8500, several of them separated by commas.";

/** Reads the services of one Consul datacenter. docs/registries/consul.md describes what it reads and why. */
export function createConsulAdapter(config: RegistryConfig<"consul">, deps: Deps): RegistryAdapter {
  return { watch: (signal) => watch(config, deps, signal) };
}

async function* watch(
  config: RegistryConfig<"consul">,
  deps: Deps,
  signal: AbortSignal,
): AsyncGenerator<Snapshot> {
  const { registry, credentials } = config;
  const { token = "" } = credentials; // "" is none to Consul too
  const servers = parseServerUrls(registry.address, "", advice);
  const open = async (hooks: RefreshHooks, stop: AbortSignal): Promise<Refresh<Snapshot>> => {
    const tls = { ...tlsOptionsOf(registry.tls, credentials), protocols: ["h2", "http/1.1"] } as const;
    const http = createHttpClient(
      { tls, connections: maxConnections, limits: deps.limits },
      deps.clock,
      stop,
    );
    const options = { ...(token !== "" && { token }), datacenter: registry.datacenter };
    const reader = await tryAny(
      servers,
      (server) =>
        ConsulReader.open(config, createConsulApi(http, server, options, deps.clock), hooks, deps, stop),
      deps,
    );
    return async () => reader.refresh();
  };
  yield* refreshes(open, deps.clock, signal);
}

/** Settling: after a loss of data the agents register their services again within a minute. Source: docs/registries/consul.md. */
export const consul: RegistryTypeTraits<"consul"> = {
  create: createConsulAdapter,
  settleMs: 10_000,
  settleAfterLossMs: 60_000,
};
