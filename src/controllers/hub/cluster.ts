import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";
import { createReflector, obstacleOf, type Reflector } from "../../kube/reflector.ts";
import { objectPath, resources } from "../../kube/resources.ts";
import type { Instant } from "../../model/entry.ts";
import type { Hub, HubKey } from "../../model/hub.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import { splitKey } from "../../model/keys.ts";
import type { KubeObject, Stored } from "../../model/kubernetes.ts";
import type { RegistryHub } from "../../model/registryhub.ts";
import type { Deps } from "../../runtime/deps.ts";
import { sharing } from "../../runtime/sharing.ts";
import type { ApplyFailure } from "../../status/hub-status.ts";
import { nameOnly, namespaceOnly, withOwnWritesOnly } from "../../translate/read-back/kept.ts";
import { failureOf } from "../writes/apply-failure.ts";
import { EntryIndex } from "../writes/entry-index.ts";
import { type TargetRules, targetProblem } from "../writes/target-namespace.ts";
import { MeshSettings } from "./mesh-settings.ts";

/** How long the ServiceEntry type must be missing before it counts as not installed. */
const typeMissingMs = 10_000;

export interface ClusterOptions extends TargetRules {
  /** Where the mesh's configuration may be. */
  readonly rootNamespace: string;
}

/**
 * The hub controller's view of the cluster: hubs, namespaces and ServiceEntries, and how reliable that view is.
 * Services are only for the problem ShadowsService, and the mesh's settings for HiddenByMesh.
 */
export class HubCluster {
  readonly hubs: Reflector<Stored<RegistryHub>>;
  readonly namespaces: Reflector<KubeObject>;
  readonly serviceEntries: Reflector<Stored<ServiceEntry>>;
  readonly services: Reflector<KubeObject>;
  readonly meshSettings: MeshSettings;
  readonly entries: EntryIndex;
  readonly #client: KubeClient;
  readonly #rules: TargetRules;
  readonly #deps: Deps;
  #typeMissingSince: Instant | undefined;
  #isBlind = false;
  #unconfirmed: string | undefined;

  constructor(client: KubeClient, rules: ClusterOptions, deps: Deps) {
    this.#client = client;
    this.#rules = rules;
    this.#deps = deps;
    const { registryHubs, namespaces, serviceEntries, services } = resources;
    this.hubs = createReflector(client, registryHubs, {}, deps);
    this.namespaces = createReflector(client, namespaces, { transform: namespaceOnly }, deps);
    this.serviceEntries = createReflector(
      client,
      serviceEntries,
      { transform: (object) => withOwnWritesOnly(object, sharing) },
      deps,
    );
    const logger = deps.logger.child({ neededFor: "only the problem ShadowsService" });
    this.services = createReflector(client, services, { transform: nameOnly }, { ...deps, logger });
    this.meshSettings = new MeshSettings(client, rules.rootNamespace, deps);
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

  /** Whether the controller assumes that there are no entries only because their type is missing. */
  get isBlind(): boolean {
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
      // Any other 404 is about something else: the type is not served, or a proxy answers.
      if (error instanceof KubeError && error.status === 404 && error.reason === "NotFound") return false;
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
