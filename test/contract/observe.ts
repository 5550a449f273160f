import type { Service, ServiceInstance, Snapshot } from "../../src/model/service.ts";
import type { RegistryAdapter } from "../../src/registries/adapter.ts";
import { type RegistryState, supervise } from "../../src/registries/supervise.ts";
import { eventually } from "../support/eventually.ts";
import { countingDeps } from "./counting-deps.ts";

/** One watch, consumed in the background as `supervise` would. Disposal aborts it and waits for its end. */
export interface Observer extends AsyncDisposable {
  /** Every snapshot so far, oldest first. */
  readonly snapshots: readonly Snapshot[];
  /** What the watch threw, or undefined if it ended by itself. */
  readonly ended: Promise<unknown>;
  readonly isOver: () => boolean;
  /** The newest snapshot as soon as `check` accepts it (at once if there is none to be made). */
  until(check: (snapshot: Snapshot) => void, deadlineMs?: number): Promise<Snapshot>;
  abort(): Promise<void>;
}

export function observe(adapter: RegistryAdapter): Observer {
  const stop = new AbortController();
  const snapshots: Snapshot[] = [];
  let failure: unknown;
  let isOver = false;
  const ended = (async () => {
    try {
      for await (const snapshot of adapter.watch(stop.signal)) snapshots.push(snapshot);
    } catch (error) {
      failure = error;
    }
    isOver = true;
    return failure;
  })();
  const abort = async (): Promise<void> => {
    stop.abort();
    await ended;
  };
  return {
    snapshots,
    ended,
    isOver: () => isOver,
    abort,
    until: (check, deadlineMs = 10_000) =>
      eventually(() => {
        const latest = snapshots.at(-1);
        if (latest === undefined) throw new Error(`no snapshot yet; the watch threw ${String(failure)}`);
        check(latest);
        return latest;
      }, deadlineMs),
    [Symbol.asyncDispose]: abort,
  };
}

/** What `supervise` makes of a registry that `open` reads, in the background. Disposal aborts it and waits for its end. */
export function supervised(
  open: () => RegistryAdapter,
): AsyncDisposable & { readonly states: readonly RegistryState[] } {
  const stop = new AbortController();
  const states: RegistryState[] = [];
  const ended = (async () => {
    for await (const state of supervise(async () => open(), countingDeps(), stop.signal)) states.push(state);
  })();
  return {
    states,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}

/** The very first snapshot of a watch, which is ended right after it. @throws what the watch throws before. */
export async function firstSnapshot(adapter: RegistryAdapter): Promise<Snapshot> {
  const signal = AbortSignal.timeout(30_000);
  for await (const snapshot of adapter.watch(signal)) return snapshot;
  throw new Error("no snapshot within 30 s");
}

/** A service that must be in the snapshot. */
export function serviceOf(snapshot: Snapshot, name: string): Service {
  const service = [...snapshot.services.values()].find((one) => one.name === name);
  if (service === undefined) throw new Error(`no ${name} among ${[...snapshot.services.keys()].join(", ")}`);
  return service;
}

/** The instances of a service that must be there and readable. */
export function instancesOf(snapshot: Snapshot, name: string): readonly ServiceInstance[] {
  const { instances } = serviceOf(snapshot, name);
  if (instances === "unknown") throw new Error(`${name} could not be read`);
  return instances;
}

/** Sorted "address:port" of the instances of a service that must be there and readable. */
export function addressesOf(snapshot: Snapshot, name: string): readonly string[] {
  return instancesOf(snapshot, name)
    .map(({ address, port }) => `${address}:${port}`)
    .toSorted();
}

/** Waits until a server has answered a reader with so many bytes through its proxy. */
export async function untilAnswered(proxy: { readonly answeredBytes: number }, bytes = 1): Promise<void> {
  const before = proxy.answeredBytes;
  await eventually(() => {
    if (proxy.answeredBytes - before < bytes) throw new Error("nothing is read yet");
  }, 5_000);
}
