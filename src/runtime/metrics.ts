import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Condition } from "../model/registryhub.ts";
import type { Clock } from "./deps.ts";
import { watchEventLoop } from "./event-loop.ts";
import { SliceTimes } from "./slice-times.ts";

/** The metrics of both controllers. */
export interface Metrics {
  /** One write to the API server has returned; `result` is "ok" or the reason of its failure. */
  wrote(kind: string, verb: "apply" | "delete" | "status", result: string): void;
  /** A write of so many bytes has gone through. */
  wroteBytes(kind: string, bytes: number): void;
  /** A write of this kind has put back what another client had changed. */
  repaired(kind: string): void;
  /** An Event was not written: there are too many. */
  eventDropped(): void;
  /** Keys that wait in a queue. */
  queueDepth(queue: string, keys: number): void;
  /** A loop begins to work in this turn of the event loop; the returned function ends the slice. */
  sliceBegins(loop: string): () => void;
  /** From the observation of a change to its confirmed write. */
  propagated(seconds: number): void;
  /** This process leads from now on; until then it stands by. */
  leads(): void;
  /** Before each rendering, `measure` sets the values that are only computed on demand. */
  beforeRender(measure: () => void): void;
  /** A bug of the operator stopped the work on one thing of this kind. */
  internalError(about: "hub" | "host" | "status" | "filter" | "object"): void;
  /** All metrics in Prometheus' text format. */
  render(): Promise<string>;
}

/** The additional metrics of the hub-controller; `hub` is "<namespace>/<name>". */
export interface HubMetrics extends Metrics {
  /** Whether the registry is synced now; while it is not, its sync age grows. */
  registryUp(hub: string, type: string, up: boolean): void;
  /** What the hub's status says now; what it said before is forgotten. */
  hubConditions(hub: string, conditions: readonly Pick<Condition, "type" | "status" | "reason">[]): void;
  hubCounts(hub: string, counts: { readonly services: number; readonly endpoints: number }): void;
  /** Services whose removal is withheld. */
  heldRemovals(hub: string, services: number): void;
  vipPool(size: number, used: number): void;
  /** ServiceEntries of the operator of which no hub explains every part. */
  unexplainedEntries(count: number): void;
  /** Removes every series of a deleted hub. */
  forgetHub(hub: string): void;
}

/** The additional metrics of the dubbo-controller. */
export interface DubboMetrics extends Metrics {
  envoyFilters(count: number): void;
  /** How many ServiceEntries get no new EnvoyFilter, by the reason. */
  withheldFilters(counts: Readonly<Record<string, number>>): void;
  /** How many ServiceEntries have their EnvoyFilters in the root namespace though they are exported to others. */
  filtersInRoot(count: number): void;
  /** How many VirtualServices of Dubbo services are refused, by the reason. */
  refusedRules(counts: Readonly<Record<string, number>>): void;
  /** Whether --root-namespace differs from the mesh's own. */
  rootNamespaceMismatch(mismatch: boolean): void;
}

const propagationBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/**
 * The hub-controller's metrics, in their own registry. `clock` measures how long a hub's registry has been out of
 * sync.
 */
export function createHubMetrics(clock: Pick<Clock, "monotonic">): HubMetrics {
  const registry = new Registry();
  const connections = createConnectionMetrics(registry, clock);
  const conditions = createConditionMetrics(registry);
  const services = gauge(registry, "services", "Services of the hub in the cluster.", ["hub"]);
  const endpoints = gauge(registry, "endpoints", "Endpoints of the hub's services.", ["hub"]);
  const held = gauge(registry, "held_removals", "Services whose removal is withheld.", ["hub"]);
  const poolSize = gauge(registry, "vip_pool_size", "Usable virtual IPs of --vip-cidr.");
  const poolUsed = gauge(registry, "vip_pool_used", "Virtual IPs of --vip-cidr in use.");
  const unexplained = gauge(
    registry,
    "unexplained_entries",
    "ServiceEntries of the operator that stay because nobody knows from which hub they, or a part of them, come.",
  );
  return {
    ...createBase(registry),
    registryUp: connections.set,
    hubConditions: conditions.set,
    hubCounts(hub, counts) {
      services.set({ hub }, counts.services);
      endpoints.set({ hub }, counts.endpoints);
    },
    heldRemovals: (hub, count) => held.set({ hub }, count),
    vipPool(size, used) {
      poolSize.set(size);
      poolUsed.set(used);
    },
    unexplainedEntries: (count) => unexplained.set(count),
    forgetHub(hub) {
      connections.forget(hub);
      conditions.forget(hub);
      for (const one of [services, endpoints, held]) one.remove({ hub });
    },
  };
}

/** The dubbo-controller's metrics, in their own registry. */
export function createDubboMetrics(): DubboMetrics {
  const registry = new Registry();
  const filters = gauge(
    registry,
    "envoyfilters",
    "EnvoyFilters in the root namespace. istiod slows down beyond 1000.",
  );
  const mismatch = gauge(
    registry,
    "root_namespace_mismatch",
    "1 while --root-namespace differs from the mesh's root namespace, so that the filters do not reach every proxy.",
  );
  const withheld = gauge(
    registry,
    "withheld_filters",
    "ServiceEntries that get no new EnvoyFilter: their port is not allowed, no hub stands behind them, or the hubs cannot be listed.",
    ["reason"],
  );
  const inRoot = gauge(
    registry,
    "filters_in_root",
    "ServiceEntries with exportTo whose EnvoyFilters are in the root namespace: a right is missing, or a namespace takes none.",
  );
  const refused = gauge(
    registry,
    "refused_rules",
    "VirtualServices of Dubbo services that are refused, so that what was in force before stays.",
    ["reason"],
  );
  return {
    ...createBase(registry),
    filtersInRoot: (count) => inRoot.set(count),
    refusedRules(counts) {
      for (const [reason, count] of Object.entries(counts)) refused.set({ reason }, count);
    },
    envoyFilters: (count) => filters.set(count),
    withheldFilters(counts) {
      for (const [reason, count] of Object.entries(counts)) withheld.set({ reason }, count);
    },
    rootNamespaceMismatch: (isMismatch) => mismatch.set(isMismatch ? 1 : 0),
  };
}

function createBase(registry: Registry): Metrics {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: never });
  replaceLoopDelay(registry);
  const writes = new Counter({
    name: "registryhub_writes_total",
    help: "Writes to the API server.",
    labelNames: ["kind", "verb", "result"],
    registers: [registry],
  });
  const writtenBytes = new Counter({
    name: "registryhub_written_bytes_total",
    help: "Bytes of the objects and statuses that the API server has taken; etcd keeps each version for minutes.",
    labelNames: ["kind"],
    registers: [registry],
  });
  const repairs = new Counter({
    name: "registryhub_repairs_total",
    help: "Writes that have put back what another client had changed or deleted, by kind.",
    labelNames: ["kind"],
    registers: [registry],
  });
  const eventsDropped = new Counter({
    name: "registryhub_events_dropped_total",
    help: "Events that were not written because there were too many.",
    registers: [registry],
  });
  const depth = gauge(registry, "queue_depth", "Keys that wait in a queue.", ["queue"]);
  const propagation = new Histogram({
    name: "registryhub_propagation_seconds",
    help: "Time from observing a change to its confirmed write.",
    buckets: propagationBuckets,
    registers: [registry],
  });
  const internalErrors = new Counter({
    name: "registryhub_internal_errors_total",
    help: "Bugs of the operator that stopped the work on one thing, by its kind; the log has the stack.",
    labelNames: ["about"],
    registers: [registry],
  });
  let measure = (): void => undefined;
  const leader = gauge(registry, "leader", "1 while this process is the leader, 0 while it stands by.");
  return {
    leads: () => leader.set(1),
    repaired: (kind) => repairs.inc({ kind }),
    eventDropped: () => eventsDropped.inc(),
    wrote: (kind, verb, result) => writes.inc({ kind, verb, result }),
    wroteBytes: (kind, bytes) => writtenBytes.inc({ kind }, bytes),
    queueDepth: (queue, keys) => depth.set({ queue }, keys),
    sliceBegins: createSlices(registry),
    propagated: (seconds) => propagation.observe(seconds),
    internalError: (about) => internalErrors.inc({ about }),
    beforeRender(next) {
      measure = next;
    },
    render() {
      measure();
      return registry.metrics();
    },
  };
}

const never = 2 ** 31 - 1;

/** prom-client's own gauges have a timer of their own, whose pause is in every value. */
function replaceLoopDelay(registry: Registry): void {
  for (const { name } of registry.getMetricsAsArray())
    if (name.startsWith("nodejs_eventloop_")) registry.removeSingleMetric(name);
  const read = watchEventLoop();
  const help = "How late timers were since the last look, at the given quantile; 1 = at most.";
  const delay = gauge(registry, "event_loop_delay_seconds", help, ["quantile"], () => {
    const { p99Ms, maxMs } = read();
    delay.set({ quantile: "0.99" }, p99Ms / 1_000);
    delay.set({ quantile: "1" }, maxMs / 1_000);
  });
}

function createSlices(registry: Registry): (loop: string) => () => void {
  const times = new SliceTimes();
  const help =
    "Longest turn of the event loop with this loop's work in it since the last look; processor time without collections of garbage.";
  const longest = gauge(registry, "longest_slice_seconds", help, ["loop"], () => {
    for (const [loop, ms] of times.longestMs()) longest.set({ loop }, ms / 1_000);
  });
  const collectionHelp = "Longest collection of garbage since the last look.";
  const collection = gauge(registry, "longest_collection_seconds", collectionHelp, [], () =>
    collection.set(times.longestCollectionMs() / 1_000),
  );
  return (loop) => times.begins(loop);
}

interface Connection {
  readonly type: string;
  readonly up: boolean;
  /** Monotonic ms; undefined while up, and if it was never up. */
  readonly lostAt: number | undefined;
}

function createConnectionMetrics(registry: Registry, clock: Pick<Clock, "monotonic">) {
  const connections = new Map<string, Connection>();
  const up = gauge(registry, "registry_up", "1 while the hub's registry is synced, else 0.", ["hub", "type"]);
  const ageHelp = "Age of the hub's view of its registry: 0 while synced; no value before the first sync.";
  const age = gauge(registry, "sync_age_seconds", ageHelp, ["hub"], () => {
    for (const [hub, { up: isUp, lostAt }] of connections)
      if (isUp) age.set({ hub }, 0);
      else if (lostAt !== undefined) age.set({ hub }, (clock.monotonic() - lostAt) / 1000);
  });
  const forget = (hub: string): void => {
    up.remove({ hub, type: connections.get(hub)?.type ?? "" });
    age.remove({ hub });
    connections.delete(hub);
  };
  return {
    forget,
    set(hub: string, type: string, isUp: boolean): void {
      if (connections.get(hub)?.type !== type) forget(hub);
      const before = connections.get(hub);
      const lostAt = before?.up ? clock.monotonic() : before?.lostAt;
      connections.set(hub, { type, up: isUp, lostAt: isUp ? undefined : lostAt });
      up.set({ hub, type }, isUp ? 1 : 0);
    },
  };
}

function createConditionMetrics(registry: Registry) {
  type Labels = Readonly<Record<"hub" | "type" | "status" | "reason", string>>;
  const help =
    "1 for what the hub's status says of each of its conditions; there is no series of what it does not say.";
  const condition = gauge(registry, "condition", help, ["hub", "type", "status", "reason"]);
  const shown = new Map<string, readonly Labels[]>();
  const forget = (hub: string): void => {
    for (const labels of shown.get(hub) ?? []) condition.remove(labels);
    shown.delete(hub);
  };
  return {
    forget,
    set: ((hub, conditions) => {
      forget(hub);
      const series = conditions.map(({ type, status, reason }) => ({ hub, type, status, reason }));
      for (const labels of series) condition.set(labels, 1);
      shown.set(hub, series);
    }) satisfies HubMetrics["hubConditions"],
  };
}

function gauge(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[] = [],
  collect: () => void = () => undefined,
): Gauge {
  return new Gauge({
    name: `registryhub_${name}`,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect,
  });
}
