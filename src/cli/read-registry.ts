import type { Config } from "../config.ts";
import { RegistryError } from "../model/errors.ts";
import { type Credentials, factKeys, type Hub, wants } from "../model/hub.ts";
import type { Snapshot } from "../model/service.ts";
import type { OpenRegistry } from "../registries/index.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Deps } from "../runtime/deps.ts";
import { createLogger } from "../runtime/logger.ts";
import { createRegistryLimits } from "../runtime/registry-limits.ts";

/** How registries are opened, and what opening one takes. */
export interface RegistryDeps extends Deps {
  readonly openRegistry: OpenRegistry;
}

/** What a command of people reads registries with: only errors are logged, and the limits are those of its command line. */
export const depsOf = (config: Pick<Config, "maxAnswerBytes" | "allowRegistryCidrs">): Deps => ({
  clock: systemClock,
  logger: createLogger("error"),
  random: Math.random,
  limits: createRegistryLimits(config),
});

/**
 * The first listing of a hub's registry, as the hub-controller would read it. @param known the names of the services that the
 * cluster has of the hub. @throws RegistryError, also when `signal` aborts before the listing is complete.
 */
export async function readOnce(
  hub: Hub,
  credentials: Credentials,
  known: () => Iterable<string>,
  { openRegistry, ...deps }: RegistryDeps,
  signal?: AbortSignal,
): Promise<Snapshot> {
  const config = {
    registry: hub.registry,
    credentials,
    wants: (name: string) => wants(hub.filter, name),
    keys: factKeys(hub.instances),
    known,
  };
  const done = new AbortController();
  const ending = signal === undefined ? done.signal : AbortSignal.any([signal, done.signal]);
  try {
    for await (const snapshot of openRegistry(config, deps).watch(ending)) return snapshot;
  } catch (error) {
    if (!signal?.aborted) throw error;
  } finally {
    done.abort();
  }
  throw signal?.aborted
    ? new RegistryError("RegistryUnreachable", "the registry has not told everything in time", "Try again.")
    : new RegistryError("RegistryUnreachable", "the registry ended the watch", "Try again.");
}
