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
  /** The rule `by`, which is all that some consumers follow, lacks it. */
  | { readonly state: "shadowed"; readonly by: ObjectKey };

/** What has changed. */
export interface RulesNews {
  /** Hosts of VirtualServices and DestinationRules that have changed. */
  readonly hosts: ReadonlySet<HostKey>;
  readonly virtualServices: ReadonlySet<ObjectKey>;
  /** Whether it is known, or known no more, what there is at all. */
  readonly isAll: boolean;
}

/** What can be asked of the lists. */
export type RulesView = Pick<
  RuleLists,
  "known" | "knowsSubsets" | "get" | "hosts" | "speakingOf" | "hasWildcard" | "meansByWildcard" | "subsetOf"
>;

/** Nobody can list them here, so what is in force stays. */
export const rulesUnknown: RulesView = {
  known: "no",
  knowsSubsets: false,
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
  readonly #optional: { readonly rules: OptionalLists; readonly subsets: OptionalLists };
  readonly #names = new Map<ObjectKey, HostNames>();
  readonly #byHost = new Map<HostKey, Set<ObjectKey>>();
  /** VirtualServices with wildcards, by namespace. */
  readonly #wildcards = new Map<string, Set<ObjectKey>>();
  readonly #subsets = new Map<ObjectKey, SubsetFacts>();
  /** DestinationRules by host. */
  readonly #subsetsByHost = new Map<string, Set<ObjectKey>>();
  /** What was known at the last news. */
  #known = "";

  constructor(client: KubeClient, rootNamespace: string, deps: Deps) {
    this.#rootNamespace = rootNamespace;
    const logger = deps.logger.child({ neededFor: "rules of Dubbo services; those in force stay" });
    const optional = { ...deps, logger };
    const { virtualServices, destinationRules } = resources;
    this.#virtualServices = createReflector(client, virtualServices, { transform: ruleOnly }, optional);
    this.#destinationRules = createReflector(client, destinationRules, { transform: subsetsOnly }, optional);
    const refused = ({ message }: KubeError): void => logger.debug("a right is missing", { error: message });
    this.#optional = {
      rules: new OptionalLists(client, virtualServices, [this.#virtualServices], deps.clock, refused),
      subsets: new OptionalLists(client, destinationRules, [this.#destinationRules], deps.clock, refused),
    };
  }

  /** Whether both lists are complete. */
  get known(): Known {
    const all = Object.values(this.#optional).map(({ known }) => known);
    if (all.includes("no")) return "no";
    return all.includes("unknown") ? "unknown" : "yes";
  }

  /** Whether that of the DestinationRules is. */
  get knowsSubsets(): boolean {
    return this.#optional.subsets.known === "yes";
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

  /**
   * What is known of a subset of the host. A rule that some consumers follow, and that lacks it, hides it. Those with wildcards do
   * not count: beside an exact one they are for consumers of their own namespace alone. @param seenIn the namespaces that see the
   * host; undefined = all.
   */
  subsetOf(host: HostKey, subset: string, seenIn: readonly string[] | undefined): SubsetState {
    const [namespace, name] = splitKey(host);
    const rules = [...(this.#subsetsByHost.get(name) ?? [])].flatMap((key) => {
      const facts = this.#subsets.get(key);
      return facts ? [{ key, in: splitKey(key)[0], ...facts }] : [];
    });
    // Istio merges those of a namespace that have the same exportTo. Source: pilot/pkg/model/destination_rule.go.
    const groups = Map.groupBy(rules, (one) =>
      one.isOfWorkloads ? one.key : `${one.in} ${one.exportTo.join()}`,
    );
    const all = [...groups.values()];
    const labels = all
      .flat()
      .filter((one) => one.in === namespace && isForAll(one))
      .map(({ subsets }) => subsets.get(subset))
      .find((one) => one !== undefined);
    if (labels === undefined) return { state: "missing" };
    const hiding = all.find(
      ([one, ...others]) =>
        one !== undefined &&
        (one.in === namespace || this.#isFollowed(one.in, one.exportTo, seenIn)) &&
        ![one, ...others].some(({ subsets }) => subsets.has(subset)),
    );
    return hiding?.[0] ? { state: "shadowed", by: hiding[0].key } : { state: "there", labels };
  }

  /** @param changed called after each change, also when a list is complete, or no longer. */
  subscribe(changed: (news: RulesNews) => void): void {
    const tell = (hosts: Iterable<HostKey>, virtualServices: ReadonlySet<ObjectKey>): void => {
      const known = `${this.#optional.rules.known} ${this.#optional.subsets.known}`;
      const isAll = known !== this.#known;
      this.#known = known;
      changed({ hosts: new Set(hosts), virtualServices, isAll });
    };
    for (const list of Object.values(this.#optional)) list.onChange(() => tell([], new Set()));
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
    await Promise.all(Object.values(this.#optional).map((list) => list.run(signal)));
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

  /** Returns the hosts that it is for, or was. */
  #takeSubsets(key: ObjectKey): readonly HostKey[] {
    const object = this.#destinationRules.objects.get(key);
    const [before, after] = [this.#subsets.get(key), object && subsetFactsOf(object)];
    if (before) unlink(this.#subsetsByHost, before.host, key);
    if (after) link(this.#subsetsByHost, after.host, key);
    if (after) this.#subsets.set(key, after);
    else this.#subsets.delete(key);
    const hosts = [before, after].flatMap((one) => one?.host ?? []);
    return hosts.map((host) => `${host.slice(host.lastIndexOf(".") + 1)}/${host}`);
  }

  /**
   * Whether consumers in another namespace than the host's follow a rule there. Those in the root namespace follow one that
   * nobody else sees. Source: istio pilot/pkg/model/push_context.go, destinationRule.
   */
  #isFollowed(
    namespace: string,
    exportTo: readonly string[],
    seenIn: readonly string[] | undefined,
  ): boolean {
    if (seenIn?.includes(namespace) === false) return false;
    const isLocal = exportTo.some((one) => one === "." || one === namespace);
    if (namespace === this.#rootNamespace) return isLocal && exportTo.length === 1;
    return isLocal || exportTo.length === 0 || exportTo.includes("*");
  }
}

const ageOf = (one: Stored<VirtualService>): string =>
  `${one.metadata.creationTimestamp ?? ""} ${objectKey(one)}`;

const isForAll = ({ exportTo }: SubsetFacts): boolean => exportTo.length === 0 || exportTo.includes("*");

function link<K>(index: Map<K, Set<ObjectKey>>, at: K, key: ObjectKey): void {
  index.set(at, (index.get(at) ?? new Set()).add(key));
}

function unlink<K>(index: Map<K, Set<ObjectKey>>, at: K, key: ObjectKey): void {
  const keys = index.get(at);
  if (keys?.delete(key) && keys.size === 0) index.delete(at);
}
