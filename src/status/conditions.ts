import type { ConditionStatus, ConditionType, ReasonOf } from "../model/reasons.ts";
import type { Condition, Phase } from "../model/registryhub.ts";

/** A condition without its time: one observation of the world. */
export type Finding<T extends ConditionType = ConditionType> = {
  [K in T]: {
    [S in ConditionStatus]: {
      readonly type: K;
      readonly status: S;
      readonly reason:
        | ReasonOf<K, S>
        | (K extends "Ready" ? ReasonOf<"RegistrySynced" | "Applied", S> : never);
      readonly message: string;
      /** The error without the next step, if there is an error. */
      readonly detail?: string;
    };
  }[ConditionStatus];
}[T];

/** Adds the time to a finding; `lastTransitionTime` changes only when the status does. */
export function conditionOf(
  finding: Finding,
  previous: Condition | undefined,
  observedGeneration: number,
  now: string,
): Condition {
  const { type, status, reason, message } = finding;
  const lastTransitionTime = previous?.status === status ? previous.lastTransitionTime : now;
  return { type, status, reason, message, lastTransitionTime, observedGeneration };
}

/** The only place that decides the phase. A suspended hub does as it is asked, whatever was the matter before. */
export function phaseOf(conditions: readonly Pick<Condition, "type" | "status" | "reason">[]): Phase {
  const find = (type: ConditionType) => conditions.find((one) => one.type === type);
  if (find("Ready")?.reason === "Suspended") return "success";
  const synced = find("RegistrySynced")?.status;
  if (synced === "False" || find("Applied")?.status === "False") return "failed";
  return synced === "True" ? "success" : "pending";
}
