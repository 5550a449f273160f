import type { HostKey } from "../model/entry.ts";
import { parseTime } from "../model/time.ts";
import {
  braked,
  brakedHosts,
  hasEnded,
  type Loss,
  later,
  type Moment,
  mapped,
  type Period,
  periodFrom,
  toldUntil,
} from "./losses.ts";
import { type OriginFacts, withOrigin, withReset } from "./reset.ts";
import {
  type InheritedHold,
  isTrusted,
  type TrustLimits,
  type TrustState,
  untrusted,
} from "./trust-state.ts";

/** What a listing means for the hub's hosts. */
export interface ListingFacts {
  /** Hosts that list nothing any more. In a first listing and after an edit also those that only the cluster has. */
  readonly lost: Iterable<HostKey>;
  /** Hosts that list something again. */
  readonly found: Iterable<HostKey>;
  readonly listedHosts: number;
}

export type TrustEvent =
  /** A complete listing; the first one after "lost" is the first of its watch. */
  | ({ readonly type: "listed" } & ListingFacts & OriginFacts)
  /** The registry can no longer vouch for its listing; `dataWasLost` = it also showed that it started over. */
  | ({ readonly type: "lost"; readonly dataWasLost: boolean } & Pick<OriginFacts, "endpointsInCluster">)
  /** The owner releases what is held until then: RFC 3339. Any other text releases nothing. */
  | { readonly type: "released"; readonly until: string }
  /** The time of `dueOf` has come. */
  | { readonly type: "due" }
  /** The hub asks the same registry for something else, or may remove more than before. */
  | ({ readonly type: "edited" } & ListingFacts)
  /** The hub has another registry: drops everything known and held of the old one. */
  | { readonly type: "moved"; readonly limits: TrustLimits };

export interface TrustStep {
  readonly state: TrustState;
  /** The hosts about which the hub may say something else than before; they need a new plan. */
  readonly changed: "everything" | ReadonlySet<HostKey>;
  /** The hold that began with this step and is on. */
  readonly began: "Shrunk" | "RegistryReset" | undefined;
}

/**
 * One step of the machine (docs/architecture.md). It first handles every deadline that has passed, at its own time, so a
 * late timer makes no difference. When it returns, everything is judged; plan no host earlier.
 */
export function step(before: TrustState, event: TrustEvent, now: Moment): TrustStep {
  const state = caughtUp(taken(caughtUp(before, now), event, now), now);
  return { state, changed: changedBetween(before, state), began: begunBetween(before, state, now) };
}

/** Handles the deadlines that have passed, in order. What settling left unjudged is judged at the end of settling. */
function caughtUp(state: TrustState, now: Moment): TrustState {
  const ends = [state.settling, state.reset]
    .flatMap((period) => (period !== undefined && hasEnded(period, now) ? [period.until.monotonic] : []))
    .sort((a, b) => a - b)
    .map((end) => later(now, end - now.monotonic));
  const judgedAtEnds = ends.reduce((at, end) => judged(expired(at, end), end), state);
  return expired(judgedAtEnds, now);
}

/** Ends the periods whose end has come. */
function expired(state: TrustState, now: Moment): TrustState {
  const { settling, reset, losses } = state;
  return {
    ...state,
    settling: settling && hasEnded(settling, now) ? undefined : settling,
    reset: reset && hasEnded(reset, now) ? undefined : reset,
    losses: mapped(losses, (loss) => (loss.verdict !== "unjudged" && hasEnded(loss, now) ? undefined : loss)),
  };
}

/** Judges the losses if the hub is synced and settled. */
function judged(state: TrustState, now: Moment): TrustState {
  const { isSynced, settling, reset, losses, listedHosts, limits } = state;
  if (!isSynced || settling !== undefined) return state;
  if (reset === undefined) return { ...state, losses: braked(losses, listedHosts, limits.shrinkHoldMs, now) };
  const { until } = reset;
  const held = (loss: Loss): Loss =>
    loss.verdict === "unjudged" ? { verdict: "reset", since: now, until } : loss;
  return { ...state, losses: mapped(losses, held) };
}

function taken(state: TrustState, event: TrustEvent, now: Moment): TrustState {
  switch (event.type) {
    case "listed":
      return listed(state, event, now);
    case "lost": {
      const unsynced = { ...state, isSynced: false, settling: undefined };
      return event.dataWasLost ? withReset(unsynced, 0, event.endpointsInCluster(), now) : unsynced;
    }
    case "released":
      return released(state, event.until, now);
    case "due":
      return state;
    case "edited": {
      const edited = withListing(state, event, true, { verdict: "unjudged" });
      return state.isSynced ? settlingFrom(edited, now) : edited;
    }
    case "moved":
      return untrusted(event.limits);
  }
}

function listed(before: TrustState, listing: ListingFacts & OriginFacts, now: Moment): TrustState {
  const isFirst = !before.isSynced;
  const state = isFirst ? settlingFrom({ ...before, isSynced: true }, now) : before;
  const lost = new Set(listing.lost);
  const loss = inheritedLoss(state, lost.size, now);
  const counted = withListing({ ...state, inherited: undefined }, { ...listing, lost }, isFirst, loss);
  return judged(withOrigin(counted, listing, now), now);
}

function settlingFrom(state: TrustState, now: Moment): TrustState {
  const { settleMs, settleAfterLossMs } = state.limits;
  return { ...state, settling: periodFrom(now, state.reset === undefined ? settleMs : settleAfterLossMs) };
}

/**
 * The loss of a host that the listing lacks; undefined = the host counts as gone. An inherited hold covers as many hosts
 * as the status counted: it holds them until its end, and if that has passed they count as gone. If more hosts are
 * missing, the brake holds all of them for its full length from the end of settling.
 */
function inheritedLoss(state: TrustState, missing: number, now: Moment): Loss | undefined {
  const { inherited, settling, reset, limits } = state;
  if (inherited === undefined) return { verdict: "unjudged" };
  const { since, until, reason, hold, isReleased } = inherited;
  const isMore = missing > hold.services;
  if (reset !== undefined && (isMore || reason === "Shrunk")) return { verdict: "unjudged" }; // the reset holds them
  if (isMore)
    return { verdict: "braked", since: now, until: later(settling?.until ?? now, limits.shrinkHoldMs) };
  if (isReleased || hasEnded(inherited, now)) return undefined;
  return { verdict: reason === "Shrunk" ? "braked" : "reset", since, until };
}

/** Records the lost hosts as `loss`, and removes the found ones; `isAnew` = also judges those again that count as gone. */
function withListing(
  state: TrustState,
  { lost, found, listedHosts }: ListingFacts,
  isAnew: boolean,
  loss: Loss | undefined,
): TrustState {
  const losses = new Map(state.losses);
  for (const host of found) losses.delete(host);
  for (const host of lost) {
    const known = losses.get(host);
    const isNews = known === undefined || (isAnew && known.verdict === "gone");
    if (isNews && loss !== undefined) losses.set(host, loss);
  }
  return { ...state, losses, listedHosts };
}

/**
 * Releases the hosts that the brake holds until `until` or earlier, and a settling or a hold after a loss of data that
 * ends exactly then. Released hosts count as gone; the brake judges unjudged ones.
 */
function released(state: TrustState, until: string, now: Moment): TrustState {
  const asked = parseTime(until);
  if (asked === undefined) return state;
  const { settling, reset, losses, inherited } = state;
  const endsThen = (one: Period | undefined): boolean => one !== undefined && toldUntil(one) === asked;
  const isInherited = inherited !== undefined && isAskedFor(inherited, asked);
  const isReset = endsThen(reset) || (isInherited && inherited.reason === "RegistryReset");
  const isReleased = (loss: Loss): boolean =>
    loss.verdict === "braked" ? toldUntil(loss) <= asked : isReset && loss.verdict !== "gone";
  return judged(
    {
      ...state,
      settling: endsThen(settling) ? undefined : settling,
      reset: isReset ? undefined : reset,
      losses: mapped(losses, (loss) => (isReleased(loss) ? undefined : loss)),
      inherited: isInherited ? { ...inherited, isReleased: true } : inherited,
    },
    now,
  );
}

function isAskedFor(inherited: InheritedHold, asked: number): boolean {
  const end = toldUntil(inherited);
  const isEnd = inherited.reason === "Shrunk" ? end <= asked : end === asked;
  return isEnd || parseTime(inherited.hold.until) === asked;
}

function changedBetween(before: TrustState, after: TrustState): TrustStep["changed"] {
  if (!after.isSynced) return new Set(); // "unknown" about everything changes no entry
  if (!before.isSynced || isTrusted(before) !== isTrusted(after)) return "everything";
  if (!isTrusted(after)) return new Set();
  const [was, is] = [brakedHosts(before.losses), brakedHosts(after.losses)];
  return new Set(was.keys()).symmetricDifference(is);
}

function begunBetween(before: TrustState, after: TrustState, now: Moment): TrustStep["began"] {
  if (after.reset !== undefined) return after.reset === before.reset ? undefined : "RegistryReset";
  const { inherited } = before;
  const goesOn = inherited !== undefined && !inherited.isReleased && !hasEnded(inherited, now);
  const [was, is] = [brakedHosts(before.losses), brakedHosts(after.losses)];
  return !goesOn && is.size > 0 && was.keys().every((host) => !is.has(host)) ? "Shrunk" : undefined;
}
