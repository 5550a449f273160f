/** An instance as a test registers it. */
export interface FakeInstance {
  readonly address: string;
  readonly port: number;
  /** Default: a node of its own, with its address. */
  readonly node?: string;
  /** Of its check. Default passing. */
  readonly status?: "passing" | "warning" | "critical";
  readonly meta?: Readonly<Record<string, string>>;
  readonly tags?: readonly string[];
  readonly kind?: string;
  readonly weights?: { readonly Passing: number; readonly Warning: number };
}

interface Held extends FakeInstance {
  readonly service: string;
  readonly node: string;
}

/** What a token may read: prefixes of names. */
export interface Rules {
  readonly services: readonly string[];
  readonly nodes: readonly string[];
}

/** Everything that can be lost, kept and restored. */
interface Data {
  /** By node, address and port. */
  readonly instances: ReadonlyMap<string, Held>;
  /** The status of the check of a node; none = passing. */
  readonly nodes: ReadonlyMap<string, string>;
  readonly index: number;
  /** The index of the newest change of each thing. */
  readonly changedAt: ReadonlyMap<string, number>;
}

export type CatalogCopy = Data;

const empty: Data = { instances: new Map(), nodes: new Map(), index: 10, changedAt: new Map() };
const keyOf = ({ node, address, port, service }: Held): string =>
  JSON.stringify([node, address, port, service]);

/**
 * What a Consul server holds, with its indexes: one of the catalog, one of each service, one of those that are gone, one of
 * the checks. Source: docs/registries/consul.md.
 */
export class FakeCatalog {
  #data = empty;
  /** Made when it is needed. */
  #byService: ReadonlyMap<string, readonly Held[]> | undefined;

  register(service: string, instances: readonly FakeInstance[]): void {
    const all = new Map(this.#data.instances);
    for (const one of instances) {
      const held = { ...one, service, node: one.node ?? `node-${one.address}` };
      all.set(keyOf(held), held);
    }
    this.#change({ instances: all }, ["catalog", "checks", serviceKey(service)]);
  }

  deregister(service: string, instances?: readonly FakeInstance[]): void {
    const isLeaving = (held: Held): boolean =>
      held.service === service &&
      (instances?.some(({ address, port }) => address === held.address && port === held.port) ?? true);
    const left = new Map([...this.#data.instances].filter(([, held]) => !isLeaving(held)));
    this.#change({ instances: left }, ["catalog", "checks", serviceKey(service), "extinction"]);
  }

  /** The status of the check of a node, which counts for every instance on it. */
  setNode(node: string, status: "passing" | "critical"): void {
    const concerned = [...this.#data.instances.values()].filter((held) => held.node === node);
    const services = concerned.map(({ service }) => serviceKey(service));
    this.#change({ nodes: new Map(this.#data.nodes).set(node, status) }, ["checks", ...services]);
  }

  /** A change of something that no test looks at, such as a key, moves the catalog's index or only the server's. */
  touch(what: "catalog" | "nothing" = "catalog"): void {
    this.#change({}, what === "catalog" ? ["catalog"] : []);
  }

  copy(): CatalogCopy {
    return this.#data;
  }

  /** As after a restore of a snapshot: the indexes are those of then. */
  restore(copy: CatalogCopy): void {
    this.#data = copy;
    this.#byService = undefined;
  }

  lose(): void {
    this.restore(empty);
  }

  get index(): number {
    return this.#data.index;
  }

  catalogIndex(): number {
    return this.#data.changedAt.get("catalog") ?? 5;
  }

  checksIndex(): number {
    return this.#data.changedAt.get("checks") ?? 5;
  }

  serviceIndex(name: string): number {
    const { changedAt } = this.#data;
    const isThere = this.#of(name).length > 0;
    return (isThere ? changedAt.get(serviceKey(name)) : changedAt.get("extinction")) ?? this.catalogIndex();
  }

  services(rules: Rules): {
    readonly body: Readonly<Record<string, readonly string[]>>;
    readonly isFiltered: boolean;
  } {
    const names = new Set([...this.#data.instances.values()].map(({ service }) => service)).add("consul");
    const seen = [...names].filter((name) => allows(rules.services, name));
    const tagsOf = (name: string): readonly string[] => [
      ...new Set(this.#of(name).flatMap(({ tags = [] }) => tags)),
    ];
    return {
      body: Object.fromEntries(seen.map((name) => [name, tagsOf(name)])),
      isFiltered: seen.length < names.size,
    };
  }

  health(name: string, rules: Rules): { readonly body: readonly unknown[]; readonly isFiltered: boolean } {
    const all = this.#of(name);
    const seen = all.filter((held) => allows(rules.services, held.service) && allows(rules.nodes, held.node));
    return { body: seen.map((held) => this.#entry(held)), isFiltered: seen.length < all.length };
  }

  checks(state: string, rules: Rules): { readonly body: readonly unknown[]; readonly isFiltered: boolean } {
    const held = [...this.#data.instances.values()];
    const nodes = [...new Set(held.map(({ node }) => node))].map((node) => this.#nodeCheck(node));
    const all = [...nodes, ...held.map(serviceCheck)].filter(
      ({ Status }) => state === "any" || Status === state,
    );
    const seen = all.filter(
      ({ Node, ServiceName }) => allows(rules.nodes, Node) && allows(rules.services, ServiceName),
    );
    return { body: seen, isFiltered: seen.length < all.length };
  }

  #of(name: string): readonly Held[] {
    this.#byService ??= Map.groupBy(this.#data.instances.values(), ({ service }) => serviceKey(service));
    return this.#byService.get(serviceKey(name)) ?? [];
  }

  #nodeCheck(Node: string) {
    return { Node, CheckID: "serfHealth", Status: this.#data.nodes.get(Node) ?? "passing", ServiceName: "" };
  }

  #entry(held: Held): unknown {
    const { service, address, port, node, meta = {}, tags = [], kind = "", weights } = held;
    return {
      Node: { Node: node, Address: address, Datacenter: "dc1" },
      Service: {
        ID: `${service}:${port}`,
        Service: service,
        Kind: kind,
        Address: address,
        Port: port,
        Meta: meta,
        Tags: tags,
        Weights: weights ?? { Passing: 1, Warning: 1 },
      },
      Checks: [this.#nodeCheck(node), serviceCheck(held)],
    };
  }

  #change(data: Partial<Data>, changed: readonly string[]): void {
    const index = this.#data.index + 1;
    const changedAt = new Map(this.#data.changedAt);
    for (const what of changed) changedAt.set(what, index);
    this.restore({ ...this.#data, ...data, index, changedAt });
  }
}

/** Consul finds services whatever the case of their names. */
const serviceKey = (name: string): string => `service ${name.toLowerCase()}`;

const serviceCheck = ({ node, service, port, status = "passing" }: Held) => ({
  Node: node,
  CheckID: `service:${service}:${port}`,
  Status: status,
  ServiceName: service,
});

export const allows = (prefixes: readonly string[], name: string): boolean =>
  prefixes.some((prefix) => name.startsWith(prefix));
