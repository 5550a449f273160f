import { isDeepStrictEqual } from "node:util";
import { RegistryError } from "../../model/errors.ts";
import type { Problem } from "../../model/problems.ts";
import type { Service, Snapshot } from "../../model/service.ts";
import { inParallel } from "../../runtime/parallel.ts";
import { decodeSegment } from "../dubbo/provider-url.ts";
import { applicationLevelOnly, readApplicationLevel } from "./application-level.ts";
import { decodeService, unreadableService } from "./decode.ts";
import type { Stat } from "./jute.ts";
import type { Session } from "./session.ts";

/** Measured: more in flight is not faster, and blocks the event loop longer. */
const maxInFlight = 64;
/** How many interfaces one probe looks at: up to 400 are seen within 10 s, at 40 small reads a second. */
const maxProbed = 200;

/** Dubbo's own directories beside the interfaces. */
const notInterfaces = new Set(["config", "mapping", "metadata"]);

export interface TreeOptions {
  readonly session: Session;
  /** `/dubbo`, where `<interface>/providers/<provider URL>` is below. */
  readonly root: string;
  /** Picks the interfaces to read. */
  readonly wants: (name: string) => boolean;
  /** Called whenever `refresh` has something to do. */
  readonly changed: () => void;
}

/**
 * Dubbo's tree as read through one session. Errors: its methods @throws RegistryError, and are useless
 * afterwards.
 */
export class Tree {
  readonly #options: TreeOptions;
  readonly #base: string;
  readonly #services = new Map<string, Service>();
  readonly #unreadable = new Set<string>();
  /** The newest change of each directory as it was listed; the order is that of the last look at it. */
  readonly #listedAt = new Map<string, { readonly name: string; readonly pzxid: bigint }>();
  /** An interface has several segments only where one client escaped a character and another did not. */
  #segmentsByName: ReadonlyMap<string, readonly string[]> = new Map();
  #applicationsByName: ReadonlyMap<string, readonly string[]> = new Map();
  /** Absent while there is no root. */
  #rootStat: Stat | undefined;
  #published: Snapshot | undefined;
  #isEdited = true;
  #isRootStale = true;
  #areApplicationsStale = true;
  #staleNames = new Set<string>();

  constructor(options: TreeOptions) {
    this.#options = options;
    this.#base = options.root === "/" ? "" : options.root;
  }

  /** Reads what has changed since the last call, at first all of it. undefined = nothing worth telling. */
  async refresh(): Promise<Snapshot | undefined> {
    if (this.#isRootStale) await this.#readRoot();
    const names = this.#staleNames;
    this.#staleNames = new Set();
    await inParallel(names, maxInFlight, (name) => this.#readService(name));
    if (this.#areApplicationsStale) await this.#readApplications();
    return this.#publish();
  }

  /**
   * Checks what no watch tells: a server keeps quiet about changes that one may not see. So the root, and some
   * interfaces in turn, are asked whether they may still be read and are as they were listed, and what was
   * forbidden whether it still is.
   */
  async probe(): Promise<void> {
    const node = await this.#options.session.data(this.#options.root);
    if (node === "forbidden") throw this.#unauthorized();
    const stat = node === "missing" ? undefined : node.stat;
    if (stat?.czxid !== this.#rootStat?.czxid || stat?.pzxid !== this.#rootStat?.pzxid) this.#rootChanged();
    for (const name of [...this.#unreadable].slice(0, maxProbed)) this.#nameChanged(name);
    await inParallel([...this.#listedAt.keys()].slice(0, maxProbed), maxInFlight, (path) =>
      this.#probe(path),
    );
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

  /** Lets the next `refresh` read everything, as if no watch had ever told anything. */
  distrust(): void {
    for (const name of this.#segmentsByName.keys()) this.#staleNames.add(name);
    this.#areApplicationsStale = true;
    this.#rootChanged();
  }

  async #readRoot(): Promise<void> {
    this.#isRootStale = false;
    const { session, root } = this.#options;
    const listing = await session.children(root, () => this.#rootChanged());
    if (listing === "forbidden") throw this.#unauthorized();
    const stat = listing === "missing" ? undefined : listing.stat;
    if (originOf(stat) !== originOf(this.#rootStat)) this.#isEdited = true;
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
    return new Map([...byName].filter(([name]) => this.#options.wants(name)));
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
    if (listings.length > 0) this.#keep(decodeService(name, listings.flat()));
    else this.#forget(name); // only consumers, or no interface at all
  }

  /** Takes what was read; an equal service keeps its identity. */
  #keep(service: Service): void {
    const { name, instances } = service;
    this.#unreadable.delete(name);
    if (instances === "unknown") this.#unreadable.add(name);
    if (instances.length === 0) this.#areApplicationsStale = true;
    if (isDeepStrictEqual(service, this.#services.get(name))) return;
    this.#services.set(name, service);
    this.#isEdited = true;
  }

  #forget(name: string): void {
    this.#unreadable.delete(name);
    if (this.#services.delete(name)) this.#isEdited = true;
  }

  async #readApplications(): Promise<void> {
    this.#areApplicationsStale = false;
    const { session, changed } = this.#options;
    const mayBeServed = (name: string): boolean => this.#isUnserved(name) && this.#options.wants(name);
    this.#applicationsByName = await readApplicationLevel(session, this.#base, mayBeServed, () => {
      this.#areApplicationsStale = true;
      changed();
    });
  }

  #isUnserved(name: string): boolean {
    return (this.#services.get(name)?.instances ?? []).length === 0;
  }

  #publish(): Snapshot | undefined {
    const problems = this.#problems();
    if (!this.#isEdited && isDeepStrictEqual(problems, this.#published?.problems)) return undefined;
    this.#isEdited = false;
    const origin = originOf(this.#rootStat);
    const position = Number(this.#options.session.zxid());
    const services = new Map(this.#services);
    this.#published = { services, problems, position, ...(origin !== undefined && { origin }) };
    return this.#published;
  }

  #problems(): readonly Problem[] {
    const { root } = this.#options;
    const detail = `there is no ${root} yet: no provider has registered, or zookeeper.root or the chroot is wrong`;
    const rootMissing: Problem = { at: root, code: "RootMissing", detail, severity: "warning" };
    const unserved = [...this.#applicationsByName].filter(([name]) => this.#isUnserved(name));
    return [
      ...(this.#rootStat === undefined ? [rootMissing] : []),
      ...unserved.map(([name, applications]) => applicationLevelOnly(name, applications)),
    ];
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
      `list ${root} on ${session.server}: no right to read it`,
      advice,
    );
  }
}

/** Tells one root from another, even where a restored server gives out the same transaction numbers again. */
function originOf(stat: Stat | undefined): string | undefined {
  return stat && `0x${stat.czxid.toString(16)}/${stat.ctime}`;
}
