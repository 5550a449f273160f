import type { Hub, HubIdentity, HubKey } from "../../model/hub.ts";
import type { HubReport } from "../status/hub-report.ts";

/** A hub, read once. */
export interface KnownHub {
  readonly key: HubKey;
  readonly report: HubReport;
  /** Also that of a hub that cannot be read. */
  readonly identity: HubIdentity;
  /** undefined = this version cannot read it. */
  readonly hub: Hub | undefined;
}

/** What is asked about: the host, and the names that its service may have in a registry. */
export interface Asked {
  /** Without its namespace; "" = only the service is known. */
  readonly host: string;
  readonly namespace: string;
  readonly names: readonly string[];
}
