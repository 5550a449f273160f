import { apply, remove, type WriteResult } from "../kube/apply.ts";
import type { KubeClient } from "../kube/client.ts";
import type { KubeError } from "../kube/errors.ts";
import type { EventRecorder } from "../kube/events.ts";
import type { Reflector } from "../kube/reflector.ts";
import { resources } from "../kube/resources.ts";
import type { HostKey, Ms } from "../model/entry.ts";
import type { ServiceEntry } from "../model/istio.ts";
import { annotations, managers } from "../model/labels.ts";
import type { Deps } from "../runtime/deps.ts";
import type { HubMetrics } from "../runtime/metrics.ts";
import type { ApplyFailure } from "../status/hub-status.ts";
import { Contention } from "./contention.ts";

/** From then on a fight over an entry is worth an Event. */
const contestedTimes = 3;

/** What a worker that writes is given besides its own matters. */
export interface Tools {
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly metrics: HubMetrics;
  readonly deps: Deps;
  readonly signal: AbortSignal;
}

/** Writes and deletes ServiceEntries, feeds the answers back into the store, and keeps out of fights. */
export class EntryWriter {
  readonly #serviceEntries: Reflector<ServiceEntry>;
  readonly #tools: Tools;
  readonly #contention: Contention;

  constructor(serviceEntries: Reflector<ServiceEntry>, tools: Tools) {
    this.#serviceEntries = serviceEntries;
    this.#tools = tools;
    this.#contention = new Contention(tools.deps.clock);
  }

  /** How long to wait before writing this again, because somebody keeps undoing it. */
  pauseMs(host: HostKey, desired: ServiceEntry): Ms {
    return this.#contention.pauseMs(host, contentHash(desired));
  }

  async apply(host: HostKey, desired: ServiceEntry, isNew: boolean): Promise<KubeError | undefined> {
    const { client, deps, signal } = this.#tools;
    const written = await apply(client, resources.serviceEntries, desired, {
      fieldManager: managers.registryhub,
      signal,
    });
    if ("error" in written) return this.#failed(host, "apply", written.error);
    this.#count("apply", written);
    this.#serviceEntries.put(written.ok);
    if (this.#contention.wrote(host, contentHash(desired)) >= contestedTimes) {
      this.note(
        written.ok,
        "Contended",
        "something else keeps changing it; stop the old product or whatever does",
      );
    }
    const { name } = desired.metadata;
    const fields = { host, name, endpoints: desired.spec.endpoints?.length };
    if (isNew) deps.logger.info("serviceentry created", fields);
    else deps.logger.debug("serviceentry changed", fields);
    return undefined;
  }

  async delete(host: HostKey, object: ServiceEntry, why: string): Promise<KubeError | undefined> {
    const { client, deps, signal } = this.#tools;
    const removed = await remove(client, resources.serviceEntries, object, signal);
    if ("error" in removed) return this.#failed(host, "delete", removed.error);
    this.#count("delete", removed);
    deps.logger.info("serviceentry deleted", { host, name: object.metadata.name, why });
    this.forget(host);
    this.#serviceEntries.remove(object);
    return undefined;
  }

  /** Tells the entry's owner something that needs a person. */
  note(object: ServiceEntry, reason: string, message: string): void {
    const { apiVersion, kind } = { apiVersion: "networking.istio.io/v1beta1", kind: "ServiceEntry" } as const;
    this.#tools.events.record({ object: { ...object, apiVersion, kind }, type: "Warning", reason, message });
  }

  forget(host: HostKey): void {
    this.#contention.forget(host);
  }

  #failed(host: HostKey, verb: "apply" | "delete", error: KubeError): KubeError {
    this.#count(verb, { error });
    this.#tools.deps.logger.warn("serviceentry not written", { host, verb, error: error.message });
    return error;
  }

  #count(verb: "apply" | "delete", result: WriteResult<unknown>): void {
    this.#tools.metrics.wrote("ServiceEntry", verb, "error" in result ? result.error.reason : "ok");
  }
}

function contentHash({ metadata }: ServiceEntry): string {
  return metadata.annotations?.[annotations.lastApplied] ?? "";
}

/** What a refused write, or a list that cannot be read, means for the hub's owner. */
export function failureOf(error: KubeError): ApplyFailure {
  const detail = error.message.replace(/\.$/, "");
  switch (error.reason) {
    case "Forbidden":
      return {
        reason: "Forbidden",
        detail,
        nextStep: "Grant the operator's ServiceAccount that permission.",
      };
    case "ResourceTypeMissing": {
      const nextStep = "Install Istio's CRDs; the entries follow by themselves.";
      return { reason: "IstioMissing", detail: "the cluster has no ServiceEntry resource", nextStep };
    }
    case "NamespaceMissing":
      return {
        reason: "NamespaceMissing",
        detail,
        nextStep: "Create the namespace, or change spec.generate_to.",
      };
    default:
      return { reason: "ApplyFailed", detail, nextStep: "The operator tries again by itself." };
  }
}
