import { isCovered } from "../../kube/covered.ts";
import type { Entry, Ms } from "../../model/entry.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { annotations } from "../../model/labels.ts";
import type { Step } from "../../plan/host.ts";
import { serviceEntryOf, withoutServiceKey } from "../../translate/service-entry.ts";
import type { Outcome } from "../writes/queue.ts";
import type { DryRunResult } from "./ledger.ts";

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
