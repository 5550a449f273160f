import type { KubeObject } from "../model/kubernetes.ts";
import type { KubeClient } from "./client.ts";
import { KubeError } from "./errors.ts";
import { objectPath, resources } from "./resources.ts";

/**
 * Reads a Secret; undefined = it does not exist. Needs only the right to `get` it.
 * @throws KubeError.
 */
export async function readSecret(
  client: KubeClient,
  namespace: string,
  name: string,
  signal: AbortSignal,
): Promise<KubeObject | undefined> {
  const path = objectPath(resources.secrets, { namespace, name });
  try {
    return await client.request<KubeObject>({ method: "GET", path, signal });
  } catch (error) {
    if (error instanceof KubeError && error.status === 404) return undefined;
    throw error;
  }
}
