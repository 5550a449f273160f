import { type Problem, printable } from "../model/problems.ts";
import type { ConditionType, ReasonOf } from "../model/reasons.ts";
import type { Condition, Hold, HubStatus } from "../model/registryhub.ts";
import { conditionOf, type Finding, phaseOf } from "./conditions.ts";
import {
  isAbout,
  isOfAnotherTry,
  type Kept,
  type Progress,
  type StatusSubject,
  whatToKeep,
} from "./memory.ts";

const maxEntries = 200;
const maxProblems = 20;
const maxTextLength = 512;

/** The state of the registry, as the status reports it. */
export type RegistryView =
  | { readonly state: "synced" }
  /** The registry has not been listed. */
  | { readonly state: "connecting" }
  | {
      readonly state: "failed";
      readonly code: ReasonOf<"RegistrySynced", "False">;
      readonly detail: string;
      /** What a person should check, in one sentence. */
      readonly nextStep: string;
    };

/** Why the operator cannot write for a hub, the worst reason first. */
export interface ApplyFailure {
  readonly reason: ReasonOf<"Applied", "False">;
  readonly detail: string;
  readonly nextStep: string;
}

export interface HoldView {
  readonly reason: ReasonOf<"DeletionHeld", "True">;
  readonly hold: Hold;
}

/** A ServiceEntry that the operator wrote. */
export interface WrittenEntry {
  readonly name: string;
  /** When it did so last, RFC 3339. */
  readonly writtenAt: string;
}

/** The ServiceEntries of a hub that the operator wrote. */
export interface WrittenEntries {
  /** How many names they have. */
  readonly written: number;
  /** The first by name, at most so many. */
  first(count: number): readonly WrittenEntry[];
}

/** Everything that determines a hub's status. */
export interface HubView {
  readonly hub: StatusSubject;
  readonly previous: HubStatus | undefined;
  readonly registry: RegistryView;
  readonly progress: Progress;
  readonly failure: ApplyFailure | undefined;
  /** Whether some host waits for its write. "briefly" = only since a moment, and only because the registry changed. */
  readonly syncing: "no" | "briefly" | "long";
  readonly held: HoldView | undefined;
  readonly entries: WrittenEntries;
  readonly services: number;
  readonly endpoints: number;
  /** How many instances the hub's selector and its shares leave out. */
  readonly excluded: number;
  readonly problems: readonly Problem[];
  readonly plan: HubStatus["plan"];
  readonly origin: string;
}

/** The status for a view of the world. `now` is RFC 3339 and becomes the time of whatever changed. */
export function hubStatusOf(view: HubView, now: string): HubStatus {
  const { hub, previous } = view;
  const kept = whatToKeep(previous, hub, view.progress);
  if (kept === "all" && previous !== undefined) return previous;
  const findings = findingsOf(view, kept);
  const conditions = findings.map((finding) => {
    const before = previous?.conditions.find((one) => one.type === finding.type);
    return conditionOf(finding, before, hub.generation, now);
  });
  const phase = phaseOf(conditions);
  const shown = view.entries.first(maxEntries);
  return {
    address: hub.registry.address,
    type: hub.registry.type,
    generate_to: hub.target,
    phase,
    serviceentries: Object.fromEntries(shown.map(({ name, writtenAt }) => [name, writtenAt])),
    conditions: phase === "failed" ? withManualFields(conditions, findings, previous, now) : conditions,
    observedGeneration: hub.generation,
    services: view.services,
    endpoints: view.endpoints,
    ...plannedOf(view, kept),
    ...(view.held && { hold: view.held.hold }),
    origin: view.origin,
    truncated: view.entries.written - shown.length,
  };
}

/** What the plans of the hosts have shown. While they are being made, the previous status says more. */
function plannedOf(
  view: HubView,
  kept: Kept,
): Pick<HubStatus, "rejected" | "excluded" | "problems" | "plan"> {
  const { hub, problems } = view;
  const before = kept === "applied" || isBrief(view) ? view.previous : undefined;
  const plan = hub.policy === "observe" ? (before?.plan ?? view.plan) : undefined;
  const excluded = before === undefined ? view.excluded : (before.excluded ?? 0);
  return {
    rejected: before?.rejected ?? problems.filter(({ severity }) => severity === "rejected").length,
    ...(excluded > 0 && { excluded }),
    problems: before?.problems ?? problemsFor(problems),
    ...(plan && { plan }),
  };
}

/** Whether two statuses differ in anything but their times; `counts` = only in fields whose write may wait. */
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
      [status.services, status.endpoints, status.rejected, status.excluded, status.truncated],
      [status.hold?.services, status.hold?.endpoints],
      [status.plan?.create, status.plan?.change, status.plan?.remove],
      status.problems.map(({ at, problem, severity }) => [at, problem, severity]),
      Object.keys(status.serviceentries).sort(),
    ]);
  if (head(before) !== head(after)) return "conditions";
  return counts(before) === counts(after) ? "none" : "counts";
}

function findingsOf(view: HubView, kept: Kept): readonly Finding[] {
  const synced = registrySynced(view);
  const applied = appliedOf(view, kept);
  return [synced, applied, deletionHeld(view), readyOf(view, [synced, applied])];
}

function registrySynced(view: HubView): Finding<"RegistrySynced"> {
  const { hub, registry } = view;
  const type = "RegistrySynced";
  const suspended = suspendedFinding(view, type);
  if (suspended !== undefined) return suspended as Finding<"RegistrySynced">;
  switch (registry.state) {
    case "synced":
      return {
        type,
        status: "True",
        reason: "Synced",
        message: `The operator has read all of ${hub.registry.type} and watches it for changes.`,
      };
    case "connecting":
      return {
        type,
        status: "Unknown",
        reason: "Connecting",
        message: `The operator is waiting for the first complete listing of ${hub.registry.type}.`,
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

function appliedOf(view: HubView, kept: Kept): Finding<"Applied"> {
  const { hub, failure } = view;
  const type = "Applied";
  const suspended = suspendedFinding(view, type);
  if (suspended !== undefined) return suspended as Finding<"Applied">;
  if (hub.policy === "observe") {
    return {
      type,
      status: "True",
      reason: "Observing",
      message:
        "The operator writes nothing because spec.policy is observe. status.plan counts what it would write.",
    };
  }
  if (failure !== undefined) {
    const { reason, detail, nextStep } = failure;
    return { type, status: "False", reason, message: `${detail}. ${nextStep}`, detail };
  }
  const before = conditionBefore(view, type);
  if (before?.status === "True" && (kept === "applied" || isBrief(view))) return before as Finding<"Applied">;
  if (!view.progress.isListed || view.syncing !== "no")
    return { type, status: "Unknown", reason: "Syncing", message: "The operator is writing ServiceEntries." };
  return {
    type,
    status: "True",
    reason: "Applied",
    message: `The operator has written the ServiceEntries in ${hub.target} as planned.`,
  };
}

/** Whether writes have just begun, because the registry changed: what the previous status says of them still holds. */
function isBrief({ previous, hub, progress, syncing }: HubView): boolean {
  if (!progress.isListed || syncing !== "briefly" || previous === undefined) return false;
  return isAbout(previous, hub) && previous.observedGeneration === hub.generation;
}

function conditionBefore({ previous }: HubView, type: ConditionType): Condition | undefined {
  return previous?.conditions.find((one) => one.type === type);
}

/** A suspended hub keeps what the previous status says of its registry and its writes. */
function suspendedFinding(view: HubView, type: "RegistrySynced" | "Applied"): Finding | undefined {
  const { hub, previous, progress } = view;
  if (!hub.suspend || previous === undefined || !isAbout(previous, hub) || progress.hasMoved)
    return undefined;
  if (isOfAnotherTry(previous, hub)) return undefined;
  return conditionBefore(view, type) as Finding | undefined;
}

function deletionHeld({ held }: HubView): Finding<"DeletionHeld"> {
  const type = "DeletionHeld";
  if (held === undefined)
    return { type, status: "False", reason: "NothingHeld", message: "No removal is withheld." };
  const messages = {
    Settling:
      "The operator connected to the registry recently. It removes nothing until the settling time has passed.",
    Shrunk:
      "Many services lost their last instance at once. The operator keeps those instances until status.hold.until. To release them now, " +
      "set the annotation ecns.easystack.cn/release-hold to that time.",
    RegistryReset:
      "The registry lost its data. The operator keeps what the registry had until it lists 80 % of it again or until status.hold.until. " +
      "Restart the providers that do not return. To release the hold now, set the annotation ecns.easystack.cn/release-hold to that time.",
  } as const;
  return { type, status: "True", reason: held.reason, message: messages[held.reason] };
}

function readyOf(
  { hub }: HubView,
  [synced, applied]: readonly [Finding<"RegistrySynced">, Finding<"Applied">],
): Finding<"Ready"> {
  const type = "Ready";
  if (hub.suspend) {
    const message =
      "spec.suspend is true: the operator does not connect to the registry and writes nothing. Existing ServiceEntries stay.";
    return { type, status: "True", reason: "Suspended", message };
  }
  const first = synced.status === "True" ? applied : synced;
  if (first.status !== "True") return { ...first, type } as Finding<"Ready">;
  if (hub.policy === "observe") {
    return {
      type,
      status: "True",
      reason: "Observing",
      message: "The operator has read the registry. It writes nothing because spec.policy is observe.",
    };
  }
  return {
    type,
    status: "True",
    reason: "Ready",
    message: "The operator has read the registry and written the ServiceEntries as planned.",
  };
}

/** Adds `[manual]` failed_reason and record_time to Ready while the phase is failed. */
function withManualFields(
  conditions: readonly Condition[],
  findings: readonly Finding[],
  previous: HubStatus | undefined,
  now: string,
): readonly Condition[] {
  const before = previous?.conditions.find((one) => one.type === "Ready");
  const failed = findings.find(({ status }) => status === "False"); // RegistrySynced and Applied come first
  return conditions.map((condition) => {
    if (condition.type !== "Ready") return condition;
    const recorded = before?.reason === condition.reason ? before.record_time : undefined;
    return {
      ...condition,
      failed_reason: failed?.detail ?? failed?.message ?? "",
      record_time: recorded ?? now,
    };
  });
}

function problemsFor(problems: readonly Problem[]): HubStatus["problems"] {
  const cut = (value: string): string =>
    value.length > maxTextLength ? `${value.slice(0, maxTextLength)}…` : value;
  const text = (value: string): string => printable(cut(value)).toWellFormed(); // the API server stores it well-formed
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
