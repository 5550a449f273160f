import { isDeepStrictEqual } from "node:util";
import type { Problem } from "../../model/problems.ts";
import type { Service, Snapshot } from "../../model/service.ts";
import { isSameMap } from "../../runtime/parted-map.ts";
import { inParallel } from "../transport/parallel.ts";
import { Group, type GroupClaims, type GroupOptions } from "./group.ts";
import { maxInFlight, type ServiceRead } from "./requests.ts";
import type { ServiceKey } from "./service-name.ts";

export interface ServiceTableOptions extends Omit<GroupOptions, "group"> {
  /** As in RegistryConfig. */
  readonly known?: () => Iterable<string>;
}

/** How many unreadable claims are asked for again with each list. */
const maxRetried = 200;

/** The applications that claim an interface. */
type Claims = readonly string[] | "unreadable";

/** All services of one namespace. */
export class ServiceTable {
  readonly #options: ServiceTableOptions;
  readonly #groups = new Map<string, Group>();
  /** By interface, for those that may have instances which an application hides. */
  readonly #claims = new Map<string, Claims>();
  /** The interfaces that nobody serves, and that an application may hide. */
  #unserved: readonly string[] = [];
  #published: Snapshot | undefined;

  constructor(options: ServiceTableOptions) {
    this.#options = options;
  }

  /** Sets the current state of a service for the next `publish`; undefined = it is gone. */
  set({ group, name }: ServiceKey, read: ServiceRead | undefined): void {
    const known = this.#groups.get(group) ?? new Group({ ...this.#options, group });
    this.#groups.set(group, known);
    known.set(name, read);
  }

  /**
   * A snapshot of everything that was set; undefined = unchanged since the last one. `listProblem` is of the list of
   * services. @throws RegistryError from `config`.
   */
  async publish(listProblem?: Problem): Promise<Snapshot | undefined> {
    const groups = [...this.#groups].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
    for (const group of groups) await group.refresh();
    await this.#keepClaims(groups);
    const services = new Map<string, Service>();
    const problems: Problem[] = listProblem === undefined ? [] : [listProblem];
    for (const group of groups) {
      group.claim(this.#claimsFor(group));
      const { services: listed, problems: found } = group.listing;
      for (const service of listed) services.set(service.id, service);
      problems.push(...found);
    }
    if ([...this.#claims.values()].includes("unreadable")) problems.push(cannotReadMapping);
    const before = this.#published;
    if (isSameMap(before?.services, services) && isDeepStrictEqual(problems, before?.problems))
      return undefined;
    this.#published = { services, problems };
    return this.#published;
  }

  /**
   * Asks again for what was not available, for the next `publish`: applications' metadata, and who claims the interfaces
   * that nobody serves. @throws RegistryError from `config`.
   */
  async retry(): Promise<void> {
    for (const group of this.#groups.values()) await group.retry();
    const unreadable = [...this.#claims].filter(([, claim]) => claim === "unreadable").slice(0, maxRetried);
    const again = new Set([...this.#unserved, ...unreadable.map(([name]) => name)]);
    await inParallel(again, maxInFlight, (name) => this.#readClaim(name));
  }

  /**
   * While an application hides its services, reads which applications claim the interfaces that nobody serves, though
   * the hub has them: their processes may live. If it may have told before what it hides now
   * (with local metadata it never did), the interfaces that others serve matter too: they may have more instances.
   */
  async #keepClaims(groups: readonly Group[]): Promise<void> {
    const hiding = groups.flatMap((group) => [...(group.merged?.hidden.values() ?? [])]);
    const served = new Set(hiding.length === 0 ? [] : groups.flatMap((group) => [...servedIn(group)]));
    this.#unserved = hiding.length === 0 ? [] : this.#names(groups).filter((name) => !served.has(name));
    const mayMore = hiding.some((reason) => reason !== "local");
    const wanted = new Set([...this.#unserved, ...(mayMore ? served : [])]);
    for (const name of this.#claims.keys()) if (!wanted.has(name)) this.#claims.delete(name);
    const due = [...wanted].filter((name) => !this.#claims.has(name));
    await inParallel(due, maxInFlight, (name) => this.#readClaim(name));
  }

  async #readClaim(name: string): Promise<void> {
    const read = await this.#options.config(name.replaceAll("$", "___"), "mapping");
    if (typeof read === "object")
      this.#claims.set(
        name,
        read.content.split(",").map((one) => one.trim()),
      );
    else this.#claims.set(name, read === "missing" ? [] : read);
  }

  /** The interfaces that the hub has: in the cluster, in the last snapshot, and now. */
  #names(groups: readonly Group[]): readonly string[] {
    const told = [...(this.#published?.services.values() ?? [])].filter(({ kind }) => kind === "dubbo");
    const listed = groups.flatMap(({ merged }) => [...(merged?.services.keys() ?? [])]);
    const known = this.#options.known?.() ?? [];
    return [...new Set([...known, ...told.map(({ name }) => name), ...listed])].filter(this.#options.wants);
  }

  /**
   * An application claims an interface also where nobody can tell whether it does. Providers may lack the mapping of an
   * interface, so an application that may have told before what it hides now may serve it all the same.
   */
  #claimsFor({ merged }: Group): GroupClaims {
    const hidden = [...(merged?.hidden ?? [])];
    if (hidden.length === 0) return { mapping: new Map(), unclaimed: [] };
    const isLocal = hidden.every(([, reason]) => reason === "local");
    const mapping = new Map<string, readonly string[]>();
    const unclaimed: string[] = [];
    for (const [name, claims] of this.#claims) {
      if (claims === "unreadable")
        mapping.set(
          name,
          hidden.map(([application]) => application),
        );
      else if (claims.length > 0 || isLocal) mapping.set(name, claims);
      else unclaimed.push(name);
    }
    return { mapping, unclaimed };
  }
}

function* servedIn({ merged }: Group): Generator<string> {
  for (const [name, { instances }] of merged?.services ?? [])
    if (instances !== "unknown" && instances.length > 0) yield name;
}

const cannotReadMapping: Problem = {
  at: "mapping",
  code: "Unreadable",
  detail:
    "which applications serve an interface could not be read, so the operator keeps what the cluster has; grant the hub's account read of the configurations, or see the server's log",
  severity: "warning",
};
