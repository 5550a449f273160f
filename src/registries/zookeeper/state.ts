import { isDeepStrictEqual } from "node:util";
import { RegistryError } from "../../model/errors.ts";
import type { Problem } from "../../model/problems.ts";
import type { Service, Snapshot } from "../../model/service.ts";
import type { Clock } from "../../runtime/deps.ts";
import { memoizeLast } from "../../runtime/memoize.ts";
import { isSameMap } from "../../runtime/parted-map.ts";
import { inSlices, type Steps } from "../../runtime/slices.ts";
import type { IsRegistered } from "../kinds/dubbo/application.ts";
import { type Merged, mergeApplications } from "../kinds/dubbo/merge.ts";
import { isDubbosOwn } from "../kinds/dubbo/provider.ts";
import { decodeSegment } from "../kinds/dubbo/provider-url.ts";
import { RegisteredAddresses } from "../kinds/dubbo/registered-addresses.ts";
import { Applications, type ApplicationsView } from "./applications.ts";
import { decodeAddresses, decodeService, unreadableService } from "./decode.ts";
import { Probe } from "./probe.ts";
import type { Session } from "./session.ts";
import { WatchedNodes } from "./watched-nodes.ts";
import type { Stat } from "./wire.ts";

/** Dubbo's own directories next to the interfaces. */
const notInterfaces = new Set(["config", "mapping", "metadata"]);
const nothing: ReadonlySet<string> = new Set();
/** How often one refresh reads, while everything goes on changing. */
const maxRounds = 3;
/** The only key of what is the only one. */
const rootOnly: ReadonlySet<string> = new Set([""]);

export interface TreeOptions {
  readonly session: Session;
  /** `/dubbo`, the parent of `<interface>/providers/<provider URL>`. */
  readonly root: string;
  /** Selects the interfaces to read. */
  readonly wants: (name: string) => boolean;
  /** Those of the instances' facts. */
  readonly keys?: readonly string[];
  /** The interfaces that the cluster has of the hub. */
  readonly known: () => Iterable<string>;
  /** Called whenever `refresh` has work to do. */
  readonly changed: () => void;
  readonly clock: Pick<Clock, "monotonic">;
}

/** The children of the root. */
interface Listing {
  /** By wanted interface. It has several segments only if one client escaped a character and another did not. */
  readonly segments: ReadonlyMap<string, readonly string[]>;
  readonly names: ReadonlySet<string>;
  /** Directories that are no wanted interface's. */
  readonly others: readonly string[];
}

/** The registrations by interface, and those of applications; `reads` = some of the first were read. */
interface Registered {
  readonly services: ReadonlyMap<string, Service>;
  readonly view: ApplicationsView;
  readonly reads: boolean;
}

/**
 * Dubbo's tree, read through one session. It reads the interfaces itself and merges the registrations of
 * applications. Errors: its methods @throws RegistryError; the tree is useless afterwards.
 */
export class Tree {
  readonly #options: TreeOptions;
  readonly #base: string;
  readonly #root: WatchedNodes<readonly string[]>;
  readonly #interfaces: WatchedNodes<Service>;
  readonly #applications: Applications;
  /** Addresses in interfaces that the hub does not want, by directory; read only while they decide something. */
  readonly #unwanted: WatchedNodes<readonly string[]>;
  readonly #addresses = new RegisteredAddresses();
  readonly #probe: Probe;
  /** Absent while the root does not exist. */
  #rootStat: Stat | undefined;
  #segments: Listing["segments"] = new Map();
  #view: ApplicationsView | undefined;
  #merged: Merged | undefined;
  #published: Snapshot | undefined;

  constructor(options: TreeOptions) {
    this.#options = options;
    const { session, root, keys = [], changed, clock } = options;
    this.#base = root === "/" ? "" : root;
    const wants = (name: string): boolean => this.#wants(name);
    this.#root = new WatchedNodes((_, fired) => this.#readRoot(fired), changed, clock);
    this.#interfaces = new WatchedNodes(
      (name, fired) => this.#readInterface(name, fired),
      changed,
      clock,
      ({ instances }) => instances === "unknown",
      (name) => this.#forget(name),
    );
    this.#applications = new Applications({ session, base: this.#base, wants, keys, changed, clock });
    this.#unwanted = new WatchedNodes((path, fired) => this.#readAddresses(path, fired), changed, clock);
    this.#probe = new Probe(session, (name) => this.#interfaces.invalidate([name]));
  }

  /**
   * Reads everything that changed since the last call; the first call reads everything. undefined = no relevant
   * change.
   */
  async refresh(): Promise<Snapshot | undefined> {
    const { services, view, reads } = await this.#read(this.#view);
    // Most probes find nothing, and then need not compare 10,000 services.
    if (!reads && view === this.#view) return undefined;
    this.#view = view;
    this.#merged = await this.#merge(services, view);
    return this.#publish([...this.#rootProblems(), ...this.#merged.problems, ...view.problems]);
  }

  /**
   * Reads both kinds of registration. A provider may give up one for the other between the two, so interfaces that change
   * while applications have changed, since `before`, are read once more.
   */
  async #read(before: ApplicationsView | undefined, rounds = maxRounds): Promise<Registered> {
    const reads = this.#isStale || this.#unwanted.isStale;
    const listing = await this.#listingOf((await this.#root.sync(rootOnly)).get(""));
    this.#respell(listing.segments);
    const services = await this.#interfaces.sync(listing.names);
    const below = this.#below(listing, this.#interfaces.absent);
    const view = await this.#applications.refresh(below, (address) => this.#addresses.has(address));
    if (view !== before && this.#isStale && rounds > 1) return this.#read(view, rounds - 1);
    return { services, view, reads };
  }

  get #isStale(): boolean {
    return this.#root.isStale || this.#interfaces.isStale;
  }

  /**
   * Checks what no watch reports, because a server hides changes of nodes that the user may not read. It asks whether
   * the root, and some interfaces in turn, are still readable and unchanged, and whether forbidden nodes are still
   * forbidden.
   */
  async probe(): Promise<void> {
    const node = await this.#options.session.data(this.#options.root);
    if (node === "forbidden") throw this.#unauthorized();
    const stat = node === "missing" ? undefined : node.stat;
    const isSame = stat?.czxid === this.#rootStat?.czxid && stat?.pzxid === this.#rootStat?.pzxid;
    if (!isSame) this.#root.invalidate();
    this.#interfaces.retry();
    this.#applications.probe();
    await this.#probe.check();
  }

  /** Makes the next `refresh` read everything, as if no watch had ever fired. */
  invalidate(): void {
    this.#root.invalidate();
    this.#interfaces.invalidate();
    this.#unwanted.invalidate();
    this.#applications.invalidate();
  }

  /** In slices: to read 10,000 names takes 30 ms. */
  readonly #listingOf = memoizeLast((children: readonly string[] = []): Promise<Listing> => {
    return inSlices(this.#listingFrom(children), this.#options.clock);
  });

  *#listingFrom(children: readonly string[]): Steps<Listing> {
    const segments = new Map<string, string[]>();
    const others: string[] = [];
    for (const segment of children) {
      if (notInterfaces.has(segment)) continue;
      const name = decodeSegment(segment) ?? segment;
      if (!this.#wants(name)) others.push(segment);
      else segments.set(name, [...(segments.get(name) ?? []), segment]);
      yield;
    }
    return { segments, names: new Set(segments.keys()), others };
  }

  /** The directories below the root that no wanted interface is registered in. */
  readonly #below = memoizeLast(
    ({ segments, others }: Listing, absent: ReadonlySet<string>): ReadonlySet<string> => {
      const unregistered = [...absent].flatMap((name) => segments.get(name) ?? []);
      return new Set([...others, ...unregistered].map((segment) => `${this.#base}/${segment}`));
    },
  );

  readonly #allAddresses = memoizeLast(
    (byPath: ReadonlyMap<string, readonly string[]>) => new Set([...byPath.values()].flat()),
  );

  #wants(name: string): boolean {
    return !isDubbosOwn(name) && this.#options.wants(name);
  }

  /** Has interfaces read again whose directories are others than before. */
  #respell(segments: Listing["segments"]): void {
    if (segments === this.#segments) return;
    const before = this.#segments;
    this.#segments = segments;
    const respelled = [...segments].filter(([name, all]) => !isDeepStrictEqual(all, before.get(name) ?? all));
    this.#interfaces.invalidate(respelled.map(([name]) => name));
  }

  /**
   * With a filter, an application that registers all its interfaces may look as if it registered none. So the unwanted
   * ones are read too while that would cast doubt on a wanted one.
   */
  async #merge(services: ReadonlyMap<string, Service>, view: ApplicationsView): Promise<Merged> {
    const merge = (isRegistered: IsRegistered): Merged =>
      mergeApplications({ ...view, services, isRegistered, known: this.#options.known }, this.#merged);
    const merged = merge((address) => this.#addresses.has(address));
    const isDoubted = merged.hidden.size > 0 && merged.problems.length > 0;
    const unwanted = this.#allAddresses(await this.#unwanted.sync(isDoubted ? view.interfaces : nothing));
    if (unwanted.size === 0) return merged;
    return merge((address) => this.#addresses.has(address) || unwanted.has(address));
  }

  async #readRoot(fired: () => void): Promise<readonly string[] | undefined> {
    const listing = await this.#options.session.children(this.#options.root, fired);
    if (listing === "forbidden") throw this.#unauthorized();
    this.#rootStat = listing === "missing" ? undefined : listing.stat;
    return listing === "missing" ? undefined : listing.children.toSorted();
  }

  async #readInterface(name: string, fired: () => void): Promise<Service | undefined> {
    const listings: (readonly string[])[] = [];
    const listedAt = new Map<string, bigint>();
    let forbidden: string | undefined;
    for (const segment of this.#segments.get(name) ?? []) {
      const path = `${this.#base}/${segment}/providers`;
      const listing = await this.#options.session.children(path, fired);
      if (listing === "forbidden") forbidden = path;
      else if (listing !== "missing") {
        listings.push(listing.children);
        listedAt.set(path, listing.stat.pzxid);
      }
    }
    this.#probe.set(name, listedAt);
    if (forbidden !== undefined) return unreadableService(name, forbidden);
    const nodes = listings.flat();
    this.#addresses.set(name, decodeAddresses(nodes));
    if (listings.length === 0) return undefined; // only consumers, or not an interface
    return decodeService(name, nodes, this.#options.keys);
  }

  async #readAddresses(path: string, fired: () => void): Promise<readonly string[] | undefined> {
    const listing = await this.#options.session.children(`${path}/providers`, fired);
    return typeof listing === "object" ? decodeAddresses(listing.children) : undefined;
  }

  #forget(name: string): void {
    this.#probe.set(name, new Map());
    this.#addresses.set(name, []);
  }

  #publish(problems: readonly Problem[]): Snapshot | undefined {
    const services = this.#merged?.services ?? new Map();
    const origin = originOf(this.#rootStat);
    const before = this.#published;
    if (
      before?.origin === origin &&
      isSameMap(before?.services, services) &&
      isDeepStrictEqual(problems, before?.problems)
    )
      return undefined;
    const position = Number(this.#options.session.zxid());
    this.#published = { services, problems, position, ...(origin !== undefined && { origin }) };
    return this.#published;
  }

  #rootProblems(): readonly Problem[] {
    if (this.#rootStat !== undefined) return [];
    const { root } = this.#options;
    const detail = `there is no ${root} yet: no provider has registered, or spec.zookeeper.root or the chroot is wrong`;
    return [{ at: root, code: "RootMissing", detail, severity: "warning" }];
  }

  #unauthorized(): RegistryError {
    const { session, root } = this.#options;
    const advice = "Check username and password in the Secret of spec.secretRef, and the ACL of the node.";
    return new RegistryError(
      "RegistryUnauthorized",
      `list ${root} on ${session.server}: the hub's user may not read it`,
      advice,
    );
  }
}

/** Identifies the root, even if a restored server reuses transaction numbers. */
function originOf(stat: Stat | undefined): string | undefined {
  return stat && `0x${stat.czxid.toString(16)}/${stat.ctime}`;
}
