import type { HubSession } from "../../controllers/hub/session.ts";
import type { EntryIndex } from "../../controllers/writes/entry-index.ts";
import type { HubIdentity } from "../../model/hub.ts";
import type { Stored } from "../../model/kubernetes.ts";
import type { RegistryHub } from "../../model/registryhub.ts";
import { hubIdOf } from "../../translate/names.ts";
import { type HubReport, hubKeyOf } from "../status/hub-report.ts";

/** What the hub-controller knows at this moment. */
export interface Knowledge {
  /** By key: every hub of the cluster. */
  readonly hubs: ReadonlyMap<string, Stored<RegistryHub>>;
  readonly entries: EntryIndex;
  /** Of the hubs that this process serves. */
  readonly sessions: readonly HubSession[];
}

/** What decides which entries are the hub's. */
export function identityOf(report: HubReport): HubIdentity {
  const key = hubKeyOf(report);
  return { id: hubIdOf(key), key, target: report.target };
}
