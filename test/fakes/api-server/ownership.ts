import { isDeepStrictEqual } from "node:util";
import type { ManagedFields } from "../../../src/model/kubernetes.ts";
import { type Answer, failure } from "./answer.ts";
import {
  dottedPath,
  type FieldPath,
  fieldsOf,
  hasWithin,
  type Json,
  merged,
  toFieldSet,
  toPaths,
  valueAt,
  without,
} from "./fields.ts";
import { type ApiType, qualified, type Stored } from "./types.ts";

/** Who writes, and what of. */
export interface Writer {
  readonly manager: string;
  readonly apiVersion: string;
  readonly subresource: string;
  /** RFC 3339. */
  readonly time: string;
}

/** One entry of managedFields, with its fields as a set. */
interface Owner {
  readonly entry: ManagedFields;
  readonly fields: ReadonlySet<FieldPath>;
}

const ownersOf = (object: Stored | undefined): readonly Owner[] =>
  (object?.metadata.managedFields ?? []).map((entry) => ({
    entry,
    fields: new Set(toPaths(entry.fieldsV1 ?? {})),
  }));

const isOf = ({ entry }: Owner, { manager, subresource }: Writer, operation: string): boolean =>
  entry.manager === manager && entry.operation === operation && (entry.subresource ?? "") === subresource;

/** The part of an object that its managers share: no identity, no counters, and not what the request cannot reach. */
export function tracked(type: ApiType, object: Stored | undefined, subresource: string): Json {
  if (object === undefined) return {};
  const { apiVersion: _, kind: _kind, metadata, status, ...rest } = object;
  if (subresource === "status") return status === undefined ? {} : { status };
  const { labels, annotations, finalizers } = metadata;
  const shared = Object.entries({ labels, annotations, finalizers }).filter(
    ([, value]) => value !== undefined,
  );
  return {
    ...(shared.length > 0 && { metadata: Object.fromEntries(shared) as Json }),
    ...rest,
    ...(!type.hasStatus && status !== undefined && { status }),
  };
}

/** The tracked part put back; `before` keeps the rest. */
function restored(type: ApiType, before: Stored, part: Json, subresource: string): Stored {
  if (subresource === "status") {
    const { status: _, ...rest } = before;
    return { ...rest, ...part } as Stored;
  }
  const { metadata = {}, ...fields } = part as { metadata?: Json };
  const { labels: _, annotations: _annotations, finalizers: _finalizers, ...identity } = before.metadata;
  const { status } = before;
  const own = type.hasStatus && status !== undefined ? { status } : {};
  return { metadata: { ...identity, ...metadata }, ...fields, ...own };
}

function withOwners(object: Stored, owners: readonly Owner[]): Stored {
  const managedFields = owners
    .filter(({ fields }) => fields.size > 0)
    .map(({ entry, fields }) => ({ ...entry, fieldsType: "FieldsV1", fieldsV1: toFieldSet(fields) }));
  return { ...object, metadata: { ...object.metadata, managedFields } };
}

const entryFor = ({ manager, apiVersion, subresource, time }: Writer, operation: string): ManagedFields =>
  ({
    manager,
    operation,
    apiVersion,
    time,
    ...(subresource !== "" && { subresource }),
  }) as ManagedFields;

/**
 * Server-side apply: `live` with `config` merged into it, without what this manager set before and leaves out now unless
 * somebody else owns it. Returns `live` itself when nothing differs; an Answer when another manager's value is in the way.
 * Source: sigs.k8s.io/structured-merge-diff/v4/merge/update.go.
 */
export function appliedTo(
  type: ApiType,
  live: Stored,
  config: Stored,
  writer: Writer,
  isForced: boolean,
): { readonly object: Stored } | { readonly refusal: Answer } {
  const before = tracked(type, live, writer.subresource);
  const desired = tracked(type, config, writer.subresource);
  const wanted = new Set(fieldsOf(type, desired));
  const owners = ownersOf(live);
  const own = owners.find((owner) => isOf(owner, writer, "Apply"));
  const others = owners.filter((owner) => owner !== own);
  const isTaken = (path: FieldPath): boolean => {
    const was = valueAt(before, path);
    return was !== undefined && !isDeepStrictEqual(was, valueAt(desired, path));
  };
  const contested = new Set([...wanted].filter(isTaken));
  const conflicts = others.flatMap(({ entry, fields }) =>
    [...contested].filter((path) => fields.has(path)).map((path) => ({ manager: entry.manager, path })),
  );
  if (conflicts.length > 0 && !isForced) return { refusal: applyConflict(type, live, conflicts) };
  let result: unknown = merged(type, before, desired);
  for (const path of own?.fields ?? [])
    if (!wanted.has(path) && !others.some(({ fields }) => hasWithin(fields, path)))
      result = without(result, path);
  const left = others.map(({ entry, fields }) => ({
    entry,
    fields: new Set([...fields].filter((path) => !contested.has(path))),
  }));
  const isSame =
    isDeepStrictEqual(result, before) &&
    own !== undefined &&
    isDeepStrictEqual(own.fields, wanted) &&
    conflicts.length === 0;
  if (isSame) return { object: live };
  const mine = { entry: entryFor(writer, "Apply"), fields: wanted };
  return { object: withOwners(restored(type, live, result as Json, writer.subresource), [mine, ...left]) };
}

function applyConflict(
  type: ApiType,
  { metadata }: Stored,
  conflicts: readonly { readonly manager: string | undefined; readonly path: FieldPath }[],
): Answer {
  const what = conflicts.map(({ manager, path }) => `conflict with "${manager ?? ""}": ${dottedPath(path)}`);
  const message = `Apply failed with ${conflicts.length} conflict${conflicts.length > 1 ? "s" : ""}: ${what.join(", ")}`;
  const causes = conflicts.map(() => ({ reason: "FieldManagerConflict" }));
  return failure(409, "Conflict", message, { name: metadata.name, kind: qualified(type), causes });
}

/**
 * Every other write: what it changed is its manager's from now on, and nobody else's. `after` has the same identity.
 * Returns `live` itself when nothing differs.
 */
export function updated(type: ApiType, live: Stored, after: Stored, writer: Writer): Stored {
  const [had, has] = [tracked(type, live, writer.subresource), tracked(type, after, writer.subresource)];
  if (isDeepStrictEqual(had, has)) return live;
  const [oldFields, newFields] = [fieldsOf(type, had), fieldsOf(type, has)];
  const changed = new Set(
    newFields.filter((path) => !isDeepStrictEqual(valueAt(had, path), valueAt(has, path))),
  );
  const gone = new Set(
    oldFields.filter((path) => valueAt(has, path) === undefined || !newFields.includes(path)),
  );
  const owners = ownersOf(live);
  const own = owners.find((owner) => isOf(owner, writer, "Update"));
  const left = owners
    .filter((owner) => owner !== own)
    .map(({ entry, fields }) => ({
      entry,
      fields: new Set([...fields].filter((path) => !changed.has(path) && !gone.has(path))),
    }));
  const kept = [...(own?.fields ?? [])].filter((path) => !gone.has(path));
  const mine = { entry: entryFor(writer, "Update"), fields: new Set([...kept, ...changed]) };
  return withOwners(restored(type, live, has, writer.subresource), [...left, mine]);
}
