import { remove } from "../../kube/apply.ts";
import type { KubeClient } from "../../kube/client.ts";
import type { KubeError } from "../../kube/errors.ts";
import { objectKey, type Resource, resources } from "../../kube/resources.ts";
import type { Ms } from "../../model/entry.ts";
import type { KubeObject } from "../../model/kubernetes.ts";
import type { Clock } from "../../runtime/deps.ts";
import type { Step, UninstallPlan } from "./plan.ts";

/** What it takes to delete. */
export interface Hands {
  readonly client: KubeClient;
  readonly clock: Pick<Clock, "sleep">;
  readonly signal: AbortSignal;
  /** What is there now. @throws KubeError. */
  look(): Promise<UninstallPlan>;
  /** For the person: what has been done. */
  tell(line: string): void;
}

/** An object that is still there in the end. */
export interface Remaining {
  readonly object: string;
  readonly why: string;
}

/** A running operator may have been about to write what was just deleted. */
const rounds = 10;
const pauseMs: Ms = 1_000;
const atOnce = 8;

/** Whether everything may be deleted; deletes nothing. Asks once per type and namespace. Returns the API server's refusals. */
export async function refusalsOf(
  plan: UninstallPlan,
  { client, signal }: Hands,
): Promise<readonly KubeError[]> {
  const refusals: KubeError[] = [];
  for (const { resource, objects } of plan.steps) {
    const first = new Map(objects.toReversed().map((one) => [one.metadata.namespace ?? "", one]));
    for (const object of first.values()) {
      const asked = await remove(client, resource, doomed(resource, object), signal, true);
      if ("error" in asked && !isOver(asked.error)) refusals.push(asked.error);
    }
  }
  return refusals;
}

/**
 * Deletes step by step, and goes on with the next one when nothing is left of the last. Returns what is left of the step at which
 * it stops; [] = everything is gone.
 */
export async function carryOut(first: UninstallPlan, hands: Hands): Promise<readonly Remaining[]> {
  let plan = first;
  for (const at of first.steps.keys()) {
    for (let round = 0; ; round++) {
      // Hubs that come back would be served again, and everything would.
      const step = plan.steps.slice(0, at + 1).find(({ objects }) => objects.length > 0);
      if (step === undefined) break;
      if (round === rounds) return step.objects.map((one) => remaining(step, one));
      if (round > 0) await hands.clock.sleep(pauseMs, hands.signal);
      const refused = await deleteAll(step, hands);
      if (refused.length > 0) return refused;
      hands.tell(`deleted ${step.objects.length} ${step.resource.plural}`);
      plan = await hands.look();
    }
  }
  return [];
}

/** Returns what the API server refuses to delete, or a finalizer keeps. */
async function deleteAll(
  { resource, objects }: Step,
  { client, signal }: Hands,
): Promise<readonly Remaining[]> {
  const refused: Remaining[] = [];
  const waiting = objects.values();
  const worker = async (): Promise<void> => {
    for (const object of waiting) {
      const result = await remove(client, resource, doomed(resource, object), signal);
      const what = `${resource.kind} ${objectKey(object)}`;
      if ("ok" in result && result.ok) refused.push({ object: what, why: "a finalizer keeps it" });
      if ("error" in result && !isOver(result.error))
        refused.push({ object: what, why: result.error.message });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return refused;
}

/** Gone, or another object has its name by now: the next look tells. */
const isOver = ({ status }: KubeError): boolean => status === 404 || status === 409;

const remaining = ({ resource }: Step, object: KubeObject): Remaining => ({
  object: `${resource.kind} ${objectKey(object)}`,
  why: "it comes back: something applies it (Argo CD, Flux), or an operator runs that serves it",
});

/** Of a hub any version, because a running operator writes its status; of all else what was judged. */
function doomed(resource: Resource, object: KubeObject): KubeObject {
  if (resource !== resources.registryHubs) return object;
  const { resourceVersion: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}
