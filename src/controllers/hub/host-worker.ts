import type { KubeError } from "../../kube/errors.ts";
import type { ObjectStore } from "../../kube/reflector.ts";
import { resources } from "../../kube/resources.ts";
import type { Claim, Entry, HostKey, Ms } from "../../model/entry.ts";
import type { HubId, HubKey } from "../../model/hub.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import { splitKey } from "../../model/keys.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { fieldManagers } from "../../model/labels.ts";
import type { PortRules } from "../../model/port-rules.ts";
import type { Problem } from "../../model/problems.ts";
import { rfc3339 } from "../../model/time.ts";
import { claimOf, claimsOn, type HostClaims, mayTakeOver, mayWrite } from "../../plan/claims.ts";
import { type HostInput, type HostPlan, planHost, type Step } from "../../plan/host.ts";
import type { VipPool } from "../../plan/vip.ts";
import type { ApplyFailure } from "../../status/hub-status.ts";
import { objectName } from "../../translate/names.ts";
import { endpointBytes, portNameOf, serviceEntryOf } from "../../translate/service-entry.ts";
import { failureOf } from "../writes/apply-failure.ts";
import type { EntryIndex, HostObject } from "../writes/entry-index.ts";
import { bugFailure, reportBug } from "../writes/internal-error.ts";
import { ObjectWriter, type Tools } from "../writes/object-writer.ts";
import { failedBy, type Outcome } from "../writes/queue.ts";
import { earlierCalls } from "./earlier-calls.ts";
import type { History } from "./history.ts";
import { HostHistory, type HostLook } from "./host-history.ts";
import { HostMemos } from "./host-memos.ts";
import { dryRunResultOf, firstOf, isWritten } from "./host-outcome.ts";
import { foreignHost, problemsOf, withProblems } from "./host-problems.ts";
import type { HostLedger } from "./ledger.ts";
import { type Claimant, leaveToOtherLane } from "./other-lanes.ts";
import type { HubSession } from "./session.ts";
import { hostOfOthers, isOfOthers, type serviceAt } from "./shadowing-services.ts";
import type { UnexplainedEntries } from "./unexplained-entries.ts";
import { mayKeepVip, type VipContext, vipOf } from "./virtual-ips.ts";

/** What the worker asks of a hub that this process serves. */
export interface ClaimingHub extends Claimant {
  readonly listings: Pick<HubSession["listings"], "has">;
  readonly ledger: Pick<
    HostLedger,
    "recordPlan" | "recordDryRun" | "markPaced" | "markApplied" | "markRejected" | "markFailed"
  >;
}

/** What the worker asks the controller. */
export interface HostContext {
  /** The hubs that this process serves, oldest first. */
  sessions(): readonly ClaimingHub[];
  /** These, and those that exist and that another lane serves; oldest first. */
  claimants(): readonly Claimant[];
  isOfOtherLane(hub: HubKey): boolean;
  /** As `OtherLanes.ownerOf`. */
  ownerElsewhere(host: HostKey, entry: Entry | undefined): HubKey | undefined;
  /** Why the hub's entries cannot be written at all. */
  targetProblem(hub: Claimant): ApplyFailure | undefined;
  /** As `claimsOn` wants it. */
  goneInMs(hub: HubKey): Ms | undefined;
  readonly entries: EntryIndex;
  readonly unexplained: UnexplainedEntries;
  readonly history: History;
  readonly serviceEntries: ObjectStore<Stored<ServiceEntry>>;
  /** As in HostInput. */
  readonly speaksMtls: HostInput["speaksMtls"];
  /** As `serviceAt`. */
  serviceAt(host: HostKey): ReturnType<typeof serviceAt>;
  /** Whether the cluster's lists are complete; the worker decides nothing before. */
  isReady(): boolean;
}

export interface HostWorkerOptions {
  readonly pool: VipPool;
  readonly graceMs: Ms;
  /** Where the dubbo-controller may make new filters. */
  readonly dubboPorts: PortRules;
  /** Other processes write entries as well, so a write is only of what was read. */
  readonly isLane: boolean;
}

/** How long a new entry waits at a time for the first list of the Services, and until another look at one that is refused. */
const [servicesPendingMs, servicesLookMs] = [250, 60_000];

/** Reconciles one host at a time: gathers its claims, plans, and makes at most one write. */
export class HostWorker {
  readonly #context: HostContext;
  readonly #options: HostWorkerOptions;
  readonly #tools: Tools;
  readonly #writer: ObjectWriter<Stored<ServiceEntry>>;
  readonly #vips: VipContext;
  readonly #memos: HostMemos;
  readonly #history: HostHistory;

  constructor(context: HostContext, options: HostWorkerOptions, tools: Tools) {
    this.#context = context;
    this.#vips = {
      entries: context.entries,
      objects: context.serviceEntries.objects,
      pool: options.pool,
      targetOf: (key) => context.claimants().find(({ hub }) => hub.key === key)?.hub.target,
    };
    this.#options = options;
    this.#tools = tools;
    this.#memos = new HostMemos(options.graceMs, tools.deps.clock);
    this.#writer = new ObjectWriter(
      context.serviceEntries,
      resources.serviceEntries,
      fieldManagers.registryhub,
      tools,
      { isShared: options.isLane },
    );
    this.#history = new HostHistory(context, this.#writer, options, tools.deps.clock);
  }

  /** The queue's work function. */
  async work(host: HostKey): Promise<Outcome> {
    if (!this.#context.isReady()) return undefined; // every host is queued again once the lists are complete
    const found = this.#context.entries.hostObject(host);
    this.#remember(host, found);
    const last = this.#memos.last(host, found);
    const entry = found === undefined ? last : found.entry;
    const { claims, wakeInMs, isUnexplained } = this.#claims(host, entry);
    const isLeftOver = found?.ownership === "ours" && found.entry === undefined && claims.size === 0;
    const name = found?.object.metadata.name;
    this.#context.unexplained.record(host, isUnexplained || isLeftOver ? name : undefined);
    const owner = this.#context.ownerElsewhere(host, entry ?? last); // what cannot be read is whose it was
    const leftMs = owner === undefined ? 0 : this.#memos.restoreMs(host, found !== undefined);
    if (owner !== undefined && leftMs > 0) {
      leaveToOtherLane(host, owner, claims, this.#context.sessions());
      return leftMs === Infinity ? undefined : { againInMs: leftMs };
    }
    if (found !== undefined && !mayTakeOver(found, claims))
      return this.#reject(host, claims, foreignHost(host, found));
    const service = this.#serviceOfOthers(host, found, claims);
    if (service === "pending") return { againInMs: servicesPendingMs };
    if (service === "yes") {
      this.#reject(host, claims, hostOfOthers(host));
      return { againInMs: servicesLookMs };
    }
    const plan = planHost(this.#input(host, found, claims));
    const context = { ...this.#vips, dubboPorts: this.#options.dubboPorts };
    this.#tell(host, withProblems(plan, claims, problemsOf(host, found, plan.step, context)));
    const look = { host, found, claims };
    this.#history.planned(look, plan, this.#memos.of(host));
    this.#dryRun(host, found, claims);
    const outcome = await this.#carryOut(look, plan.step);
    const isMissed = this.#context.entries.keysAt(host).length === 0 && this.#isMissed(host, last, claims);
    return outcome ?? firstOf(wakeInMs, isMissed ? this.#options.graceMs : undefined);
  }

  /** A bug stopped the work on the host: the host stays as it is, and its hubs report the bug. */
  failedBy(host: HostKey, error: unknown): Outcome {
    reportBug(this.#tools, "host", { host }, error);
    this.#failed(host, { reason: "InternalError", ...bugFailure("host", error) });
    return { failed: true };
  }

  #claims(host: HostKey, actual: Entry | undefined): HostClaims {
    const hubs = this.#context.claimants().map((claimant) => {
      const inputs = claimant.claimInputs(host, actual);
      return inputs.mayWrite && this.#context.targetProblem(claimant) !== undefined
        ? { ...inputs, mayWrite: false }
        : inputs;
    });
    return claimsOn(host, actual, hubs, (hub) => this.#context.goneInMs(hub));
  }

  /**
   * Whether a Service answers to a host that would be new, and none of the hubs that list it is of the Service's
   * namespace: whoever may create hubs somewhere else must not answer for it.
   */
  #serviceOfOthers(
    host: HostKey,
    found: HostObject | undefined,
    claims: ReadonlyMap<HubId, Claim>,
  ): ReturnType<typeof serviceAt> {
    const isNew = found === undefined && this.#memos.of(host).object === undefined;
    return isNew && isOfOthers(host, claims.values()) ? this.#context.serviceAt(host) : "no";
  }

  /** Nothing is made of the host. */
  #reject(host: HostKey, claims: ReadonlyMap<HubId, Claim>, problem: Problem): Outcome {
    const listing = [...claims].filter(([, claim]) => claim.listed.length > 0);
    const problems = new Map(listing.map(([id]) => [id, [problem]]));
    this.#tell(host, { withheld: new Map(), problems });
    return this.#succeeded(host, true);
  }

  /** Remembers an entry of ours, but no virtual IP that somebody wrote and that the worker takes away. */
  #remember(host: HostKey, found: HostObject | undefined): void {
    if (found?.entry === undefined || !found.entry.ours) return;
    const memo = this.#memos.of(host);
    memo.missingAt = undefined;
    memo.isLossTold = false;
    if (mayKeepVip(this.#vips, found)) memo.vip = found.entry.vip;
    memo.object = found.object;
  }

  /**
   * Whether an entry that somebody deleted may have to come back as it was, because a hub that it names writes nothing
   * now or cannot tell that the service is gone. What nobody misses is forgotten; other lanes remember for themselves.
   */
  #isMissed(host: HostKey, last: Entry | undefined, claims: ReadonlyMap<HubId, Claim>): boolean {
    const isWanted = [...claims.values()].some(
      ({ key, listed, unlisted }) =>
        listed.length > 0 || (unlisted === "unknown" && !this.#context.isOfOtherLane(key)),
    );
    if (!isWanted) this.#forget(host);
    else if (last !== undefined) this.#reserve(host, last);
    return isWanted;
  }

  #reserve(host: HostKey, { name, vip }: Entry): void {
    const { entries } = this.#context;
    entries.reserve(`${splitKey(host)[0]}/${name}`, host);
    if (vip !== "") entries.reserve(vip, host);
  }

  #input(host: HostKey, found: HostObject | undefined, claims: ReadonlyMap<HubId, Claim>): HostInput {
    const [namespace, hostname] = splitKey(host);
    const { entries } = this.#context;
    const actual = found?.entry;
    const memo = this.#memos.of(host);
    const isTaken = (name: string): boolean => entries.isNameTaken(namespace, name, host);
    const nameOf = ({ name }: Entry): string => found?.object.metadata.name ?? (isTaken(name) ? "" : name);
    const claiming = ({ hub }: Claimant): boolean => claims.get(hub.id)?.key === hub.key;
    const hubs = () => this.#context.claimants().flatMap((one) => (claiming(one) ? [one.hub] : []));
    const calledEarlier = earlierCalls(host, { last: memo.object, hubs, entries });
    const last = this.#memos.last(host, found);
    const remembered = last && { ...last, name: nameOf(last) };
    return {
      host,
      actual,
      claims,
      ...(remembered && { remembered }),
      vip: vipOf(this.#vips, host, found, memo.vip),
      isVirtual: (address) => this.#options.pool.leadsInto(address),
      speaksMtls: (endpoint) =>
        this.#context.speaksMtls(endpoint) ??
        (actual?.endpoints.has(endpoint.hostPort) ? undefined : calledEarlier(endpoint)),
      emptyForMs: this.#memos.emptyForMs(host, actual),
      graceMs: this.#options.graceMs,
      now: rfc3339(this.#tools.deps.clock.now()),
      portName: (endpoint, port) => portNameOf(endpoint.service.kind, endpoint.protocol, port),
      bytesOf: endpointBytes,
      chooseName: ({ service }) => found?.object.metadata.name ?? objectName(service.kind, hostname, isTaken),
    };
  }

  #tell(host: HostKey, { withheld, problems }: Pick<HostPlan, "withheld" | "problems">): void {
    for (const { hub, ledger } of this.#context.sessions()) {
      ledger.recordPlan(host, withheld.get(hub.id) ?? 0, problems.get(hub.id) ?? []);
    }
  }

  /** Records what observing hubs would do to the host. */
  #dryRun(host: HostKey, found: HostObject | undefined, claims: ReadonlyMap<HubId, Claim>): void {
    for (const session of this.#context.sessions()) {
      if (session.hub.policy !== "observe") continue;
      const inputs = { ...session.claimInputs(host, found?.entry), mayWrite: true };
      const claim = claimOf(host, found?.entry, inputs);
      const all = claim && new Map([...claims, [session.hub.id, claim]]);
      const isMade = all && this.#serviceOfOthers(host, found, all) !== "yes";
      const plan = isMade && planHost(this.#input(host, found, all));
      const verdict = plan ? dryRunResultOf(plan.step, found?.object) : undefined;
      if (session.ledger.recordDryRun(host, verdict) && verdict !== undefined)
        this.#tools.deps.logger.info("would write", { hub: session.hub.key, host, verdict });
      session.ledger.markApplied(host); // as far as it ever is
    }
  }

  async #carryOut(look: HostLook, step: Step): Promise<Outcome> {
    const { host, found } = look;
    switch (step.op) {
      case "none":
        return this.#succeeded(host);
      case "blocked": {
        const nextStep = "Widen --vip-cidr, or remove ServiceEntries that nobody needs.";
        this.#failed(host, { reason: step.reason, detail: "no virtual IP is free in --vip-cidr", nextStep });
        return { failed: true };
      }
      case "delete": {
        if (found === undefined) return undefined;
        const { object } = found;
        const fields = { host, name: object.metadata.name, why: step.why };
        const error = await this.#writer.delete(host, object, fields);
        if (error === undefined) this.#history.deleted(host, found, step.why);
        return this.#settle(host, error);
      }
      case "apply": {
        const outcome = await this.#apply(look, step.entry);
        return outcome ?? (step.wakeInMs === undefined ? undefined : { againInMs: step.wakeInMs });
      }
    }
  }

  async #apply(look: HostLook, entry: Entry): Promise<Outcome> {
    const { host, found } = look;
    const object = serviceEntryOf(entry);
    const memo = this.#memos.of(host);
    if (found && isWritten(entry, found.object)) {
      memo.removalAt = undefined;
      return this.#succeeded(host);
    }
    const pacedMs = this.#writer.pacedMs(host);
    const delayMs = Math.max(
      this.#memos.removalDelayMs(host, entry, found?.entry),
      this.#writer.pauseMs(host, object),
      pacedMs,
    );
    if (pacedMs > 0) for (const { ledger } of this.#context.sessions()) ledger.markPaced(host, pacedMs);
    if (delayMs > 0) return { againInMs: delayMs };
    const fields = { host, name: entry.name, endpoints: entry.endpoints.size };
    if (found?.entry?.vip !== entry.vip) this.#reserve(host, entry);
    const error = await this.#writer.apply(host, object, found?.object, fields);
    if (error !== undefined) return this.#settle(host, error);
    this.#history.written(look, { entry, object, memo });
    memo.removalAt = undefined;
    if (entry.emptySince !== undefined) memo.emptyAt ??= this.#tools.deps.clock.monotonic();
    return this.#succeeded(host);
  }

  #settle(host: HostKey, error: KubeError | undefined): Outcome {
    if (error === undefined) return this.#succeeded(host);
    this.#failed(host, failureOf(error));
    return failedBy(error);
  }

  /** The host is as planned, which may mean that nothing is made of it. A hub that may not write had no say in that. */
  #succeeded(host: HostKey, isRejected = false): undefined {
    for (const session of this.#context.sessions()) {
      if (!mayWrite(session.hub) || this.#context.targetProblem(session) !== undefined) continue;
      const { ledger, listings } = session;
      const tookMs = isRejected && listings.has(host) ? ledger.markRejected(host) : ledger.markApplied(host);
      if (tookMs !== undefined) this.#tools.metrics.propagated(tookMs / 1_000);
    }
  }

  #failed(host: HostKey, failure: ApplyFailure): void {
    for (const { hub, listings, ledger } of this.#context.sessions()) {
      if (listings.has(host) || this.#context.entries.has(hub, host)) ledger.markFailed(host, failure);
    }
  }

  #forget(host: HostKey): void {
    this.#memos.forget(host);
    this.#writer.forget(host);
    this.#context.entries.release(host);
  }
}
