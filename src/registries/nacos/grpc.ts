import type { Snapshot } from "../../model/service.ts";
import type { Deps } from "../../runtime/deps.ts";
import { createLatest } from "../../runtime/latest.ts";
import type { RegistryConfig } from "../adapter.ts";
import type { NacosServer } from "./address.ts";
import { GrpcReader } from "./grpc-reader.ts";

/** Changes that come within this time are told together. */
const quietMs = 30;

/**
 * Reads a namespace over one gRPC connection. Everything a server knows of a subscriber is bound to the connection, so
 * with it the watch is over.
 */
export async function* watchGrpc(
  config: RegistryConfig<"nacos">,
  servers: readonly NacosServer[],
  deps: Deps,
  signal: AbortSignal,
): AsyncGenerator<Snapshot> {
  const done = new AbortController();
  const stop = AbortSignal.any([signal, done.signal]);
  const wake = createLatest<"changed">(stop);
  const hooks = {
    changed: () => wake.set("changed"),
    onLost: (error: Error) => wake.fail(error),
  };
  try {
    const reader = await GrpcReader.open(config, servers, hooks, deps, stop);
    for await (const _ of wake) {
      await deps.clock.sleep(quietMs, stop);
      const snapshot = await reader.refresh();
      if (snapshot) yield snapshot;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    done.abort();
  }
}
