import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { apiVersionOf, type ObjectKey } from "../../../src/kube/resources.ts";
import { rfc3339 } from "../../../src/model/time.ts";
import {
  type Answer,
  alreadyExists,
  conflict,
  invalid,
  namespaceMissing,
  namespaceTerminating,
  notFound,
  Refusal,
} from "./answer.ts";
import { isObject, type Json } from "./fields.ts";
import type { History } from "./history.ts";
import { appliedTo, updated, type Writer } from "./ownership.ts";
import type { ApiRequest } from "./request.ts";
import { type ApiType, isCustom, type Stored } from "./types.ts";
import { refuseUnkeyed, validate } from "./validation.ts";

/** What one request about one object comes to. @throws Refusal */
export type Operation = (request: ApiRequest, type: ApiType) => Answer;

/** What the server does with objects, without any thought of who asks: create, patch, update, delete. */
export interface Core {
  readonly get: Operation;
  readonly create: Operation;
  readonly patch: Operation;
  readonly update: Operation;
  readonly delete: Operation;
}

const keyOf = ({ namespace, name }: Pick<ApiRequest, "namespace" | "name">): ObjectKey =>
  namespace === "" ? name : `${namespace}/${name}`;

/** `now` is wall time in ms. */
export function createCore(history: History, namespaceType: ApiType, now: () => number): Core {
  const find = (request: ApiRequest, type: ApiType): Stored => {
    const found = history.objects(type).get(keyOf(request));
    if (found === undefined) throw new Refusal(notFound(type, request.name));
    return found;
  };

  const writerOf = ({ manager, group, version, subresource }: ApiRequest): Writer => ({
    manager,
    subresource,
    apiVersion: group === "" ? version : `${group}/${version}`,
    time: rfc3339(now()),
  });

  function requireNamespace(type: ApiType, namespace: string, name: string): void {
    if (!type.isNamespaced) return;
    const found = history.objects(namespaceType).get(namespace);
    if (found === undefined) throw new Refusal(namespaceMissing(namespace));
    if (found.metadata.deletionTimestamp !== undefined)
      throw new Refusal(namespaceTerminating(type, name, namespace));
  }

  /** A new object has an identity, and nothing of what only the server may say. */
  function born(request: ApiRequest, type: ApiType, body: Stored): Stored {
    const { generateName = "", ...metadata } = body.metadata;
    const name = request.name || metadata.name || `${generateName}${randomUUID().slice(0, 5)}`;
    requireNamespace(type, request.namespace, name);
    const identity = {
      ...metadata,
      ...(generateName !== "" && { generateName }),
      name,
      ...(request.namespace !== "" && { namespace: request.namespace }),
      uid: randomUUID(),
      generation: 1,
      creationTimestamp: rfc3339(now()),
      managedFields: [],
    };
    const { status, ...rest } = body;
    const object = {
      ...rest,
      metadata: identity,
      ...(!type.hasStatus && status !== undefined && { status }),
    };
    return type === namespaceType ? { ...object, status: { phase: "Active" } } : object;
  }

  /** What a write amounts to: nothing, a new version, or the end of an object that only a finalizer kept. */
  function commit(type: ApiType, before: Stored, after: Stored, subresource: string): Stored {
    if (after === before) return before;
    validate(type, after);
    const isTerminating = before.metadata.deletionTimestamp !== undefined;
    if (isTerminating && (after.metadata.finalizers ?? []).length === 0) return history.remove(type, after);
    const isNewSpec = subresource === "" && !isDeepStrictEqual(specOf(before), specOf(after));
    const generation = (before.metadata.generation ?? 1) + (isNewSpec ? 1 : 0);
    return history.put(type, { ...after, metadata: { ...after.metadata, generation } });
  }

  function create(request: ApiRequest, type: ApiType): Answer {
    const body = request.body as Stored;
    const object = born(request, type, type.plural === "secrets" ? withData(body) : body);
    const key = keyOf({ namespace: request.namespace, name: object.metadata.name });
    if (history.objects(type).has(key)) throw new Refusal(alreadyExists(type, object.metadata.name));
    validate(type, object);
    const { labels: _, annotations: _annotations, finalizers: _finalizers, ...identity } = object.metadata;
    const owned = updated(type, { metadata: identity }, object, writerOf(request));
    return { code: 201, body: history.put(type, { ...object, metadata: owned.metadata }) };
  }

  function apply(request: ApiRequest, type: ApiType): Answer {
    const live = history.objects(type).get(keyOf(request));
    if (live === undefined && request.subresource !== "") throw new Refusal(notFound(type, request.name));
    const config = request.body as Stored;
    expectApplicable(type, live, config.metadata, request.name);
    const bare = live ?? born(request, type, { metadata: { name: request.name } });
    if (request.subresource === "status") refuseUnkeyed(type, bare);
    const result = appliedTo(type, bare, config, writerOf(request), request.query.force === "true");
    if ("refusal" in result) throw new Refusal(result.refusal);
    if (live !== undefined)
      return { code: 200, body: commit(type, live, result.object, request.subresource) };
    validate(type, result.object);
    return { code: 201, body: history.put(type, result.object) };
  }

  function mergePatch(request: ApiRequest, type: ApiType): Answer {
    const live = find(request, type);
    const patch = request.body as Json;
    if (isObject(patch.metadata)) expectSame(type, live, patch.metadata);
    const after = mergedPatch(live, patch) as Stored;
    const object = updated(type, live, after, writerOf(request));
    return { code: 200, body: commit(type, live, object, request.subresource) };
  }

  return {
    create,
    get: (request, type) => ({ code: 200, body: find(request, type) }),
    patch: (request, type) =>
      (request.contentType.startsWith("application/apply-patch") ? apply : mergePatch)(request, type),
    update(request, type) {
      const live = find(request, type);
      const after = request.body as Stored;
      expectSame(type, live, after.metadata);
      const object = updated(type, live, after, writerOf(request));
      return { code: 200, body: commit(type, live, object, request.subresource) };
    },
    delete(request, type) {
      const live = find(request, type);
      const { preconditions } = (request.body ?? {}) as {
        preconditions?: { uid?: string; resourceVersion?: string };
      };
      expectSame(type, live, preconditions ?? {});
      if (request.query.dryRun !== undefined) return { code: 200, body: live };
      const isKept = (live.metadata.finalizers ?? []).length > 0 || type === namespaceType;
      if (!isKept) {
        history.remove(type, live);
        const details = { name: live.metadata.name, kind: type.plural, uid: live.metadata.uid };
        return { code: 200, body: { kind: "Status", metadata: {}, status: "Success", details } };
      }
      if (live.metadata.deletionTimestamp !== undefined) return { code: 200, body: live };
      const metadata = { ...live.metadata, deletionTimestamp: rfc3339(now()) };
      const status = type === namespaceType ? { status: { phase: "Terminating" } } : {};
      return { code: 200, body: history.put(type, { ...live, metadata, ...status }) };
    },
  };
}

/**
 * What an apply names has to be the object's. Source: apiserver's handlers/patch.go (applyPatch) and
 * api/validation/objectmeta.go (ValidateObjectMetaAccessorUpdate).
 */
function expectApplicable(
  type: ApiType,
  live: Stored | undefined,
  { uid, resourceVersion }: { readonly uid?: string; readonly resourceVersion?: string },
  name: string,
): void {
  if (live !== undefined) expectSame(type, live, resourceVersion === undefined ? {} : { resourceVersion });
  if (uid === undefined || uid === live?.metadata.uid) return;
  if (live === undefined)
    throw new Refusal(
      conflict(
        type,
        name,
        `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
      ),
    );
  throw new Refusal(
    invalid(type, name, `metadata.uid: Invalid value: "${uid}": field is immutable`, "metadata.uid"),
  );
}

/** A uid or a resourceVersion that a write names has to be the object's. */
function expectSame(
  type: ApiType,
  live: Stored,
  named: { readonly uid?: string; readonly resourceVersion?: string },
): void {
  const { uid, resourceVersion, name } = live.metadata;
  if (named.uid !== undefined && named.uid !== uid) {
    const why = `Precondition failed: UID in precondition: ${named.uid}, UID in object meta: ${uid ?? ""}`;
    throw new Refusal(conflict(type, name, why));
  }
  if (named.resourceVersion !== undefined && named.resourceVersion !== resourceVersion) {
    const why = "the object has been modified; please apply your changes to the latest version and try again";
    throw new Refusal(conflict(type, name, why));
  }
}

/** Source: RFC 7386. */
function mergedPatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = { ...(isObject(target) ? target : {}) };
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete result[field];
    else result[field] = mergedPatch(result[field], value);
  }
  return result;
}

function specOf(object: Stored): unknown {
  const { apiVersion: _, kind: _kind, metadata: _metadata, status: _status, ...rest } = object;
  return rest;
}

/** A Secret's stringData is for writing only. */
function withData({ stringData, ...secret }: Stored): Stored {
  const data = Object.entries((stringData ?? {}) as Record<string, string>).map(([key, text]) => [
    key,
    Buffer.from(text).toString("base64"),
  ]);
  return { ...secret, data: { ...(secret.data as object), ...(Object.fromEntries(data) as object) } };
}

/** As the server sends it: items of lists of built-in types carry no kind. */
export function rendered(type: ApiType, version: string, object: Stored, isListed: boolean): Stored {
  const { apiVersion: _, kind: _kind, ...rest } = object;
  if (isListed && !isCustom(type)) return rest as Stored;
  return { apiVersion: apiVersionOf({ ...type, version }), kind: type.kind, ...rest } as Stored;
}
