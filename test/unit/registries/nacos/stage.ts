import type { Credentials } from "../../../../src/model/hub.ts";
import type { Service, Snapshot } from "../../../../src/model/service.ts";
import type { RegistryConfig } from "../../../../src/registries/adapter.ts";
import { createNacosAdapter } from "../../../../src/registries/nacos/adapter.ts";
import type { Deps } from "../../../../src/runtime/deps.ts";
import { observe } from "../../../contract/observe.ts";
import { type FakeNacos, type FakeNacosOptions, startFakeNacos } from "../../../fakes/nacos/server.ts";
import { eventually } from "../../../support/eventually.ts";
import { type FakeClock, fakeClock } from "../../../support/fake-clock.ts";
import { silentLogger } from "../../../support/model.ts";

/** How a reader is opened where a test needs another than the usual: DEFAULT_GROUP, without a login, wanting everything. */
export interface ReaderOptions {
  readonly address?: string;
  readonly groups?: readonly string[];
  readonly credentials?: Credentials;
  readonly known?: RegistryConfig["known"];
  readonly wants?: (name: string) => boolean;
  /** Default: 0, so of several servers the first is first, and nothing is jittered. */
  readonly random?: () => number;
}

/** A fake Nacos and a reader of it, on one clock that a test moves. */
export interface Stage extends AsyncDisposable {
  readonly nacos: FakeNacos;
  readonly clock: FakeClock;
  /** Another watch; disposed with the stage. */
  watch(options?: ReaderOptions): Watch;
  /** Lets time pass, in steps within which a server that lives has answered. */
  pass(ms: number): Promise<void>;
}

/** One watch. */
export interface Watch {
  readonly snapshots: readonly Snapshot[];
  /** What it threw, or undefined. */
  readonly ended: Promise<unknown>;
  readonly isOver: () => boolean;
  /** The newest snapshot once `check` accepts it; time stands still. */
  until(check: (snapshot: Snapshot) => void): Promise<Snapshot>;
  /** The same, while time passes at most `ms`. */
  within(ms: number, check: (snapshot: Snapshot) => void): Promise<Snapshot>;
  abort(): Promise<void>;
}

/** An instance at this address, on port 8080. */
export const host = (ip: string) => ({ ip, port: 8080 });

/** A stage whose Nacos has the service `order` at 10.42.0.1. */
export async function startStageWithOrder(): Promise<Stage> {
  const stage = await startStage();
  stage.nacos.register("order", [host("10.42.0.1")]);
  return stage;
}

/** Shorter than the health check's patience. */
const stepMs = 2_500;

export async function startStage(options: FakeNacosOptions = {}): Promise<Stage> {
  const stack = new AsyncDisposableStack();
  const clock = fakeClock();
  const nacos = stack.use(await startFakeNacos({ clock, ...options }));
  return {
    nacos,
    clock,
    watch: (reader = {}) => {
      const watch = watchAt(reader.address ?? nacos.address, reader, clock);
      stack.defer(() => watch.abort());
      return watch;
    },
    async pass(ms) {
      for (let left = ms; left > 0; left -= stepMs) {
        clock.advance(Math.min(left, stepMs));
        await settle(10);
      }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

export function watchAt(address: string, options: ReaderOptions, clock: FakeClock): Watch {
  const {
    groups = ["DEFAULT_GROUP"],
    credentials = {},
    wants = () => true,
    known,
    random = () => 0,
  } = options;
  const tls = { enabled: false, insecureSkipVerify: false };
  const registry = { type: "nacos", address, namespace: "", groups, tls } as const;
  // The wait that merges a burst is not what is tested.
  const sleep: FakeClock["sleep"] = async (ms, signal) =>
    ms <= 30 ? signal.throwIfAborted() : clock.sleep(ms, signal);
  const deps: Deps = { clock: { ...clock, sleep }, random, logger: silentLogger };
  const observer = observe(
    createNacosAdapter({ registry, credentials, wants, ...(known && { known }) }, deps),
  );
  const { snapshots, ended, isOver, abort } = observer;
  const latest = (check: (snapshot: Snapshot) => void): Snapshot => {
    const snapshot = snapshots.at(-1);
    if (snapshot === undefined) throw new Error(isOver() ? "the watch is over" : "no snapshot yet");
    check(snapshot);
    return snapshot;
  };
  return {
    snapshots,
    ended,
    isOver,
    until: (check) => eventually(() => latest(check), 15_000, 2),
    async within(ms, check) {
      for (let passed = 0; passed < ms; passed += 500) {
        await settle();
        try {
          return latest(check);
        } catch {
          clock.advance(500); // not yet
        }
      }
      return eventually(() => latest(check), 5_000, 2);
    },
    abort,
  };
}

/** Lets everything happen that needs no time: local sockets answer within some turns of the event loop. */
export async function settle(turns = 30): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** As `told`, of the newest snapshot. */
export function toldBy(watch: Watch): ReturnType<typeof told> {
  const snapshot = watch.snapshots.at(-1);
  if (snapshot === undefined) throw new Error("no snapshot yet");
  return told(snapshot);
}

/** By name: addresses, or that it could not be read; `+` = there may be more. */
export function told(snapshot: Snapshot): Record<string, readonly string[] | "unknown"> {
  return Object.fromEntries(
    [...snapshot.services.values()].map((service) => [service.name, listed(service)]),
  );
}

function listed({ instances, isPartial }: Service): readonly string[] | "unknown" {
  if (instances === "unknown") return instances;
  return [...instances.map(({ address }) => address), ...(isPartial ? ["+"] : [])];
}

/** A provider of an interface, as Dubbo registers it. */
export const provider = (name: string, ip: string) => ({
  ip,
  port: 20_880,
  metadata: { interface: name, protocol: "dubbo", category: "providers", side: "provider" },
});

/** A process of an application; its services are in the metadata of its revision. */
export const process = (ip: string, storage: "local" | "remote", revision = "r1") => ({
  ip,
  port: 20_881,
  metadata: {
    "dubbo.metadata.revision": revision,
    "dubbo.metadata.storage-type": storage,
    "dubbo.endpoints": '[{"port":20881,"protocol":"dubbo"}]',
  },
});

/** The metadata of a revision that serves these interfaces. */
export const metadataOf = (...names: readonly string[]): string =>
  JSON.stringify({
    services: Object.fromEntries(
      names.map((name) => [`${name}::dubbo`, { name, protocol: "dubbo", port: 20_881, params: {} }]),
    ),
  });

/** The name of the Nacos service of an interface. */
export const providersOf = (name: string): string => `providers:${name}::`;
