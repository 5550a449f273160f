import { editEffects } from "../../src/controllers/hub/edits.ts";
import { OtherLanes } from "../../src/controllers/hub/other-lanes.ts";
import type { Endpoint, Entry, HostKey, Ms } from "../../src/model/entry.ts";
import type { Hub, HubId } from "../../src/model/hub.ts";
import { splitKey } from "../../src/model/keys.ts";
import { type ClaimInputs, claimsOn, mayWrite } from "../../src/plan/claims.ts";
import { holdOf, restoredTrust } from "../../src/plan/hold.ts";
import { planHost } from "../../src/plan/host.ts";
import type { Moment } from "../../src/plan/losses.ts";
import { step, type TrustEvent } from "../../src/plan/trust.ts";
import { dueOf, type TrustState } from "../../src/plan/trust-state.ts";
import { nothingRemembered, type RememberedTrust } from "../../src/status/memory.ts";
import { hubIdOf } from "../../src/translate/names.ts";
import { endpointOf, hubOf, inputOf } from "../support/model.ts";
import { carriedOut } from "./arbitraries.ts";

const second = 1_000;
export const limits = {
  settleMs: 60 * second,
  settleAfterLossMs: 100 * second,
  shrinkHoldMs: 300 * second,
  resetHoldMs: 3_600 * second,
};
const goneAfterMs = 60 * second;

export const hosts: readonly HostKey[] = Array.from({ length: 8 }, (_, at) => `dubbozk/h${at}.dubbozk`);
/** Instances of a service, by the last figure of their addresses. */
type Instances = ReadonlySet<number>;
export type Services = ReadonlyMap<HostKey, Instances>;

/** What a registry knows of some hosts alone. */
export const only = (services: Services, shown: readonly HostKey[]): Services =>
  new Map([...services].filter(([host]) => shown.includes(host)));

/** "<host> <figure>" of every instance. */
export const instancesOf = (services: Services): ReadonlySet<string> =>
  new Set([...services].flatMap(([host, figures]) => [...figures].map((figure) => `${host} ${figure}`)));

/**
 * A hub, its registry, and what the operator knows of both. `truth` is what runs; the registry may show something else for as
 * long as the operator promises to believe nothing of it: until `healBy`.
 */
export class Member {
  readonly id: HubId;
  truth: Services = new Map();
  shown: Services = this.truth;
  unreadable: ReadonlySet<HostKey> = new Set();
  origin = "o1";
  healBy = Infinity;
  hub: Hub;
  /** What of the hub the operator's process has; undefined = nobody runs. */
  trust: TrustState;
  listed: Services = new Map();
  isPending = true;
  couldNotRead: ReadonlySet<HostKey> = new Set();
  isAllowed = true;
  /** Which of two processes serves the hub. */
  lane = 0;
  /** Since when the hub is deleted. */
  missingSince: Ms | undefined;
  memory: RememberedTrust = nothingRemembered;

  constructor(key: string, now: Moment) {
    const [namespace, name] = splitKey(key);
    this.hub = hubOf({}, { namespace, name });
    this.id = hubIdOf(key);
    this.trust = restoredTrust(limits, nothingRemembered, now);
  }

  /** What the registry shows of what the hub wants. */
  get view(): Services {
    const isExcluded = (host: HostKey): boolean => this.hub.filter.exclude.includes(host);
    return new Map(
      [...this.shown].filter(
        ([host, figures]) => figures.size > 0 && !isExcluded(host) && !this.unreadable.has(host),
      ),
    );
  }

  get isTruthful(): boolean {
    return this.shown === this.truth && this.unreadable.size === 0;
  }
}

/** Hubs, a cluster, and an operator of two lanes that plans what its trust tells it to plan, and nothing else. */
export class World {
  now: Moment = { monotonic: 1, wall: Date.parse("2024-02-04T03:00:00Z") };
  readonly members: readonly Member[];
  readonly cluster = new Map<HostKey, Entry>();
  writes = 0;
  #waiting = new Set<HostKey>();
  /** Hosts of hubs that are missing, and not gone yet. */
  readonly #pending = new Set<HostKey>();
  /** Of each hub, the instances that run and that the cluster has had of it. */
  readonly #alive = new Map<HubId, Set<string>>();

  constructor(keys: readonly string[]) {
    this.members = keys.map((key) => new Member(key, this.now));
  }

  memberAt(at: number): Member {
    const member = this.members[at];
    if (member === undefined) throw new Error(`no hub ${at}`);
    return member;
  }

  /** Lets time pass. Timers run `lateMs` after they are due; a registry shows the truth again before it has to. */
  pass(ms: Ms, lateMs: Ms): void {
    const until = this.now.monotonic + ms;
    for (;;) {
      const next = this.members
        .flatMap((member) => [
          { at: (dueOf(member.trust) ?? Infinity) + lateMs, run: () => this.step(member, { type: "due" }) },
          { at: mayRemove(member) ? member.healBy - 1 : Infinity, run: () => this.heal(member) },
        ])
        .reduce((first, other) => (other.at < first.at ? other : first));
      if (next.at > until) break;
      this.#wait(next.at - this.now.monotonic);
      next.run();
      this.plan();
    }
    this.#wait(until - this.now.monotonic);
    this.#ask(this.#pending);
  }

  /** These instances of a service run from now on, and no others. */
  run(member: Member, host: HostKey, figures: Instances): void {
    const isShown = member.shown === member.truth;
    member.truth = new Map(member.truth).set(host, figures);
    if (!isShown) return;
    member.shown = member.truth;
    if (member.trust.isSynced) this.list(member);
  }

  msUntil({ monotonic }: Moment): Ms {
    return monotonic - this.now.monotonic;
  }

  /** The registry shows the truth again. */
  heal(member: Member): void {
    member.shown = member.truth;
    member.unreadable = new Set();
    member.healBy = Infinity;
    if (member.trust.isSynced) this.list(member);
  }

  /** The operator takes a listing in, as HubSession does. */
  list(member: Member): void {
    if (member.missingSince !== undefined || member.hub.suspend) return;
    const { view, unreadable, couldNotRead } = member;
    const before = member.listed;
    const isFirst = !member.trust.isSynced;
    const readAgain = [...couldNotRead].some((host) => !unreadable.has(host));
    if (isFirst) this.#promiseToSettle(member, member.isPending && member.trust.inherited === undefined);
    Object.assign(member, { listed: view, isPending: false, couldNotRead: unreadable });
    const lost = [...before.keys()].filter((host) => !view.has(host) && !unreadable.has(host));
    this.step(member, {
      type: "listed",
      lost: isFirst || readAgain ? [...lost, ...this.#missing(member)] : lost,
      found: [...view.keys()].filter((host) => !before.has(host)),
      listedHosts: view.size,
      listedEndpoints: instancesOf(view).size,
      origin: member.origin,
      endpointsInCluster: () => this.vouchedBy(member).size,
    });
    this.#ask(new Set([...before.keys(), ...view.keys(), ...(readAgain ? hosts : [])]));
  }

  lose(member: Member, dataWasLost: boolean): void {
    this.step(member, {
      type: "lost",
      dataWasLost,
      endpointsInCluster: () => this.vouchedBy(member).size,
    });
  }

  /** The hub is edited, as HubSession takes it in. */
  edit(member: Member, hub: Hub): void {
    const effects = editEffects(member.hub, hub);
    member.hub = hub;
    if (effects.has("reopen")) this.lose(member, false);
    if (effects.has("resettle")) this.#resettle(member);
    this.#ask(hosts);
  }

  /** The hub's target takes its entries, or does so no more. */
  allow(member: Member, isAllowed: boolean): void {
    const isNew = isAllowed && !member.isAllowed;
    member.isAllowed = isAllowed;
    if (isNew) this.#resettle(member);
    this.#ask(hosts);
  }

  /** Whatever the operator had in memory is gone; the cluster and the statuses are not. */
  restart(): void {
    for (const member of this.members) this.#open(member);
    this.#ask(hosts);
  }

  delete(member: Member): void {
    member.missingSince ??= this.now.monotonic;
    this.#alive.delete(member.id);
    this.#ask(hosts);
  }

  create(member: Member): void {
    if (member.missingSince === undefined) return;
    member.missingSince = undefined;
    this.#open(member);
    this.#ask(hosts);
  }

  /** The hub gets the label of this lane, which starts with what the status says. */
  move(member: Member, lane: number): void {
    if (member.missingSince !== undefined || member.lane === lane) return;
    member.lane = lane;
    this.#open(member);
    this.#ask(hosts);
  }

  step(member: Member, event: TrustEvent): void {
    const { state, changed } = step(member.trust, event, this.now);
    member.trust = state;
    this.#ask(changed === "everything" ? hosts : changed);
    const held = this.#holdOf(member);
    const isHold = held?.reason === "Shrunk" || held?.reason === "RegistryReset";
    member.memory = { origin: state.origin, held: isHold ? { ...held, reason: held.reason } : undefined };
  }

  /** Plans the hosts that wait for it. */
  plan(): void {
    for (const host of this.#waiting) this.#look(host);
    this.#waiting = new Set();
    for (const member of this.members) this.#noteAlive(member);
  }

  /** Plans every host. Returns those that needed it though nobody had asked for it. */
  planEverything(): readonly HostKey[] {
    return hosts.filter((host) => this.#look(host));
  }

  /** "<host> <figure>" of the endpoints that name the hub. */
  vouchedBy({ id }: Member): ReadonlySet<string> {
    return new Set(
      [...this.cluster].flatMap(([host, { endpoints }]) =>
        [...endpoints.values()].filter(({ by }) => by.has(id)).map((one) => `${host} ${figureOf(one)}`),
      ),
    );
  }

  /** What runs, has been in the mesh, and is missing there. */
  get missing(): readonly string[] {
    return this.members.flatMap((member) => {
      const vouched = this.vouchedBy(member);
      return [...(this.#alive.get(member.id) ?? [])].filter((instance) => !vouched.has(instance));
    });
  }

  /** So long from now on nothing may be believed of what the registry shows. */
  promise(member: Member, ms: Ms): void {
    member.healBy = Math.min(member.healBy, this.now.monotonic + ms);
  }

  /** Settling protects what the registry does not show; what was promised before stands, for it is held as well. */
  #promiseToSettle(member: Member, isAllThatProtects: boolean): void {
    if (member.isTruthful) return;
    const isOver = member.healBy === Infinity || member.healBy <= this.now.monotonic;
    if (isOver) member.healBy = Infinity;
    if (isOver || isAllThatProtects) this.promise(member, limits.settleMs);
  }

  #resettle(member: Member): void {
    this.#promiseToSettle(member, false);
    const lost = this.#missing(member);
    this.step(member, { type: "edited", lost, found: [], listedHosts: member.listed.size });
  }

  #open(member: Member): void {
    const trust = restoredTrust(limits, member.memory, this.now);
    Object.assign(member, { trust, listed: new Map(), isPending: true, couldNotRead: new Set() });
  }

  #ask(asked: Iterable<HostKey>): void {
    for (const host of asked) this.#waiting.add(host);
  }

  /** Returns whether somebody wrote something. */
  #look(host: HostKey): boolean {
    for (let turns = 0; turns < 5; turns++)
      if ([0, 1].filter((lane) => this.#lookAs(lane, host)).length === 0) return turns > 0;
    throw new Error(`${host} is written again and again`);
  }

  #lookAs(lane: number, host: HostKey): boolean {
    const actual = this.cluster.get(host);
    const existing = this.members.filter(({ missingSince }) => missingSince === undefined);
    const others = new OtherLanes();
    for (const { hub, ...member } of existing) if (member.lane !== lane) others.put({ ...hub, hub });
    const own = existing.filter((member) => member.lane === lane);
    if (actual && others.ownerOf(host, actual, () => own.map(({ hub }) => hub)) !== undefined) return false;
    const claimants = [
      ...own.map((member) => inputsOf(host)(member)),
      ...others.claimants().map((claimant) => claimant.claimInputs(host, actual)),
    ];
    const goneInMs = (key: string): Ms | undefined => {
      const since = this.members.find(({ hub }) => hub.key === key)?.missingSince;
      return since === undefined ? undefined : Math.max(0, since + goneAfterMs - this.now.monotonic);
    };
    const inputs = claimants.sort((a, b) => (a.hub.key < b.hub.key ? -1 : 1)); // they are of one age
    const { claims, wakeInMs } = claimsOn(host, actual, inputs, goneInMs);
    if (wakeInMs === undefined) this.#pending.delete(host);
    else this.#pending.add(host);
    const plan = planHost(inputOf({ host, actual, claims }));
    const { step: planned } = plan;
    if (planned.op === "none" || (planned.op === "apply" && isSame(planned.entry, actual))) return false;
    const after = carriedOut(actual, plan);
    this.writes += 1;
    if (after === undefined) this.cluster.delete(host);
    else this.cluster.set(host, after);
    return true;
  }

  #missing(member: Member): readonly HostKey[] {
    const owned = new Set([...this.vouchedBy(member)].map((instance) => instance.split(" ")[0] ?? ""));
    return [...owned].filter((host) => !member.listed.has(host) && !member.couldNotRead.has(host));
  }

  #holdOf(member: Member): ReturnType<typeof holdOf> {
    if (member.hub.policy !== "sync" || member.hub.suspend) return undefined;
    const vouched = [...this.vouchedBy(member)];
    return holdOf(member.trust, {
      withheld: { services: 0, endpoints: 0 },
      missing: () => this.#missing(member).length,
      endpointsOf: (host) => vouched.filter((instance) => instance.startsWith(`${host} `)).length,
    });
  }

  /** Of what runs and is wanted, the cluster is expected to keep what the registry has listed since it runs. */
  #noteAlive(member: Member): void {
    if (member.missingSince !== undefined) return;
    const { exclude } = member.hub.filter;
    const running = instancesOf(new Map([...member.truth].filter(([host]) => !exclude.includes(host))));
    const before = this.#alive.get(member.id) ?? new Set();
    const seen = instancesOf(member.listed).intersection(this.vouchedBy(member));
    this.#alive.set(member.id, running.intersection(before.union(seen)));
  }

  #wait(ms: Ms): void {
    const passed = Math.max(0, ms);
    this.now = { monotonic: this.now.monotonic + passed, wall: this.now.wall + passed };
  }
}

const inputsOf =
  (host: HostKey) =>
  ({ hub, trust, listed, couldNotRead, isAllowed }: Member): ClaimInputs => ({
    hub,
    mayWrite: mayWrite(hub) && isAllowed,
    trust,
    listed: [...(listed.get(host) ?? [])].map((figure) => endpointOf(`10.0.0.${figure}:20880`)),
    isUnknown: couldNotRead.has(host),
  });

const figureOf = ({ address }: Pick<Endpoint, "address">): string => address.split(".").at(-1) ?? "";

const mayRemove = ({ hub, isAllowed }: Member): boolean => isAllowed && hub.policy === "sync" && !hub.suspend;

/** Whether a write would change nothing that matters to the mesh. */
function isSame(planned: Entry, actual: Entry | undefined): boolean {
  const inShort = (entry: Entry): string =>
    [
      entry.emptySince,
      ...[...entry.hubs.keys()].sort(),
      ...[...entry.endpoints.values()].flatMap(({ hostPort, by }) => [hostPort, [...by].sort()]),
    ].join();
  return actual !== undefined && inShort(planned) === inShort(actual);
}
