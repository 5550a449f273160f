import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";
import type { Reflector } from "../../kube/reflector.ts";
import { collectionPath, type Resource } from "../../kube/resources.ts";
import type { KubeObject } from "../../model/kubernetes.ts";
import { pause } from "../../runtime/clock.ts";
import type { Clock } from "../../runtime/deps.ts";

const forbidden = 403;
/** How often the API server is asked for a right that nobody needs yet: somebody may grant it to have things cleaned up. */
const probeMs = 600_000;
/** The same while it does not answer. */
const retryMs = 5_000;

/** Whether what a right shows is known: "no" = the right is missing; "unknown" = not now. */
export type Known = "yes" | "no" | "unknown";

/**
 * Lists that need a right which an installation may leave out. Without it nobody shall read of refusals before somebody needs
 * the lists: until then the API server is asked now and then whether it gives them.
 */
export class OptionalLists {
  readonly #client: KubeClient;
  readonly #resource: Resource;
  readonly #lists: readonly Pick<Reflector<KubeObject>, "status" | "run">[];
  readonly #clock: Clock;
  readonly #refused: (error: KubeError) => void;
  readonly #needed = Promise.withResolvers<void>();
  #isNeeded = false;
  /** Whether the API server refuses to list what nobody needs yet. */
  #isForbidden = false;
  #changed: () => void = () => undefined;

  /**
   * @param resource whose objects in all namespaces the right is about.
   * @param refused called each time the API server refuses to list what nobody needs yet.
   */
  constructor(
    client: KubeClient,
    resource: Resource,
    lists: readonly Pick<Reflector<KubeObject>, "status" | "run">[],
    clock: Clock,
    refused: (error: KubeError) => void = () => undefined,
  ) {
    this.#client = client;
    this.#resource = resource;
    this.#lists = lists;
    this.#clock = clock;
    this.#refused = refused;
  }

  /** Somebody needs them from now on. */
  need(): void {
    this.#isNeeded = true;
    this.#needed.resolve();
  }

  /** Whether all of them are complete; to ask is no need of them. */
  get known(): Known {
    if (this.#isForbidden && !this.#isNeeded) return "no"; // what was asked minutes ago may have been granted
    const lists = this.#lists.map(({ status }) => status);
    if (lists.every(({ state }) => state === "synced")) return "yes";
    return lists.some((one) => one.state !== "synced" && one.error?.status === forbidden) ? "no" : "unknown";
  }

  /** Called when `known` may have changed before the lists themselves tell of it. */
  onChange(listener: () => void): void {
    this.#changed = listener;
  }

  /** Lists and watches until `signal` aborts. @throws only on a bug. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#needed.resolve(), { once: true });
    for (let answer = await this.#probe(signal); answer !== "yes"; answer = await this.#probe(signal)) {
      if (this.#isNeeded || signal.aborted) break;
      if (answer === "no") this.#isForbidden = true;
      this.#changed();
      await Promise.race([
        this.#needed.promise,
        pause(this.#clock, answer === "no" ? probeMs : retryMs, signal),
      ]);
    }
    this.#isForbidden = false;
    this.#changed(); // nothing is known until the lists say what
    await Promise.all(this.#lists.map((list) => list.run(signal)));
  }

  async #probe(signal: AbortSignal): Promise<Known> {
    const path = collectionPath(this.#resource);
    try {
      await this.#client.request({ method: "GET", path, query: { limit: "1" }, signal });
      return "yes";
    } catch (error) {
      if (!signal.aborted && !(error instanceof KubeError)) throw error;
      if (!(error instanceof KubeError) || error.status !== forbidden) return "unknown";
      this.#refused(error);
      return "no";
    }
  }
}
