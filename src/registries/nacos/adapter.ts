import type { Snapshot } from "../../model/service.ts";
import type { Deps } from "../../runtime/deps.ts";
import type { RegistryAdapter, RegistryConfig } from "../adapter.ts";
import { parseNacosAddress } from "./address.ts";
import { watchGrpc } from "./grpc.ts";
import { watchHttp } from "./http.ts";

/**
 * Reads the services of one Nacos namespace: over gRPC where the address is host:port, else over HTTP.
 * docs/registries/nacos.md says what is read and why.
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
  yield* transport === "grpc"
    ? watchGrpc(config, servers, deps, signal)
    : watchHttp(config, servers, deps, signal);
}
