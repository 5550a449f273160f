import type { HostKey } from "../../model/entry.ts";
import type { HubKey } from "../../model/hub.ts";
import { canonicalIp } from "../../translate/read-back/mesh-pod.ts";
import { entryOf } from "../../translate/read-back/service-entry.ts";
import { counted } from "../output.ts";
import type { KnownHub } from "./asked.ts";
import { type Finding, sentenceOf } from "./finding.ts";
import { endpointReport } from "./host-report.ts";
import { problemsAbout, troubleIn } from "./hubs.ts";
import type { Objects } from "./objects.ts";
import type { EndpointReport } from "./report.ts";

/** The hosts that an address is an endpoint of. */
export interface AddressReport {
  readonly address: string;
  readonly findings: readonly Finding[];
  /** One sentence. */
  readonly answer: string;
  readonly endpoints: readonly (EndpointReport & { readonly host: HostKey })[];
  /** What there was no right to see. */
  readonly unseen: readonly string[];
}

/** Explains an address that is nobody's virtual IP. @param port undefined = any. */
export function addressReport(
  ip: string,
  port: number | undefined,
  objects: Objects,
  hubs: readonly KnownHub[],
): AddressReport {
  const address = port === undefined ? ip : ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
  const endpoints = [...objects.serviceEntries.values()].flatMap((object) => {
    const entry = entryOf(object);
    return [...(entry?.endpoints.values() ?? [])]
      .filter(
        (one) => canonicalIp(one.address) === canonicalIp(ip) && (port === undefined || one.port === port),
      )
      .map((one) => ({ host: entry?.host ?? "", ...endpointReport(one, entry, hubs) }));
  });
  const problems = hubs.flatMap((hub) => problemFindings(hub, [ip, address]));
  const findings = endpoints.length === 0 && problems.length === 0 ? [absence(hubs)] : problems;
  const sorted = endpoints.toSorted((one, other) => (one.host < other.host ? -1 : 1));
  const vouching: ReadonlySet<HubKey> = new Set(sorted.flatMap(({ by }) => by));
  const served = `${address} is an endpoint of ${counted(new Set(sorted.map(({ host }) => host)).size, "host")}, for which ${[...vouching].join(", ") || "no hub"} vouches.`;
  return {
    address,
    findings,
    answer: findings[0] ? sentenceOf(address, findings[0]) : served,
    endpoints: sorted,
    unseen: objects.unseen,
  };
}

function problemFindings(hub: KnownHub, words: readonly string[]): readonly Finding[] {
  return problemsAbout(hub, words).map((problem) => ({
    effect: problem.severity === "rejected" ? "is rejected" : "deserves a look",
    cause: `${problem.code} at ${problem.at} of RegistryHub ${hub.key}: ${troubleIn(problem).cause}`,
    fix: troubleIn(problem).fix,
  }));
}

function absence(hubs: readonly KnownHub[]): Finding {
  const troubled = hubs.find(({ report }) => report.trouble !== undefined);
  const effect = "is neither a virtual IP nor an endpoint of a ServiceEntry";
  if (troubled?.report.trouble) {
    const { cause, fix } = troubled.report.trouble;
    return { effect, cause: `RegistryHub ${troubled.key} is not Ready, and may list it: ${cause}`, fix };
  }
  return {
    effect,
    cause: "no hub lists it, and no status speaks of it",
    fix: "Look whether it is registered, and with this address; status.problems names the first 20 problems only.",
  };
}
