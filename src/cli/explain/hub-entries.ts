import { splitKey } from "../../model/keys.ts";
import { counted } from "../output.ts";
import { type HubReport, isFine } from "../status/hub-report.ts";
import type { KnownHub } from "./asked.ts";
import type { Objects } from "./objects.ts";

/** A hub, and the entries that it vouches for. */
export interface HubExplained {
  readonly hub: HubReport;
  /** One sentence. */
  readonly answer: string;
  readonly hosts: readonly {
    readonly host: string;
    readonly namespace: string;
    readonly endpoints: number;
  }[];
  /** What there was no right to see. */
  readonly unseen: readonly string[];
}

/** Explains a hub. */
export function hubExplained(
  { key, report, identity }: KnownHub,
  { entries, unseen }: Objects,
): HubExplained {
  const hosts = entries.hostsOf(identity).map(({ host, endpoints }) => {
    const [namespace, name] = splitKey(host);
    return { host: name, namespace, endpoints };
  });
  const endpoints = hosts.reduce((sum, one) => sum + one.endpoints, 0);
  const has = `${counted(hosts.length, "host")} with ${counted(endpoints, "endpoint")}`;
  const { trouble, held } = report;
  const answer = trouble
    ? `RegistryHub ${key} is not Ready, and keeps ${has} as they are: ${trouble.cause.replace(/\.$/, "")}.`
    : `RegistryHub ${key} is ${report.reason} and vouches for ${has}${held ? `, some of which it holds (${held.reason})` : ""}.`;
  return { hub: report, answer, hosts, unseen };
}

/** Whether nobody has to look at it. */
export const isHubFine = ({ hub }: HubExplained): boolean => isFine(hub);
