import { isDeepStrictEqual } from "node:util";
import { RegistryError } from "../../model/errors.ts";
import type { Problem } from "../../model/problems.ts";
import { isSameListing, type Service, type Snapshot } from "../../model/service.ts";
import { type Merged, mergeApplications } from "../kinds/dubbo/merge.ts";
import { isDubbosOwn } from "../kinds/dubbo/provider.ts";
import { decodeSegment } from "../kinds/dubbo/provider-url.ts";
import { RegisteredAddresses } from "../kinds/dubbo/registered-addresses.ts";
import { inParallel } from "../transport/parallel.ts";
import { Applications, type ApplicationsView } from "./applications.ts";
import { decodeAddresses, decodeService, unreadableService } from "./decode.ts";
import type { Session } from "./session.ts";
import { maxInFlight } from "./watched-nodes.ts";
import type { Stat } from "./wire.ts";

/** How many interfaces one probe checks. Up to 400 are checked within 10 s, at 40 small reads a second. */
const maxProbed = 200;

/** Dubbo's own directories next to the interfaces. */
const notInterfaces = new Set(["config", "mapping", "metadata"]);

export interface TreeOptions {
  readonly session: Session;
  /** `/dubbo`, the parent of `<interface>/providers/<provider URL>`. */
  readonly root: string;
  /** Selects the interfaces to read. */
  readonly wants: (name: string) => boolean;
  /** Called whenever `refresh` has work to do. */
  readonly changed: () => void;
}

/**
 * Dubbo's tree, read through one session. It reads the interfaces itself and merges the registrations of
 * applications. Errors: its methods @throws RegistryError; the tree is useless afterwards.
 */
export class Tree {
  readonly #options: TreeOptions;
  readonly #base: string;
  readonly #applications: Applications;
  readonly #services = new Map<string, Service>();
  readonly #addresses = new RegisteredAddresses();
  readonly #unreadable = new Set<string>();
  /** The newest change of each directory when it was listed, in the order of the last check. */
  readonly #listedAt = new Map<string, { readonly name: string; readonly pzxid: bigint }>();
  /** An interface has several segments only if one client escaped a character and another did not. */
  #segmentsByName: ReadonlyMap<string, readonly string[]> = new Map();
  /** Absent while the root does not exist. */
  #rootStat: Stat | undefined;
  #view: ApplicationsView | undefined;
  #merged: Merged | undefined;
  #published: Snapshot | undefined;
  #isRootStale = true;
  #staleNames = new Set<string>();

  constructor(options: TreeOptions) {
    this.#options = options;
    this.#base = options.root === "/" ? "" : options.root;
    const wants = (name: string): boolean => this.#wants(name);
    this.#applications = new Applications({ ...options, base: this.#base, wants });
  }

  /**
   * Reads everything that changed since the last call; the first call reads everything. undefined = no relevant
   * change.
   */
  async refresh(): Promise<Snapshot | undefined> {
    const wasRootStale = this.#isRootStale;
    if (wasRootStale) await this.#readRoot();
    const names = this.#staleNames;
    this.#staleNames = new Set();
    await inParallel(names, maxInFlight, (name) => this.#readService(name));
    const before = this.#view;
    const view = await this.#applications.refresh((address) => this.#addresses.has(address));
    this.#view = view;
    const isSameView =
      view.applications === before?.applications &&
      view.mapping === before.mapping &&
      view.cannotList === before.cannotList;
    // Most probes find nothing, and then need not compare 10,000 services.
    return !wasRootStale && names.size === 0 && isSameView ? undefined : this.#publish(view);
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
    if (stat?.czxid !== this.#rootStat?.czxid || stat?.pzxid !== this.#rootStat?.pzxid) this.#rootChanged();
    for (const name of [...this.#unreadable].slice(0, maxProbed)) this.#nameChanged(name);
    this.#applications.probe();
    await inParallel(this.#listedAt.keys().take(maxProbed), maxInFlight, (path) => this.#probe(path));
  }

  async #probe(path: string): Promise<void> {
    const node = await this.#options.session.data(path);
    const listed = this.#listedAt.get(path);
    if (listed === undefined) return;
    this.#listedAt.delete(path);
    if (!this.#segmentsByName.has(listed.name)) return;
    this.#listedAt.set(path, listed); // to the end of the line
    if (typeof node === "string" || node.stat.pzxid !== listed.pzxid) this.#nameChanged(listed.name);
  }

  /** Makes the next `refresh` read everything, as if no watch had ever fired. */
  invalidate(): void {
    for (const name of this.#segmentsByName.keys()) this.#staleNames.add(name);
    this.#applications.invalidate();
    this.#rootChanged();
  }

  async #readRoot(): Promise<void> {
    this.#isRootStale = false;
    const { session, root } = this.#options;
    const listing = await session.children(root, () => this.#rootChanged());
    if (listing === "forbidden") throw this.#unauthorized();
    const stat = listing === "missing" ? undefined : listing.stat;
    this.#rootStat = stat;
    const listed = this.#byName(listing === "missing" ? [] : listing.children);
    for (const name of this.#segmentsByName.keys()) if (!listed.has(name)) this.#forget(name);
    for (const [name, segments] of listed) {
      if (!isDeepStrictEqual(segments, this.#segmentsByName.get(name))) this.#staleNames.add(name);
    }
    this.#segmentsByName = listed;
  }

  #byName(segments: readonly string[]): ReadonlyMap<string, readonly string[]> {
    const interfaces = segments.filter((segment) => !notInterfaces.has(segment)).toSorted();
    const byName = Map.groupBy(interfaces, (segment) => decodeSegment(segment) ?? segment);
    return new Map([...byName].filter(([name]) => this.#wants(name)));
  }

  #wants(name: string): boolean {
    return !isDubbosOwn(name) && this.#options.wants(name);
  }

  async #readService(name: string): Promise<void> {
    const segments = this.#segmentsByName.get(name) ?? [];
    const listings: (readonly string[])[] = [];
    for (const segment of segments) {
      const path = `${this.#base}/${segment}/providers`;
      const listing = await this.#options.session.children(path, () => this.#nameChanged(name));
      if (typeof listing === "string") this.#listedAt.delete(path);
      else this.#listedAt.set(path, { name, pzxid: listing.stat.pzxid });
      if (listing === "forbidden") return this.#keep(unreadableService(name, path));
      if (listing !== "missing") listings.push(listing.children);
    }
    if (listings.length === 0) return this.#forget(name); // only consumers, or not an interface
    this.#keep(decodeService(name, listings.flat()));
    this.#addresses.set(name, decodeAddresses(listings.flat()));
  }

  /** Stores a service; an equal one keeps its identity. */
  #keep(service: Service): void {
    const { name, instances } = service;
    this.#unreadable.delete(name);
    if (instances === "unknown") this.#unreadable.add(name);
    if (!isDeepStrictEqual(service, this.#services.get(name))) this.#services.set(name, service);
  }

  #forget(name: string): void {
    this.#unreadable.delete(name);
    this.#services.delete(name);
    this.#addresses.set(name, []);
  }

  #publish(view: ApplicationsView): Snapshot | undefined {
    const isRegistered = (address: string): boolean => this.#addresses.has(address);
    this.#merged = mergeApplications({ ...view, services: this.#services, isRegistered }, this.#merged);
    const { services } = this.#merged;
    const problems = [...this.#rootProblems(), ...this.#merged.problems];
    const origin = originOf(this.#rootStat);
    const before = this.#published;
    if (
      before?.origin === origin &&
      isSameListing(before?.services, services) &&
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

  #rootChanged(): void {
    this.#isRootStale = true;
    this.#options.changed();
  }

  #nameChanged(name: string): void {
    this.#staleNames.add(name);
    this.#options.changed();
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
