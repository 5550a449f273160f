import { isDeepStrictEqual } from "node:util";
import type { Problem } from "../../model/problems.ts";
import type { Service } from "../../model/service.ts";
import { type Metadata, needsMetadata } from "../kinds/dubbo/application.ts";
import type { ApplicationInstance } from "../kinds/dubbo/application-instance.ts";
import { KnownApplications } from "../kinds/dubbo/known-applications.ts";
import { type Mapping, type Merged, mergeApplications } from "../kinds/dubbo/merge.ts";
import { parseMetadataInfo } from "../kinds/dubbo/metadata-info.ts";
import { serviceOf, withProviders } from "../kinds/dubbo/provider-service.ts";
import { RegisteredAddresses } from "../kinds/dubbo/registered-addresses.ts";
import { inParallel } from "../transport/parallel.ts";
import {
  decodeAddresses,
  decodeApplication,
  decodeProviders,
  decodeSpring,
  isOfDubbo,
  problemsOf,
  unreadable,
} from "./decode.ts";
import { type ConfigRead, isRefusal, maxInFlight, type ServiceRead } from "./requests.ts";
import { parseServiceName, type ServiceName } from "./service-name.ts";

export const defaultGroup = "DEFAULT_GROUP";

export interface GroupOptions {
  readonly group: string;
  readonly wants: (name: string) => boolean;
  /** Those of the instances' facts. */
  readonly keys?: readonly string[];
  readonly config: (dataId: string, group: string) => Promise<ConfigRead>;
}

/** The current services of a group. An unchanged service keeps its identity. */
export interface GroupListing {
  readonly services: Iterable<Service>;
  readonly problems: readonly Problem[];
}

/** Which applications claim an interface, and the interfaces of which nobody can tell because none is named. */
export interface GroupClaims {
  readonly mapping: Mapping;
  readonly unclaimed: readonly string[];
}

type DubboName = ServiceName & { kind: "dubbo" };

interface Revision {
  readonly application: string;
  readonly revision: string;
}

/** The services of one revision of an application, and when to read them again. */
interface KnownMetadata extends Revision {
  readonly metadata: Metadata;
  readonly again: "now" | "with the next list" | "never";
}

/**
 * The services of one Nacos group. One interface is several Nacos services (one per version, and with
 * `nacos.register-compatible` each of them twice), and applications may also offer it. They are reported as one
 * service.
 */
export class Group {
  readonly #options: GroupOptions;
  readonly #reads = new Map<string, ServiceRead>();
  readonly #stale = new Set<string>();
  /** By Nacos service: plain services, and those that could not be read. */
  readonly #plainServices = new Map<string, Service>();
  /** By interface; only readable ones. */
  readonly #interfaces = new Map<string, Service>();
  readonly #readsByInterface = new Map<string, Map<string, DubboName>>();
  readonly #registered = new RegisteredAddresses();
  readonly #instances = new Map<string, Instances>();
  readonly #applications: KnownApplications;
  /** By revision key. */
  readonly #metadata = new Map<string, KnownMetadata>();
  #isReadAgain = false;
  /** As a snapshot has them, by the merged service. */
  readonly #qualifiedServices = new WeakMap<Service, Service>();
  #claims: GroupClaims = { mapping: new Map(), unclaimed: [] };
  #merged: Merged | undefined;

  constructor(options: GroupOptions) {
    this.#options = options;
    this.#applications = new KnownApplications(options.wants, options.keys);
  }

  /** What there is, whatever applications may hide. */
  get merged(): Merged | undefined {
    return this.#merged;
  }

  /** Sets the current state of a service; undefined = it is gone. */
  set(name: string, read: ServiceRead | undefined): void {
    if (isDeepStrictEqual(this.#reads.get(name), read)) return;
    if (read === undefined) this.#reads.delete(name);
    else this.#reads.set(name, read);
    this.#stale.add(name);
  }

  /** Applies everything that was set since the last call. @throws RegistryError from `config`. */
  async refresh(): Promise<void> {
    if (this.#merged !== undefined && this.#stale.size === 0 && !this.#isReadAgain) return;
    this.#isReadAgain = false;
    const interfaces = new Set<string>();
    for (const name of this.#stale) {
      const parsed = parseServiceName(name);
      if (parsed.kind === "dubbo") {
        this.#readInterface(name, parsed);
        interfaces.add(parsed.name);
      } else if (parsed.kind === "spring") this.#readPlain(name);
    }
    this.#stale.clear();
    for (const name of interfaces) this.#mergeInterface(name);
    await this.#keepMetadata();
    this.#merge();
  }

  /** Asks again for metadata that was not available, for the next refresh. @throws RegistryError from `config`. */
  async retry(): Promise<void> {
    const missing = [...this.#metadata.values()].filter(({ again }) => again === "with the next list");
    await inParallel(missing, maxInFlight, async (known) => {
      await this.#readMetadata(known);
      this.#isReadAgain = true;
    });
  }

  /** Takes which applications claim the interfaces that may have instances which they hide. */
  claim(claims: GroupClaims): void {
    if (isDeepStrictEqual(claims, this.#claims)) return;
    this.#claims = claims;
    this.#merge();
  }

  get listing(): GroupListing {
    const dubbo = [...(this.#merged?.services.values() ?? [])].map((service) => this.#qualified(service));
    return { services: [...dubbo, ...this.#plainServices.values()], problems: this.#merged?.problems ?? [] };
  }

  #merge(): void {
    const isRegistered = (address: string): boolean => this.#registered.has(address);
    const applications = this.#applications.read(
      this.#instances,
      (name, revision) => this.#metadata.get(revisionKey(name, revision))?.metadata ?? "missing",
    );
    const services = this.#interfaces;
    const { mapping, unclaimed } = this.#claims;
    const registrations = { services, isRegistered, applications, mapping, known: () => unclaimed };
    this.#merged = mergeApplications({ ...registrations, isMappingPartial: true }, this.#merged);
  }

  #readInterface(name: string, parsed: DubboName): void {
    const read = this.#reads.get(name);
    const names = this.#readsByInterface.get(parsed.name) ?? new Map<string, DubboName>();
    this.#readsByInterface.set(parsed.name, names);
    if (read === undefined) names.delete(name);
    else names.set(name, parsed);
    if (read !== undefined && isRefusal(read))
      this.#keep(name, unreadable(this.#key(name), "dubbo", parsed.name, read));
    else this.#plainServices.delete(name);
  }

  #readPlain(name: string): void {
    const read = this.#reads.get(name);
    const instances = instancesOf(name, read, this.#options.keys);
    // The services of a revision may change with its processes, because dubbo-go's revision ignores versions and
    // ports.
    for (const one of this.#instances.get(name) ?? []) if (one !== "unreadable") this.#readAgain(name, one);
    if (instances.length > 0) this.#instances.set(name, instances);
    else this.#instances.delete(name);
    const service = this.#options.wants(name) && read !== undefined ? this.#plain(name, read) : undefined;
    if (service === undefined) this.#plainServices.delete(name);
    else this.#keep(name, service);
  }

  /** A service that is not Dubbo's; undefined = it is Dubbo's, or empty and nobody knows. */
  #plain(name: string, read: ServiceRead): Service | undefined {
    if (isRefusal(read)) return unreadable(this.#key(name), "spring", name, read);
    const { hosts, malformed } = read;
    const isEmpty = hosts.length + malformed.length === 0;
    const isPlain = isEmpty ? this.#plainServices.has(name) : hosts.length === 0 || !hosts.every(isOfDubbo);
    return isPlain ? decodeSpring(this.#key(name), read, this.#options.keys) : undefined;
  }

  #readAgain(name: string, { revision }: ApplicationInstance): void {
    const known = this.#metadata.get(revisionKey(name, revision));
    if (known !== undefined) this.#metadata.set(revisionKey(name, revision), { ...known, again: "now" });
  }

  #keep(name: string, service: Service): void {
    if (!isDeepStrictEqual(service, this.#plainServices.get(name))) this.#plainServices.set(name, service);
  }

  /** Merges all readable services of an interface into one. */
  #mergeInterface(name: string): void {
    const reads = [...(this.#readsByInterface.get(name) ?? [])].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const infos = reads.flatMap(([one, parsed]) => {
      const info = this.#reads.get(one);
      return info === undefined || isRefusal(info) ? [] : [{ parsed, info }];
    });
    this.#registered.set(
      name,
      infos.flatMap(({ info }) => decodeAddresses(info)),
    );
    if (reads.length === 0) this.#readsByInterface.delete(name);
    if (infos.length === 0) {
      this.#interfaces.delete(name);
      return;
    }
    const providers = infos.flatMap(({ parsed, info }) => decodeProviders(parsed, info, this.#options.keys));
    const problems = infos.flatMap(({ info }) => problemsOf(name, info));
    const service = withProviders(serviceOf(name, []), [
      ...providers,
      ...problems.map((problem) => ({ problem })),
    ]);
    if (!isDeepStrictEqual(service, this.#interfaces.get(name))) this.#interfaces.set(name, service);
  }

  /** Keeps the metadata of exactly the revisions that some instance has. */
  async #keepMetadata(): Promise<void> {
    const isRegistered = (address: string): boolean => this.#registered.has(address);
    const needed = new Map<string, Revision>();
    for (const [application, instances] of this.#instances) {
      for (const instance of instances) {
        if (instance === "unreadable" || !needsMetadata(instance, isRegistered)) continue;
        const { revision } = instance;
        needed.set(revisionKey(application, revision), { application, revision });
      }
    }
    for (const key of this.#metadata.keys()) if (!needed.has(key)) this.#metadata.delete(key);
    const due = [...needed].filter(([key]) => (this.#metadata.get(key)?.again ?? "now") === "now");
    await inParallel(due, maxInFlight, ([, revision]) => this.#readMetadata(revision));
  }

  /** What was read stays until it can be read again. */
  async #readMetadata({ application, revision }: Revision): Promise<void> {
    const metadata = await this.#metadataOf(application, revision);
    const key = revisionKey(application, revision);
    const known = this.#metadata.get(key)?.metadata;
    const isRead = typeof metadata !== "string";
    this.#metadata.set(key, {
      application,
      revision,
      metadata: isRead || typeof known !== "object" ? metadata : known,
      again: isRead ? "never" : "with the next list",
    });
  }

  /**
   * Java and newer dubbo-go use the first name, older dubbo-go the second.
   * Source: apache/dubbo, NacosMetadataReport; apache/dubbo-go, metadata/report/nacos.
   */
  async #metadataOf(application: string, revision: string): Promise<Metadata> {
    const read = await this.#options.config(application, revision);
    if (read !== "missing") return metadataOf(read);
    return metadataOf(await this.#options.config(`${application}:${revision}`, defaultGroup));
  }

  /** The service under an id that no other group has. */
  #qualified(service: Service): Service {
    const { group } = this.#options;
    const id = `${group}@@${service.id}`;
    const qualified = this.#qualifiedServices.get(service) ?? { ...service, id, registryGroup: group };
    this.#qualifiedServices.set(service, qualified);
    return qualified;
  }

  #key(name: string) {
    return { group: this.#options.group, name };
  }
}

/** The processes of an application; "unreadable" = nobody knows. */
type Instances = readonly (ApplicationInstance | "unreadable")[];

function instancesOf(
  name: string,
  read: ServiceRead | undefined,
  keys: readonly string[] | undefined,
): Instances {
  if (read === undefined) return [];
  return isRefusal(read) ? ["unreadable"] : decodeApplication(name, read, keys);
}

const revisionKey = (application: string, revision: string): string =>
  JSON.stringify([application, revision]);

function metadataOf(read: ConfigRead): Metadata {
  return typeof read === "string" ? read : (parseMetadataInfo(read.content) ?? "undecodable");
}
