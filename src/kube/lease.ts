import type { Ms } from "../model/entry.ts";
import type { KubeObject } from "../model/kubernetes.ts";
import { rfc3339Micro } from "../model/time.ts";
import type { KubeClient } from "./client.ts";
import { KubeError } from "./errors.ts";
import { apiVersionOf, collectionPath, objectPath, resources } from "./resources.ts";

/** The record of the leader in the API server. Source: k8s.io/api/coordination/v1/types.go. */
export interface Lease extends KubeObject {
  readonly spec?: {
    /** Absent or empty: nobody. */
    readonly holderIdentity?: string | null;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

/** A Lease and the process that wants it. */
export interface LeaseId {
  readonly namespace: string;
  readonly name: string;
  /** Unique among all processes that ever ask for the Lease. */
  readonly identity: string;
}

/**
 * The requests about one Lease. All throw KubeError. A write gets a Conflict if the Lease has changed since it was
 * read.
 */
export interface LeaseClient {
  /** undefined = there is none. */
  read(signal: AbortSignal): Promise<Lease | undefined>;
  /** Makes the Lease ours for `durationMs` from `wallMs` on: creates it, takes it over, or renews it. */
  acquireOrRenew(
    current: Lease | undefined,
    durationMs: Ms,
    wallMs: number,
    signal: AbortSignal,
  ): Promise<Lease>;
  /** Nobody's from now on. */
  release(current: Lease, signal: AbortSignal): Promise<Lease>;
}

/** Shorter than the time between two renewals, so that one may fail. */
const timeoutMs = 3_000;

export function leaseClient(client: KubeClient, { namespace, name, identity }: LeaseId): LeaseClient {
  const path = objectPath(resources.leases, { namespace, name });
  const patch = (
    { metadata: { uid, resourceVersion } }: Lease,
    spec: Lease["spec"],
    signal: AbortSignal,
  ): Promise<Lease> =>
    client.request({
      method: "PATCH",
      path,
      body: { metadata: { uid, resourceVersion }, spec },
      contentType: "application/merge-patch+json",
      timeoutMs,
      signal,
    });
  return {
    async read(signal) {
      try {
        return await client.request<Lease>({ method: "GET", path, timeoutMs, signal });
      } catch (error) {
        if (error instanceof KubeError && error.status === 404) return undefined;
        throw error;
      }
    },
    acquireOrRenew(current, durationMs, wallMs, signal) {
      const held = {
        holderIdentity: identity,
        leaseDurationSeconds: durationMs / 1_000,
        renewTime: rfc3339Micro(wallMs),
      };
      if (current?.spec?.holderIdentity === identity) return patch(current, held, signal);
      const leaseTransitions = current === undefined ? 0 : (current.spec?.leaseTransitions ?? 0) + 1;
      const spec = { ...held, acquireTime: held.renewTime, leaseTransitions };
      if (current !== undefined) return patch(current, spec, signal);
      const { kind } = resources.leases;
      const body = { apiVersion: apiVersionOf(resources.leases), kind, metadata: { namespace, name }, spec };
      return client.request({
        method: "POST",
        path: collectionPath(resources.leases, namespace),
        body,
        timeoutMs,
        signal,
      });
    },
    release: (current, signal) => patch(current, { holderIdentity: null, leaseDurationSeconds: 1 }, signal),
  };
}
