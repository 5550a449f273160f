import type { ConditionType } from "../model/reasons.ts";
import type { Condition, HubStatus } from "../model/registryhub.ts";
import { isAbout } from "./memory.ts";

/** Something that happened to a hub, for whoever wants to know when. */
export interface Transition {
  readonly type: "Normal" | "Warning";
  /** CamelCase, one of a closed set. */
  readonly reason: string;
  /** A sentence without anything volatile, and without secrets, as the messages of conditions are. */
  readonly message: string;
}

/**
 * What has happened between two statuses that were written one after the other. Nothing has while a status says what it
 * said, so a restart tells nothing. `releasedUntil` is the annotation by which the hub's owner releases holds.
 *
 * The beginning of a hold is not among it: it is told when it is judged, which may be more often than the status turns.
 */
export function transitionsBetween(
  before: HubStatus | undefined,
  after: HubStatus,
  releasedUntil: string,
): readonly Transition[] {
  const earlier = before && isAbout(before, targetOf(after)) ? before : undefined;
  const turns = (["RegistrySynced", "Applied"] as const).flatMap((type) =>
    turnOf(conditionOf(earlier, type), conditionOf(after, type)),
  );
  return [...turns, ...endOfHold(earlier, after, releasedUntil)];
}

const targetOf = ({ type, address, generate_to: target }: HubStatus) => ({
  registry: { type, address },
  target,
});

const conditionOf = (status: HubStatus | undefined, type: ConditionType): Condition | undefined =>
  status?.conditions.find((one) => one.type === type);

/** A failure and its end. What is Unknown is neither: an edit, or a start. */
function turnOf(before: Condition | undefined, after: Condition | undefined): readonly Transition[] {
  if (after === undefined || (before?.status === after.status && before.reason === after.reason)) return [];
  const { reason, message } = after;
  if (after.status === "False") return toldElsewhere(after) ? [] : [{ type: "Warning", reason, message }];
  const isSuccess = reason === "Synced" || reason === "Applied";
  return isSuccess && before?.status !== "True" ? [{ type: "Normal", reason, message }] : [];
}

/** A bug that stops a hub has Events of its own, at most one an hour. */
const toldElsewhere = ({ type, reason }: Condition): boolean =>
  type === "RegistrySynced" && reason === "InternalError";

function endOfHold(
  before: HubStatus | undefined,
  after: HubStatus,
  releasedUntil: string,
): readonly Transition[] {
  if (!isHeld(before) || isHeld(after) || keepsAll(after)) return [];
  const until = before?.hold?.until ?? "";
  const isReleased = until !== "" && releasedUntil >= until; // both RFC 3339, as the status shows them
  return [
    isReleased
      ? {
          type: "Normal",
          reason: "HoldReleased",
          message: "The hold is over: the annotation has released it.",
        }
      : { type: "Normal", reason: "HoldEnded", message: "The hold is over." },
  ];
}

/** A hub that is suspended or only observes, or whose registry is not read, ends no hold: what it held stays all the same. */
function keepsAll(status: HubStatus): boolean {
  const reasons = (["Ready", "Applied"] as const).map((type) => conditionOf(status, type)?.reason);
  const isUnread = conditionOf(status, "RegistrySynced")?.status === "False";
  return isUnread || reasons.includes("Suspended") || reasons.includes("Observing");
}

function isHeld(status: HubStatus | undefined): boolean {
  const { reason = "" } = conditionOf(status, "DeletionHeld") ?? {};
  return reason === "Shrunk" || reason === "RegistryReset";
}
