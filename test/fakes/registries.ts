import { RegistryError, type RegistryErrorCode } from "../../src/model/errors.ts";
import type { Problem } from "../../src/model/problems.ts";
import type { Service, ServiceInstance, Snapshot } from "../../src/model/service.ts";
import type { RegistryAdapter, RegistryConfig } from "../../src/registries/adapter.ts";

/** What one service lists, in few words: addresses "10.42.0.1:20880" (with fields of the instances), or that it cannot be read. */
export type Listed = readonly (string | ServiceInstance)[] | "unknown";

/** A registry that says what a test tells it to. It has no time: what is told is there at once. */
export interface ScriptedRegistry {
  /** What each watch was opened with, in order. */
  readonly opened: readonly RegistryConfig[];
  /** Whether somebody watches it now. */
  readonly isWatched: boolean;
  /** Lists exactly these services from now on; those that did not change stay the same objects. */
  lists(services: Readonly<Record<string, Listed>>, kind?: Service["kind"]): void;
  /** As `lists`, of services as an adapter makes them. */
  listsServices(services: readonly Service[]): void;
  /** One service more, or other instances of one. */
  set(name: string, listed: Listed, kind?: Service["kind"]): void;
  remove(name: string): void;
  /** What concerns the registry as a whole: its problems, its origin, its position. */
  describe(what: Partial<Pick<Snapshot, "problems" | "origin" | "position">>): void;
  /** Breaks every watch, now and until `heal`. */
  fail(code?: RegistryErrorCode, detail?: string): void;
  /** What reads it has a bug, now and until `heal`: each watch throws what no adapter may. */
  haveBug(error: Error): void;
  /** Breaks the watch once; with `reset` it also shows that the data are lost. */
  drop(options?: { readonly reset?: boolean }): void;
  heal(): void;
  /** Is connected, and has not answered yet, until the next `lists`. */
  beSilent(): void;
}

/** All registries of a test, by the address of the hub. */
export interface ScriptedRegistries {
  at(address: string): ScriptedRegistry;
  /** As `Deps.openRegistry`. */
  open(config: RegistryConfig): RegistryAdapter;
}

interface Registry extends ScriptedRegistry {
  open(config: RegistryConfig): RegistryAdapter;
}

export function createScriptedRegistries(): ScriptedRegistries {
  const registries = new Map<string, Registry>();
  const at = (address: string): Registry => {
    const found = registries.get(address) ?? createRegistry(address);
    registries.set(address, found);
    return found;
  };
  return { at, open: (config) => at(config.registry.address).open(config) };
}

function createRegistry(address: string): Registry {
  const opened: RegistryConfig[] = [];
  let watches = 0;
  let services = new Map<string, Service>();
  let about: Pick<Snapshot, "problems" | "origin" | "position"> = { problems: [] };
  let snapshot: Snapshot | undefined = { services, ...about };
  let failure: { readonly error: Error; readonly once: boolean } | undefined;
  let wake = Promise.withResolvers<void>();

  function changed(): void {
    wake.resolve();
    wake = Promise.withResolvers<void>();
  }

  /** A service that says what it said is the very same object. */
  function list(next: readonly Service[]): void {
    const entries = next.map((service) => {
      const before = services.get(service.id);
      return [
        service.id,
        JSON.stringify(before) === JSON.stringify(service) && before ? before : service,
      ] as const;
    });
    services = new Map(entries);
    snapshot = { services, ...about };
    changed();
  }

  async function* watch(signal: AbortSignal): AsyncGenerator<Snapshot> {
    let seen: Snapshot | undefined;
    const aborted = new Promise<void>((resolve) =>
      signal.addEventListener("abort", () => resolve(), { once: true }),
    );
    watches += 1;
    try {
      while (!signal.aborted) {
        if (failure !== undefined) {
          const { error, once } = failure;
          if (once) failure = undefined;
          throw error;
        }
        if (snapshot !== undefined && snapshot !== seen) {
          seen = snapshot;
          yield seen;
        } else await Promise.race([wake.promise, aborted]);
      }
    } finally {
      watches -= 1;
    }
  }

  const registry: Registry = {
    opened,
    get isWatched() {
      return watches > 0;
    },
    open(config) {
      opened.push(config);
      return { watch };
    },
    lists: (all, kind) => list(Object.entries(all).map(([name, listed]) => serviceOf(name, listed, kind))),
    listsServices: list,
    set(name, listed, kind) {
      list([...new Map(services).set(name, serviceOf(name, listed, kind)).values()]);
    },
    remove(name) {
      list([...services.values()].filter((one) => one.name !== name));
    },
    describe(what) {
      about = { ...about, ...what };
      list([...services.values()]);
    },
    fail(code = "RegistryUnreachable", detail = `${address} cannot be reached`) {
      failure = { error: new RegistryError(code, detail, "Check spec.address."), once: false };
      changed();
    },
    haveBug(error) {
      failure = { error, once: false };
      changed();
    },
    drop({ reset = false } = {}) {
      const error = new RegistryError(
        "RegistryUnreachable",
        `${address} closed the connection`,
        "Look at it.",
        { reset },
      );
      failure = { error, once: true };
      changed();
    },
    heal() {
      failure = undefined;
    },
    beSilent() {
      snapshot = undefined;
    },
  };
  return registry;
}

/** As an adapter makes it: a Dubbo interface unless told otherwise. */
export function serviceOf(
  name: string,
  listed: Listed,
  kind: Service["kind"] = "dubbo",
  problems: readonly Problem[] = [],
): Service {
  const instances =
    listed === "unknown"
      ? listed
      : listed.map((one) => (typeof one === "string" ? instanceAt(one, kind) : one));
  return { id: name, kind, name, instances, problems };
}

/** An instance at "<ip>:<port>". */
export function instanceAt(
  hostPort: string,
  kind: Service["kind"] = "dubbo",
  more: Partial<ServiceInstance> = {},
): ServiceInstance {
  const at = hostPort.lastIndexOf(":");
  const protocol = kind === "dubbo" ? "dubbo" : "http";
  const where = { address: hostPort.slice(0, at), port: Number(hostPort.slice(at + 1)) };
  return { ...where, protocol, version: "", group: "", metadata: {}, ...more };
}
