import type { Claim, Ms } from "../model/entry.ts";

/** How far a hub's silence counts as "gone". Points in time are monotonic; 0 = no hold. */
export interface Trust {
  readonly synced: boolean;
  /** Until then nothing counts as gone, because a registry that restarted lists nothing at first, and then a part. */
  readonly settledAt: Ms;
  /** The brake: until then no service loses its last instance. */
  readonly heldUntil: Ms;
  /** After a loss of data: until then nothing counts as gone. */
  readonly resetUntil: Ms;
}

/** What a hub says of the endpoints of a host that it does not list. The whole rule of keeping and removing. */
export function unlistedVerdict(
  upsertOnly: boolean,
  trust: Trust,
  listsAny: boolean,
  now: Ms,
): Claim["unlisted"] {
  const isUnknown =
    upsertOnly ||
    !trust.synced ||
    now < trust.settledAt ||
    now < trust.resetUntil ||
    (now < trust.heldUntil && !listsAny);
  return isUnknown ? "unknown" : "gone";
}

/**
 * The brake. Runs after every complete listing of a settled hub: `had` services listed instances recently or have
 * some in the cluster; `lost` of them list none now. A hold begins once and is never prolonged; it ends when no
 * service is lost any more.
 */
export function brake(trust: Trust, had: number, lost: number, holdMs: Ms, now: Ms): Trust {
  if (lost === 0) return { ...trust, heldUntil: 0 };
  if (trust.heldUntil > now) return trust;
  const isShrunk = lost > Math.max(3, 0.2 * had) || (had > 1 && lost === had);
  return { ...trust, heldUntil: isShrunk ? now + holdMs : 0 };
}

/** Whether a registry that lost its data lists enough again: at least 80 % of the endpoints that the hub had. */
export function hasRecovered(listed: number, had: number): boolean {
  return listed >= 0.8 * had;
}
