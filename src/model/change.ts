import type { HostKey, HostPort } from "./entry.ts";
import type { HubKey, RegistryType } from "./hub.ts";

/** What may become of a host, each with the sentence that docs/commands.md prints. */
export const hostChanges = {
  Created: "The ServiceEntry was created.",
  EndpointAdded: "The entry got the endpoint.",
  EndpointRemoved: "The entry lost the endpoint.",
  EndpointChanged: "The endpoint has another weight, label, locality, mTLS or hub.",
  Changed: "Something else of the entry is another: its virtual IP, exportTo, protocol and the like.",
  Emptied: "The entry lost its last endpoint.",
  Deleted: "The ServiceEntry was deleted.",
  Repaired: "Somebody had edited or deleted the ServiceEntry, and it is as it was.",
  Held: "Endpoints that the registry does not list are kept for now.",
  Released: "They are not kept any more.",
} as const;

export type HostChange = keyof typeof hostChanges;

/** One thing that became of a hub, of a host or of an endpoint. */
export interface Change {
  /** Counts up from 1 in each process. */
  readonly seq: number;
  /** RFC 3339. */
  readonly at: string;
  /** "" = nobody knows whose it was, as `registry`. */
  readonly hub: HubKey;
  /** More hubs of the endpoint or of the host; absent = there are none. */
  readonly others?: readonly HubKey[];
  readonly registry: RegistryType | "";
  /** "" = it is about the whole hub. */
  readonly host: HostKey;
  /** "" = it is about the whole host. */
  readonly endpoint: HostPort;
  /** A HostChange; of a whole hub the reason of its Event. */
  readonly what: string;
  /** One sentence, or the end of one. */
  readonly why: string;
}

/** What GET /changes answers. */
export interface Changes {
  /** Of the process, as its Lease names it. */
  readonly identity: string;
  /** "<namespace>/<name>" of that Lease; "" = the process leads without one. */
  readonly lease: string;
  /** RFC 3339: since when this process has kept changes. */
  readonly since: string;
  /** How many there were before the first one that is kept. */
  readonly forgotten: number;
  /** `seq` of the newest, whether or not it is among `changes`; 0 = there is none. */
  readonly last: number;
  /** Those that were asked for, the newest last. */
  readonly changes: readonly Change[];
}
