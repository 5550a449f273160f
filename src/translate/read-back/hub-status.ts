import { type ConditionStatus, type ConditionType, reasons } from "../../model/reasons.ts";
import type { Condition, Hold, HubStatus, Phase } from "../../model/registryhub.ts";
import { parseTime } from "../../model/time.ts";
import { countOf, fieldsOf, isFields, listOf, textFieldsOf, textOf } from "./json.ts";

/**
 * Reads the status of a RegistryHub that an earlier process, an earlier version or the old product left; undefined when
 * there is none. The result is reliable and can be written again, because it leaves out every field that is not.
 */
export function readStatus(status: unknown): HubStatus | undefined {
  if (!isFields(status)) return undefined;
  const [hold, plan] = [holdOf(status.hold), planOf(status.plan)];
  const excluded = countOf(status.excluded) ?? 0;
  return {
    address: textOf(status.address) ?? "",
    type: textOf(status.type) ?? "",
    generate_to: textOf(status.generate_to) ?? "",
    phase: phases.find((phase) => phase === status.phase) ?? "pending",
    serviceentries: textFieldsOf(status.serviceentries),
    conditions: listOf(status.conditions).flatMap((one) => conditionOf(one) ?? []),
    observedGeneration: countOf(status.observedGeneration) ?? 0,
    services: countOf(status.services) ?? 0,
    endpoints: countOf(status.endpoints) ?? 0,
    rejected: countOf(status.rejected) ?? 0,
    ...(excluded > 0 && { excluded }),
    problems: listOf(status.problems).flatMap((one) => problemOf(one) ?? []),
    ...(hold && { hold }),
    ...(plan && { plan }),
    origin: textOf(status.origin) ?? "",
    truncated: countOf(status.truncated) ?? 0,
  };
}

const phases: readonly Phase[] = ["success", "failed", "pending"];
const conditionTypes = Object.keys(reasons) as ConditionType[];
const conditionStatuses: readonly ConditionStatus[] = ["True", "False", "Unknown"];

function conditionOf(value: unknown): Condition | undefined {
  const one = fieldsOf(value);
  const type = conditionTypes.find((known) => known === one.type);
  const status = conditionStatuses.find((known) => known === one.status);
  const reason = textOf(one.reason) ?? "";
  const lastTransitionTime = textOf(one.lastTransitionTime) ?? "";
  if (type === undefined || status === undefined || reason === "") return undefined;
  if (parseTime(lastTransitionTime) === undefined) return undefined;
  const [failedReason, recordTime] = [textOf(one.failed_reason), textOf(one.record_time)];
  return {
    type,
    status,
    reason,
    message: textOf(one.message) ?? "",
    lastTransitionTime,
    observedGeneration: countOf(one.observedGeneration) ?? 0,
    ...(failedReason !== undefined && { failed_reason: failedReason }),
    ...(recordTime !== undefined && { record_time: recordTime }),
  };
}

function problemOf(value: unknown): HubStatus["problems"][number] | undefined {
  const { at, problem, severity } = fieldsOf(value);
  if (typeof at !== "string" || typeof problem !== "string") return undefined;
  return severity === "rejected" || severity === "warning" ? { at, problem, severity } : undefined;
}

function holdOf(value: unknown): Hold | undefined {
  const { since, until, services, endpoints } = fieldsOf(value);
  if (typeof since !== "string" || typeof until !== "string") return undefined;
  return { since, until, services: countOf(services) ?? 0, endpoints: countOf(endpoints) ?? 0 };
}

function planOf(value: unknown): HubStatus["plan"] {
  if (!isFields(value)) return undefined;
  const { create, change, remove } = value;
  return { create: countOf(create) ?? 0, change: countOf(change) ?? 0, remove: countOf(remove) ?? 0 };
}
