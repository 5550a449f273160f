import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";
import { createReflector, obstacleOf, type Reflector } from "../../kube/reflector.ts";
import { type KubeObject, objectPath, resources } from "../../kube/resources.ts";
import type { Ms } from "../../model/entry.ts";
import type { Hub, HubKey, RegistryHub } from "../../model/hub.ts";
import type { ServiceEntry, WorkloadEntry } from "../../model/istio.ts";
import { splitKey } from "../../model/keys.ts";
import { fieldManagers } from "../../model/labels.ts";
import type { Deps } from "../../runtime/deps.ts";
import { sharing } from "../../runtime/sharing.ts";
import type { ApplyFailure } from "../../status/hub-status.ts";
import { failureOf } from "../writes/apply-failure.ts";
import { EntryIndex } from "../writes/entry-index.ts";
import { type Namespace, type TargetRules, targetProblem } from "../writes/target-namespace.ts";

/** How long the ServiceEntry type must be missing before it counts as not installed. */
const typeMissingMs = 10_000;

/**
 * The hub controller's view of the cluster: hubs, namespaces and ServiceEntries, and how reliable that view is.
 * Services are only for a warning.
 */
export class HubCluster {
  readonly hubs: Reflector<RegistryHub>;
  readonly namespaces: Reflector<Namespace & KubeObject>;
  readonly serviceEntries: Reflector<ServiceEntry>;
  readonly services: Reflector<KubeObject>;
  readonly entries: EntryIndex;
  readonly #client: KubeClient;
  readonly #rules: TargetRules;
  readonly #deps: Deps;
  #typeMissingSince: Ms | undefined;
  #isBlind = false;
  #unconfirmed: string | undefined;

  constructor(client: KubeClient, rules: TargetRules, deps: Deps) {
    this.#client = client;
    this.#rules = rules;
    this.#deps = deps;
    const { registryHubs, namespaces, serviceEntries, services } = resources;
    this.hubs = createReflector<RegistryHub>(client, registryHubs, {}, deps);
    this.namespaces = createReflector<Namespace & KubeObject>(client, namespaces, { transform: slim }, deps);
    this.serviceEntries = createReflector<ServiceEntry>(
      client,
      serviceEntries,
      { transform: ownFields },
      deps,
    );
    const logger = deps.logger.child({ neededFor: "only the warning ShadowsService" });
    this.services = createReflector(client, services, { transform: nameOnly }, { ...deps, logger });
    this.entries = new EntryIndex(this.serviceEntries.objects);
  }

  /** Whether all lists are complete. Nothing is decided while one of them is not. */
  get isReady(): boolean {
    return [this.hubs, this.namespaces, this.serviceEntries].every((list) => list.status.state === "synced");
  }

  /** Whether the first lists are still being read, so that nothing is known about any hub. */
  get isStarting(): boolean {
    const lists = [this.serviceEntries.status, this.namespaces.status];
    const isOpen = lists.some((status) => status.state === "pending" && status.error === undefined);
    return isOpen || this.hubs.status.state !== "synced";
  }

  /**
   * Whether the cluster's ServiceEntries are known. Without Istio's CRDs there are none; but an API server that has
   * just started denies every CRD for a moment. Calls `later` when the answer may have changed.
   */
  knowsEntries(later: () => void): boolean {
    const { status } = this.serviceEntries;
    if (status.state !== "pending") return true;
    if (status.error?.reason !== "ResourceTypeMissing") return false;
    const { clock } = this.#deps;
    if (this.#typeMissingSince === undefined) {
      this.#typeMissingSince = clock.monotonic();
      clock.after(typeMissingMs, later);
    }
    this.#isBlind = clock.monotonic() - this.#typeMissingSince >= typeMissingMs;
    return this.#isBlind;
  }

  /**
   * Whether entries appeared after the controller had assumed that there are none; every judgement without them is
   * void.
   */
  endsBlindness(): boolean {
    if (!this.#isBlind || this.serviceEntries.status.state !== "synced") return false;
    this.#isBlind = false;
    return true;
  }

  /** Why the operator can write nothing of the hub now. */
  failureOf(hub: Hub): ApplyFailure | undefined {
    for (const { status } of [this.serviceEntries, this.namespaces]) {
      const obstacle = obstacleOf(status);
      if (obstacle !== undefined) return failureOf(obstacle);
    }
    return this.namespaces.status.state === "pending" ? undefined : this.targetProblem(hub);
  }

  /** Why the hub's target accepts none of its entries. */
  targetProblem(hub: Hub): ApplyFailure | undefined {
    return targetProblem(hub, this.namespaces.objects, this.#rules);
  }

  /** Asks the API server whether a hub exists. @throws KubeError when there is no answer. */
  async hasHub(key: HubKey, signal: AbortSignal): Promise<boolean> {
    const [namespace, name] = splitKey(key);
    const path = objectPath(resources.registryHubs, { namespace, name });
    try {
      await this.#client.request<RegistryHub>({ method: "GET", path, signal });
      return true;
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return false;
      this.#tellUnconfirmed(key, error);
      throw error;
    }
  }

  /** Logs once per reason, because the question is repeated every second. */
  #tellUnconfirmed(key: HubKey, error: unknown): void {
    const reason = error instanceof KubeError ? error.reason : String(error);
    if (reason !== this.#unconfirmed)
      this.#deps.logger.warn("cannot confirm that a missing hub is deleted", {
        hub: key,
        error: (error as Error).message,
      });
    this.#unconfirmed = reason;
  }
}

/** Keeps only that the object exists, and its version. */
function nameOnly({ metadata: { name, namespace, uid, resourceVersion } }: KubeObject): KubeObject {
  return {
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
    },
  };
}

function slim(object: Namespace & KubeObject): Namespace & KubeObject {
  const { annotations, deletionTimestamp } = object.metadata;
  return {
    metadata: {
      ...nameOnly(object).metadata,
      ...(annotations !== undefined && { annotations }),
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    },
  };
}

/** Keeps of managedFields only the times of our own writes. */
function ownFields(object: ServiceEntry): ServiceEntry {
  const managedFields = (object.metadata.managedFields ?? [])
    .filter((one) => one.manager === fieldManagers.registryhub && one.subresource === undefined)
    .map(({ manager, time }) => ({
      ...(manager !== undefined && { manager }),
      ...(time !== undefined && { time }),
    }));
  const endpoints = object.spec.endpoints && sharingFields(object.spec.endpoints);
  return {
    ...object,
    metadata: { ...object.metadata, managedFields },
    spec: { ...object.spec, ...(endpoints && { endpoints }) },
  };
}

/** The endpoints of an entry differ in little but their address, so equal values are shared. */
function sharingFields(endpoints: readonly WorkloadEntry[]): readonly WorkloadEntry[] {
  const labelsOf = sharing<NonNullable<WorkloadEntry["labels"]>>();
  const portsOf = sharing<NonNullable<WorkloadEntry["ports"]>>();
  return endpoints.map((endpoint) => ({
    ...endpoint,
    ...(endpoint.labels && { labels: labelsOf(endpoint.labels) }),
    ...(endpoint.ports && { ports: portsOf(endpoint.ports) }),
  }));
}
