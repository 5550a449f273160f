import type { Hub } from "../model/hub.ts";
import type { Problem, ProblemCode } from "../model/problems.ts";
import type { Hold, HubStatus } from "../model/registryhub.ts";

/** The part of a hub that its status depends on. */
export type StatusSubject = Pick<Hub, "generation" | "target" | "policy" | "suspend"> & {
  readonly registry: { readonly type: string; readonly address: string };
};

/** What an earlier status says about a hub's trust. */
export interface RememberedTrust {
  /** "" = not known, or perhaps the origin of data that the hub no longer asks for. */
  readonly origin: string;
  readonly held: { readonly reason: "Shrunk" | "RegistryReset"; readonly hold: Hold } | undefined;
}

export const nothingRemembered: RememberedTrust = { origin: "", held: undefined };

/** How far this process has come with a hub. */
export interface Progress {
  /** The registry has been listed since the last edit of what the hub asks for. */
  readonly isListed: boolean;
  /** The registry has answered, with a listing or an error. */
  readonly hasAnswered: boolean;
  /** The hub has got another registry in this process, and nothing has been read from it. */
  readonly hasMoved: boolean;
  /** The process started to look at the hub a few seconds ago. */
  readonly isFresh: boolean;
  /** The hub has no session, so nothing is read or written for it. */
  readonly hasNoSession?: true;
}

/**
 * How much of the previous status still stands.
 * "all": nothing has happened yet that could contradict it.
 * "applied": the registry is silent, so the status of the writes, problems and plan stay; a failed write does not.
 * "nothing": this process knows better, or the status describes another registry, target or spec.
 */
export type Kept = "all" | "applied" | "nothing";

export function whatToKeep(previous: HubStatus | undefined, hub: StatusSubject, progress: Progress): Kept {
  if (previous === undefined || !isOwnStatus(previous) || !isAbout(previous, hub)) return "nothing";
  if (progress.hasNoSession) return "applied";
  if (progress.hasMoved || progress.isListed) return "nothing";
  if (!progress.hasAnswered && progress.isFresh && !isOfAnotherTry(previous, hub)) return "all";
  return hub.suspend || previous.observedGeneration === hub.generation ? "applied" : "nothing";
}

/** Whether the status says that the hub was not served, and the hub was edited since: an edit is another try. */
export function isOfAnotherTry({ conditions, observedGeneration }: HubStatus, hub: StatusSubject): boolean {
  const synced = conditions.find((one) => one.type === "RegistrySynced");
  const wasUnserved = synced?.reason === "InvalidSpec" || synced?.reason === "InternalError";
  return wasUnserved && observedGeneration !== hub.generation;
}

/** The old product's conditions have no type. */
function isOwnStatus({ conditions }: HubStatus): boolean {
  return conditions.length > 0;
}

/** Whether a status describes the hub's present registry and target. */
export function isAbout(
  status: HubStatus,
  { registry, target }: Pick<StatusSubject, "registry" | "target">,
): boolean {
  return (
    status.address === registry.address && status.type === registry.type && status.generate_to === target
  );
}

/**
 * The part of an earlier status that still applies. The origin applies only if the hub was not edited since, because an
 * edit of the type block chooses other data. A hold survives every edit but one of address, type or target.
 */
export function rememberedTrust(status: HubStatus | undefined, hub: StatusSubject): RememberedTrust {
  if (status === undefined || !isAbout(status, hub)) return nothingRemembered;
  const { reason } =
    status.conditions.find((one) => one.type === "DeletionHeld" && one.status === "True") ?? {};
  const isHold = reason === "Shrunk" || reason === "RegistryReset";
  return {
    origin: status.observedGeneration === hub.generation ? status.origin : "",
    held: isHold && status.hold !== undefined ? { reason, hold: status.hold } : undefined,
  };
}

/** The warnings of a code that an earlier status has. */
export function rememberedWarnings(
  code: ProblemCode,
  status: Pick<HubStatus, "problems"> | undefined,
): readonly Problem[] {
  const prefix = `${code}: `;
  return (status?.problems ?? [])
    .filter(({ problem, severity }) => problem.startsWith(prefix) && severity === "warning")
    .map(({ at, problem }) => ({ at, code, detail: problem.slice(prefix.length), severity: "warning" }));
}
