import { type ConditionStatus, type ConditionType, reasons } from "../../model/reasons.ts";
import type { Condition, Hold, HubStatus, Phase } from "../../model/registryhub.ts";
import { parseTime } from "../../model/time.ts";
import { fieldsOf, isFields, listOf, numberOf, textFieldsOf, textOf } from "./json.ts";

/**
 * Reads the status of a RegistryHub that an earlier process, an earlier version or the old product left; undefined when
 * there is none. The result is reliable and can be written again, because it leaves out every field that is not.
 */
export function readStatus(status: unknown): HubStatus | undefined {
  if (!isFields(status)) return undefined;
  const [hold, plan] = [holdOf(status.hold), planOf(status.plan)];
  return {
    address: textOf(status.address) ?? "",
    type: textOf(status.type) ?? "",
    generate_to: textOf(status.generate_to) ?? "",
    phase: phases.find((phase) => phase === status.phase) ?? "pending",
    serviceentries: textFieldsOf(status.serviceentries),
    conditions: listOf(status.conditions).flatMap((one) => conditionOf(one) ?? []),
    observedGeneration: numberOf(status.observedGeneration) ?? 0,
    services: numberOf(status.services) ?? 0,
    endpoints: numberOf(status.endpoints) ?? 0,
    rejected: numberOf(status.rejected) ?? 0,
    problems: listOf(status.problems).flatMap((one) => problemOf(one) ?? []),
    ...(hold && { hold }),
    ...(plan && { plan }),
    origin: textOf(status.origin) ?? "",
    truncated: numberOf(status.truncated) ?? 0,
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
    observedGeneration: numberOf(one.observedGeneration) ?? 0,
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
  return { since, until, services: numberOf(services) ?? 0, endpoints: numberOf(endpoints) ?? 0 };
}

function planOf(value: unknown): HubStatus["plan"] {
  if (!isFields(value)) return undefined;
  const { create, change, remove } = value;
  return { create: numberOf(create) ?? 0, change: numberOf(change) ?? 0, remove: numberOf(remove) ?? 0 };
}

/**
 * Whether server-side apply can merge with this status. A value of another type than the CRD's makes every apply fail
 * (500), and so does a condition without a type of its own. Source: sigs.k8s.io/structured-merge-diff
 * typed/validate.go; measured for conditions.
 */
export function isMergeable(status: unknown): boolean {
  const types = listOf(fieldsOf(status).conditions).map((one) => fieldsOf(one).type);
  return fits(status, shape) && types.every(isText) && new Set(types).size === types.length;
}

const isText = (value: unknown): value is string => typeof value === "string";

/** A type of JSON: of the elements of a list, of named fields, or of every field (`*`). */
type EntryShape = "string" | "number" | readonly [EntryShape] | { readonly [field: string]: EntryShape };

/** The status in crds/registryhub.yaml. */
const shape: EntryShape = {
  address: "string",
  type: "string",
  generate_to: "string",
  phase: "string",
  serviceentries: { "*": "string" },
  conditions: [
    {
      type: "string",
      status: "string",
      reason: "string",
      message: "string",
      failed_reason: "string",
      record_time: "string",
      lastTransitionTime: "string",
      observedGeneration: "number",
    },
  ],
  observedGeneration: "number",
  services: "number",
  endpoints: "number",
  rejected: "number",
  problems: [{ at: "string", problem: "string", severity: "string" }],
  hold: { since: "string", until: "string", services: "number", endpoints: "number" },
  plan: { create: "number", change: "number", remove: "number" },
  origin: "string",
  truncated: "number",
};

function fits(value: unknown, wanted: EntryShape): boolean {
  if (value === undefined || value === null) return true;
  if (typeof wanted === "string") return typeof value === wanted;
  if (isListShape(wanted)) return Array.isArray(value) && value.every((one) => fits(one, wanted[0]));
  if (!isFields(value)) return false;
  return Object.entries(wanted).every(([name, one]) =>
    name === "*" ? Object.values(value).every((each) => fits(each, one)) : fits(value[name], one),
  );
}

function isListShape(wanted: EntryShape): wanted is readonly [EntryShape] {
  return Array.isArray(wanted);
}
