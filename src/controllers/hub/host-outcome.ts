import { isCovered } from "../../kube/covered.ts";
import type { Entry, Ms } from "../../model/entry.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { annotations } from "../../model/labels.ts";
import type { Step } from "../../plan/host.ts";
import { serviceEntryOf, withoutServiceKey } from "../../translate/service-entry.ts";
import type { Outcome } from "../writes/queue.ts";
import type { DryRunResult } from "./ledger.ts";

/** What an Event tells of a service that has lost its last endpoint. */
export const emptiedMessage =
  "no registry lists an instance of the service any more; calls fail at once, and without one the entry is deleted after --empty-grace";
/** And of one whose entry is deleted, by the reason of the step. */
export const deletedBecause = {
  empty: "no registry has listed an instance of the service for --empty-grace",
  unclaimed: "every hub of the service is gone or no longer wants it",
} as const;

/** And of one that has none in the registry, and keeps its endpoints for now. */
export const heldMessage =
  "no registry lists an instance of the service, as of many services at once or of all; its endpoints stay until status.hold.until of its hub";

/** Another look at the earlier of these times. */
export function firstOf(...inMs: readonly (Ms | undefined)[]): Outcome {
  const times = inMs.filter((one) => one !== undefined);
  return times.length > 0 ? { againInMs: Math.min(...times) } : undefined;
}

/** What a step would do to the object. */
export function dryRunResultOf(
  step: Step,
  object: Stored<ServiceEntry> | undefined,
): DryRunResult | undefined {
  if (step.op === "delete") return "remove";
  if (step.op !== "apply") return undefined;
  if (object === undefined) return "create";
  return isWritten(step.entry, object) ? undefined : "change";
}

/** Whether there is nothing to write. An entry of an earlier version is not written for the sake of its service key. */
export function isWritten(entry: Entry, object: Stored<ServiceEntry>): boolean {
  if (isCovered(serviceEntryOf(entry), object)) return true;
  const isKeyed = object.metadata.annotations?.[annotations.service] !== undefined;
  return !isKeyed && isCovered(serviceEntryOf(withoutServiceKey(entry)), object);
}
