import type { KubeClient } from "../kube/client.ts";
import { KubeError } from "../kube/errors.ts";
import { list, type Selection } from "../kube/list.ts";
import { type Resource, typeName } from "../kube/resources.ts";
import type { KubeObject } from "../model/kubernetes.ts";

const pageSize = 500;

/** The objects of a type as a person sees them. */
export interface Seen<T> {
  readonly objects: readonly T[];
  /** What the person may not see of them, in words; undefined = all is seen. */
  readonly unseen?: string;
  /** There may be any number of them. */
  readonly isNoneSeen: boolean;
}

/** Which objects, and what is kept of them. */
export interface Wanted<T> extends Selection {
  readonly transform?: (object: T) => T;
}

/** Lists the objects of all namespaces, or of one. @throws KubeError. */
export async function listAll<T extends KubeObject>(
  client: KubeClient,
  resource: Resource,
  { transform = (object) => object, ...selection }: Wanted<T> = {},
): Promise<readonly T[]> {
  const { signal } = new AbortController();
  return (await list<T>(client, resource, { selection, pageSize, transform, signal })).objects;
}

/**
 * Lists the objects of all namespaces; without the right to, those of the given ones, as far as there is one; without the type,
 * none. @throws KubeError when there is no answer.
 */
export async function listSeen<T extends KubeObject>(
  client: KubeClient,
  resource: Resource,
  namespaces: Iterable<string>,
  wanted: Omit<Wanted<T>, "namespace"> = {},
): Promise<Seen<T>> {
  const type = typeName(resource);
  try {
    return { objects: await listAll(client, resource, wanted), isNoneSeen: false };
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    if (error.reason === "ResourceTypeMissing")
      return { objects: [], unseen: `the cluster has no ${type}`, isNoneSeen: false };
    if (error.reason !== "Forbidden") throw error;
  }
  const places = [...new Set(namespaces)].filter((one) => one !== "");
  const lists = await Promise.all(
    places.map((one) => listAll(client, resource, { ...wanted, namespace: one }).catch(noneIfForbidden)),
  );
  const readable = places.filter((_, at) => lists[at] !== undefined);
  const isNoneSeen = readable.length === 0;
  const where = isNoneSeen ? "you may not list them" : `you may list only those of ${readable.join(", ")}`;
  return { objects: lists.flatMap((one) => one ?? []), unseen: `${type}: ${where}`, isNoneSeen };
}

/** For who can do without. @throws what is no lack of a right. */
export function noneIfForbidden(error: unknown): undefined {
  if (error instanceof KubeError && error.reason === "Forbidden") return undefined;
  throw error;
}
