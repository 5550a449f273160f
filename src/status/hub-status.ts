import type { RegistryErrorCode } from "../model/errors.ts";
import type { Condition, Hold, Hub, HubStatus } from "../model/hub.ts";
import type { Problem } from "../model/problems.ts";
import type { ReasonOf } from "../model/reasons.ts";
import { conditionOf, type Finding, phaseOf } from "./conditions.ts";

const maxEntries = 200;
const maxProblems = 20;
const maxTextLength = 512;

/** How the registry stands, as far as a status may tell. */
export type RegistryView =
  | { readonly state: "synced" }
  /** Nothing is known (any more); `keepPrevious` while a fresh process waits for the first answer. */
  | { readonly state: "connecting"; readonly keepPrevious: boolean }
  | {
      readonly state: "failed";
      readonly code: RegistryErrorCode;
      readonly detail: string;
      /** What a person should check, in one sentence. */
      readonly nextStep: string;
    };

/** Why the writes for a hub do not go through, the worst first. */
export interface ApplyFailure {
  readonly reason: ReasonOf<"Applied", "False">;
  readonly detail: string;
  readonly nextStep: string;
}

export interface HeldView {
  readonly reason: ReasonOf<"DeletionHeld", "True">;
  readonly hold: Hold;
}

/** Everything a hub's status is a function of. */
export interface HubView {
  readonly hub: Hub;
  readonly previous: HubStatus | undefined;
  readonly registry: RegistryView;
  readonly failure: ApplyFailure | undefined;
  /**
   * Some host has not been written yet. "briefly" = what the status said before is not contradicted: nothing was listed
   * yet, or the writes have only just begun.
   */
  readonly syncing: "no" | "briefly" | "long";
  readonly held: HeldView | undefined;
  /** Name -> RFC 3339 time of our last write. */
  readonly entries: ReadonlyMap<string, string>;
  readonly services: number;
  readonly endpoints: number;
  readonly problems: readonly Problem[];
  readonly plan: HubStatus["plan"];
  readonly origin: string;
}

/** The status for a view of the world. `now` is RFC 3339 and only becomes the time of what changed. */
export function hubStatusOf(view: HubView, now: string): HubStatus {
  const { hub, previous } = view;
  const findings = findingsOf(view);
  const conditions = findings.map((finding) => {
    const before = previous?.conditions.find((one) => one.type === finding.type);
    return conditionOf(finding, before, hub.generation, now);
  });
  const phase = phaseOf(conditions);
  const names = firstOf(view.entries.keys(), maxEntries);
  return {
    address: hub.registry.address,
    type: hub.registry.type,
    generate_to: hub.target,
    phase,
    serviceentries: Object.fromEntries(names.map((name) => [name, view.entries.get(name) ?? now])),
    conditions: phase === "failed" ? withManualFields(conditions, findings, previous, now) : conditions,
    observedGeneration: hub.generation,
    services: view.services,
    endpoints: view.endpoints,
    ...(view.syncing === "briefly" && previous
      ? { rejected: previous.rejected, problems: previous.problems }
      : {
          rejected: view.problems.filter((problem) => problem.severity === "rejected").length,
          problems: problemsFor(view.problems),
        }),
    ...(view.held && { hold: view.held.hold }),
    ...(view.plan && { plan: view.plan }),
    origin: view.origin,
    truncated: view.entries.size - names.length,
  };
}

/** The first `count` of these names in order, without sorting all 10,000 at every look. */
function firstOf(names: Iterable<string>, count: number): readonly string[] {
  const first: string[] = [];
  for (const name of names) {
    const last = first[count - 1];
    if (last !== undefined && name >= last) continue;
    const at = first.findIndex((one) => one > name);
    first.splice(at < 0 ? first.length : at, 0, name);
    if (first.length > count) first.pop();
  }
  return first;
}

/** Whether two statuses differ in something but their times; `counts` = only in what may wait a while. */
export function statusChange(
  before: HubStatus | undefined,
  after: HubStatus,
): "none" | "counts" | "conditions" {
  if (before === undefined) return "conditions";
  const head = (status: HubStatus): string =>
    JSON.stringify([
      status.phase,
      status.address,
      status.type,
      status.generate_to,
      status.observedGeneration,
      status.origin,
      status.hold?.until,
      status.conditions.map((one) => [one.type, one.status, one.reason, one.message, one.observedGeneration]),
    ]);
  const counts = (status: HubStatus): string =>
    JSON.stringify([
      [status.services, status.endpoints, status.rejected, status.truncated],
      [status.hold?.services, status.hold?.endpoints],
      [status.plan?.create, status.plan?.change, status.plan?.remove],
      status.problems.map(({ at, problem, severity }) => [at, problem, severity]),
      Object.keys(status.serviceentries).sort(),
    ]);
  if (head(before) !== head(after)) return "conditions";
  return counts(before) === counts(after) ? "none" : "counts";
}

function findingsOf(view: HubView): readonly Finding[] {
  const synced = registrySynced(view);
  const applied = appliedOf(view);
  return [synced, applied, deletionHeld(view), readyOf(view, [synced, applied])];
}

function registrySynced(view: HubView): Finding<"RegistrySynced"> {
  const { hub, registry } = view;
  const type = "RegistrySynced";
  const kept = keptFinding(view, type);
  if (kept !== undefined) return kept as Finding<"RegistrySynced">;
  switch (registry.state) {
    case "synced":
      return {
        type,
        status: "True",
        reason: "Synced",
        message: `${hub.registry.type} is listed and watched.`,
      };
    case "connecting":
      return {
        type,
        status: "Unknown",
        reason: "Connecting",
        message: `Waiting for ${hub.registry.type} to be listed.`,
      };
    case "failed": {
      const { code, detail, nextStep } = registry;
      // With such a spec there is nothing to retry: only an edit helps.
      const next =
        code === "InvalidSpec" ? nextStep : `${nextStep.replace(/\.$/, "")}; the operator retries by itself.`;
      return { type, status: "False", reason: code, message: `${detail}. ${next}`, detail };
    }
  }
}

function appliedOf(view: HubView): Finding<"Applied"> {
  const { hub, failure } = view;
  const type = "Applied";
  const kept = keptFinding(view, type);
  if (kept !== undefined) return kept as Finding<"Applied">;
  if (hub.policy === "observe") {
    return {
      type,
      status: "True",
      reason: "Observing",
      message: "Nothing is written; status.plan says what would be.",
    };
  }
  if (failure !== undefined) {
    const { reason, detail, nextStep } = failure;
    return { type, status: "False", reason, message: `${detail}. ${nextStep}`, detail };
  }
  if (view.syncing !== "no")
    return { type, status: "Unknown", reason: "Syncing", message: "Writes are on their way." };
  return {
    type,
    status: "True",
    reason: "Applied",
    message: `ServiceEntries in ${hub.target} are what the registry lists.`,
  };
}

/** Suspended hubs keep what was known; so does a hub whose operator has just started. */
function keptFinding(view: HubView, type: "RegistrySynced" | "Applied"): Finding | undefined {
  const isFresh = view.registry.state === "connecting" && view.registry.keepPrevious;
  const isBrief = type === "Applied" && view.syncing === "briefly" && view.failure === undefined;
  if (!view.hub.suspend && !isFresh && !isBrief) return undefined;
  const before = view.previous?.conditions.find((one) => one.type === type);
  const ready = view.previous?.conditions.find((one) => one.type === "Ready");
  const detail = ready?.reason === before?.reason ? ready?.failed_reason : undefined;
  return (
    before && ({ ...before, ...(before.status === "False" && detail !== undefined && { detail }) } as Finding)
  );
}

function deletionHeld({ held }: HubView): Finding<"DeletionHeld"> {
  const type = "DeletionHeld";
  if (held === undefined)
    return { type, status: "False", reason: "NothingHeld", message: "No removal is withheld." };
  const messages = {
    Settling: "The registry was connected a moment ago; what it does not list stays until it has settled.",
    Shrunk:
      "Many services lost their last instance at once; those instances stay until status.hold.until. To release them now, " +
      "set the annotation ecns.easystack.cn/release-hold to that time.",
    RegistryReset:
      "The registry lost its data; what it had before stays until it lists 80 % of it again or status.hold.until. Restart " +
      "the providers that do not return; to release the hold now, set the annotation ecns.easystack.cn/release-hold to that time.",
  } as const;
  return { type, status: "True", reason: held.reason, message: messages[held.reason] };
}

function readyOf(
  { hub }: HubView,
  [synced, applied]: readonly [Finding<"RegistrySynced">, Finding<"Applied">],
): Finding<"Ready"> {
  const type = "Ready";
  if (hub.suspend) {
    const message = "spec.suspend is true: no connection and no writes; what exists stays.";
    return { type, status: "Unknown", reason: "Suspended", message };
  }
  const first = synced.status === "True" ? applied : synced;
  if (first.status !== "True") return { ...first, type } as Finding<"Ready">;
  if (hub.policy === "observe") {
    return {
      type,
      status: "True",
      reason: "Observing",
      message: "In sync; nothing is written because of spec.policy.",
    };
  }
  return { type, status: "True", reason: "Ready", message: "The mesh has what the registry lists." };
}

/** `[manual]` failed_reason and record_time stand on Ready while the phase is failed. */
function withManualFields(
  conditions: readonly Condition[],
  findings: readonly Finding[],
  previous: HubStatus | undefined,
  now: string,
): readonly Condition[] {
  const before = previous?.conditions.find((one) => one.type === "Ready");
  const failed = findings.find(
    (one) => (one.type === "RegistrySynced" || one.type === "Applied") && one.status === "False",
  );
  return conditions.map((condition) => {
    if (condition.type !== "Ready") return condition;
    const isSame = before?.reason === condition.reason && before.record_time !== undefined;
    return {
      ...condition,
      failed_reason: failed?.detail ?? failed?.message ?? "",
      record_time: isSame ? (before.record_time ?? now) : now,
    };
  });
}

function problemsFor(problems: readonly Problem[]): HubStatus["problems"] {
  const text = (value: string): string =>
    (value.length > maxTextLength ? `${value.slice(0, maxTextLength)}…` : value).toWellFormed(); // as the API server stores it
  const order = (one: Problem): string => `${one.severity} ${one.at} ${one.code} ${one.detail}`;
  return problems
    .toSorted((a, b) => (order(a) < order(b) ? -1 : 1))
    .slice(0, maxProblems)
    .map(({ at, code, detail, severity }) => ({
      at: text(at),
      problem: `${code}: ${text(detail)}`,
      severity,
    }));
}
