import type { HubKey } from "../../model/hub.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { annotations } from "../../model/labels.ts";
import type { ProblemCode } from "../../model/problems.ts";
import type { ConditionStatus, ConditionType } from "../../model/reasons.ts";
import type { Condition, Hold, HubStatus, Phase, RegistryHub } from "../../model/registryhub.ts";
import { readHub } from "../../translate/read-back/hub.ts";
import { readStatus } from "../../translate/read-back/hub-status.ts";
import { objectAnnotations } from "../../translate/read-back/json.ts";
import { targetOf } from "../../translate/read-back/kept.ts";
import { counted } from "../output.ts";

/** What is wrong, and the next thing to do. */
export interface Trouble {
  readonly cause: string;
  readonly fix: string;
}

/** Removals that are withheld. */
export interface HeldReport extends Hold {
  readonly reason: string;
  readonly meaning: string;
  /** The kubectl command that lets go of them; "" = they end by themselves, or somebody has given it. */
  readonly release: string;
  readonly isReleased: boolean;
}

/** An entry of `status.problems`. */
export interface ProblemReport {
  readonly at: string;
  /** As in the status; of another version it may be one that this one does not know. */
  readonly code: string;
  readonly detail: string;
  readonly severity: string;
  /** Whether it is about the mesh, and not about what the registry lists. */
  readonly isOfMesh: boolean;
}

/** What a hub and its status say. */
export interface HubReport {
  readonly namespace: string;
  readonly name: string;
  readonly type: string;
  readonly address: string;
  /** The namespace that receives the ServiceEntries. */
  readonly target: string;
  readonly policy: string;
  /** RFC 3339; "" = not known, as of the other times. */
  readonly createdAt: string;
  /** "none" = no operator has looked at the hub. */
  readonly phase: Phase | "none";
  readonly ready: ConditionStatus;
  /** That of the condition Ready; "" = there is none. */
  readonly reason: string;
  /** Since when Ready is as it is. */
  readonly since: string;
  /** Absent = the hub is as its owner wants it. */
  readonly trouble?: Trouble;
  readonly services: number;
  readonly endpoints: number;
  readonly rejected: number;
  readonly excluded: number;
  /** The last write to one of its ServiceEntries that the status names. */
  readonly lastWrite: string;
  readonly held?: HeldReport;
  /** Under policy observe: what would be written. */
  readonly plan?: HubStatus["plan"];
  /** The first 20. */
  readonly problems: readonly ProblemReport[];
}

const codesOfMesh: readonly ProblemCode[] = ["HiddenByMesh", "AmbientNoL7", "ShadowsService", "VipShared"];

const whoServes =
  "Check that the hub-controller runs (kubectl get deployment -n servicemesh), and that its --hub-selector and --watch-namespaces take in this hub.";
/** What to do where the operator is late. */
export const waitForOperator = "Wait some seconds; if it stays so, read the log of the hub-controller.";

/** Reads a hub, whatever is stored. */
export function hubReport(object: Stored<RegistryHub>): HubReport {
  const { name, namespace = "", creationTimestamp = "" } = object.metadata;
  const reading = readHub(object);
  const hub = "hub" in reading ? reading.hub : undefined;
  const status = readStatus(object.status);
  const ready = conditionOf(status, "Ready");
  const trouble = troubleOf(object, status);
  const held = heldReport(object, status);
  return {
    namespace,
    name,
    type: hub?.registry.type ?? status?.type ?? "",
    address: hub?.registry.address ?? status?.address ?? "",
    target: hub?.target ?? targetOf(object),
    policy: hub === undefined ? "" : hub.suspend ? "suspended" : hub.policy,
    createdAt: creationTimestamp,
    phase: ready === undefined ? "none" : (status?.phase ?? "none"),
    ready: ready?.status ?? "Unknown",
    reason: ready?.reason ?? "",
    since: ready?.lastTransitionTime ?? "",
    ...(trouble && { trouble }),
    services: status?.services ?? 0,
    endpoints: status?.endpoints ?? 0,
    rejected: status?.rejected ?? 0,
    excluded: status?.excluded ?? 0,
    lastWrite:
      Object.values(status?.serviceentries ?? {})
        .toSorted()
        .at(-1) ?? "",
    ...(held && { held }),
    ...(status?.plan && { plan: status.plan }),
    problems: (status?.problems ?? []).map(problemReport),
  };
}

/** Whether nobody has to look at it. */
export const isFine = ({ trouble, held }: Pick<HubReport, "trouble" | "held">): boolean =>
  trouble === undefined && held === undefined;

export const hubKeyOf = ({ namespace, name }: Pick<HubReport, "namespace" | "name">): HubKey =>
  `${namespace}/${name}`;

/** What is held. After a reset the hold counts the endpoints that the registry had. */
export function heldWhat({ reason, services, endpoints }: HeldReport): string {
  const had = reason === "RegistryReset" ? ", of a registry that had" : " with";
  return `${counted(services, "service")}${had} ${counted(endpoints, "endpoint")}`;
}

/** How a hold that `release` would end is ended. Dubbo's providers run on after a reset, and do not register again (measured). */
export function endOfHold({ reason, until, release }: HeldReport): string {
  const wait = `wait until ${until}${release === "" ? "" : `, or: ${release}`}`;
  return reason === "RegistryReset" ? `restart the providers, so that they register again; or ${wait}` : wait;
}

function conditionOf(status: HubStatus | undefined, type: ConditionType): Condition | undefined {
  return status?.conditions.find((one) => one.type === type);
}

function troubleOf(object: Stored<RegistryHub>, status: HubStatus | undefined): Trouble | undefined {
  const { generation = 0 } = object.metadata;
  const ready = conditionOf(status, "Ready");
  const seen = ready === undefined ? 0 : (status?.observedGeneration ?? 0);
  if (ready === undefined || seen < generation) {
    const reading = readHub(object);
    if ("problem" in reading) return { cause: reading.problem.detail, fix: reading.problem.nextStep };
    const cause =
      ready === undefined
        ? "no operator has looked at the hub: it has no status"
        : `no operator has taken in the last edit: the hub has generation ${generation}, and its status is of ${seen}`;
    return { cause, fix: whoServes };
  }
  return ready.status === "True" ? undefined : saidBy(ready);
}

/** The message says what failed, and then the next step; `failed_reason` is the first part alone. */
function saidBy({ message, failed_reason: detail = "" }: Condition): Trouble {
  const start = `${detail}. `;
  return detail !== "" && message.startsWith(start)
    ? { cause: detail, fix: message.slice(start.length) }
    : { cause: message, fix: waitForOperator };
}

function heldReport(object: Stored<RegistryHub>, status: HubStatus | undefined): HeldReport | undefined {
  const condition = conditionOf(status, "DeletionHeld");
  const hold = status?.hold;
  if (condition?.status !== "True" || hold === undefined) return undefined;
  const isReleased = objectAnnotations(object)[annotations.releaseHold] === hold.until;
  // Nobody is to paste what else a status may hold into a shell.
  const isTime = /^[-+.:0-9TZ]+$/.test(hold.until);
  const endsAlone = condition.reason === "Settling" || isReleased || !isTime;
  const { name, namespace = "" } = object.metadata;
  return {
    reason: condition.reason,
    meaning: condition.message,
    ...hold,
    release: endsAlone
      ? ""
      : `kubectl annotate --overwrite registryhub -n ${namespace} ${name} ${annotations.releaseHold}=${hold.until}`,
    isReleased,
  };
}

function problemReport({ at, problem, severity }: HubStatus["problems"][number]): ProblemReport {
  const [, code = "", detail = problem] = /^([A-Za-z0-9]+): (.*)$/s.exec(problem) ?? [];
  return { at, code, detail, severity, isOfMesh: codesOfMesh.some((one) => one === code) };
}
