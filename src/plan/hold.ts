import type { HostKey } from "../model/entry.ts";
import type { Hold } from "../model/registryhub.ts";
import { parseTime, rfc3339 } from "../model/time.ts";
import { brakedHosts, later, type Moment, type Period, toldUntil } from "./losses.ts";
import { noData, type TrustLimits, type TrustState, untrusted } from "./trust-state.ts";

interface HeldRemovals {
  readonly reason: "Shrunk" | "RegistryReset";
  readonly hold: Hold;
}

/**
 * The trust at the start of a process. A hold goes on until its end, for its full length at most: a wall clock may be
 * wrong. `origin` "" = nothing is known about the registry's earlier data.
 */
export function restoredTrust(
  limits: TrustLimits,
  memory: { readonly origin: string; readonly held: HeldRemovals | undefined },
  now: Moment,
): TrustState {
  const { origin, held } = memory;
  const state = { ...untrusted(limits), origin, judgedOrigin: origin };
  if (held === undefined) return state;
  const { reason, hold } = held;
  const lengthMs = reason === "Shrunk" ? limits.shrinkHoldMs : limits.resetHoldMs;
  const leftMs = Math.min(Math.max((parseTime(hold.until) ?? 0) - now.wall, 0), lengthMs);
  const sinceMs = (parseTime(hold.since) ?? now.wall) - now.wall;
  const period = { since: later(now, sinceMs), until: later(now, leftMs) };
  const inherited = { ...period, reason, hold, isReleased: false };
  if (reason === "Shrunk") return { ...state, inherited };
  const reset = leftMs > 0 ? { ...period, endpoints: hold.endpoints } : undefined;
  // The earlier process may have judged a missing root, and no origin says so.
  return { ...state, inherited, reset, judgedOrigin: origin === "" ? "" : noData };
}

/** What the cluster keeps of a hub's hosts now. */
export interface WithheldFacts {
  /** Hosts and endpoints that stay only because the hub cannot vouch for their absence; as of their last plans. */
  readonly withheld: { readonly services: number; readonly endpoints: number };
  /** How many hosts have endpoints of the hub in the cluster and are not listed. */
  missing(): number;
  /** How many endpoints of a host the hub vouches for in the cluster. */
  endpointsOf(host: HostKey): number;
}

/** The hold to report; undefined = no removal is held. */
export function holdOf(
  trust: TrustState,
  facts: WithheldFacts,
): HeldRemovals | { readonly reason: "Settling"; readonly hold: Hold } | undefined {
  const { inherited, reset, settling } = trust;
  const { withheld } = facts;
  const isNewReset = reset !== undefined && inherited?.reason === "Shrunk";
  if (inherited !== undefined && !inherited.isReleased && !isNewReset) return inherited;
  if (reset !== undefined) {
    // Known before every host has a new plan, because the status must report a reset at once.
    const services = Math.max(withheld.services, facts.missing());
    return { reason: "RegistryReset", hold: { ...told(reset), services, endpoints: reset.endpoints } };
  }
  const brake = brakeOf(trust, facts);
  if (brake !== undefined) return { reason: "Shrunk", hold: brake };
  if (settling === undefined || withheld.services === 0) return undefined;
  return { reason: "Settling", hold: { ...told(settling), ...withheld } };
}

/** The brake's hold on hosts that have endpoints in the cluster. */
function brakeOf(trust: TrustState, facts: WithheldFacts): Hold | undefined {
  let [services, endpoints] = [0, 0];
  let held: Period | undefined;
  for (const [host, period] of brakedHosts(trust.losses)) {
    const count = facts.endpointsOf(host);
    if (count === 0) continue;
    services++;
    endpoints += count;
    held = held === undefined ? period : { since: earliest(held, period), until: latest(held, period) };
  }
  return held && { ...told(held), services, endpoints };
}

const earliest = ({ since: one }: Period, { since: other }: Period): Moment =>
  other.monotonic < one.monotonic ? other : one;
const latest = ({ until: one }: Period, { until: other }: Period): Moment =>
  other.monotonic > one.monotonic ? other : one;

function told(period: Period): Pick<Hold, "since" | "until"> {
  return { since: rfc3339(period.since.wall), until: rfc3339(toldUntil(period)) };
}
