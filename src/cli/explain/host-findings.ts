import type { HostObject } from "../../controllers/writes/entry-index.ts";
import { objectKey } from "../../kube/resources.ts";
import type { HostKey } from "../../model/entry.ts";
import type { HubKey } from "../../model/hub.ts";
import { splitKey } from "../../model/keys.ts";
import { sentence } from "../output.ts";
import { endOfHold, heldWhat, type ProblemReport, type Trouble } from "../status/hub-report.ts";
import type { KnownHub } from "./asked.ts";
import { differenceFindings } from "./differences.ts";
import type { Finding } from "./finding.ts";
import { problemsAbout, troubleIn } from "./hubs.ts";
import { type RegistrySays, saidInWords } from "./registry-says.ts";
import type { OtherReport } from "./report.ts";
import type { RuleReport } from "./rules.ts";

/** What is known around the entry of a host. */
interface HostFacts {
  readonly key: HostKey;
  readonly found: HostObject;
  readonly hubs: readonly KnownHub[];
  /** What the registries that were read say. */
  readonly says: readonly RegistrySays[];
  readonly rules: readonly RuleReport[];
  readonly others: readonly OtherReport[];
  /** ServiceEntries of others with its virtual IP. */
  readonly strangers: readonly string[];
  /** Of the entry, under other names. */
  readonly copies: readonly string[];
  readonly lacksFilter: Trouble | undefined;
}

const foreign = "has the ServiceEntry of somebody else, which the operator leaves alone";
const elsewhere = "is reached by some callers, and others reach something else";
const stale = "is served with what was known last";

/** Everything that callers of the host may feel, the worst first. */
export function findingsOf(facts: HostFacts): readonly Finding[] {
  const { found, hubs, key, says } = facts;
  const names: ReadonlySet<HubKey> = new Set(found.entry?.hubs.values());
  const behind = hubs.filter((one) => names.has(one.key));
  const inTarget = hubs.filter(({ report }) => report.target === splitKey(key)[0]);
  if (found.ownership === "foreign") return foreignFindings(facts, inTarget);
  return [
    ...hiddenFindings(behind),
    ...clashFindings(facts),
    ...emptyFindings(facts, behind),
    ...(facts.lacksFilter
      ? [{ effect: "is called as plain TCP: each connection sticks to one endpoint", ...facts.lacksFilter }]
      : []),
    ...behind.flatMap((hub) => hubFindings(hub, says)),
    ...(found.entry ? differenceFindings(found.entry, hubs, says) : []),
    ...goneFindings(names, hubs),
    ...ruleFindings(facts.rules),
    ...problemFindings(facts, behind),
  ];
}

/** A hub lists the host, too. */
function foreignFindings({ key, found }: HostFacts, hubs: readonly KnownHub[]): readonly Finding[] {
  const theirs = objectKey(found.object);
  const inConflict = hubs.filter((hub) =>
    problemsAbout(hub, [splitKey(key)[1]]).some(({ code }) => code === "HostConflict"),
  );
  return inConflict.map((hub) => ({
    effect: foreign,
    cause: `ServiceEntry ${theirs} had the host first, and RegistryHub ${hub.key} lists it too (HostConflict)`,
    fix: `Delete that ServiceEntry, or have it use another host: kubectl edit serviceentry -n ${splitKey(theirs).join(" ")}`,
  }));
}

function hiddenFindings(hubs: readonly KnownHub[]): readonly Finding[] {
  return hubs.flatMap(({ key, report }) =>
    report.problems
      .filter(({ code }) => code === "HiddenByMesh")
      .map((problem) => ({
        effect: "is hidden by the mesh, so callers do not reach it",
        cause: `${troubleIn(problem).cause} (HiddenByMesh of RegistryHub ${key})`,
        fix: troubleIn(problem).fix,
      })),
  );
}

/** Two that answer to one name or one address. */
function clashFindings({ key, found, strangers, copies, others }: HostFacts): readonly Finding[] {
  const vip = found.entry?.vip ?? "";
  const services = others.filter(({ kind }) => kind === "Service");
  const entries = others.filter((one) => one.kind === "ServiceEntry" && !copies.includes(one.key));
  return [
    ...strangers.map((one) => ({
      effect: elsewhere,
      cause: `ServiceEntry ${one}, which is not the operator's, has its virtual IP ${vip} as well (VipShared)`,
      fix: `Give that ServiceEntry another address: kubectl edit serviceentry -n ${splitKey(one).join(" ")}`,
    })),
    ...services.map(({ key: service }) => ({
      effect: elsewhere,
      cause: `Service ${service} has the same name in the mesh (ShadowsService)`,
      fix: "Rename the Service, or have the hub use another spec.generate_to.",
    })),
    ...entries.map(({ key: entry, owner }) => ({
      effect: elsewhere,
      cause: `ServiceEntry ${entry} of ${owner} has the same host, and Istio takes one of the two, or both`,
      fix: `Have it use another host: kubectl edit serviceentry -n ${splitKey(entry).join(" ")}`,
    })),
    ...copies.map((copy) => ({
      effect: "has endpoints that nobody keeps up to date",
      cause: `ServiceEntry ${copy} is a copy of the entry of ${splitKey(key)[1]} (HostConflict)`,
      fix: `Delete the copy: kubectl delete serviceentry -n ${splitKey(copy).join(" ")}`,
    })),
  ];
}

function emptyFindings({ found, says }: HostFacts, hubs: readonly KnownHub[]): readonly Finding[] {
  const { entry } = found;
  if (entry === undefined || entry.endpoints.size > 0) return [];
  const [hub] = hubs;
  const since = entry.emptySince === undefined ? "" : ` since ${entry.emptySince}`;
  const said = says.find((one) => one.hub === hub?.key && one.unread === "");
  const now = said ? `; its registry, read now, ${saidInWords(said)}` : "";
  return [
    {
      effect: "has no endpoint, so calls fail at once",
      cause: `${hub ? `RegistryHub ${hub.key} lists` : "nobody lists"} no instance of ${entry.shape.service.name}${since}${now}`,
      fix: "Start a provider, or look at what it registers.",
    },
  ];
}

/** The registry cannot be read, or removals are held; which ones, a registry tells that was read just now. */
function hubFindings({ key, report }: KnownHub, says: readonly RegistrySays[]): readonly Finding[] {
  const { trouble, held } = report;
  if (trouble) {
    const cause = `RegistryHub ${key} is not Ready (${report.reason || "no status"}): ${trouble.cause}`;
    return [{ effect: stale, cause, fix: trouble.fix }];
  }
  if (held === undefined || held.reason === "Settling") return [];
  if (says.some(({ hub, unread }) => hub === key && unread === "")) return [];
  return [
    {
      effect: "may have endpoints that are gone",
      cause: `RegistryHub ${key} holds removals (${held.reason}): ${heldWhat(held)}`,
      fix: sentence(endOfHold(held)),
    },
  ];
}

function goneFindings(names: ReadonlySet<HubKey>, hubs: readonly KnownHub[]): readonly Finding[] {
  const known = new Set(hubs.map(({ key }) => key));
  const gone = [...names].filter((name) => name !== "" && !known.has(name));
  return gone.map((name) => ({
    effect: "is about to lose endpoints",
    cause: `RegistryHub ${name}, which vouches for some, is not there, or you may not see it`,
    fix: "Create it again, or wait: the operator removes what only it contributed 60 s after its end.",
  }));
}

function ruleFindings(rules: readonly RuleReport[]): readonly Finding[] {
  return rules
    .filter(({ verdict }) => verdict === "refused")
    .map(({ key, detail }) => ({
      effect: "does not follow a VirtualService",
      cause: `VirtualService ${key} is refused: ${detail}`,
      fix: 'Change it; docs/dubbo.md, "Rules", says what rules can express.',
    }));
}

/** What else the statuses say of it. */
const told = ["HiddenByMesh", "VipShared", "ShadowsService", "PortNotAllowed"];

function problemFindings({ key, found }: HostFacts, hubs: readonly KnownHub[]): readonly Finding[] {
  const words = [splitKey(key)[1], found.entry?.shape.service.name ?? ""];
  const isNew = ({ code, detail }: ProblemReport): boolean =>
    !told.includes(code) && !(code === "HostConflict" && detail.includes(" is a copy "));
  return hubs.flatMap((hub) =>
    problemsAbout(hub, words)
      .filter(isNew)
      .map((problem) => ({
        effect: problem.severity === "rejected" ? "lacks an instance" : "deserves a look",
        cause: `${problem.code} at ${problem.at} of RegistryHub ${hub.key}: ${troubleIn(problem).cause}`,
        fix: troubleIn(problem).fix,
      })),
  );
}
