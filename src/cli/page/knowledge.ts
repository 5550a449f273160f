import type { HubSession } from "../../controllers/hub/session.ts";
import type { EntryIndex } from "../../controllers/writes/entry-index.ts";
import type { HubIdentity } from "../../model/hub.ts";
import type { Stored } from "../../model/kubernetes.ts";
import type { RegistryHub } from "../../model/registryhub.ts";
import { hubIdOf } from "../../translate/names.ts";
import { objectKeyOf } from "../../translate/read-back/json.ts";
import { targetOf } from "../../translate/read-back/kept.ts";

/** What the hub-controller knows at this moment. */
export interface Knowledge {
  /** By key: every hub of the cluster. */
  readonly hubs: ReadonlyMap<string, Stored<RegistryHub>>;
  readonly entries: EntryIndex;
  /** Of the hubs that this process serves. */
  readonly sessions: readonly HubSession[];
}

/** What decides which entries are the hub's, whatever is stored. */
export function identityOf(object: Stored<RegistryHub>): HubIdentity {
  const key = objectKeyOf(object);
  return { id: hubIdOf(key), key, target: targetOf(object) };
}
