import { setImmediate as nextTurn } from "node:timers/promises";
import { onTestFinished } from "vitest";
import type { Source } from "../../src/cli/page/routes.ts";
import { readConfig } from "../../src/config.ts";
import { DubboController, type DubboControllerOptions } from "../../src/controllers/dubbo/controller.ts";
import { HubController, type HubControllerOptions } from "../../src/controllers/hub/controller.ts";
import type { Change } from "../../src/model/change.ts";
import type { ServiceEntry } from "../../src/model/istio.ts";
import { parseLabelSelector } from "../../src/model/label-selector.ts";
import type { RegistryHub } from "../../src/model/registryhub.ts";
import type { OpenRegistry } from "../../src/registries/index.ts";
import type { Clock, Deps, Fields, Logger } from "../../src/runtime/deps.ts";
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

/** What --dubbo-ports is unless told otherwise. */
export const { dubboPorts } = readConfig({}, {});

const hubDefaults: HubControllerOptions = {
  vipCidr: "240.241.0.0/16",
  concurrency: 16,
  emptyGraceMs: 10 * minute,
  shrinkHoldMs: 5 * minute,
  resetHoldMs: 24 * hour,
  settleFactor: 1,
  maxServicesPerHub: 20_000,
  allowCrossNamespace: true,
  watchNamespaces: [],
  denyTargets: [],
  rootNamespace,
  dubboPorts,
  hubSelector: parseLabelSelector(""),
};

const dubboDefaults: DubboControllerOptions = {
  vipCidr: hubDefaults.vipCidr,
  concurrency: 16,
  rootNamespace,
  watchNamespaces: [],
  inboundFilters: false,
  outlierDetection: true,
  foreignServiceEntries: false,
  dubboRules: true,
  dubboPorts,
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
  /** What the hub-controller has kept of what it changed since its start; nothing of the other one. */
  changes(): readonly Change[];
  /** What the page of the hub-controller is made of. @throws when it is not started, and of the other one. */
  source(): Source;
}

/** A cluster, registries and both controllers, whole, on one clock that stands still until a story lets time pass. */
export interface World {
  readonly clock: FakeClock;
  readonly api: FakeApiServer;
  /** Somebody with kubectl. */
  readonly person: Person;
  readonly hubController: Process<HubControllerOptions>;
  readonly dubboController: Process<DubboControllerOptions>;
  /** Another hub-controller: one for the hubs with the label `lane: <name>`, as the user `<name>`. */
  lane(name: string): Process<HubControllerOptions>;
  /** The registry at an address; `zk` unless given. */
  registry(address?: string): ScriptedRegistry;
  /** Opens them, as the hub-controller does. */
  readonly openRegistry: OpenRegistry;
  /** Lets time pass: at each deadline everything that it sets off happens before the next. @throws what a controller died of. */
  advance(ms: number): Promise<void>;
  /** Everything that needs no time. */
  settle(): Promise<void>;
  /** What the controllers wrote since then, or ever. */
  writes(since?: number): readonly Logged[];
  /** Drops every record of what happened so far, for stories that are long; watches go on. */
  forget(): void;
}

/** How a world differs from others. */
export interface WorldOptions {
  /** How much processor time the controllers need from one look at their clock to the next; 0 unless told otherwise. */
  readonly busyMs?: number;
  /** Default: one of its own. */
  readonly clock?: FakeClock;
  /** Servers on sockets, instead of the registries that a story scripts. */
  readonly servers?: {
    readonly open: OpenRegistry;
    /** Everything that they were asked since the world began. */
    readonly requests: () => number;
  };
}

/** An empty cluster with the namespaces `home` and `rootNamespace`. The controllers are not started yet. */
export function openWorld({ busyMs = 0, clock = fakeClock(), servers }: WorldOptions = {}): World {
  const busy = busyClock(clock, busyMs);
  const api = createFakeApiServer(clock);
  for (const name of ["default", home, rootNamespace]) api.person.createNamespace(name);
  const registries = createScriptedRegistries();
  const crashes: unknown[] = [];
  const logs: Line[][] = [];

  async function settle(): Promise<void> {
    const moved = (): number => busy.nextTurn() + api.requests.length + (servers?.requests() ?? 0);
    await untilQuiet(moved, servers === undefined ? 1 : turnsOfSockets);
    if (crashes.length > 0) throw crashes[0];
  }

  function processOf<O extends object>(defaults: O, make: (options: O, deps: Deps) => Running): Process<O> {
    const log: Line[] = [];
    logs.push(log);
    let options = defaults;
    let stopping = new AbortController();
    let current: Running | undefined;
    let ended: Promise<void> = Promise.resolve();
    onTestFinished(async () => {
      stopping.abort();
      await ended;
    });
    const self: Process<O> = {
      log,
      async start(next = {}) {
        options = { ...options, ...next };
        stopping = new AbortController();
        const deps = { clock: busy, random: () => 0.5, logger: loggerInto(log, {}) };
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
        await self.stop();
        await self.start(next);
      },
      metrics: async () => withoutComments((await current?.render()) ?? ""),
      stuckLoops: (ms) => current?.stuckLoops(ms) ?? [],
      changes: () => [...(current?.source?.history.after(0) ?? [])],
      source() {
        if (current?.source === undefined) throw new Error("no hub-controller runs");
        return current.source;
      },
    };
    return self;
  }

  const clientOf = (user: string, concurrency: number) =>
    inProcessClient(api, { user, userAgent: `${user}/test`, concurrency }, clock);
  const hubController = (user: string, defaults: HubControllerOptions) =>
    processOf(defaults, (options, deps) => {
      const metrics = createHubMetrics(clock);
      const open = { ...deps, openRegistry: servers?.open ?? registries.open };
      return running(new HubController(options, clientOf(user, options.concurrency), metrics, open), metrics);
    });

  return {
    clock,
    api,
    person: api.person,
    hubController: hubController("registryhub", hubDefaults),
    lane: (name) => hubController(name, { ...hubDefaults, hubSelector: parseLabelSelector(`lane=${name}`) }),
    dubboController: processOf(dubboDefaults, (options, deps) => {
      const metrics = createDubboMetrics();
      return running(
        new DubboController(options, clientOf("dubbo-controller", options.concurrency), metrics, deps),
        metrics,
      );
    }),
    registry: (address = zk) => registries.at(address),
    openRegistry: servers?.open ?? registries.open,
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
      clock.advance(Math.max(0, until - clock.monotonic()));
    },
    writes: (since = 0) => api.writes().slice(since),
    forget() {
      api.forgetRequests();
      api.compact();
      for (const log of logs) log.length = 0;
    },
  };
}

/** What is the same of both controllers. */
interface Running extends Pick<HubController, "run" | "stuckLoops"> {
  readonly source?: Source;
  render(): Promise<string>;
}

const running = (
  controller: HubController | DubboController,
  metrics: { render(): Promise<string> },
): Running => ({
  ...(controller instanceof HubController && { source: controller }),
  run: (signal) => controller.run(signal),
  stuckLoops: (ms) => controller.stuckLoops(ms),
  render: () => metrics.render(),
});

/** A clock on which work takes time: `busyMs` for each look at it, which passes when the event loop has its next turn. */
function busyClock(clock: FakeClock, busyMs: number): Clock & { readonly nextTurn: () => number } {
  let workedMs = 0;
  let passedMs = 0;
  return {
    ...clock,
    monotonic() {
      workedMs += busyMs;
      return clock.monotonic() + workedMs;
    },
    /** Returns how much has passed like this. */
    nextTurn() {
      const ms = workedMs;
      workedMs = 0;
      clock.advance(ms);
      passedMs += ms;
      return passedMs;
    },
  };
}

const maxTurns = 100_000;
/** A request and its answer take three turns on the loopback interface. */
const turnsOfSockets = 8;

/**
 * Returns when nothing is left that needs no time: promises have run after one turn of the event loop, and whoever puts work
 * off by setImmediate is waited for. `moved` counts what was asked of others; nothing is for so many turns.
 */
async function untilQuiet(moved: () => number, turns: number): Promise<void> {
  let before = -1;
  let quiet = 0;
  for (let turn = 0; turn < maxTurns; turn++) {
    await nextTurn();
    const isIdle = !process.getActiveResourcesInfo().includes("Immediate");
    const now = moved();
    quiet = isIdle && now === before ? quiet + 1 : 0;
    if (quiet === turns) return;
    before = now;
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

/** The entry of demo.A with one endpoint, 10.42.0.1:20880, as aeraki's dubbo2istio left it. */
export const entryOfOldProduct = (labels: Readonly<Record<string, string>>): ServiceEntry => ({
  apiVersion: "networking.istio.io/v1beta1",
  kind: "ServiceEntry",
  metadata: {
    namespace: home,
    name: "aeraki-demo-a-demo",
    labels: { manager: "aeraki", registry: "dubbo2istio" },
    annotations: { interface: "demo.A", workloadSelector: "" },
  },
  spec: {
    hosts: ["demo.a.demo"],
    addresses: ["240.240.0.1"],
    location: "MESH_INTERNAL",
    resolution: "STATIC",
    ports: [{ name: "tcp-metaprotocol-dubbo", number: 20_880, protocol: "tcp", targetPort: 20_880 }],
    endpoints: [{ address: "10.42.0.1", ports: { "tcp-metaprotocol-dubbo": 20_880 }, labels }],
  },
});
