import type { ServiceEntry } from "../../src/model/istio.ts";
import type { ClusterRecorder } from "../support/cluster-recorder.ts";

/** One write of a ServiceEntry. */
export interface EntryChange {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  /** As it was written; as it was before it was deleted. */
  readonly object: ServiceEntry;
}

/** The writes of a namespace's ServiceEntries since a moment. */
export interface Recording {
  /** All that had been written when this was called, in order: it waits until they have been seen. */
  changes(): Promise<readonly EntryChange[]>;
}

/** Records from now on; until now no entry may have been written that the recorder has not seen. */
export async function recordEntries(recorder: ClusterRecorder, namespace: string): Promise<Recording> {
  await recorder.caughtUp();
  const before = recorder.changes(namespace).length;
  return {
    async changes() {
      await recorder.caughtUp();
      return [...entryChanges(recorder, namespace, before)];
    },
  };
}

function* entryChanges(recorder: ClusterRecorder, namespace: string, from: number): Generator<EntryChange> {
  const known = new Map<string, ServiceEntry>();
  for (const [at, { kind, name, object }] of recorder.changes(namespace).entries()) {
    if (kind !== "serviceentries") continue;
    const earlier = known.get(name);
    const written = object as ServiceEntry | undefined;
    if (written === undefined) known.delete(name);
    else known.set(name, written);
    const type = written === undefined ? "DELETED" : earlier === undefined ? "ADDED" : "MODIFIED";
    if (at >= from) yield { type, object: (written ?? earlier) as ServiceEntry };
  }
}
