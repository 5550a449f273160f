import { writeStatus } from "../../kube/apply.ts";
import { retryDelay } from "../../kube/errors.ts";
import type { Reflector } from "../../kube/reflector.ts";
import type { HostKey, Instant } from "../../model/entry.ts";
import type { Hub, HubIdentity, HubKey } from "../../model/hub.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import { splitKey } from "../../model/keys.ts";
import type { Stored } from "../../model/kubernetes.ts";
import type { HubStatus, RegistryHub } from "../../model/registryhub.ts";
import { rfc3339 } from "../../model/time.ts";
import type { HubMetrics } from "../../runtime/metrics.ts";
import { type ApplyFailure, type HubView, hubStatusOf, statusChange } from "../../status/hub-status.ts";
import { rememberedTrust, type StatusSubject } from "../../status/memory.ts";
import { transitionsBetween } from "../../status/transitions.ts";
import { hubIdOf } from "../../translate/names.ts";
import { readStatus } from "../../translate/read-back/hub-status.ts";
import type { EntryIndex } from "../writes/entry-index.ts";
import type { Tools } from "../writes/object-writer.ts";
import type { Outcome, WorkQueue } from "../writes/queue.ts";
import type { DefaultRules } from "./default-rules.ts";
import type { History } from "./history.ts";
import { ambientWithoutL7, hiddenByMesh, type MeshView } from "./mesh-warnings.ts";
import type { HubSession } from "./session.ts";
import { type Services, shadowsOf } from "./shadowing-services.ts";
import type { Sidecars } from "./sidecars.ts";
import type { UnexplainedEntries } from "./unexplained-entries.ts";
import type { UnservedHub } from "./unserved-hubs.ts";

const conditionsIntervalMs = 1_000;
const countsIntervalMs = 10_000;
/** A look at a hub with 10,000 entries costs 20 ms; looks take about this share of the time. */
const lookShare = 0.05;
const maxLookPauseMs = 1_000;
/** How long a status waits for hosts that are planned as fast as the processor allows, and for those that wait for writes. */
const maxHeldBackMs = { slice: 30_000, worker: 1_000 } as const;
const heldBackMs = 100;
/** Slower writes are worth reporting. */
const slowApplyMs = 5_000;
/** The most telling failure comes first. */
const severity: readonly ApplyFailure["reason"][] = [
  "NamespaceNotAllowed",
  "NamespaceMissing",
  "IstioMissing",
  "Forbidden",
  "VipsExhausted",
  "InternalError",
  "ApplyFailed",
];

/** What the worker needs from the controller. */
export interface StatusContext {
  readonly hubs: Reflector<Stored<RegistryHub>>;
  readonly serviceEntries: Reflector<Stored<ServiceEntry>>;
  readonly services: Services;
  readonly mesh: MeshView;
  readonly defaultRules: Pick<DefaultRules, "problemsOf">;
  readonly sidecars: Pick<Sidecars, "warnings">;
  readonly entries: EntryIndex;
  readonly unexplained: UnexplainedEntries;
  readonly history: History;
  /** Whether the first lists of the cluster are still being read, so that nothing is known yet. */
  isStarting(): boolean;
  /** Whether the entries cannot be seen, so that nothing shows whether a registry with another origin has lost its data. */
  isBlind(): boolean;
  session(key: HubKey): HubSession | undefined;
  /** Why a hub that exists has no session. */
  unserved(key: HubKey): UnservedHub | undefined;
  /** What the hosts of the target that have to be planned wait for. */
  waitsFor(target: string): ReturnType<WorkQueue["waitsFor"]>;
  /** Why the operator can write nothing of the hub: its target, or the cluster itself. */
  failure(session: HubSession): ApplyFailure | undefined;
}

/**
 * Writes the status of one hub at a time. Condition changes are written within 1 s, counts at most every 10 s, and
 * times only along with one of those.
 */
export class StatusWorker {
  readonly #context: StatusContext;
  readonly #tools: Tools<HubMetrics>;
  readonly #writtenAt = new Map<HubKey, Instant>();
  /** When the next look at a hub is allowed. */
  readonly #lookAt = new Map<HubKey, Instant>();
  /** Since when statuses have been held back. */
  readonly #heldBackAt = new Map<HubKey, Instant>();

  constructor(context: StatusContext, tools: Tools<HubMetrics>) {
    this.#context = context;
    this.#tools = tools;
  }

  /** The queue's work function. */
  async work(key: HubKey): Promise<Outcome> {
    const session = this.#context.session(key);
    const unserved = this.#context.unserved(key);
    const object = this.#context.hubs.objects.get(key);
    if ((session ?? unserved) === undefined || object === undefined) {
      this.#writtenAt.delete(key);
      this.#lookAt.delete(key);
      this.#heldBackAt.delete(key);
    }
    if (object === undefined || this.#context.isStarting()) return undefined;
    const { client, events, metrics, deps, signal } = this.#tools;
    const { clock } = deps;
    const lookedAt = clock.monotonic();
    if (session !== undefined && this.#isHeldBack(session.hub, lookedAt)) return { againInMs: heldBackMs };
    const waitMs = (this.#lookAt.get(key) ?? 0) - lookedAt;
    if (waitMs > 0) return { againInMs: waitMs };
    const view = session
      ? this.#view(session, object)
      : unserved && this.#unservedView(key, unserved, object);
    if (view === undefined) return undefined;
    const status = hubStatusOf(view, rfc3339(clock.now()));
    this.#measure(key, view, status, session?.isSynced ?? false);
    const change = statusChange(view.previous, status);
    const tookMs = clock.monotonic() - lookedAt;
    this.#lookAt.set(key, clock.monotonic() + Math.min(tookMs / lookShare, maxLookPauseMs));
    const again: Outcome = view.syncing === "briefly" ? { againInMs: slowApplyMs } : undefined;
    if (change === "none") return again;
    const intervalMs = change === "conditions" ? conditionsIntervalMs : countsIntervalMs;
    const dueInMs = (this.#writtenAt.get(key) ?? -intervalMs) + intervalMs - clock.monotonic();
    if (dueInMs > 0) return { againInMs: dueInMs };
    const [namespace, name] = splitKey(key);
    const written = await writeStatus(client, { namespace, name }, status, signal);
    metrics.wrote("RegistryHub", "status", "error" in written ? written.error.reason : "ok");
    if ("ok" in written) {
      metrics.wroteBytes("RegistryHub", Buffer.byteLength(JSON.stringify(status)));
      this.#writtenAt.set(key, clock.monotonic());
      this.#context.hubs.put(written.ok);
      const releasedUntil = session?.hub.releaseHold ?? "";
      for (const one of transitionsBetween(view.previous, status, releasedUntil)) {
        events.record({ object, ...one });
        this.#context.history.addOfHub(key, one.reason, one.message, session?.hub);
      }
      return again;
    }
    if (written.error.status === 404) return undefined; // deleted meanwhile
    deps.logger.warn("status not written", { hub: key, error: written.error.message });
    if (retryDelay(written.error) === undefined) {
      const message = `the operator cannot write the status: ${written.error.message}`;
      events.record({ object, type: "Warning", reason: written.error.reason, message });
    }
    // Not as patient as with hosts: nothing calls a status back, and there are not many.
    return { failed: true, atLeastMs: retryDelay(written.error) ?? 0 };
  }

  /**
   * Whether hosts of the hub's target wait for their plan, because their earlier findings would appear as today's.
   * Otherwise a restart would write DeletionHeld=True/Settling for hosts that were planned before their registry was
   * listed, and take it back.
   */
  #isHeldBack({ key, target }: Hub, now: Instant): boolean {
    const waitsFor = this.#context.waitsFor(target);
    const since = this.#heldBackAt.get(key) ?? now;
    const isHeldBack = waitsFor !== "nothing" && now - since < maxHeldBackMs[waitsFor];
    if (isHeldBack) this.#heldBackAt.set(key, since);
    else this.#heldBackAt.delete(key);
    return isHeldBack;
  }

  #view(session: HubSession, object: Stored<RegistryHub>): HubView {
    const { hub } = session;
    const previous = readStatus(object.status);
    const { problems } = session;
    const refused = new Set(problems.filter(({ code }) => code === "ShadowsService").map(({ at }) => at));
    const isMade = (host: HostKey) => session.listings.has(host) && !refused.has(splitKey(host)[1]);
    return {
      hub,
      previous,
      registry: session.view,
      progress: session.progress,
      failure: this.#failure(session),
      syncing: this.#syncing(session),
      held: session.held,
      ...this.#owned(hub, previous),
      problems: [
        ...problems,
        ...this.#context.unexplained.problemsIn(hub.target),
        ...shadowsOf(hub.target, isMade, this.#context.services, previous),
        ...hiddenByMesh(hub.target, this.#context.mesh, previous),
        ...this.#context.defaultRules.problemsOf(hub, previous),
        ...this.#context.sidecars.warnings(hub, previous),
        ...ambientWithoutL7(hub, session.listings, this.#context.mesh, previous),
      ],
      excluded: session.listings.excluded,
      plan: hub.policy === "observe" ? session.ledger.plan : undefined,
      origin: this.#context.isBlind() ? (previous?.origin ?? "") : session.origin,
    };
  }

  /** An unserved hub: the status says why, and the rest stays as before. */
  #unservedView(
    key: HubKey,
    { code, detail, nextStep, kept }: UnservedHub,
    object: Stored<RegistryHub>,
  ): HubView {
    const previous = readStatus(object.status);
    const hub: StatusSubject = {
      generation: object.metadata.generation ?? 0,
      target: kept?.generate_to ?? "",
      policy: kept?.plan ? "observe" : "sync",
      suspend: false,
      registry: { type: kept?.type ?? "", address: kept?.address ?? "" },
    };
    return {
      hub,
      previous,
      registry: { state: "failed", code, detail, nextStep },
      progress: { isListed: false, hasAnswered: true, hasMoved: false, isFresh: false, hasNoSession: true },
      failure: undefined,
      syncing: "no",
      held: rememberedTrust(kept, hub).held,
      ...this.#owned({ id: hubIdOf(key), key, target: hub.target }, previous),
      excluded: kept?.excluded ?? 0,
      problems: [],
      plan: kept?.plan,
      origin: kept?.origin ?? "",
    };
  }

  /** What the cluster has of the hub; until the ServiceEntries are listed, what the previous status says. */
  #owned(
    hub: HubIdentity,
    previous: HubStatus | undefined,
  ): Pick<HubView, "entries" | "services" | "endpoints"> {
    if (this.#context.serviceEntries.status.state === "pending" && previous !== undefined)
      return { ...previous, entries: entriesAsBefore(previous) };
    const entries = this.#context.entries.ownedBy(hub);
    return { entries, services: entries.services, endpoints: entries.endpoints };
  }

  #failure(session: HubSession): ApplyFailure | undefined {
    const whole = this.#context.failure(session);
    if (whole !== undefined) return whole;
    return session.ledger.failures.toSorted(
      (a, b) => severity.indexOf(a.reason) - severity.indexOf(b.reason),
    )[0];
  }

  #syncing(session: HubSession): HubView["syncing"] {
    if (session.ledger.isCarryingOut) return "long";
    const waitingMs = session.ledger.unwrittenForMs;
    if (waitingMs === undefined) return "no";
    return waitingMs < slowApplyMs ? "briefly" : "long";
  }

  #measure(key: HubKey, view: HubView, { conditions }: HubStatus, isSynced: boolean): void {
    const { metrics } = this.#tools;
    metrics.registryUp(key, view.hub.registry.type, isSynced);
    metrics.hubConditions(key, conditions);
    metrics.hubCounts(key, { services: view.services, endpoints: view.endpoints });
    metrics.heldRemovals(key, view.held?.hold.services ?? 0);
  }
}

function entriesAsBefore({ serviceentries, truncated }: HubStatus): HubView["entries"] {
  const entries = Object.entries(serviceentries).map(([name, writtenAt]) => ({ name, writtenAt }));
  return { written: entries.length + truncated, first: () => entries };
}
