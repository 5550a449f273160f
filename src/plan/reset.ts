import { type Loss, type Moment, mapped, periodFrom } from "./losses.ts";
import { noData, type TrustState } from "./trust-state.ts";

/** The part of a listing that shows whether the registry still has its data. */
export interface OriginFacts {
  /** undefined = the registry has no root, or nothing that identifies its data. */
  readonly origin: string | undefined;
  readonly listedEndpoints: number;
  /** Endpoints in the cluster that the hub vouches for; called only when the registry lost its data. */
  endpointsInCluster(): number;
}

/** Takes a listing's origin. Another origin begins the hold, enough endpoints end it. A missing root is no origin. */
export function withOrigin(state: TrustState, listing: OriginFacts, now: Moment): TrustState {
  const { origin, judgedOrigin } = state;
  const seen = listing.origin ?? (judgedOrigin === "" ? "" : noData);
  const isOther = judgedOrigin !== "" && seen !== judgedOrigin && seen !== origin;
  const next = { ...state, origin: listing.origin ?? origin, judgedOrigin: seen };
  if (state.reset !== undefined) return withRecovery(next, listing.listedEndpoints, now);
  return isOther ? withReset(next, listing.listedEndpoints, listing.endpointsInCluster(), now) : next;
}

/**
 * Begins the hold after a loss of data, unless it is on already or nothing was lost. It takes over the hosts that the
 * brake holds.
 */
export function withReset(state: TrustState, listed: number, endpoints: number, now: Moment): TrustState {
  if (state.reset !== undefined || hasRecovered(listed, endpoints)) return state;
  const reset = { ...periodFrom(now, state.limits.resetHoldMs), endpoints };
  const held = (loss: Loss): Loss =>
    loss.verdict === "braked" && loss.until.monotonic < reset.until.monotonic
      ? { ...loss, verdict: "reset", until: reset.until }
      : loss;
  return { ...state, reset, losses: mapped(state.losses, held) };
}

/** Ends the hold when most endpoints are back, and settles, because the others may be on their way. The brake judges the rest. */
function withRecovery(state: TrustState, listedEndpoints: number, now: Moment): TrustState {
  if (!hasRecovered(listedEndpoints, state.reset?.endpoints ?? 0)) return state;
  const unheld = (loss: Loss): Loss => (loss.verdict === "reset" ? { verdict: "unjudged" } : loss);
  const settling = periodFrom(now, state.limits.settleAfterLossMs);
  return { ...state, reset: undefined, settling, losses: mapped(state.losses, unheld) };
}

/** Whether a registry that lost its data lists enough again: 80 % of the endpoints that the hub had. */
function hasRecovered(listed: number, had: number): boolean {
  return listed >= 0.8 * had;
}
