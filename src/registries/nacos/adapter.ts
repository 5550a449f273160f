import type { Snapshot } from "../../model/service.ts";
import type { Deps } from "../../runtime/deps.ts";
import type { RegistryAdapter, RegistryConfig, RegistryTypeTraits } from "../adapter.ts";
import { type Refresh, type RefreshHooks, refreshes } from "../transport/refreshes.ts";
import { parseNacosAddress } from "./address.ts";
import { NacosReader } from "./reader.ts";

/**
 * Reads the services of one Nacos namespace over gRPC. docs/registries/nacos.md describes what it reads and why.
 */
export function createNacosAdapter(config: RegistryConfig<"nacos">, deps: Deps): RegistryAdapter {
  return { watch: (signal) => watch(config, deps, signal) };
}

async function* watch(
  config: RegistryConfig<"nacos">,
  deps: Deps,
  signal: AbortSignal,
): AsyncGenerator<Snapshot> {
  const servers = parseNacosAddress(config.registry.address);
  const open = async (hooks: RefreshHooks, stop: AbortSignal): Promise<Refresh<Snapshot>> => {
    const reader = await NacosReader.open(config, servers, hooks, deps, stop);
    return () => reader.refresh();
  };
  yield* refreshes(open, deps.clock, signal);
}

/** Settling: clients are back within seconds of a restart; what expires meanwhile takes 30 s. Source: docs/registries/nacos.md. */
export const nacos: RegistryTypeTraits<"nacos"> = {
  create: createNacosAdapter,
  settleMs: 35_000,
  settleAfterLossMs: 35_000,
};
