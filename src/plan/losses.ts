import type { HostKey, Instant, Ms } from "../model/entry.ts";

/** One moment on both clocks: deadlines are monotonic; statuses have wall time. */
export interface Moment {
  readonly monotonic: Instant;
  /** In ms. */
  readonly wall: number;
}

export interface Period {
  readonly since: Moment;
  readonly until: Moment;
}

/**
 * The loss of a host's last instance.
 * "unjudged": the hub has not settled since.
 * "gone": the host counts as gone; the brake counts it as lost until the period ends.
 * "braked", "reset": the brake, or the hold after a loss of data, holds the host until the period ends.
 */
export type Loss =
  | { readonly verdict: "unjudged" }
  | (Period & { readonly verdict: "gone" | "braked" | "reset" });

/** The lost hosts of one hub. A host leaves when it lists an instance again, or when its period ends. */
export type Losses = ReadonlyMap<HostKey, Loss>;

export function periodFrom(since: Moment, lengthMs: Ms): Period {
  return { since, until: later(since, lengthMs) };
}

export function later({ monotonic, wall }: Moment, ms: Ms): Moment {
  return { monotonic: monotonic + ms, wall: wall + ms };
}

export function hasEnded({ until }: Period, now: Moment): boolean {
  return until.monotonic <= now.monotonic;
}

/** The end of a period as a status tells it: in whole seconds, not before the end. Wall time in ms. */
export function toldUntil({ until }: Period): number {
  return Math.ceil(until.wall / 1_000) * 1_000;
}

/**
 * The brake judges the losses of a settled hub that lists `listedHosts` hosts. If too many hosts are lost, or it holds
 * some already, it holds each lost host for `holdMs` from its own loss. Otherwise the lost hosts count as gone.
 */
export function braked(losses: Losses, listedHosts: number, holdMs: Ms, now: Moment): Losses {
  const isHeld = isBraking(losses) || isMassLoss(listedHosts + losses.size, losses.size);
  const judged = (loss: Loss): Loss => {
    if (loss.verdict === "unjudged")
      return { verdict: isHeld ? "braked" : "gone", ...periodFrom(now, holdMs) };
    return loss.verdict === "gone" && isHeld ? { ...loss, verdict: "braked" } : loss;
  };
  return mapped(losses, judged);
}

/** Whether more than a fifth and more than three of `had` hosts are lost, or all of several. */
function isMassLoss(had: number, lost: number): boolean {
  return lost > Math.max(3, 0.2 * had) || (had > 1 && lost === had);
}

export function isBraking(losses: Losses): boolean {
  return losses.values().some(({ verdict }) => verdict === "braked");
}

/** The hosts that the brake holds, with their periods. */
export function brakedHosts(losses: Losses): ReadonlyMap<HostKey, Period> {
  return new Map([...losses].flatMap(([host, loss]) => (loss.verdict === "braked" ? [[host, loss]] : [])));
}

/** Changes each loss; undefined removes it. */
export function mapped(losses: Losses, change: (loss: Loss) => Loss | undefined): Losses {
  const after = new Map<HostKey, Loss>();
  for (const [host, loss] of losses) {
    const next = change(loss);
    if (next !== undefined) after.set(host, next);
  }
  return after;
}
