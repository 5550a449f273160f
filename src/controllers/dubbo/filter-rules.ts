import { isDeepStrictEqual } from "node:util";
import { type ObjectKey, objectKey } from "../../kube/resources.ts";
import type { HostKey } from "../../model/entry.ts";
import type { EnvoyFilter, VirtualService } from "../../model/istio.ts";
import { splitKey } from "../../model/keys.ts";
import type { Stored } from "../../model/kubernetes.ts";
import {
  fieldOfSubset,
  type Refusal,
  rulesOf,
  rulesOfHttp,
  subsetsIn,
  withSubsets,
  wrongHosts,
} from "../../translate/dubbo-rules.ts";
import type { DubboRoute, RulesInForce } from "../../translate/envoy-filter.ts";
import { filterFactsOf, rulesInForceOf, rulesSlot } from "../../translate/read-back/envoy-filter.ts";
import { fieldsOf } from "../../translate/read-back/json.ts";
import { applyNowOf } from "../../translate/read-back/virtual-service.ts";
import type { Tools } from "../writes/object-writer.ts";
import { EmptySubsets } from "./empty-subsets.ts";
import { FiltersIn, type Ruling } from "./filters-in.ts";
import { namespaceOf } from "./known-filters.ts";
import type { RulesNews, RulesView, SubsetState } from "./rule-lists.ts";
import { RuleNotices } from "./rule-notices.ts";

/** By namespace. */
export type RulesDecision = ReadonlyMap<string, Ruling>;

/** What the rules depend on. */
export interface RulesContext {
  readonly rootNamespace: string;
  /** undefined = rules are switched off: nobody has any. */
  readonly lists: RulesView | undefined;
  /** The filters of ours that an entry has, those of the root namespace first. */
  filtersOf(entry: ObjectKey): readonly Stored<EnvoyFilter>[];
}

/** What was in force at a time at which all was known. */
interface Memory {
  readonly inForce: RulesInForce;
  /** The subsets that were there. */
  readonly there: ReadonlySet<string>;
}

/** What VirtualServices say. */
interface Said {
  /** undefined = nothing that changes it. */
  readonly inForce?: RulesInForce;
  readonly applyNow?: string | undefined;
}

/** One look at a service. */
interface Look {
  readonly route: DubboRoute;
  readonly host: HostKey;
  readonly lists: RulesView;
  /** Its filters. */
  readonly own: readonly Stored<EnvoyFilter>[];
  /** Asks for each subset once. */
  stateOf(subset: string): SubsetState;
}

const unsaid: Said = {};
const none: RulesInForce = { virtualService: "", http: [] };
const nothing: Memory = { inForce: none, there: new Set() };

/**
 * Decides which rules are in force for a service: those of the VirtualService of its host, if it can be expressed, and else the
 * last ones that could. What these were made of is kept in the cluster, so that a restart is no end of them.
 */
export class FilterRules {
  readonly #context: RulesContext;
  readonly #notices: RuleNotices;
  readonly #emptySubsets: EmptySubsets;
  /** What VirtualServices said, in the time of this process, of entries that have or had rules. */
  readonly #memory = new Map<ObjectKey, Memory>();
  /** Of entries with a route. */
  readonly #hostOf = new Map<ObjectKey, HostKey>();
  /** The same hosts by namespace: a wildcard names none of them. */
  readonly #hosts = new Map<string, Set<HostKey>>();
  /** By the VirtualService in force: it may speak of the host no more. */
  readonly #ruledBy = new Map<ObjectKey, HostKey>();
  /** Hosts with something in force that were decided about while the lists were incomplete. */
  readonly #undecided = new Set<HostKey>();

  constructor(context: RulesContext, tools: Tools) {
    this.#context = context;
    this.#notices = new RuleNotices(tools.events);
    this.#emptySubsets = new EmptySubsets(tools, this.#notices);
  }

  /** How many VirtualServices are refused, by the reason. */
  get counts(): Readonly<Record<Refusal["reason"], number>> {
    return this.#notices.counts;
  }

  /** The hosts that have to be decided about again. */
  hostsOf({ hosts, virtualServices, isAll }: RulesNews): ReadonlySet<HostKey> {
    const concerned = new Set(hosts);
    for (const key of virtualServices) {
      this.#notices.forget(key);
      const host = this.#meantByWildcard(key);
      for (const one of [host, this.#ruledBy.get(key)]) if (one !== undefined) concerned.add(one);
      this.#ruledBy.delete(key);
    }
    if (!isAll) return concerned;
    return new Set([...concerned, ...this.#undecided, ...(this.#context.lists?.hosts() ?? [])]);
  }

  /**
   * What is in force from now on; undefined = the entry is about to move, and whether its rules may is not known now.
   * @param isOurs only an entry of the operator has rules.
   * @param namespaces of its filters. Where no VirtualService decides, each goes on with what is in its own filter or in that of
   *   the root namespace: whoever writes filters in our name in one namespace has no say in another.
   */
  of(route: DubboRoute, isOurs: boolean, namespaces: readonly string[]): RulesDecision | undefined {
    const entry = route.serviceEntry;
    const [namespace] = splitKey(entry);
    const host = hostKeyOf(route);
    this.#noteHost(entry, host);
    const { lists, rootNamespace } = this.#context;
    const own = this.#context.filtersOf(entry);
    // Whoever may write ServiceEntries could name a host of another namespace, and has no say about it.
    if (lists === undefined || !isOurs || !route.host.endsWith(`.${namespace}`)) {
      this.#memory.delete(entry);
      return decisionFor(namespaces, (place) => ({
        rules: [],
        inForce: none,
        followed: new FiltersIn(place, rootNamespace, own).followed,
      }));
    }
    const look: Look = { route, host, lists, own, stateOf: stateOf(lists, host, route) };
    const filters = own.filter((one) => filterFactsOf(one).slot === rulesSlot);
    const isKnown = lists.known === "yes";
    const before = this.#memory.get(entry) ?? firstMemory(filters, route);
    const said = isKnown ? this.#heard(look, before?.inForce ?? none) : unsaid;
    if (said.inForce === none && filters.length === 0) this.#memory.delete(entry);
    else if (said.inForce) this.#memory.set(entry, { inForce: said.inForce, there: new Set() });
    const memory = this.#memory.get(entry);
    if (!isKnown && (filters.length > 0 || memory)) this.#undecided.add(host);
    else this.#undecided.delete(host);
    const kept = (place: string): Memory | undefined =>
      memory ??
      firstMemory(
        filters.filter((one) => namespaceOf(one) === place),
        route,
      );
    if (!isKnown && kept(rootNamespace) === undefined && leavesRules(own, namespaces)) return undefined;
    const decision = decisionFor(namespaces, (place) =>
      this.#ruling(look, kept(place) ?? kept(rootNamespace) ?? nothing, place, said.applyNow),
    );
    const [ruling] = decision.values();
    if (memory && ruling && lists.knowsSubsets)
      this.#memory.set(entry, { ...memory, there: subsetsIn(ruling.rules) });
    return decision;
  }

  /** The entry is gone, or wants no filters any more. */
  forget(entry: ObjectKey): void {
    this.#memory.delete(entry);
    this.#emptySubsets.forget(entry);
    const host = this.#hostOf.get(entry);
    if (host === undefined) return;
    this.#hostOf.delete(entry);
    this.#hosts.get(splitKey(host)[0])?.delete(host);
    this.#undecided.delete(host);
    const { named = [], meant = [] } = this.#context.lists?.speakingOf(host) ?? {};
    for (const one of [...named, ...meant]) this.#notices.forget(objectKey(one));
  }

  /** Tells of subsets without endpoints. @param version of the entry. */
  async lookAtSubsets(route: DubboRoute, rulings: RulesDecision, version: string | undefined): Promise<void> {
    const { lists } = this.#context;
    const [ruling] = rulings.values();
    const source = ruling && lists?.get(ruling.inForce.virtualService);
    if (ruling === undefined || source === undefined || lists?.known !== "yes") return;
    const labelsOf = [...subsetsIn(ruling.rules)].flatMap((subset) => {
      const known = lists.subsetOf(hostKeyOf(route), subset, route.namespaces);
      return known.state === "there" ? [[subset, known.labels] as const] : [];
    });
    await this.#emptySubsets.look(route, version, source, new Map(labelsOf));
  }

  #noteHost(entry: ObjectKey, host: HostKey): void {
    const before = this.#hostOf.get(entry);
    if (before === host) return;
    if (before !== undefined) this.forget(entry);
    this.#hostOf.set(entry, host);
    const [namespace] = splitKey(host);
    this.#hosts.set(namespace, (this.#hosts.get(namespace) ?? new Set()).add(host));
  }

  /** One of the hosts is enough to tell of it. Few VirtualServices have wildcards of this kind. */
  #meantByWildcard(virtualService: ObjectKey): HostKey | undefined {
    const { lists } = this.#context;
    if (!lists?.hasWildcard(virtualService)) return undefined;
    const hosts = this.#hosts.get(splitKey(virtualService)[0]) ?? new Set();
    return [...hosts].find((host) => lists.meansByWildcard(virtualService, host));
  }

  /** @param last what is in force, and the subsets that count while it is not known which there are. */
  #ruling(look: Look, { inForce, there }: Memory, place: string, applyNow: string | undefined): Ruling {
    const { host, route, lists, own, stateOf } = look;
    const verdict = rulesOfHttp(inForce.http, route);
    const all = "rules" in verdict ? verdict.rules : [];
    const isThere = (subset: string): boolean =>
      lists.knowsSubsets ? stateOf(subset).state === "there" : there.has(subset);
    const source = lists.get(inForce.virtualService);
    const gone = [...subsetsIn(all)].filter((subset) => !isThere(subset));
    if (lists.knowsSubsets && source)
      this.#notices.tell(source, "SubsetVanished", gone.length > 0 ? vanishedText(gone) : undefined);
    if (inForce !== none) this.#ruledBy.set(inForce.virtualService, host);
    const rules = withSubsets(all, isThere);
    // What a stranger's rule hides is still there.
    const isGone = (subset: string): boolean => {
      const known = stateOf(subset);
      if (known.state === "shadowed") return splitKey(known.by)[0] === splitKey(host)[0];
      return known.state === "missing";
    };
    const filters = new FiltersIn(place, this.#context.rootNamespace, own);
    const followed = filters.followedNext(
      subsetsIn(rules),
      (subset) => lists.knowsSubsets && isGone(subset),
      applyNow,
    );
    return { rules, inForce, followed };
  }

  /** What the VirtualServices of the host say. The oldest has the word; who is refused changes nothing. */
  #heard(look: Look, before: RulesInForce): Said {
    const { host, route, lists } = look;
    const { named, meant } = lists.speakingOf(host);
    const [voice, ...others] = named;
    for (const one of meant) this.#notices.refuse(one, wrongHosts);
    const isStill = [...named, ...meant].some((one) => objectKey(one) === before.virtualService);
    if (voice === undefined) return isStill ? unsaid : { inForce: none };
    for (const one of others) this.#notices.refuse(one, notAlone(route, voice));
    const { http = [] } = fieldsOf(voice.spec);
    const refusal = refusalOf(voice, http, look, before);
    this.#notices.refuse(voice, refusal);
    if (refusal) return isStill ? unsaid : { inForce: none }; // else nobody could end what a deleted one said
    return { inForce: { virtualService: objectKey(voice), http }, applyNow: applyNowOf(voice) };
  }
}

/** Subsets that vanish are no reason to refuse what is in force: else a call would follow them into nothing. */
function refusalOf(
  voice: Stored<VirtualService>,
  http: unknown,
  { host, route, stateOf }: Look,
  before: RulesInForce,
): Refusal | undefined {
  const verdict = rulesOf(voice.spec, route);
  if ("refusal" in verdict) return verdict.refusal;
  if (isDeepStrictEqual(http, before.http)) return undefined;
  for (const subset of subsetsIn(verdict.rules)) {
    const known = stateOf(subset);
    if (known.state === "there") continue;
    const field = fieldOfSubset(http, subset);
    if (known.state === "missing")
      return { reason: "SubsetMissing", field, detail: missingText(subset, host) };
    return { reason: "SubsetShadowed", field, detail: shadowedText(subset, known.by) };
  }
  return undefined;
}

/** What the rules' filter says; undefined = nothing that is legal. */
function memoryOf(filter: Stored<EnvoyFilter>, route: DubboRoute): Memory | undefined {
  const inForce = rulesInForceOf(filter);
  const verdict = inForce && rulesOfHttp(inForce.http, route);
  if (inForce === undefined || verdict === undefined || "refusal" in verdict) return undefined;
  const clusters = JSON.stringify(filter.spec);
  const isNamed = (subset: string): boolean => clusters.includes(`|${subset}|${route.host}"`);
  return { inForce, there: new Set([...subsetsIn(verdict.rules)].filter(isNamed)) };
}

function firstMemory(filters: readonly Stored<EnvoyFilter>[], route: DubboRoute): Memory | undefined {
  const memories = filters.values().map((one) => memoryOf(one, route));
  return memories.find((one) => one !== undefined);
}

function stateOf(lists: RulesView, host: HostKey, { namespaces }: DubboRoute): Look["stateOf"] {
  const known = new Map<string, SubsetState>();
  return (subset) => {
    const state = known.get(subset) ?? lists.subsetOf(host, subset, namespaces);
    known.set(subset, state);
    return state;
  };
}

/** Whether an entry gets a filter where it has none, and goes from where it has rules. */
function leavesRules(own: readonly Stored<EnvoyFilter>[], namespaces: readonly string[]): boolean {
  const all = own.map((one) => ({ place: namespaceOf(one), ...filterFactsOf(one) }));
  const has = new Set(all.filter(({ routedPort }) => routedPort !== undefined).map(({ place }) => place));
  const isNew = namespaces.some((place) => !has.has(place));
  return isNew && all.some(({ named, place }) => named !== undefined && !namespaces.includes(place));
}

function decisionFor(namespaces: readonly string[], rulingIn: (place: string) => Ruling): RulesDecision {
  return new Map(namespaces.map((one) => [one, rulingIn(one)]));
}

const hostKeyOf = ({ serviceEntry, host }: DubboRoute): HostKey => `${splitKey(serviceEntry)[0]}/${host}`;

const notAlone = ({ host }: DubboRoute, voice: Stored<VirtualService>): Refusal => ({
  reason: "NotAlone",
  field: "spec.hosts",
  detail: `has ${host}, for which the VirtualService ${objectKey(voice)} is older`,
});

const missingText = (subset: string, host: HostKey): string => {
  const [namespace, name] = splitKey(host);
  return `is ${subset}, which no DestinationRule for ${name} alone in namespace ${namespace} has for all consumers`;
};
const shadowedText = (subset: string, by: ObjectKey): string =>
  `is ${subset}, which the DestinationRule ${by} lacks, and some consumers follow that one`;
const vanishedText = (subsets: readonly string[]): string =>
  `calls for ${subsets.join(", ")} go to all endpoints: no DestinationRule has that subset any more, or another one hides it; of consumers that are connected such calls may fail until their connections are renewed, about a minute`;
