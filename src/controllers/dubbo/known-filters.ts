import { objectKey } from "../../kube/resources.ts";
import type { EnvoyFilter } from "../../model/istio.ts";
import { splitKey } from "../../model/keys.ts";
import type { Stored } from "../../model/kubernetes.ts";
import type { DubboRoute } from "../../translate/envoy-filter.ts";
import { type FilterFacts, filterFactsOf } from "../../translate/read-back/envoy-filter.ts";

/** Queue keys of filters that belong to a port and not to a ServiceEntry; no namespace has such a name. */
const ofPorts = ":port/";
/** The queue key of the filter that a port has in a namespace. */
export const portKey = (namespace: string, port: number): string => `${ofPorts}${namespace}/${port}`;

/** The namespace and the port of such a key; undefined = it is another key. */
export function portOf(key: string): readonly [namespace: string, port: number] | undefined {
  if (!key.startsWith(ofPorts)) return undefined;
  const [namespace, port] = splitKey(key.slice(ofPorts.length));
  return [namespace, Number(port)];
}

interface KnownFilter extends Pick<FilterFacts, "listener" | "routedPort" | "ofPort"> {
  readonly owner: string;
  readonly namespace: string;
}

/** Our filters, each with its owner, which is the queue key of a ServiceEntry or of a port. */
export class KnownFilters {
  readonly #rootNamespace: string;
  /** By the key of the filter. */
  readonly #known = new Map<string, KnownFilter>();
  readonly #byOwner = new Map<string, Set<string>>();

  constructor(rootNamespace: string) {
    this.#rootNamespace = rootNamespace;
  }

  /** Whether a dubbo-controller with our root namespace wrote the filter: others have their own outside of ours. */
  isOurs(filter: Stored<EnvoyFilter>): boolean {
    const { isOurs, rootNamespace } = filterFactsOf(filter);
    return isOurs && [rootNamespace, namespaceOf(filter)].includes(this.#rootNamespace);
  }

  /** Records that a filter is there, or undefined = gone. Returns the queue keys of its owners, old and new. */
  take(key: string, filter: Stored<EnvoyFilter> | undefined): readonly string[] {
    const before = this.#known.get(key);
    const after = filter && this.isOurs(filter) ? knownFilter(filter) : undefined;
    this.#known.delete(key);
    const owned = before && this.#byOwner.get(before.owner);
    if (before && owned?.delete(key) && owned.size === 0) this.#byOwner.delete(before.owner);
    if (after) {
      this.#known.set(key, after);
      this.#byOwner.set(after.owner, (this.#byOwner.get(after.owner) ?? new Set()).add(key));
    }
    const freedPort = after === undefined ? before?.routedPort : undefined;
    const port = before && freedPort !== undefined ? portKey(before.namespace, freedPort) : undefined;
    return [before?.owner, after?.owner, port].filter((one) => one !== undefined);
  }

  /** The keys of an owner's filters. */
  of(owner: string): readonly string[] {
    return [...(this.#byOwner.get(owner) ?? [])];
  }

  has(owner: string): boolean {
    return this.#byOwner.has(owner);
  }

  /** Whether a filter of the owner routes this address for all: in other namespaces others may write filters, too. */
  routes(owner: string, vip: string): boolean {
    const known = this.of(owner).flatMap((key) => this.#known.get(key) ?? []);
    return known.some(
      ({ namespace, listener }) => namespace === this.#rootNamespace && listener?.startsWith(`${vip}_`),
    );
  }

  /** The namespaces in which an entry has the outbound filter of this route. */
  namespacesOf({ serviceEntry, vip, port }: DubboRoute): ReadonlySet<string> {
    const known = this.of(serviceEntry).flatMap((key) => this.#known.get(key) ?? []);
    const same = known.filter(({ listener }) => listener === `${vip}_${port}`);
    return new Set(same.map(({ namespace }) => namespace));
  }

  /** Whether a filter in the namespace routes the port. */
  isRouted(namespace: string, port: number): boolean {
    return this.#known.values().some((one) => one.routedPort === port && one.namespace === namespace);
  }

  /** The namespaces in which the port has its filter. */
  namespacesOfPort(port: number): readonly string[] {
    const ofPort = this.#known.values().filter((one) => one.ofPort === port);
    return ofPort.map(({ namespace }) => namespace).toArray();
  }
}

/** undefined = it does not say whose it is. */
function knownFilter(filter: Stored<EnvoyFilter>): KnownFilter | undefined {
  const { ofPort, serviceEntry, listener, routedPort } = filterFactsOf(filter);
  const namespace = namespaceOf(filter);
  const owner = ofPort === undefined ? serviceEntry : portKey(namespace, ofPort);
  return owner === undefined ? undefined : { owner, namespace, listener, routedPort, ofPort };
}

export const namespaceOf = (filter: Stored<EnvoyFilter>): string => splitKey(objectKey(filter))[0];
