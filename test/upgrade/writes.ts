import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "../../src/model/kubernetes.ts";
import type { Change } from "../support/cluster-recorder.ts";

/** A write that changed an object: which one, and what of it. */
export interface Written {
  readonly kind: Change["kind"];
  readonly name: string;
  /** Sorted, e.g. `spec.endpoints[].labels.version`, `status.conditions[Ready].reason`; or only `created` or `deleted`. */
  readonly fields: readonly string[];
}

/** What the API server keeps in metadata about each write. */
const bookkeeping = { managedFields: undefined, resourceVersion: undefined, generation: undefined };

/** What each of the changes from index `from` on has changed. */
export function writesSince(changes: readonly Change[], from: number): readonly Written[] {
  const known = new Map<string, Change["object"]>();
  return changes.flatMap(({ kind, name, object }, index) => {
    const key = `${kind}/${name}`;
    const before = known.get(key);
    known.set(key, object);
    return index < from ? [] : [{ kind, name, fields: changedFields(before, object) }];
  });
}

function changedFields(before: Change["object"], after: Change["object"]): readonly string[] {
  if (after === undefined) return ["deleted"];
  if (before === undefined) return ["created"];
  const plain = (object: KubeObject) => ({ ...object, metadata: { ...object.metadata, ...bookkeeping } });
  return [...new Set(differences("", plain(before), plain(after)))].sort();
}

function* differences(path: string, before: unknown, after: unknown): Generator<string> {
  if (isDeepStrictEqual(before, after)) return;
  const [left, right] = [membersOf(before), membersOf(after)];
  if (left === undefined || right === undefined || path === ".status.serviceentries") {
    yield path.slice(1);
    return;
  }
  for (const name of new Set([...left.keys(), ...right.keys()])) {
    const [one, other] = [left.get(name), right.get(name)];
    yield* differences(`${path}${(one ?? other)?.step}`, one?.value, other?.value);
  }
}

interface Member {
  readonly value: unknown;
  /** How a path goes on to it. */
  readonly step: string;
}

/** Of an object by name; of a list by what tells its elements apart: the type of a condition, where an endpoint is. */
function membersOf(value: unknown): ReadonlyMap<string, Member> | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (!Array.isArray(value))
    return new Map(Object.entries(value).map(([name, each]) => [name, { value: each, step: `.${name}` }]));
  return new Map(
    (value as readonly Record<string, unknown>[]).map((each, index) => {
      const { type, address, ports, at } = each;
      const name = JSON.stringify(
        [type, address, ports, at].some(Boolean) ? [type, address, ports, at] : index,
      );
      return [name, { value: each, step: `[${typeof type === "string" ? type : ""}]` }];
    }),
  );
}

/** Writes of one kind that changed the same fields, most first; of a condition only its type is named. */
export function countedByFields(
  writes: readonly Written[],
): readonly { readonly what: string; readonly count: number; readonly one: Written }[] {
  const brief = (field: string): string => field.replace(/(\[\w+\])\..*/, "$1");
  const groups = Map.groupBy(
    writes,
    ({ kind, fields }) => `${kind} ${[...new Set(fields.map(brief))].join(", ")}`,
  );
  return [...groups]
    .map(([what, all]) => ({ what, count: all.length, one: all[0] as Written }))
    .sort((left, right) => right.count - left.count);
}
