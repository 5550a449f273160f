import type { Instant } from "../../model/entry.ts";
import type { HubKey } from "../../model/hub.ts";
import type { KubeObject } from "../../model/kubernetes.ts";
import type { ReasonOf } from "../../model/reasons.ts";
import type { HubStatus } from "../../model/registryhub.ts";
import type { SpecProblem } from "../../translate/read-back/hub.ts";
import { bugFailure, reportBug } from "../writes/internal-error.ts";
import type { Tools } from "../writes/object-writer.ts";

const firstRetryMs = 1_000;
const maxRetryMs = 300_000;
/** A bug after so long without one is a first one. */
const quietMs = 2 * maxRetryMs;
/** How often a hub gets an Event about its bugs. */
const eventMs = 3_600_000;

/**
 * Why a hub that exists has no session. The operator does not read its registry, and its entries stay, because nobody
 * can say which of them are gone.
 */
export interface UnservedHub extends SpecProblem {
  readonly code: Extract<ReasonOf<"RegistrySynced", "False">, "InvalidSpec" | "InternalError">;
  /** The last status of a hub of this name, for the address, the origin and the hold of the time before. */
  readonly kept: HubStatus | undefined;
}

/** The version of a hub's spec; another version is another try. */
export interface HubVersion {
  readonly key: HubKey;
  readonly uid: string;
  readonly generation: number;
}

export interface UnservedHooks {
  /** It is time to serve the hub again. */
  retry(key: HubKey): void;
  /** Records an Event on the hub. */
  recordEvent(key: HubKey, message: string): void;
}

interface Unserved {
  readonly hub: UnservedHub;
  readonly version: HubVersion;
  /** Ends the wait for the next try; undefined = nothing waits. */
  readonly cancel: (() => void) | undefined;
}

/** The hubs that exist and are not served: their spec or their id cannot be used, or a bug of the operator stopped them. */
export class UnservedHubs {
  readonly #hubs = new Map<HubKey, Unserved>();
  /** Bugs in a row. */
  readonly #bugs = new Map<
    HubKey,
    { readonly count: number; readonly at: Instant; readonly eventAt: Instant }
  >();
  readonly #tools: Pick<Tools, "deps" | "metrics">;
  readonly #hooks: UnservedHooks;

  constructor(tools: Pick<Tools, "deps" | "metrics">, hooks: UnservedHooks) {
    this.#tools = tools;
    this.#hooks = hooks;
  }

  get(key: HubKey): UnservedHub | undefined {
    return this.#hubs.get(key)?.hub;
  }

  keys(): IterableIterator<HubKey> {
    return this.#hubs.keys();
  }

  /** The spec cannot be used; only an edit changes that, or the end of another hub. */
  refuse(version: HubVersion, problem: SpecProblem, kept: HubStatus | undefined): void {
    const { key } = version;
    if (this.get(key)?.detail !== problem.detail)
      this.#tools.deps.logger.warn("the hub is not served; its entries stay", {
        hub: key,
        error: problem.detail,
      });
    this.#set(version, { code: "InvalidSpec", ...problem, kept }, undefined);
  }

  /** A bug of the operator stopped the hub; it is tried again after 1 s, then ever more rarely, up to every 5 min. */
  fail(version: HubVersion, error: unknown, kept: HubStatus | undefined): void {
    const { key } = version;
    const { clock } = this.#tools.deps;
    const now = clock.monotonic();
    const before = this.#bugs.get(key);
    const failure = bugFailure("hub", error);
    const isEventDue = before === undefined || now - before.eventAt >= eventMs;
    const count = before === undefined || now - before.at > quietMs ? 1 : before.count + 1;
    this.#bugs.set(key, { count, at: now, eventAt: isEventDue ? now : before.eventAt });
    reportBug(this.#tools, "hub", { hub: key }, error);
    if (isEventDue) this.#hooks.recordEvent(key, `${failure.detail}. ${failure.nextStep}`);
    const retryInMs = Math.min(firstRetryMs * 2 ** (count - 1), maxRetryMs);
    const hub = { code: "InternalError", ...failure, kept } as const;
    const cancel = clock.after(retryInMs, () => {
      this.#hubs.set(key, { hub, version, cancel: undefined });
      this.#hooks.retry(key);
    });
    this.#set(version, hub, cancel);
  }

  /** Whether a bug stopped the hub, and its next try is not due. An edit is tried at once. */
  isWaiting({ key, uid, generation }: HubVersion): boolean {
    const waiting = this.#hubs.get(key);
    if (waiting?.cancel === undefined) return false;
    return waiting.version.uid === uid && waiting.version.generation === generation;
  }

  /** The hub is served from now on. Returns whether it was unserved. */
  serve(key: HubKey): boolean {
    this.#hubs.get(key)?.cancel?.();
    return this.#hubs.delete(key);
  }

  /** The hub is gone. Returns whether it was unserved. */
  forget(key: HubKey): boolean {
    this.#bugs.delete(key);
    return this.serve(key);
  }

  /** Nothing is tried any more. */
  close(): void {
    for (const { cancel } of this.#hubs.values()) cancel?.();
  }

  #set(version: HubVersion, hub: UnservedHub, cancel: (() => void) | undefined): void {
    this.#hubs.get(version.key)?.cancel?.();
    this.#hubs.set(version.key, { hub, version, cancel });
  }
}

export function versionOf(key: HubKey, object: KubeObject | undefined): HubVersion {
  const { uid = "", generation = 0 } = object?.metadata ?? {};
  return { key, uid, generation };
}
