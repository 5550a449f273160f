import { isDeepStrictEqual } from "node:util";
import type { Problem } from "../../model/problems.ts";
import type { Service } from "../../model/service.ts";
import { type Metadata, needsMetadata } from "../kinds/dubbo/application.ts";
import type { ApplicationInstance } from "../kinds/dubbo/application-instance.ts";
import { KnownApplications } from "../kinds/dubbo/known-applications.ts";
import { type Merged, mergeApplications } from "../kinds/dubbo/merge.ts";
import { parseMetadataInfo } from "../kinds/dubbo/metadata-info.ts";
import { serviceOf, withProviders } from "../kinds/dubbo/provider-service.ts";
import { RegisteredAddresses } from "../kinds/dubbo/registered-addresses.ts";
import { inParallel } from "../transport/parallel.ts";
import {
  decodeAddresses,
  decodeApplication,
  decodeProviders,
  decodeSpring,
  hasOthers,
  problemsOf,
  unreadable,
} from "./decode.ts";
import type { ServiceInfo } from "./service-info.ts";
import { parseServiceName, type ServiceName } from "./service-name.ts";

/** The account may not read the service; the server and every other service are fine. */
export type Forbidden = "forbidden";

/** A configuration, or why there is none. */
export type ConfigRead = { readonly content: string } | "missing" | "unreadable";

/** Of requests to one server: more in flight is not faster. Source: measured on 2.3.2 and 3.1.0. */
export const maxInFlight = 20;
export const defaultGroup = "DEFAULT_GROUP";

export interface GroupOptions {
  readonly group: string;
  readonly wants: (name: string) => boolean;
  readonly config: (dataId: string, group: string) => Promise<ConfigRead>;
}

/** The current services of a group. An unchanged service keeps its identity. */
export interface GroupListing {
  readonly services: Iterable<Service>;
  readonly problems: readonly Problem[];
}

type DubboName = ServiceName & { kind: "dubbo" };

/**
 * The services of one Nacos group. One interface is several Nacos services (one per version, and with
 * `nacos.register-compatible` each of them twice), and applications may also offer it. They are reported as one
 * service.
 */
export class Group {
  readonly #options: GroupOptions;
  readonly #reads = new Map<string, ServiceInfo | Forbidden>();
  readonly #stale = new Set<string>();
  /** By Nacos service. */
  readonly #springServices = new Map<string, Service>();
  /** By interface; only readable ones. */
  readonly #interfaces = new Map<string, Service>();
  readonly #readsByInterface = new Map<string, Map<string, DubboName>>();
  readonly #registered = new RegisteredAddresses();
  readonly #instances = new Map<string, readonly ApplicationInstance[]>();
  readonly #applications: KnownApplications;
  readonly #metadata = new Map<string, Metadata>();
  readonly #qualifiedServices = new WeakMap<Service, Service>();
  /** Every interface ever seen, because the interfaces of the mapping cannot be listed. */
  readonly #known = new Set<string>();
  #mapping: ReadonlyMap<string, readonly string[]> = new Map();
  #merged: Merged | undefined;

  constructor(options: GroupOptions) {
    this.#options = options;
    this.#applications = new KnownApplications(options.wants);
  }

  readonly #isRegistered = (address: string): boolean => this.#registered.has(address);

  /** Sets the current state of a service; undefined = it is gone. */
  set(name: string, read: ServiceInfo | Forbidden | undefined): void {
    if (isDeepStrictEqual(this.#reads.get(name), read)) return;
    if (read === undefined) this.#reads.delete(name);
    else this.#reads.set(name, read);
    this.#stale.add(name);
  }

  /**
   * Applies everything that was set since the last call; `isRetry` = asks again for metadata that was not available.
   * @throws RegistryError from `config`.
   */
  async refresh(isRetry: boolean): Promise<void> {
    if (this.#merged !== undefined && this.#stale.size === 0 && !isRetry) return;
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
    await this.#keepMetadata(isRetry);
    const registrations = {
      services: this.#interfaces,
      isRegistered: this.#isRegistered,
      applications: this.#applications.read(this.#instances, (name, revision) =>
        this.#metadataOf(name, revision),
      ),
      mapping: this.#mapping,
      isMappingPartial: true,
    };
    const merged = mergeApplications(registrations, this.#merged);
    const isMapped = await this.#readMapping(merged, isRetry);
    this.#merged = isMapped
      ? mergeApplications({ ...registrations, mapping: this.#mapping }, merged)
      : merged;
  }

  get listing(): GroupListing {
    const dubbo = [...(this.#merged?.services.values() ?? [])].map((service) => this.#qualified(service));
    return { services: [...dubbo, ...this.#springServices.values()], problems: this.#merged?.problems ?? [] };
  }

  #readInterface(name: string, parsed: DubboName): void {
    const read = this.#reads.get(name);
    const names = this.#readsByInterface.get(parsed.name) ?? new Map<string, DubboName>();
    this.#readsByInterface.set(parsed.name, names);
    if (read === undefined) names.delete(name);
    else names.set(name, parsed);
    if (read === "forbidden")
      this.#springServices.set(name, unreadable(this.#key(name), "dubbo", parsed.name));
    else this.#springServices.delete(name);
  }

  #readPlain(name: string): void {
    const read = this.#reads.get(name);
    const info = typeof read === "object" ? read : undefined;
    const isWanted = this.#options.wants(name);
    const instances = info ? decodeApplication(name, info) : [];
    // The services of a revision may change with its processes, because dubbo-go's revision ignores versions and
    // ports.
    for (const { revision } of this.#instances.get(name) ?? [])
      this.#metadata.delete(revisionKey(name, revision));
    if (instances.length > 0) this.#instances.set(name, instances);
    else this.#instances.delete(name);
    if (info !== undefined && hasOthers(info) && isWanted)
      this.#keep(name, decodeSpring(this.#key(name), info));
    else if (read === "forbidden" && isWanted) this.#keep(name, unreadable(this.#key(name), "spring", name));
    else this.#springServices.delete(name);
  }

  #keep(name: string, service: Service): void {
    if (!isDeepStrictEqual(service, this.#springServices.get(name))) this.#springServices.set(name, service);
  }

  /** Merges all readable services of an interface into one. */
  #mergeInterface(name: string): void {
    const reads = [...(this.#readsByInterface.get(name) ?? [])].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const infos = reads.flatMap(([one, parsed]) => {
      const read = this.#reads.get(one);
      return typeof read === "object" ? [{ parsed, info: read }] : [];
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
    const providers = infos.flatMap(({ parsed, info }) => decodeProviders(parsed, info));
    const problems = infos.flatMap(({ info }) => problemsOf(name, info));
    const service = withProviders(serviceOf(name, []), [
      ...providers,
      ...problems.map((problem) => ({ problem })),
    ]);
    if (!isDeepStrictEqual(service, this.#interfaces.get(name))) this.#interfaces.set(name, service);
  }

  /** Keeps the metadata of exactly the revisions that some instance has. */
  async #keepMetadata(isRetry: boolean): Promise<void> {
    const needed = new Map<string, { readonly name: string; readonly revision: string }>();
    for (const [name, instances] of this.#instances) {
      for (const instance of instances) {
        if (!needsMetadata(instance, this.#isRegistered)) continue;
        needed.set(revisionKey(name, instance.revision), { name, revision: instance.revision });
      }
    }
    for (const key of this.#metadata.keys()) if (!needed.has(key)) this.#metadata.delete(key);
    await inParallel(needed, maxInFlight, async ([key, { name, revision }]) => {
      const known = this.#metadata.get(key);
      if (known === undefined || (isRetry && typeof known === "string"))
        this.#metadata.set(key, await this.#readMetadata(name, revision));
    });
  }

  /**
   * While an application hides its services, reads which applications claim the interfaces without an instance,
   * because their processes may live. Returns whether the result changed.
   */
  async #readMapping({ services, hidden }: Merged, isRetry: boolean): Promise<boolean> {
    for (const name of services.keys()) this.#known.add(name);
    const unserved =
      hidden.size > 0 ? [...this.#known].filter((name) => !this.#isServed(name, services)) : [];
    const wanted = new Set(unserved);
    const mapping = new Map([...this.#mapping].filter(([name]) => wanted.has(name)));
    const due = [...wanted].filter((name) => isRetry || !mapping.has(name));
    await inParallel(due, maxInFlight, async (name) => {
      const read = await this.#options.config(name.replaceAll("$", "___"), "mapping");
      mapping.set(name, typeof read === "string" ? [] : read.content.split(",").map((one) => one.trim()));
    });
    if (isDeepStrictEqual(mapping, this.#mapping)) return false;
    this.#mapping = mapping;
    return true;
  }

  #isServed(name: string, services: ReadonlyMap<string, Service>): boolean {
    const instances = services.get(name)?.instances ?? [];
    return instances !== "unknown" && instances.length > 0;
  }

  #metadataOf(application: string, revision: string): Metadata {
    return this.#metadata.get(revisionKey(application, revision)) ?? "missing";
  }

  /**
   * Java and newer dubbo-go use the first name, older dubbo-go the second.
   * Source: apache/dubbo, NacosMetadataReport; apache/dubbo-go, metadata/report/nacos.
   */
  async #readMetadata(application: string, revision: string): Promise<Metadata> {
    const read = await this.#options.config(application, revision);
    if (read !== "missing") return metadataOf(read);
    return metadataOf(await this.#options.config(`${application}:${revision}`, defaultGroup));
  }

  /** The service under an id that no other group has. */
  #qualified(service: Service): Service {
    const { group } = this.#options;
    const qualified = this.#qualifiedServices.get(service) ?? {
      ...service,
      id: `${group}@@${service.id}`,
      registryGroup: group,
    };
    this.#qualifiedServices.set(service, qualified);
    return qualified;
  }

  #key(name: string) {
    return { group: this.#options.group, name };
  }
}

const revisionKey = (application: string, revision: string): string =>
  JSON.stringify([application, revision]);

function metadataOf(read: ConfigRead): Metadata {
  return typeof read === "string" ? read : (parseMetadataInfo(read.content) ?? "undecodable");
}
