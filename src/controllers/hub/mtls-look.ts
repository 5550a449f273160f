import type { ObjectKey } from "../../kube/resources.ts";
import type { Ms } from "../../model/entry.ts";
import type { HubId } from "../../model/hub.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { pause } from "../../runtime/clock.ts";
import type { Clock } from "../../runtime/deps.ts";
import { inSlices, type Steps } from "../../runtime/slices.ts";
import { canonicalIp } from "../../translate/read-back/mesh-pod.ts";
import { ownershipOf } from "../../translate/read-back/service-entry.ts";
import { idsIn, type MtlsMark, mtlsMarksOf } from "../../translate/read-back/stored-endpoints.ts";

/** Looks take half a percent of a core at most, wherever pods come and go all the time: 100,000 endpoints take one 20 ms. */
const [minPauseMs, maxShare] = [1_000, 0.005];

/** So many endpoints are looked at in much less than a slice. */
const atOnce = 100;

export interface MtlsLookContext {
  readonly serviceEntries: ReadonlyMap<ObjectKey, Stored<ServiceEntry>>;
  /** As `Sidecars.speaksMtls`. */
  speaksMtls(endpoint: { readonly address: string; readonly port: number }): boolean | undefined;
  /** The hubs that say `identity: none`. */
  plainHubs(): ReadonlySet<HubId>;
  /** Some endpoint of the entry is not called as it should be. */
  differs(entry: ObjectKey): void;
}

/**
 * Finds the entries with endpoints that should be called by mTLS and are not, or the other way round. An index of all
 * endpoints would take more memory than the pods do, and a look is soon enough: a pod has its address before it registers, and
 * a new endpoint is judged when it is planned.
 */
export class MtlsLook {
  readonly #context: MtlsLookContext;
  readonly #clock: Pick<Clock, "monotonic" | "sleep">;
  /** Addresses that may be called otherwise. */
  #asked = new Set<string>();
  #isAllAsked = false;
  #begin = Promise.withResolvers<void>();

  constructor(context: MtlsLookContext, clock: Pick<Clock, "monotonic" | "sleep">) {
    this.#context = context;
    this.#clock = clock;
  }

  /** Looks at the endpoints with these addresses, as `canonicalIp` spells them. */
  ask(addresses: readonly string[]): void {
    if (addresses.length === 0) return;
    for (const address of addresses) this.#asked.add(address);
    this.#begin.resolve();
  }

  askAll(): void {
    this.#isAllAsked = true;
    this.#begin.resolve();
  }

  /** Looks whenever it is asked to, until `signal` aborts. @throws only on a bug. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#begin.resolve(), { once: true });
    for (;;) {
      await this.#begin.promise;
      if (signal.aborted) return;
      this.#begin = Promise.withResolvers();
      const pauseMs = await inSlices(this.#steps(this.#question()), this.#clock);
      await pause(this.#clock, pauseMs, signal);
    }
  }

  #question(): (address: string) => boolean {
    const [asked, isAllAsked] = [this.#asked, this.#isAllAsked];
    [this.#asked, this.#isAllAsked] = [new Set(), false];
    return (address) => isAllAsked || asked.has(canonicalIp(address));
  }

  /** Returns how long nobody has to look again. Entries of others are theirs. */
  *#steps(isAsked: (address: string) => boolean): Steps<Ms> {
    const plain = this.#context.plainHubs();
    const clock = this.#clock;
    let [workedMs, since] = [0, clock.monotonic()];
    function* rest(): Steps<void> {
      workedMs += clock.monotonic() - since;
      yield;
      since = clock.monotonic();
    }
    let looked = 0;
    for (const [key, object] of this.#context.serviceEntries) {
      let differs = false;
      for (const mark of ownershipOf(object) === "ours" ? mtlsMarksOf(object) : []) {
        if (++looked % atOnce === 0) yield* rest();
        differs ||= isAsked(mark.address) && this.#differs(mark, plain);
      }
      if (differs) this.#context.differs(key);
      yield* rest();
    }
    return Math.max(minPauseMs, workedMs / maxShare);
  }

  #differs({ address, ports, by, mtls }: MtlsMark, plain: ReadonlySet<HubId>): boolean {
    if (idsIn(by).some((id) => plain.has(id))) return mtls;
    return ports.some((port) => (this.#context.speaksMtls({ address, port }) ?? mtls) !== mtls);
  }
}
