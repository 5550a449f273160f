import type { HubKey } from "../../model/hub.ts";
import type { Protocol } from "../../model/service.ts";
import type { FilterReport } from "./filters.ts";
import type { Finding } from "./finding.ts";
import type { HubSays } from "./hubs.ts";
import type { RegistrySays } from "./registry-says.ts";
import type { RuleReport } from "./rules.ts";

/** The entry of a host. */
export interface EntryReport {
  readonly namespace: string;
  readonly name: string;
  readonly owner: "the operator" | "the old product" | "somebody else";
  /** The name in the registry; "" = not ours. */
  readonly service: string;
  /** "" = none. */
  readonly virtualIp: string;
  /** 0 = not ours. */
  readonly port: number;
  readonly protocol: Protocol | "";
  readonly l7: boolean;
  /** [] = every namespace sees it. */
  readonly exportTo: readonly string[];
  /** RFC 3339; "" = it has endpoints. */
  readonly emptySince: string;
}

/** One endpoint of the entry. */
export interface EndpointReport {
  readonly address: string;
  /** The hubs that vouch for it; [] = adopted from the old product. */
  readonly by: readonly HubKey[];
  /** Whether the operator believes that it is there, or keeps it because nobody can say that it is gone. */
  readonly state: string;
  /** 1 = the default. */
  readonly weight: number;
  /** "" = none is known. */
  readonly zone: string;
  readonly mtls: boolean;
}

/** Another object that has the host. */
export interface OtherReport {
  readonly kind: "ServiceEntry" | "Service";
  readonly key: string;
  readonly owner: string;
}

/** The whole chain of one host, from hubs to calls. */
export interface HostReport {
  readonly host: string;
  readonly namespace: string;
  /** The worst first. */
  readonly findings: readonly Finding[];
  /** One sentence. */
  readonly answer: string;
  readonly hubs: readonly HubSays[];
  /** Those that were read; [] = nobody asked for it. */
  readonly registries: readonly RegistrySays[];
  /** Absent = the host has none. */
  readonly entry?: EntryReport;
  readonly endpoints: readonly EndpointReport[];
  readonly filters: readonly FilterReport[];
  readonly rules: readonly RuleReport[];
  readonly others: readonly OtherReport[];
  /** What there was no right to see. */
  readonly unseen: readonly string[];
}
