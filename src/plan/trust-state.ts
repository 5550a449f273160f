import type { Instant, Ms } from "../model/entry.ts";
import type { Hold } from "../model/registryhub.ts";
import { brakedHosts, isBraking, type Losses, type Period } from "./losses.ts";

export interface TrustLimits {
  /** How long nothing counts as gone after the first listing of a watch. */
  readonly settleMs: Ms;
  /** The same while the hold after a loss of data is on. */
  readonly settleAfterLossMs: Ms;
  readonly shrinkHoldMs: Ms;
  readonly resetHoldMs: Ms;
}

/** How far the silence of one hub's registry counts. Plain data that only `step` changes. */
export interface TrustState {
  readonly limits: TrustLimits;
  /** Whether the registry vouches for its listing. */
  readonly isSynced: boolean;
  readonly settling: Period | undefined;
  /** The hold after a loss of data; `endpoints` = how many the hub had in the cluster. */
  readonly reset: (Period & { readonly endpoints: number }) | undefined;
  readonly losses: Losses;
  /** How many hosts the newest listing has instances of. */
  readonly listedHosts: number;
  /** status.origin: the origin of the newest data that the registry had. */
  readonly origin: string;
  /** The origin of the last listing, `noData` included; a loss of data is judged once. */
  readonly judgedOrigin: string;
  /** The hold of an earlier process, until the first listing shows which hosts it covers. */
  readonly inherited: InheritedHold | undefined;
}

export interface InheritedHold extends Period {
  readonly reason: "Shrunk" | "RegistryReset";
  /** As in the status. */
  readonly hold: Hold;
  /** The hub's owner has ended it. */
  readonly isReleased: boolean;
}

export type TrustPhase = "unsynced" | "settling" | "trusted" | "braking" | "reset";

/** The origin of a registry that identifies its data but has no root; it differs from every other origin. */
export const noData = "none";

/** The trust in a registry that has not been listed yet. */
export function untrusted(limits: TrustLimits): TrustState {
  return {
    limits,
    isSynced: false,
    settling: undefined,
    reset: undefined,
    losses: new Map(),
    listedHosts: 0,
    origin: "",
    judgedOrigin: "",
    inherited: undefined,
  };
}

export function trustPhaseOf(trust: TrustState): TrustPhase {
  if (!trust.isSynced) return "unsynced";
  if (trust.reset !== undefined) return "reset";
  if (trust.settling !== undefined) return "settling";
  return isBraking(trust.losses) ? "braking" : "trusted";
}

/** Whether only the brake limits what counts as gone: the phases "trusted" and "braking". */
export function isTrusted({ isSynced, reset, settling }: TrustState): boolean {
  return isSynced && reset === undefined && settling === undefined;
}

/** When the next period ends, on the monotonic clock: the time of the next "due" event. undefined = never. */
export function dueOf({ settling, reset, losses }: TrustState): Instant | undefined {
  const periods = [settling, reset, ...brakedHosts(losses).values()].filter((one) => one !== undefined);
  return periods.length === 0 ? undefined : Math.min(...periods.map(({ until }) => until.monotonic));
}
