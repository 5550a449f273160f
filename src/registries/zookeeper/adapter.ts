import type { Snapshot } from "../../model/service.ts";
import { every } from "../../runtime/clock.ts";
import type { Deps } from "../../runtime/deps.ts";
import type { RegistryAdapter, RegistryConfig, RegistryTypeTraits } from "../adapter.ts";
import { type Refresh, type RefreshHooks, refreshes } from "../transport/refreshes.ts";
import { openSession } from "./client.ts";
import { Tree } from "./state.ts";

/** Short enough that the hub's status shows a revoked right within 15 s. */
const probeMs = 5_000;
/** The safety net under the watches, plus up to half, so that hubs do not list in step. */
const invalidateMs = 5 * 60_000;

/**
 * Reads the Dubbo interfaces below `registry.root`; docs/registries/zookeeper.md describes what it reads and why. A
 * broken connection ends the watch. A new watch lists everything again, which is cheap, and ZooKeeper's watches do
 * not survive the connection anyway.
 */
export function createZooKeeperAdapter(config: RegistryConfig<"zookeeper">, deps: Deps): RegistryAdapter {
  return {
    watch: (signal) => refreshes((hooks, stop) => open(config, hooks, deps, stop), deps.clock, signal),
  };
}

async function open(
  config: RegistryConfig<"zookeeper">,
  { changed, onLost }: RefreshHooks,
  deps: Deps,
  signal: AbortSignal,
): Promise<Refresh<Snapshot>> {
  const { registry, wants, keys = [], known = () => [] } = config;
  const session = await openSession(config, onLost, deps, signal);
  const { clock } = deps;
  const tree = new Tree({ session, root: registry.root, wants, keys, known, changed, clock });
  const relistMs = (): number => invalidateMs * (1 + deps.random() / 2);
  let isProbeDue = false;
  const probe = (): void => {
    isProbeDue = true;
    changed();
  };
  every(clock, () => probeMs, probe, signal);
  every(clock, relistMs, () => tree.invalidate(), signal);
  return async () => {
    if (isProbeDue) await tree.probe();
    isProbeDue = false;
    return tree.refresh();
  };
}

/** Settling: the largest session of a server with default settings, and 15 s. Source: docs/registries/zookeeper.md. */
export const zookeeper: RegistryTypeTraits<"zookeeper"> = {
  create: createZooKeeperAdapter,
  settleMs: 60_000,
  settleAfterLossMs: 60_000,
};
