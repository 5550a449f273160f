import type { HubKey } from "../../model/hub.ts";
import { isPortAllowed, type PortRules } from "../../model/port-rules.ts";
import type { EntryIndex } from "../writes/entry-index.ts";

/** Why an entry gets no new filter: the hubs cannot be listed; no hub stands behind it; or its port. */
export type Withheld = "HubsUnknown" | "NoHub" | "PortNotAllowed";

/** What the rights depend on. */
export interface RightsContext {
  readonly entries: Pick<EntryIndex, "isOfHub">;
  /** The target of a hub that exists. */
  targetOf(hub: HubKey): string | undefined;
  /** Whether all hubs are known now. Meanwhile the filters that exist are kept, and new ones wait. */
  knowsHubs(): boolean;
}

/**
 * Which filters an entry may have. A filter changes every proxy of the mesh, so a new one needs more than the label of a
 * ServiceEntry. One that exists is kept: another version, or other settings, allowed it, and its listener must not change.
 *
 * A slot is as in FilterFacts, an entry "<namespace>/<name>" of its ServiceEntry.
 */
export class FilterRights {
  readonly #context: RightsContext;
  readonly #dubboPorts: PortRules;
  /**
   * What entries have had in the time of this process, and where, so that it comes back there if somebody deletes it. In
   * another namespace than the root namespace others may write filters, which give a right to nothing elsewhere.
   */
  readonly #slots = new Map<string, Set<string>>();
  readonly #withheld = new Map<string, Withheld>();

  constructor(context: RightsContext, dubboPorts: PortRules) {
    this.#context = context;
    this.#dubboPorts = dubboPorts;
  }

  /** The entry has a filter of ours in the namespace. */
  saw(entry: string, namespace: string, slot: string): void {
    this.#slots.set(entry, (this.#slots.get(entry) ?? new Set()).add(`${namespace} ${slot}`));
  }

  has(entry: string, namespace: string, slot: string): boolean {
    return this.#slots.get(entry)?.has(`${namespace} ${slot}`) ?? false;
  }

  /** Where the entry has, or has had, filters. */
  namespacesOf(entry: string): readonly string[] {
    return [...(this.#slots.get(entry) ?? [])].map((one) => one.split(" ", 1)[0] ?? "");
  }

  /** The entry is gone, or wants no filter any more. */
  forget(entry: string): void {
    this.#slots.delete(entry);
  }

  /** Why an entry of ours gets no new filter on the port. With `isForeign` it is somebody else's, which names no hub. */
  objection(entry: string, port: number, isForeign: boolean): Withheld | undefined {
    const { entries, targetOf, knowsHubs } = this.#context;
    if (!isForeign && !knowsHubs()) return "HubsUnknown";
    if (!isForeign && !entries.isOfHub(entry, targetOf)) return "NoHub";
    return isPortAllowed(port, this.#dubboPorts) ? undefined : "PortNotAllowed";
  }

  /** Records for `counts` why the entry lacks a filter; undefined = it lacks none. */
  record(entry: string, withheld: Withheld | undefined): void {
    if (withheld === undefined) this.#withheld.delete(entry);
    else this.#withheld.set(entry, withheld);
  }

  /** How many entries lack a filter, by the reason. */
  get counts(): Readonly<Record<Withheld, number>> {
    const counts = { HubsUnknown: 0, NoHub: 0, PortNotAllowed: 0 };
    for (const why of this.#withheld.values()) counts[why]++;
    return counts;
  }
}
