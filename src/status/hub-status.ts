import type { RegistryErrorCode } from "../model/errors.ts";
import type { Condition, Hold, Hub, HubStatus } from "../model/hub.ts";
import type { Problem } from "../model/problems.ts";
import type { ReasonOf } from "../model/reasons.ts";
import { conditionOf, type Finding, phaseOf } from "./conditions.ts";

const maxEntries = 200;
const maxProblems = 20;
const maxTextLength = 512;

/** The state of the registry, as the status reports it. */
export type RegistryView =
  | { readonly state: "synced" }
  /** The registry has not been listed; `keepPrevious` while a new process waits for the first answer. */
  | { readonly state: "connecting"; readonly keepPrevious: boolean }
  | {
      readonly state: "failed";
      readonly code: RegistryErrorCode;
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

/** Everything that determines a hub's status. */
export interface HubView {
  readonly hub: Hub;
  readonly previous: HubStatus | undefined;
  readonly registry: RegistryView;
  readonly failure: ApplyFailure | undefined;
  /**
   * Whether some host waits for its write. "briefly" = nothing contradicts the previous status: either nothing was
   * listed yet, or the writes have just begun.
   */
  readonly syncing: "no" | "briefly" | "long";
  readonly held: HoldView | undefined;
  /** Name -> RFC 3339 time of the operator's last write. */
  readonly entries: ReadonlyMap<string, string>;
  readonly services: number;
  readonly endpoints: number;
  readonly problems: readonly Problem[];
  readonly plan: HubStatus["plan"];
  readonly origin: string;
}

/** The status for a view of the world. `now` is RFC 3339 and becomes the time of whatever changed. */
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

/** The first `count` names in order, without sorting all 10,000 on every call. */
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
      message:
        "The operator writes nothing because spec.policy is observe. status.plan counts what it would write.",
    };
  }
  if (failure !== undefined) {
    const { reason, detail, nextStep } = failure;
    return { type, status: "False", reason, message: `${detail}. ${nextStep}`, detail };
  }
  if (view.syncing !== "no")
    return { type, status: "Unknown", reason: "Syncing", message: "The operator is writing ServiceEntries." };
  return {
    type,
    status: "True",
    reason: "Applied",
    message: `The operator has written the ServiceEntries in ${hub.target} as planned.`,
  };
}

/** A suspended hub keeps its previous finding, and so does a hub whose operator has just started. */
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
    return { type, status: "Unknown", reason: "Suspended", message };
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
    (value.length > maxTextLength ? `${value.slice(0, maxTextLength)}…` : value).toWellFormed(); // the API server stores it well-formed
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
