import type { KubeObject } from "../model/kubernetes.ts";
import type { KubeClient } from "./client.ts";
import { isObject } from "./covered.ts";
import { KubeError } from "./errors.ts";
import { collectionPath, isKubeObject, isRevision, type Resource } from "./resources.ts";

/** Which objects of a type. */
export interface Selection {
  /** undefined = all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

interface Page<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly T[];
}

/** All objects as they were at `resourceVersion`. */
export interface ListResult<T> {
  readonly objects: readonly T[];
  readonly resourceVersion: string;
}

/**
 * Reads all pages of one consistent list. `transform` drops unneeded fields before the next page is read.
 * @throws KubeError, also when a page's token has expired (410): the pages then do not fit together, so list again.
 */
export async function list<T extends KubeObject>(
  client: KubeClient,
  resource: Resource,
  { selection, pageSize, transform, signal }: ListOptions<T>,
): Promise<ListResult<T>> {
  const path = collectionPath(resource, selection.namespace);
  const objects: T[] = [];
  let token = "";
  for (;;) {
    const query = { ...selectors(selection), limit: `${pageSize}`, ...(token !== "" && { continue: token }) };
    const page = await client.request<unknown>({ method: "GET", path, query, signal });
    if (!isPage<T>(page)) {
      const text = "the API server answered something other than a list";
      throw new KubeError({ status: 0, reason: "BadAnswer", text }, { method: "GET", path });
    }
    objects.push(...page.items.map(transform));
    token = page.metadata.continue ?? "";
    if (token === "") return { objects, resourceVersion: page.metadata.resourceVersion };
  }
}

export interface ListOptions<T> {
  readonly selection: Selection;
  readonly pageSize: number;
  readonly transform: (object: T) => T;
  readonly signal: AbortSignal;
}

function isPage<T extends KubeObject>(value: unknown): value is Page<T> {
  if (!isObject(value) || !isObject(value.metadata) || !Array.isArray(value.items)) return false;
  const { resourceVersion, continue: token = "" } = value.metadata;
  return isRevision(resourceVersion) && typeof token === "string" && value.items.every(isKubeObject);
}

/** The query of a list or watch. */
export function selectors({ labelSelector, fieldSelector }: Selection): Record<string, string> {
  return { ...(labelSelector && { labelSelector }), ...(fieldSelector && { fieldSelector }) };
}
