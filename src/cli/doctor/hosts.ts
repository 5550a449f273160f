import type { Entry } from "../../model/entry.ts";
import { splitKey } from "../../model/keys.ts";
import type { WantedHost } from "./scope.ts";
import type { Sight } from "./sight.ts";

/** A host of the operator, and its entry. */
export interface OwnHost extends WantedHost {
  readonly entry: Entry;
}

/** All hosts of hubs, sorted. */
export function ownHosts({ objects: { entries } }: Pick<Sight, "objects">): readonly OwnHost[] {
  return [...entries.hosts()].sort().flatMap((key) => {
    const { entry, ownership } = entries.hostObject(key) ?? {};
    if (entry === undefined || ownership !== "ours") return [];
    const [namespace, host] = splitKey(key);
    return [{ namespace, host, port: entry.shape.port, entry }];
  });
}

/** Whether the proxies of a namespace see an entry, as far as its exportTo says. */
export const isExportedTo = ({ entry: { exportTo }, namespace }: OwnHost, to: string): boolean =>
  exportTo === undefined || exportTo.includes(to) || (exportTo.includes(".") && namespace === to);

/** The namespaces that have or are to have hosts: targets of hubs. */
export const targetsIn = ({ hubs }: Pick<Sight, "hubs">): readonly string[] =>
  [...new Set(hubs.map(({ report }) => report.target))].filter((one) => one !== "").sort();
