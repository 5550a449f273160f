import type { Endpoint, HostKey, HostPort } from "../../model/entry.ts";
import type { HubIdentity } from "../../model/hub.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { addrOf } from "../../translate/addresses.ts";
import { mtlsMarksOf } from "../../translate/read-back/stored-endpoints.ts";
import type { EntryIndex } from "../writes/entry-index.ts";
import { predecessorOf } from "./hub-hosts.ts";

/** The entries that the one of a host takes the place of. */
export interface Earlier {
  /** One that somebody may have deleted. */
  readonly last: Stored<ServiceEntry> | undefined;
  /** Those of the hubs' earlier targets, while the cluster has them. */
  readonly hubs: () => readonly HubIdentity[];
  readonly entries: Pick<EntryIndex, "ownedBy" | "hostObject">;
}

/**
 * How endpoints were called in the entries that the one of the host takes the place of: true = by mTLS. It counts for those
 * that the entry itself does not have, while nobody knows how they have to be called.
 */
export function earlierCalls(
  host: HostKey,
  { last, hubs, entries }: Earlier,
): (endpoint: Pick<Endpoint, "hostPort">) => true | undefined {
  let marked: ReadonlySet<HostPort> | undefined; // read when it is asked for, which is nearly never
  const read = (): ReadonlySet<HostPort> => {
    const moved = hubs().flatMap((hub) =>
      [...entries.ownedBy(hub).namespacesElsewhere].flatMap(
        (namespace) => entries.hostObject(predecessorOf(hub, host, namespace))?.object ?? [],
      ),
    );
    return new Set([...(last ? [last] : []), ...moved].flatMap(calledByMtls));
  };
  return ({ hostPort }) => {
    marked ??= read();
    return marked.has(hostPort) || undefined;
  };
}

const calledByMtls = (object: Stored<ServiceEntry>): readonly HostPort[] =>
  [...mtlsMarksOf(object)].flatMap(({ address, ports, mtls }) =>
    mtls ? ports.map((port) => addrOf(address, port)) : [],
  );
