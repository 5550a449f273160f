import { isDeepStrictEqual } from "node:util";
import { KubeError } from "../../kube/errors.ts";
import { list } from "../../kube/list.ts";
import { apiVersionOf, type ObjectKey, objectKey, resources } from "../../kube/resources.ts";
import type { HostKey } from "../../model/entry.ts";
import type { EnvoyFilter, ServiceEntry, VirtualService } from "../../model/istio.ts";
import { splitKey } from "../../model/keys.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { printable } from "../../model/problems.ts";
import {
  type DubboRule,
  fieldOfSubset,
  type Refusal,
  refusalReasons,
  rulesOf,
  rulesOfHttp,
  subsetsIn,
  withSubsets,
  wrongHosts,
} from "../../translate/dubbo-rules.ts";
import type { DubboRoute, RulesInForce } from "../../translate/envoy-filter.ts";
import { filterFactsOf, rulesInForceOf, rulesSlot } from "../../translate/read-back/envoy-filter.ts";
import { fieldsOf } from "../../translate/read-back/json.ts";
import { isSubsetEmpty } from "../../translate/read-back/subsets.ts";
import { applyNowOf } from "../../translate/read-back/virtual-service.ts";
import type { Tools } from "../writes/object-writer.ts";
import type { RulesNews, RulesView } from "./rule-lists.ts";

/** Told on VirtualServices: it is refused; a subset in force is gone; a subset has no endpoints, so that its calls fail. */
type Reason = "RuleRefused" | "SubsetVanished" | "SubsetEmpty";
const reasons: readonly Reason[] = ["RuleRefused", "SubsetVanished", "SubsetEmpty"];

/** What a service's calls follow in a namespace of its filters. */
export interface Ruling {
  /** [] = they go to all endpoints. */
  readonly rules: readonly DubboRule[];
  readonly inForce: RulesInForce;
}

/** The same in all of them. */
export interface RulesDecision {
  readonly rulings: ReadonlyMap<string, Ruling>;
  /** As in NamedConfig; undefined = what it is. */
  readonly applyNow: string | undefined;
}

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

interface Told {
  readonly text: string;
  readonly refused: Refusal["reason"] | undefined;
}

/** What VirtualServices say. */
interface Said {
  /** undefined = nothing that changes it. */
  readonly inForce?: RulesInForce;
  readonly applyNow?: string | undefined;
}

const unsaid: Said = {};
const none: RulesInForce = { virtualService: "", http: [] };
const nothing: Memory = { inForce: none, there: new Set() };
const maxMessage = 500;

/**
 * Decides which rules are in force for a service: those of the VirtualService of its host, if it can be expressed, and else the
 * last ones that could. What these were made of is kept in the cluster, so that a restart is no end of them.
 */
export class FilterRules {
  readonly #context: RulesContext;
  readonly #tools: Tools;
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
  readonly #told = new Map<string, Told>();

  constructor(context: RulesContext, tools: Tools) {
    this.#context = context;
    this.#tools = tools;
  }

  /** How many VirtualServices are refused, by the reason. */
  get counts(): Readonly<Record<Refusal["reason"], number>> {
    const counts = Object.fromEntries(refusalReasons.map((reason) => [reason, 0]));
    for (const { refused } of this.#told.values())
      if (refused !== undefined) counts[refused] = (counts[refused] ?? 0) + 1;
    return counts as Record<Refusal["reason"], number>;
  }

  /** The hosts that have to be decided about again. */
  hostsOf({ hosts, virtualServices, isAll }: RulesNews): ReadonlySet<HostKey> {
    const concerned = new Set(hosts);
    for (const key of virtualServices) {
      for (const reason of reasons) this.#told.delete(`${key} ${reason}`); // about what it was
      const host = this.#meantByWildcard(key);
      for (const one of [host, this.#ruledBy.get(key)]) if (one !== undefined) concerned.add(one);
      this.#ruledBy.delete(key);
    }
    if (!isAll) return concerned;
    return new Set([...concerned, ...this.#undecided, ...(this.#context.lists?.hosts() ?? [])]);
  }

  /**
   * What is in force from now on.
   * @param isOurs only an entry of the operator has rules.
   * @param namespaces of its filters. Where no VirtualService decides, each goes on with what is in its own filter or in that of
   *   the root namespace: whoever writes filters in our name in one namespace has no say in another.
   */
  of(route: DubboRoute, isOurs: boolean, namespaces: readonly string[]): RulesDecision {
    const entry = route.serviceEntry;
    const [namespace] = splitKey(entry);
    const host = hostKeyOf(route);
    this.#noteHost(entry, host);
    const { lists, rootNamespace } = this.#context;
    const filters = this.#rulesFiltersOf(entry);
    // Whoever may write ServiceEntries could name a host of another namespace, and has no say about it.
    if (lists === undefined || !isOurs || !route.host.endsWith(`.${namespace}`)) {
      this.#memory.delete(entry);
      return decisionFor(namespaces, () => ({ rules: [], inForce: none }));
    }
    const isKnown = lists.known === "yes";
    const before = this.#memory.get(entry) ?? filters.map((one) => memoryOf(one, route)).find(Boolean);
    const said = isKnown ? this.#heard(host, route, before?.inForce ?? none, lists) : unsaid;
    if (said.inForce === none && filters.length === 0) this.#memory.delete(entry);
    else if (said.inForce) this.#memory.set(entry, { inForce: said.inForce, there: new Set() });
    const memory = this.#memory.get(entry);
    if (!isKnown && (filters.length > 0 || memory)) this.#undecided.add(host);
    else this.#undecided.delete(host);
    const kept = (place: string): Memory | undefined =>
      filters
        .filter((one) => one.metadata.namespace === place)
        .map((one) => memoryOf(one, route))
        .find(Boolean);
    const all = memory && this.#ruling(host, route, memory, lists);
    if (memory && all && isKnown) this.#memory.set(entry, { ...memory, there: subsetsIn(all.rules) });
    return decisionFor(
      namespaces,
      (place) => all ?? this.#ruling(host, route, kept(place) ?? kept(rootNamespace) ?? nothing, lists),
      said.applyNow,
    );
  }

  /** The entry is gone, or wants no filters any more. */
  forget(entry: ObjectKey): void {
    this.#memory.delete(entry);
    const host = this.#hostOf.get(entry);
    if (host === undefined) return;
    this.#hostOf.delete(entry);
    this.#hosts.get(splitKey(host)[0])?.delete(host);
    this.#undecided.delete(host);
    const { named = [], meant = [] } = this.#context.lists?.speakingOf(host) ?? {};
    for (const one of [...named, ...meant])
      for (const reason of reasons) this.#told.delete(`${objectKey(one)} ${reason}`);
  }

  /** Tells of subsets that rules name and that no endpoint is in: their calls fail, as Istio has it. */
  async lookAtSubsets(route: DubboRoute, { rulings }: RulesDecision): Promise<void> {
    const { lists } = this.#context;
    const [{ rules, inForce }] = [...rulings.values(), { rules: [], inForce: none }] as const;
    const source = lists?.get(inForce.virtualService);
    if (lists === undefined || source === undefined) return;
    const named = [...subsetsIn(rules)];
    const entry = named.length > 0 ? await this.#entryOf(route.serviceEntry) : undefined;
    const empty = named.filter((subset) => {
      const known = lists.subsetOf(hostKeyOf(route), subset);
      return entry !== undefined && known.state === "there" && isSubsetEmpty(known.labels, entry);
    });
    this.#tell(source, "SubsetEmpty", empty.length > 0 ? emptyText(empty, route) : undefined);
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
  #ruling(host: HostKey, route: DubboRoute, { inForce, there }: Memory, lists: RulesView): Ruling {
    const isKnown = lists.known === "yes";
    const verdict = rulesOfHttp(inForce.http, route);
    const all = "rules" in verdict ? verdict.rules : [];
    const isThere = (subset: string): boolean =>
      isKnown ? lists.subsetOf(host, subset).state === "there" : there.has(subset);
    const source = lists.get(inForce.virtualService);
    const gone = [...subsetsIn(all)].filter((subset) => !isThere(subset));
    if (isKnown && source)
      this.#tell(source, "SubsetVanished", gone.length > 0 ? vanishedText(gone) : undefined);
    if (inForce !== none) this.#ruledBy.set(inForce.virtualService, host);
    return { rules: withSubsets(all, isThere), inForce };
  }

  /** What the VirtualServices of the host say. The oldest has the word; who is refused changes nothing. */
  #heard(host: HostKey, route: DubboRoute, before: RulesInForce, lists: RulesView): Said {
    const { named, meant } = lists.speakingOf(host);
    const [voice, ...others] = named;
    for (const one of meant) this.#refuse(one, wrongHosts);
    const isStill = [...named, ...meant].some((one) => objectKey(one) === before.virtualService);
    if (voice === undefined) return isStill ? unsaid : { inForce: none };
    for (const one of others) this.#refuse(one, notAlone(route, voice));
    const { http = [] } = fieldsOf(voice.spec);
    const refusal = this.#refusalOf(voice, http, host, route, before, lists);
    this.#refuse(voice, refusal);
    if (refusal) return isStill ? unsaid : { inForce: none }; // else nobody could end what a deleted one said
    return { inForce: { virtualService: objectKey(voice), http }, applyNow: applyNowOf(voice) };
  }

  /** Subsets that vanish are no reason to refuse what is in force: else a call would follow them into nothing. */
  #refusalOf(
    voice: Stored<VirtualService>,
    http: unknown,
    host: HostKey,
    route: DubboRoute,
    before: RulesInForce,
    lists: RulesView,
  ): Refusal | undefined {
    const verdict = rulesOf(voice.spec, route);
    if ("refusal" in verdict) return verdict.refusal;
    if (isDeepStrictEqual(http, before.http)) return undefined;
    for (const subset of subsetsIn(verdict.rules)) {
      const known = lists.subsetOf(host, subset);
      if (known.state === "there") continue;
      const field = fieldOfSubset(http, subset);
      if (known.state === "missing")
        return { reason: "SubsetMissing", field, detail: missingText(subset, host) };
      return { reason: "SubsetShadowed", field, detail: shadowedText(subset, known.by) };
    }
    return undefined;
  }

  /** undefined = it is accepted. */
  #refuse(one: Stored<VirtualService>, refusal: Refusal | undefined): void {
    const text = refusal && `${refusal.reason}: ${refusal.field} ${refusal.detail}; nothing has changed`;
    this.#tell(one, "RuleRefused", text, refusal?.reason);
  }

  #tell(
    one: Stored<VirtualService>,
    reason: Reason,
    text: string | undefined,
    refused?: Refusal["reason"],
  ): void {
    const key = `${objectKey(one)} ${reason}`;
    if (text === undefined) {
      this.#told.delete(key);
      return;
    }
    if (this.#told.get(key)?.text === text) return;
    this.#told.set(key, { text, refused });
    const { kind } = resources.virtualServices;
    const object = { ...one, apiVersion: apiVersionOf(resources.virtualServices), kind };
    this.#tools.events.record({
      object,
      type: "Warning",
      reason,
      message: printable(text).slice(0, maxMessage),
    });
  }

  /** With its endpoints, which are in no list here, because nothing else needs them. */
  async #entryOf(key: ObjectKey): Promise<Stored<ServiceEntry> | undefined> {
    const [namespace, name] = splitKey(key);
    const selection = { namespace, fieldSelector: `metadata.name=${name}` };
    const { client, signal } = this.#tools;
    try {
      const options = { selection, pageSize: 1, transform: (one: Stored<ServiceEntry>) => one, signal };
      return (await list(client, resources.serviceEntries, options)).objects[0];
    } catch (error) {
      if (!signal.aborted && !(error instanceof KubeError)) throw error;
      return undefined; // no word about it now is no harm
    }
  }

  #rulesFiltersOf(entry: ObjectKey): readonly Stored<EnvoyFilter>[] {
    return this.#context.filtersOf(entry).filter((one) => filterFactsOf(one).slot === rulesSlot);
  }
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

function decisionFor(
  namespaces: readonly string[],
  rulingIn: (namespace: string) => Ruling,
  applyNow?: string,
): RulesDecision {
  return { rulings: new Map(namespaces.map((one) => [one, rulingIn(one)])), applyNow };
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
  `calls for ${subsets.join(", ")} of new connections go to all endpoints, and those of consumers that are connected fail until ecns.easystack.cn/apply-rules-now changes: no DestinationRule has that subset any more, or another one hides it`;
const emptyText = (subsets: readonly string[], { host }: DubboRoute): string =>
  `calls for ${subsets.join(", ")} fail: no endpoint of ${host} has the labels of that subset`;
