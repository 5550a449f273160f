import type { HostObject } from "../../controllers/writes/entry-index.ts";
import { type HostKey, isOwner } from "../../model/entry.ts";
import { type HubKey, wants } from "../../model/hub.ts";
import { splitKey } from "../../model/keys.ts";
import { problemCodes } from "../../model/problems.ts";
import { hubIdOf } from "../../translate/names.ts";
import { readHub } from "../../translate/read-back/hub.ts";
import {
  type HubReport,
  hubKeyOf,
  hubReport,
  type ProblemReport,
  type Trouble,
  waitForOperator,
} from "../status/hub-report.ts";
import type { Asked, KnownHub } from "./asked.ts";
import type { Finding } from "./finding.ts";
import type { Objects } from "./objects.ts";
import { type RegistrySays, saidInWords } from "./registry-says.ts";

/** What one hub says of what is asked about. */
export interface HubSays {
  readonly hub: HubKey;
  /** The reason of its condition Ready. */
  readonly ready: string;
  /** How many endpoints it vouches for. */
  readonly endpoints: number;
  /** In words. */
  readonly says: string;
}

/** How much a reason explains that a hub makes no entry: the first one is told. */
const ranks = ["problem", "trouble", "filter", "policy", "unlisted"] as const;

interface Absence extends Finding {
  readonly hub: HubKey;
  readonly rank: (typeof ranks)[number];
  /** The same from the hub's side. */
  readonly says: string;
}

/** All hubs, the oldest first. */
export function knownHubs({ hubs }: Pick<Objects, "hubs">): readonly KnownHub[] {
  const known = hubs.map((object) => {
    const reading = readHub(object);
    const report = hubReport(object);
    const key = hubKeyOf(report);
    const identity = { id: hubIdOf(key), key, target: report.target };
    return { key, report, identity, hub: "hub" in reading ? reading.hub : undefined };
  });
  return known.toSorted((one, other) => (ageOf(one) < ageOf(other) ? -1 : 1));
}

/** The target of a hub that exists, as the controllers ask for it. */
export function targetsOf(hubs: readonly KnownHub[]): (key: HubKey) => string | undefined {
  const targets = new Map(hubs.map(({ key, report }) => [key, report.target]));
  return (key) => targets.get(key);
}

/** Of the hubs that may have a host: what they say of it. `vouched` = the endpoints of each in its entry. */
export function hubsSay(
  hubs: readonly KnownHub[],
  asked: Asked,
  named: ReadonlyMap<string, HubKey>,
  vouched: (id: string) => number,
  registries: readonly RegistrySays[],
): readonly HubSays[] {
  return hubs.flatMap((known): readonly HubSays[] => {
    const { key, report, identity } = known;
    const { reason: ready } = report;
    const host = `${asked.namespace}/${asked.host}`;
    if (named.has(identity.id) && isOwner(identity, host, named.get(identity.id))) {
      const endpoints = vouched(identity.id);
      return [{ hub: key, ready, endpoints, says: vouchesFor(endpoints, known) }];
    }
    if (asked.namespace !== "" && report.target !== asked.namespace) return [];
    return [{ hub: key, ready, endpoints: 0, says: absenceIn(known, asked, registries).says }];
  });
}

/** The hubs that an entry names, and those that may list its host. */
export function hubsWith(
  hubs: readonly KnownHub[],
  host: HostKey,
  { entry }: HostObject,
): readonly KnownHub[] {
  const named = new Set(entry?.hubs.values());
  return hubs.filter(({ key, report }) => named.has(key) || report.target === splitKey(host)[0]);
}

/**
 * The hubs that might have made an entry for it. Of a service without a host they are those of the person's namespace, if it has
 * some: another one that is in trouble would explain nothing.
 */
export function candidatesFor(
  hubs: readonly KnownHub[],
  asked: Asked,
  namespace: string,
): readonly KnownHub[] {
  if (asked.namespace !== "") return hubs.filter(({ report }) => report.target === asked.namespace);
  const own = hubs.filter(({ report }) => [report.namespace, report.target].includes(namespace));
  return own.length > 0 ? own : hubs;
}

/** Why none of the candidates has made an entry for it. */
export function absenceOf(
  candidates: readonly KnownHub[],
  asked: Asked,
  registries: readonly RegistrySays[],
): Finding {
  const [first] = candidates
    .map((one) => absenceIn(one, asked, registries))
    .toSorted((one, other) => ranks.indexOf(one.rank) - ranks.indexOf(other.rank));
  if (first) return first;
  return {
    effect,
    cause:
      asked.namespace === ""
        ? "there is no RegistryHub that you may see"
        : `no RegistryHub that you may see has spec.generate_to: ${asked.namespace}`,
    fix: "Check the name (registryhub status -A lists the hubs and their targets), or create a hub.",
  };
}

/** The problems of a hub that are about the host, the service or an address. */
export function problemsAbout({ report }: KnownHub, words: readonly string[]): readonly ProblemReport[] {
  const wanted = new Set(words.map((word) => word.toLowerCase()));
  return report.problems.filter(({ at }) => wordsIn(at).some((word) => wanted.has(word)));
}

/** A problem says what is the matter and, after a semicolon, what to do; where it does not, its code does. */
export function troubleIn({ code, detail }: Pick<ProblemReport, "code" | "detail">): Trouble {
  const at = detail.indexOf("; ");
  if (at >= 0) return { cause: detail.slice(0, at), fix: `${detail.slice(at + 2)}.` };
  const known = Object.entries(problemCodes).find(([one]) => one === code);
  return { cause: detail, fix: known?.[1] ?? 'See docs/operations.md, "Problems".' };
}

const effect = "has no ServiceEntry, so callers do not reach it";

/** A registry that was read just now knows more than the status. */
function absenceIn(known: KnownHub, asked: Asked, registries: readonly RegistrySays[]): Absence {
  const absence = absenceByStatus(known, asked);
  const { key, report } = known;
  const said = registries.find(({ hub, unread }) => hub === key && unread === "");
  if (said === undefined || absence.rank === "filter") return absence;
  const now = `its registry, read now, ${saidInWords(said)}`;
  if (absence.rank !== "unlisted") return { ...absence, cause: `${absence.cause}; ${now}` };
  const says = `is Ready, and ${now}`;
  return { ...absence, cause: `RegistryHub ${key} ${says}`, says, fix: fixOf(said, report) ?? absence.fix };
}

/** What to do about a service that a registry lists for nothing; undefined = it does not. */
function fixOf({ instances }: RegistrySays, { namespace, name }: HubReport): string | undefined {
  if (instances.length === 0) return undefined;
  if (instances.some(({ leftOut }) => leftOut === "")) return waitForOperator;
  return `Change what the provider registers, or spec.instances: kubectl edit registryhub -n ${namespace} ${name}`;
}

function absenceByStatus(known: KnownHub, asked: Asked): Absence {
  const { key, report, hub } = known;
  const [problem] = problemsAbout(known, [asked.host, ...asked.names]).filter(
    ({ severity }) => severity === "rejected",
  );
  if (problem)
    return {
      hub: key,
      rank: "problem",
      effect,
      cause: `RegistryHub ${key} rejects it: ${problem.code} at ${problem.at}: ${troubleIn(problem).cause}`,
      fix: troubleIn(problem).fix,
      says: `rejects it: ${problem.code}: ${problem.detail}`,
    };
  if (hub && !asked.names.some((name) => wants(hub.filter, name))) {
    const cause = `spec.services of RegistryHub ${key} leaves the service out`;
    const fix = `Change spec.services: kubectl edit registryhub -n ${report.namespace} ${report.name}`;
    return { hub: key, rank: "filter", effect, cause, fix, says: "its spec.services leaves the service out" };
  }
  const { trouble } = report;
  if (trouble) {
    const cause = `RegistryHub ${key} is not Ready (${report.reason || "no status"}): ${trouble.cause}`;
    return { hub: key, rank: "trouble", effect, cause, fix: trouble.fix, says: trouble.cause };
  }
  if (hub && (hub.suspend || hub.policy === "observe")) {
    const says = hub.suspend ? "is suspended" : "only observes, and writes nothing";
    const cause = `RegistryHub ${key} ${says}`;
    const fix = `Set spec.${hub.suspend ? "suspend: false" : "policy: sync"} in it.`;
    return { hub: key, rank: "policy", effect, cause, fix, says };
  }
  const excluded =
    report.excluded > 0 ? `, or spec.instances leaves it out as one of ${report.excluded}` : "";
  const says = `is Ready, and its registry does not list it${excluded}`;
  return {
    hub: key,
    rank: "unlisted",
    effect,
    cause: `RegistryHub ${key} ${says}`,
    fix: `Start a provider, or see what the registry lists: kubectl get registryhub -n ${report.namespace} ${report.name} -o yaml | registryhub preview -f -`,
    says,
  };
}

function vouchesFor(endpoints: number, { report }: KnownHub): string {
  const count =
    endpoints === 0 ? "named by the entry, and has no endpoint in it" : `vouches for ${endpoints}`;
  return report.trouble ? `${count}; ${report.trouble.cause}` : count;
}

/** A place is a path, a host, or a service and an address. */
function wordsIn(at: string): readonly string[] {
  const words = at.toLowerCase().split(/[\s/@|,]+/);
  return [...words, ...words.map((word) => word.replace(/:\d+$/, ""))];
}

const ageOf = ({ key, report }: KnownHub): string => `${report.createdAt} ${key}`;
