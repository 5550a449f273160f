import type { HubId, HubIdentity, HubKey } from "../../model/hub.ts";
import { hubIdOf } from "../../translate/names.ts";
import type { SpecProblem } from "../../translate/read-back/hub.ts";
import type { HubCluster } from "./cluster.ts";

/** A hub of which only the name is known. */
export function identityOf(key: HubKey): HubIdentity {
  return { id: hubIdOf(key), key, target: "" };
}

/** Every hub that exists, of whatever lane, by id: somebody may have given several of them names with one id. */
export class Namesakes {
  readonly #cluster: Pick<HubCluster, "hubs" | "entries">;
  readonly #byId = new Map<HubId, Set<HubKey>>();

  constructor(cluster: Pick<HubCluster, "hubs" | "entries">) {
    this.#cluster = cluster;
  }

  /** The hubs that share an id. */
  *shared(): Generator<HubKey> {
    for (const namesakes of this.#byId.values()) if (namesakes.size > 1) yield* namesakes;
  }

  /** The hub exists. Returns which hub has its id: one that entries name, else the oldest. */
  holderOf(key: HubKey): HubKey {
    const id = hubIdOf(key);
    const namesakes = (this.#byId.get(id) ?? new Set()).add(key);
    this.#byId.set(id, namesakes);
    const { hubs, entries } = this.#cluster;
    const rank = (one: HubKey): string => {
      const isNamed = entries.hostsOf(identityOf(one)).some(() => true);
      return `${isNamed ? "a" : "b"} ${hubs.objects.get(one)?.metadata.creationTimestamp ?? ""} ${one}`;
    };
    const [first = "", ...others] = namesakes;
    return others.reduce((holder, one) => (rank(one) < rank(holder) ? one : holder), first);
  }

  /** The hub exists no more. Returns those that had to share its id. */
  delete(key: HubKey): Iterable<HubKey> {
    const id = hubIdOf(key);
    const namesakes = this.#byId.get(id);
    if (namesakes?.delete(key) !== true) return [];
    if (namesakes.size === 0) this.#byId.delete(id);
    return namesakes;
  }
}

/** Why a hub whose id another one has is not served. */
export function idTaken(holder: HubKey): SpecProblem {
  return {
    detail: `the id of this hub in labels, ${hubIdOf(holder)}, is that of hub ${holder} as well`,
    nextStep: "Rename the hub. Until then it connects to no registry, and its entries stay.",
  };
}
