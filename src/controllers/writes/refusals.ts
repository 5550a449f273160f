import { type KubeError, retryDelay } from "../../kube/errors.ts";
import type { Instant, Ms } from "../../model/entry.ts";
import type { Clock } from "../../runtime/deps.ts";

/** How often the log is told of writes that fail for one reason in one namespace. */
const tellEveryMs = 600_000;
/** What is refused beside writes that go through (a quota, an admission webhook) is not called back by each of these. */
const recallEveryMs = 60_000;

/** What the API server refuses, by namespace: thousands of objects may be refused for one reason, and be heard again by one change. */
export class Refusals {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #toldAt = new Map<string, Instant>();
  /** Namespaces in which something was refused for good since the last recall. */
  readonly #refused = new Set<string>();
  readonly #recalledAt = new Map<string, Instant>();

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** A write has failed. Returns whether that is worth a line in the log. */
  failed(namespace: string, error: KubeError): boolean {
    if (retryDelay(error) === undefined) this.#refused.add(namespace);
    return isDue(this.#toldAt, `${namespace} ${error.reason}`, tellEveryMs, this.#clock.monotonic());
  }

  /** A write has gone through. Returns whether what was refused in the namespace should be tried again. */
  succeeded(namespace: string): boolean {
    if (!this.#refused.has(namespace)) return false;
    if (!isDue(this.#recalledAt, namespace, recallEveryMs, this.#clock.monotonic())) return false;
    this.#refused.delete(namespace);
    return true;
  }
}

/** Whether `at` has no time for the key that is less than `everyMs` ago; notes the time if so. */
function isDue(at: Map<string, Instant>, key: string, everyMs: Ms, now: Instant): boolean {
  const last = at.get(key);
  if (last !== undefined && now - last < everyMs) return false;
  at.set(key, now);
  return true;
}
