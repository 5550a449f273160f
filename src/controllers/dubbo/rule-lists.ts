import type { KubeClient } from "../../kube/client.ts";
import type { KubeError } from "../../kube/errors.ts";
import { createReflector, type Reflector } from "../../kube/reflector.ts";
import { type ObjectKey, objectKey, resources } from "../../kube/resources.ts";
import type { HostKey } from "../../model/entry.ts";
import type { DestinationRule, VirtualService } from "../../model/istio.ts";
import { splitKey } from "../../model/keys.ts";
import type { Stored } from "../../model/kubernetes.ts";
import type { Deps } from "../../runtime/deps.ts";
import { type SubsetFacts, subsetFactsOf, subsetsOnly } from "../../translate/read-back/subsets.ts";
import { type HostNames, hostNamesOf, ruleOnly } from "../../translate/read-back/virtual-service.ts";
import { type Known, OptionalLists } from "../writes/optional-lists.ts";

/** What DestinationRules say of one subset of a host. */
export type SubsetState =
  | { readonly state: "there"; readonly labels: Readonly<Record<string, string>> }
  | { readonly state: "missing" }
  /** The rule `by`, which is all that some consumers see, lacks it. */
  | { readonly state: "shadowed"; readonly by: ObjectKey };

/** What has changed. */
export interface RulesNews {
  /** Hosts of which it is known that a VirtualService speaks. */
  readonly hosts: ReadonlySet<HostKey>;
  readonly virtualServices: ReadonlySet<ObjectKey>;
  /** Whether it is known, or known no more, what there is at all. */
  readonly isAll: boolean;
}

/** What can be asked of the lists. */
export type RulesView = Pick<
  RuleLists,
  "known" | "get" | "hosts" | "speakingOf" | "hasWildcard" | "meansByWildcard" | "subsetOf"
>;

/** Nobody can list them here, so what is in force stays. */
export const rulesUnknown: RulesView = {
  known: "no",
  get: () => undefined,
  hosts: () => [],
  hasWildcard: () => false,
  speakingOf: () => ({ named: [], meant: [] }),
  meansByWildcard: () => false,
  subsetOf: () => ({ state: "missing" }),
};

/**
 * The VirtualServices and DestinationRules of the cluster, by the host that they are for. The rights to list them may be
 * missing; only the log tells, at level debug, because nothing says that somebody wants them.
 */
export class RuleLists {
  readonly #rootNamespace: string;
  readonly #virtualServices: Reflector<Stored<VirtualService>>;
  readonly #destinationRules: Reflector<Stored<DestinationRule>>;
  readonly #optional: readonly OptionalLists[];
  readonly #names = new Map<ObjectKey, HostNames>();
  readonly #byHost = new Map<HostKey, Set<ObjectKey>>();
  /** VirtualServices with wildcards, by namespace. */
  readonly #wildcards = new Map<string, Set<ObjectKey>>();
  readonly #subsets = new Map<ObjectKey, SubsetFacts>();
  /** DestinationRules by host. */
  readonly #subsetsByHost = new Map<string, Set<ObjectKey>>();
  /** Those with wildcards: few, because each is for many hosts. */
  readonly #subsetsOfMany = new Set<ObjectKey>();
  #known: Known = "unknown";

  constructor(client: KubeClient, rootNamespace: string, deps: Deps) {
    this.#rootNamespace = rootNamespace;
    const logger = deps.logger.child({ neededFor: "rules of Dubbo services; those in force stay" });
    const optional = { ...deps, logger };
    const { virtualServices, destinationRules } = resources;
    this.#virtualServices = createReflector(client, virtualServices, { transform: ruleOnly }, optional);
    this.#destinationRules = createReflector(client, destinationRules, { transform: subsetsOnly }, optional);
    const refused = ({ message }: KubeError): void => logger.debug("a right is missing", { error: message });
    this.#optional = [
      new OptionalLists(client, virtualServices, [this.#virtualServices], deps.clock, refused),
      new OptionalLists(client, destinationRules, [this.#destinationRules], deps.clock, refused),
    ];
  }

  /** Whether both lists are complete. */
  get known(): Known {
    const all = this.#optional.map(({ known }) => known);
    if (all.includes("no")) return "no";
    return all.includes("unknown") ? "unknown" : "yes";
  }

  get(virtualService: ObjectKey): Stored<VirtualService> | undefined {
    return this.#virtualServices.objects.get(virtualService);
  }

  /** The hosts of which VirtualServices speak. */
  hosts(): Iterable<HostKey> {
    return this.#byHost.keys();
  }

  /** Those that have the host, the oldest first; and those that may mean it, and name it otherwise. */
  speakingOf(host: HostKey): {
    readonly named: readonly Stored<VirtualService>[];
    readonly meant: readonly Stored<VirtualService>[];
  } {
    const [namespace, name] = splitKey(host);
    const keys = [...(this.#byHost.get(host) ?? [])];
    const isNamed = (key: ObjectKey): boolean => this.#names.get(key)?.full.includes(name) ?? false;
    const wild = [...(this.#wildcards.get(namespace) ?? [])].filter((key) => this.meansByWildcard(key, host));
    return {
      named: this.#all(keys.filter(isNamed)).toSorted((one, other) => (ageOf(one) < ageOf(other) ? -1 : 1)),
      meant: this.#all([...keys.filter((key) => !isNamed(key)), ...wild.filter((key) => !isNamed(key))]),
    };
  }

  hasWildcard(virtualService: ObjectKey): boolean {
    return (this.#names.get(virtualService)?.wildcards.length ?? 0) > 0;
  }

  meansByWildcard(virtualService: ObjectKey, host: HostKey): boolean {
    const wildcards = this.#names.get(virtualService)?.wildcards ?? [];
    return wildcards.some((wildcard) => host.endsWith(wildcard.slice(1)));
  }

  /** What is known of a subset of the host. */
  subsetOf(host: HostKey, subset: string): SubsetState {
    const [namespace, name] = splitKey(host);
    const rules = [...(this.#subsetsByHost.get(name) ?? []), ...this.#subsetsOfMany];
    const facts = rules.flatMap((key) => {
      const one = this.#subsets.get(key);
      return one && concerns(one, name) ? [{ key, ...one, isExact: one.host === name }] : [];
    });
    const isOwn = ({ key }: { readonly key: ObjectKey }): boolean => splitKey(key)[0] === namespace;
    const counting = facts.filter((one) => one.isExact && one.isForAll && isOwn(one));
    const labels = counting.map(({ subsets }) => subsets.get(subset)).find((one) => one !== undefined);
    if (labels === undefined) return { state: "missing" };
    // A wildcard comes after an exact host of the same namespace, and the root namespace's after all others'.
    const yields = (one: (typeof facts)[number]): boolean =>
      !one.isExact && ((one.isForAll && isOwn(one)) || splitKey(one.key)[0] === this.#rootNamespace);
    const shadow = facts.find((one) => !counting.includes(one) && !yields(one) && !one.subsets.has(subset));
    return shadow ? { state: "shadowed", by: shadow.key } : { state: "there", labels };
  }

  /** @param changed called after each change, also when a list is complete, or no longer. */
  subscribe(changed: (news: RulesNews) => void): void {
    const tell = (hosts: Iterable<HostKey>, virtualServices: ReadonlySet<ObjectKey>): void => {
      const isAll = this.known !== this.#known;
      this.#known = this.known;
      changed({ hosts: new Set(hosts), virtualServices, isAll });
    };
    for (const list of this.#optional) list.onChange(() => tell([], new Set()));
    this.#virtualServices.subscribe((keys) =>
      tell(
        [...keys].flatMap((key) => this.#takeRule(key)),
        keys,
      ),
    );
    this.#destinationRules.subscribe((keys) =>
      tell(
        [...keys].flatMap((key) => this.#takeSubsets(key)),
        new Set(),
      ),
    );
  }

  /** Lists and watches until `signal` aborts. @throws only on a bug. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#optional.map((list) => list.run(signal)));
  }

  #all(keys: readonly ObjectKey[]): readonly Stored<VirtualService>[] {
    return keys.flatMap((key) => this.get(key) ?? []);
  }

  /** Returns the hosts that it is for, or was. */
  #takeRule(key: ObjectKey): readonly HostKey[] {
    const [namespace] = splitKey(key);
    const object = this.get(key);
    const [before, after] = [this.#names.get(key), object && hostNamesOf(object)];
    const hostsOf = ({ full, short }: HostNames): readonly HostKey[] =>
      [...full, ...short].map((host) => `${namespace}/${host}`);
    const had = before ? hostsOf(before) : [];
    const has = after ? hostsOf(after) : [];
    for (const host of had) unlink(this.#byHost, host, key);
    for (const host of has) link(this.#byHost, host, key);
    unlink(this.#wildcards, namespace, key);
    if (after && after.wildcards.length > 0) link(this.#wildcards, namespace, key);
    if (after) this.#names.set(key, after);
    else this.#names.delete(key);
    return [...had, ...has];
  }

  /** Returns the hosts that it is for, or was, of those of which a VirtualService speaks. */
  #takeSubsets(key: ObjectKey): readonly HostKey[] {
    const object = this.#destinationRules.objects.get(key);
    const [before, after] = [this.#subsets.get(key), object && subsetFactsOf(object)];
    if (before) unlink(this.#subsetsByHost, before.host, key);
    this.#subsetsOfMany.delete(key);
    if (after?.host.startsWith("*")) this.#subsetsOfMany.add(key);
    else if (after) link(this.#subsetsByHost, after.host, key);
    if (after) this.#subsets.set(key, after);
    else this.#subsets.delete(key);
    return [before, after].flatMap((one) => (one ? this.#spokenOf(one) : []));
  }

  #spokenOf(facts: SubsetFacts): readonly HostKey[] {
    if (facts.host.startsWith("*"))
      return [...this.#byHost.keys()].filter((host) => concerns(facts, splitKey(host)[1]));
    const host = `${facts.host.slice(facts.host.lastIndexOf(".") + 1)}/${facts.host}`;
    return this.#byHost.has(host) ? [host] : [];
  }
}

const ageOf = (one: Stored<VirtualService>): string =>
  `${one.metadata.creationTimestamp ?? ""} ${objectKey(one)}`;

const concerns = ({ host }: SubsetFacts, name: string): boolean =>
  host === name || (host.startsWith("*") && name.endsWith(host.slice(1)));

function link<K>(index: Map<K, Set<ObjectKey>>, at: K, key: ObjectKey): void {
  index.set(at, (index.get(at) ?? new Set()).add(key));
}

function unlink<K>(index: Map<K, Set<ObjectKey>>, at: K, key: ObjectKey): void {
  const keys = index.get(at);
  if (keys?.delete(key) && keys.size === 0) index.delete(at);
}
