import type { Change } from "../../model/change.ts";
import type { HubKey } from "../../model/hub.ts";
import { splitKey } from "../../model/keys.ts";

/** Something that has happened, whoever tells it. */
export type Told = Omit<Change, "seq">;

/** A change without its number, which only says something to the process that gave it. */
export function toldOf(change: Change): Told {
  const { seq: _, ...told } = change;
  return told;
}

/** Whose changes somebody wants to see. */
export interface Wanted {
  /** undefined = of all hubs. */
  readonly hub?: HubKey;
  /** undefined = of all namespaces: that of the hub, or of the host. */
  readonly namespace?: string;
}

/** Whether it is one of them. What nobody knows the hub of may be of any hub of its namespace. */
export function isWanted(
  { hub, others = [], host }: Pick<Told, "hub" | "others" | "host">,
  wanted: Wanted,
): boolean {
  const hubs = [hub, ...others];
  const places = [...hubs, host].map((key) => splitKey(key)[0]);
  if (wanted.hub !== undefined)
    return hubs.includes(wanted.hub) || (hub === "" && places.includes(splitKey(wanted.hub)[0]));
  return wanted.namespace === undefined || places.includes(wanted.namespace);
}
