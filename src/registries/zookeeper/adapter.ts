import type { Snapshot } from "../../model/service.ts";
import { every } from "../../runtime/clock.ts";
import type { Deps } from "../../runtime/deps.ts";
import { createLatest } from "../../runtime/latest.ts";
import type { RegistryAdapter, RegistryConfig } from "../adapter.ts";
import { openSession } from "./client.ts";
import { Tree } from "./tree.ts";

/**
 * Changes that come within this time are read and told together: providers re-register by delete and create.
 */
const quietMs = 30;
/** Soon enough that a revoked right is in the hub's status within 15 s. */
const probeMs = 5_000;
/** The safety net under the watches; up to half as much again, so that hubs do not list in step. */
const distrustMs = 5 * 60_000;

/**
 * Reads the Dubbo interfaces below `registry.root`; docs/registries/zookeeper.md says what is read and why. A
 * broken connection ends the watch: a new one lists everything anew, which is cheap, and watches do not
 * survive it anyway.
 */
export function createZooKeeperAdapter(config: RegistryConfig<"zookeeper">, deps: Deps): RegistryAdapter {
  return { watch: (signal) => watch(config, deps, signal) };
}

async function* watch(
  { registry, credentials, wants }: RegistryConfig<"zookeeper">,
  deps: Deps,
  signal: AbortSignal,
): AsyncGenerator<Snapshot> {
  const done = new AbortController();
  const stop = AbortSignal.any([signal, done.signal]);
  const wake = createLatest<"changed">(stop);
  const changed = (): void => wake.set("changed");
  const relistMs = (): number => distrustMs * (1 + deps.random() / 2);
  let isProbeDue = false;
  const probe = (): void => {
    isProbeDue = true;
    changed();
  };
  try {
    const session = await openSession(registry, credentials, (error) => wake.fail(error), deps, stop);
    await session.sync();
    const tree = new Tree({ session, root: registry.root, wants, changed });
    every(deps.clock, () => probeMs, probe, stop);
    every(deps.clock, relistMs, () => tree.distrust(), stop);
    changed();
    for await (const _ of wake) {
      await deps.clock.sleep(quietMs, stop);
      if (isProbeDue) await tree.probe();
      isProbeDue = false;
      const snapshot = await tree.refresh();
      if (snapshot) yield snapshot;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    done.abort();
  }
}
