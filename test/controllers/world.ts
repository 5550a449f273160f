import { setImmediate as nextTurn } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { DubboController, type DubboControllerOptions } from "../../src/controllers/dubbo/controller.ts";
import { HubController, type HubControllerOptions } from "../../src/controllers/hub/controller.ts";
import type { RegistryHub } from "../../src/model/hub.ts";
import type { Deps, Fields, Logger } from "../../src/runtime/deps.ts";
import { createDubboMetrics, createHubMetrics } from "../../src/runtime/metrics.ts";
import { inProcessClient } from "../fakes/api-server/in-process.ts";
import type { Person } from "../fakes/api-server/person.ts";
import { createFakeApiServer, type FakeApiServer, type Logged } from "../fakes/api-server/server.ts";
import { createScriptedRegistries, type ScriptedRegistry } from "../fakes/registries.ts";
import { type FakeClock, fakeClock } from "../support/fake-clock.ts";

export const second = 1_000;
export const minute = 60 * second;
export const hour = 60 * minute;

/** Where hubs and entries are unless a story says otherwise, and where filters go. */
export const home = "demo";
export const rootNamespace = "istio-system";
/** The hub of most stories, and its registry. */
export const hubKey = `${home}/hub`;
export const zk = "zk:2181";

const hubDefaults: HubControllerOptions = {
  vipCidr: "240.241.0.0/16",
  concurrency: 16,
  emptyGraceMs: 10 * minute,
  shrinkHoldMs: 5 * minute,
  resetHoldMs: 24 * hour,
  settleFactor: 1,
  allowCrossNamespace: true,
  watchNamespaces: [],
};

const dubboDefaults: DubboControllerOptions = {
  vipCidr: hubDefaults.vipCidr,
  concurrency: 16,
  rootNamespace,
  watchNamespaces: [],
  inboundFilters: false,
  foreignServiceEntries: false,
};

/** One line that a controller logged. */
export interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Fields;
}

/** A controller as a process: it can be started, stopped and started again. */
export interface Process<O> {
  /** With these options instead of those it had; the first time instead of the defaults. */
  start(options?: Partial<O>): Promise<void>;
  /** As SIGTERM does. */
  stop(): Promise<void>;
  /** `stop` and `start`; what happened meanwhile is for the story to do between the two. */
  restart(options?: Partial<O>): Promise<void>;
  readonly log: readonly Line[];
  /** As /metrics has them, without comments. */
  metrics(): Promise<string>;
  stuckLoops(ms: number): readonly string[];
}

/** A cluster, registries and both controllers, whole, on one clock that stands still until a story lets time pass. */
export interface World {
  readonly clock: FakeClock;
  readonly api: FakeApiServer;
  /** Somebody with kubectl. */
  readonly person: Person;
  readonly hubController: Process<HubControllerOptions>;
  readonly dubboController: Process<DubboControllerOptions>;
  /** The registry at an address; `zk` unless given. */
  registry(address?: string): ScriptedRegistry;
  /** Lets time pass: at each deadline everything that it sets off happens before the next. @throws what a controller died of. */
  advance(ms: number): Promise<void>;
  /** Everything that needs no time. */
  settle(): Promise<void>;
  /** What the controllers wrote since then, or ever. */
  writes(since?: number): readonly Logged[];
}

/** An empty cluster with the namespaces `home` and `rootNamespace`. The controllers are not started yet. */
export function openWorld(): World {
  const clock = fakeClock();
  const api = createFakeApiServer(clock);
  for (const name of ["default", home, rootNamespace]) api.person.createNamespace(name);
  const registries = createScriptedRegistries();
  const crashes: unknown[] = [];

  async function settle(): Promise<void> {
    await untilQuiet(() => api.requests.length);
    if (crashes.length > 0) throw crashes[0];
  }

  function processOf<O extends object>(defaults: O, make: (options: O, deps: Deps) => Running): Process<O> {
    const log: Line[] = [];
    let options = defaults;
    let stopping = new AbortController();
    let current: Running | undefined;
    let ended: Promise<void> = Promise.resolve();
    onTestFinished(async () => {
      stopping.abort();
      await ended;
    });
    const process: Process<O> = {
      log,
      async start(next = {}) {
        options = { ...options, ...next };
        stopping = new AbortController();
        const deps = { clock, random: () => 0.5, logger: loggerInto(log, {}) };
        current = make(options, deps);
        ended = current.run(stopping.signal).catch((error: unknown) => void crashes.push(error));
        await settle();
      },
      async stop() {
        stopping.abort();
        await ended;
        await settle();
      },
      async restart(next = {}) {
        await process.stop();
        await process.start(next);
      },
      metrics: async () => withoutComments((await current?.render()) ?? ""),
      stuckLoops: (ms) => current?.stuckLoops(ms) ?? [],
    };
    return process;
  }

  const clientOf = (user: string) => inProcessClient(api, { user, userAgent: `${user}/test` }, clock);

  return {
    clock,
    api,
    person: api.person,
    hubController: processOf(hubDefaults, (options, deps) => {
      const metrics = createHubMetrics(clock);
      const open = { ...deps, openRegistry: registries.open };
      return running(new HubController(options, clientOf("registryhub"), metrics, open), metrics);
    }),
    dubboController: processOf(dubboDefaults, (options, deps) => {
      const metrics = createDubboMetrics();
      return running(new DubboController(options, clientOf("dubbo-controller"), metrics, deps), metrics);
    }),
    registry: (address = zk) => registries.at(address),
    settle,
    async advance(ms) {
      const until = clock.monotonic() + ms;
      await settle();
      for (;;) {
        const left = until - clock.monotonic();
        const nextInMs = clock.nextInMs ?? Infinity;
        if (nextInMs > left) break;
        clock.advance(nextInMs);
        await settle();
      }
      clock.advance(until - clock.monotonic());
    },
    writes: (since = 0) => api.writes().slice(since),
  };
}

/** What is the same of both controllers. */
interface Running extends Pick<HubController, "run" | "stuckLoops"> {
  render(): Promise<string>;
}

const running = (
  controller: Pick<HubController, "run" | "stuckLoops">,
  metrics: { render(): Promise<string> },
): Running => ({
  run: (signal) => controller.run(signal),
  stuckLoops: (ms) => controller.stuckLoops(ms),
  render: () => metrics.render(),
});

const maxTurns = 100_000;

/**
 * Returns when nothing is left that needs no time: promises have run after one turn of the event loop, and whoever puts work
 * off by setImmediate is waited for. `moved` counts what was asked of others.
 */
async function untilQuiet(moved: () => number): Promise<void> {
  let before = -1;
  for (let turn = 0; turn < maxTurns; turn++) {
    await nextTurn();
    const isIdle = !process.getActiveResourcesInfo().includes("Immediate");
    if (isIdle && moved() === before) return;
    before = moved();
  }
  throw new Error(`still busy after ${maxTurns} turns without any time`);
}

function loggerInto(log: Line[], bound: Fields): Logger {
  const at =
    (level: string) =>
    (message: string, fields: Fields = {}) =>
      void log.push({ level, message, fields: { ...bound, ...fields } });
  const child = (fields: Fields): Logger => loggerInto(log, { ...bound, ...fields });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), child };
}

const withoutComments = (text: string): string =>
  text
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join("\n");

/** A RegistryHub as a person writes it: `hubKey` at `zk`, unless told otherwise. */
export function hub(
  spec: Partial<RegistryHub["spec"]> = {},
  metadata: Partial<RegistryHub["metadata"]> = {},
): RegistryHub {
  return {
    apiVersion: "ecns.easystack.cn/v1alpha1",
    kind: "RegistryHub",
    metadata: { namespace: home, name: "hub", ...metadata },
    spec: { generate_to: home, type: "zookeeper", address: zk, ...spec },
  };
}
