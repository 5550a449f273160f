import type { Snapshot } from "../../model/service.ts";
import type { Deps } from "../../runtime/deps.ts";
import type { RegistryAdapter, RegistryConfig } from "../adapter.ts";
import { type Refresh, type RefreshHooks, refreshes } from "../transport/refreshes.ts";
import { parseNacosAddress } from "./address.ts";
import { GrpcReader } from "./watch-grpc.ts";
import { watchHttp } from "./watch-http.ts";

/**
 * Reads the services of one Nacos namespace: over gRPC if the address is host:port, else over HTTP.
 * docs/registries/nacos.md describes what it reads and why.
 */
export function createNacosAdapter(config: RegistryConfig<"nacos">, deps: Deps): RegistryAdapter {
  return { watch: (signal) => watch(config, deps, signal) };
}

async function* watch(
  config: RegistryConfig<"nacos">,
  deps: Deps,
  signal: AbortSignal,
): AsyncGenerator<Snapshot> {
  const { transport, servers } = parseNacosAddress(config.registry.address);
  const open = async (hooks: RefreshHooks, stop: AbortSignal): Promise<Refresh<Snapshot>> => {
    const reader = await GrpcReader.open(config, servers, hooks, deps, stop);
    return () => reader.refresh();
  };
  yield* transport === "grpc"
    ? refreshes(open, deps.clock, signal)
    : watchHttp(config, servers, deps, signal);
}
