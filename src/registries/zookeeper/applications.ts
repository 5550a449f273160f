import type { Problem } from "../../model/problems.ts";
import {
  type Application,
  type IsRegistered,
  type Metadata,
  needsMetadata,
  opaqueApplications,
} from "../kinds/dubbo/application.ts";
import type { ApplicationInstance } from "../kinds/dubbo/application-instance.ts";
import { type Instances, KnownApplications } from "../kinds/dubbo/known-applications.ts";
import type { Mapping } from "../kinds/dubbo/merge.ts";
import { parseMetadataInfo } from "../kinds/dubbo/metadata-info.ts";
import { decodeInstance, decodeMapping, isSegment } from "./decode.ts";
import type { Obstacle, Session } from "./session.ts";
import { WatchedNodes } from "./watched-nodes.ts";

/** The parent of applications in Dubbo and Spring Cloud, whatever the root of the interfaces is. */
const home = "/services";
/** How many forbidden nodes one probe tries again. */
const maxProbed = 200;

export interface ApplicationsOptions {
  readonly session: Session;
  /** The root of the interfaces without a slash at its end; metadata and mapping are below it. */
  readonly base: string;
  /** Selects the relevant interfaces. */
  readonly wants: (name: string) => boolean;
  /** Called whenever `refresh` has work to do. */
  readonly changed: () => void;
}

/** The registrations of applications, for `mergeApplications`. */
export interface ApplicationsView {
  readonly applications: readonly Application[];
  readonly mapping: Mapping | undefined;
  readonly cannotList?: Problem;
}

/** A node below `/services/<application>`; "foreign" = not one of Dubbo's, or gone meanwhile. */
type InstanceNode = ApplicationInstance | "unreadable" | "foreign";
type Names = readonly string[] | Obstacle;

/**
 * Providers that registered their application, read through one session. `/services` lists the living instances, and
 * `<root>/metadata` describes their services. `<root>/mapping` lists which applications claim an interface. It is
 * read only while some application's services are unknown. Errors: `refresh` @throws RegistryError.
 * Source: apache/dubbo, ZookeeperServiceDiscovery, ZookeeperMetadataReport; the same of apache/dubbo-go.
 */
export class Applications {
  readonly #options: ApplicationsOptions;
  readonly #mappingPath: string;
  /** Children of `/services` and of `<root>/mapping`, by path. */
  readonly #tops: WatchedNodes<Names>;
  readonly #topPaths: ReadonlySet<string>;
  /** Children of `/services/<application>`, by application. */
  readonly #listings: WatchedNodes<Names>;
  /** By path. */
  readonly #instances: WatchedNodes<InstanceNode>;
  /** By `<application>/<revision>`. */
  readonly #metadata: WatchedNodes<Metadata>;
  /** By interface. */
  readonly #mappings: WatchedNodes<readonly string[]>;
  readonly #known: KnownApplications;

  constructor(options: ApplicationsOptions) {
    this.#options = options;
    const { session, base, wants, changed } = options;
    this.#known = new KnownApplications(wants);
    const list = async (path: string, fired: () => void): Promise<Names> => {
      const listing = await session.children(path, fired);
      return typeof listing === "string" ? listing : listing.children;
    };
    this.#mappingPath = `${base}/mapping`;
    this.#topPaths = new Set([home, this.#mappingPath]);
    this.#tops = new WatchedNodes(list, changed);
    this.#listings = new WatchedNodes((name, fired) => list(`${home}/${name}`, fired), changed);
    this.#instances = new WatchedNodes((path, fired) => this.#readInstance(path, fired), changed);
    this.#metadata = new WatchedNodes((key, fired) => this.#readMetadata(key, fired), changed);
    this.#mappings = new WatchedNodes((name, fired) => this.#readMapping(name, fired), changed);
  }

  /** Reads everything that changed since the last call; the first call reads everything. */
  async refresh(isRegistered: IsRegistered): Promise<ApplicationsView> {
    await this.#tops.sync(this.#topPaths);
    const living = this.#tops.get(home);
    await this.#listings.sync(this.#names(living));
    await this.#instances.sync(this.#paths(this.#listings.version));
    const instances = this.#byApplication(this.#listings.version, this.#instances.version);
    await this.#metadata.sync(this.#revisions(instances, isRegistered));
    const applications = this.#applications(instances, this.#metadata.version);
    const isBlind = living === "forbidden";
    const isMappingOfUse = isBlind || opaqueApplications(applications, isRegistered).size > 0;
    const mapped = this.#tops.get(this.#mappingPath);
    await this.#mappings.sync(this.#mappedNames(isMappingOfUse ? mapped : undefined));
    const mapping = typeof mapped === "string" ? undefined : this.#mapping(this.#mappings.version);
    return { applications, mapping, ...(isBlind && { cannotList: cannotSee }) };
  }

  /** Checks what no watch reports: whether forbidden nodes are still forbidden. */
  probe(): void {
    this.#tops.invalidate((value) => value === "forbidden");
    this.#listings.invalidate((value) => value === "forbidden", maxProbed);
    this.#instances.invalidate((value) => value === "unreadable", maxProbed);
    this.#metadata.invalidate((value) => value === "unreadable", maxProbed);
  }

  /** Makes the next `refresh` read everything, as if no watch had ever fired. */
  invalidate(): void {
    this.#tops.invalidate();
    for (const nodes of [this.#listings, this.#instances, this.#metadata, this.#mappings]) nodes.invalidate();
  }

  readonly #names = memoizeLast((listed: Names | undefined) => new Set(childrenOf(listed)));

  // The parameters below that begin with `_` are versions of what the body reads: another one makes it run again.
  readonly #paths = memoizeLast(
    (_listings: number) => new Set([...this.#listings.keys()].flatMap((name) => this.#pathsOf(name))),
  );

  readonly #byApplication = memoizeLast(
    (_listings: number, _instances: number): ReadonlyMap<string, Instances> =>
      new Map([...this.#listings.keys()].map((name) => [name, this.#instancesOf(name)])),
  );

  /** The instances whose MetadataInfo is always read, and those for which that depends on the registered interfaces. */
  readonly #readable = memoizeLast((byApplication: ReadonlyMap<string, Instances>) => {
    const instances = [...byApplication.values()].flat().filter((one) => one !== "unreadable");
    const always = instances.filter((instance) => needsMetadata(instance, () => true));
    const perhaps = instances.filter((instance) => !needsMetadata(instance, () => true));
    return { always: new Set(always.map(keyOf)), perhaps };
  });

  readonly #applications = memoizeLast(
    (byApplication: ReadonlyMap<string, Instances>, _metadata: number): readonly Application[] =>
      this.#known.read(
        byApplication,
        (name, revision) => this.#metadata.get(`${name}/${revision}`) ?? "missing",
      ),
  );

  readonly #mappedNames = memoizeLast(
    (listed: Names | undefined) => new Set(childrenOf(listed).filter(this.#options.wants)),
  );

  readonly #mapping = memoizeLast(
    (_mappings: number): Mapping =>
      new Map([...this.#mappings.keys()].map((name) => [name, this.#mappings.get(name) ?? []])),
  );

  #pathsOf(name: string): readonly string[] {
    return childrenOf(this.#listings.get(name)).map((node) => `${home}/${name}/${node}`);
  }

  #instancesOf(name: string): Instances {
    if (this.#listings.get(name) === "forbidden") return ["unreadable"];
    const nodes = this.#pathsOf(name).map((path) => this.#instances.get(path) ?? "foreign");
    return nodes.filter((node) => node !== "foreign");
  }

  #revisions(byApplication: ReadonlyMap<string, Instances>, isRegistered: IsRegistered): ReadonlySet<string> {
    const { always, perhaps } = this.#readable(byApplication);
    const needed = perhaps.filter((instance) => needsMetadata(instance, isRegistered));
    return needed.length === 0 ? always : new Set([...always, ...needed.map(keyOf)]);
  }

  async #readInstance(path: string, changed: () => void): Promise<InstanceNode> {
    const node = await this.#options.session.data(path, changed);
    if (node === "forbidden") return "unreadable";
    if (node === "missing") return "foreign";
    const name = path.slice(home.length + 1, path.lastIndexOf("/"));
    return decodeInstance(name, node.data) ?? "foreign";
  }

  /**
   * Java and dubbo-go up to 3.2 write `metadata/<application>/<revision>`; dubbo-go since 3.3 omits `metadata/`. A
   * missing node is watched, because providers may write it after the instance.
   * Source: apache/dubbo, SubscriberMetadataIdentifier; apache/dubbo-go, metadata/report/zookeeper/report.go.
   */
  async #readMetadata(key: string, changed: () => void): Promise<Metadata> {
    const { session, base } = this.#options;
    if (!isSegment(key.slice(key.indexOf("/") + 1))) return "missing";
    let obstacle: Metadata = "missing";
    for (const path of [`${base}/metadata/${key}`, `${base}/${key}`]) {
      const node = await session.data(path, changed);
      if (node === "forbidden") obstacle = "unreadable";
      else if (node !== "missing") return parseMetadataInfo(node.data) ?? "undecodable";
    }
    return obstacle;
  }

  async #readMapping(name: string, changed: () => void): Promise<readonly string[]> {
    const node = await this.#options.session.data(`${this.#mappingPath}/${name}`, changed);
    return typeof node === "string" ? [] : decodeMapping(node.data);
  }
}

const keyOf = ({ application, revision }: ApplicationInstance): string => `${application}/${revision}`;

/** A forbidden or missing node has no children. */
function childrenOf(listing: Names | undefined): readonly string[] {
  return typeof listing === "string" ? [] : (listing ?? []);
}

const cannotSee: Problem = {
  at: home,
  code: "Unreadable",
  detail: `the hub's user may not list ${home}, so the operator does not see providers that register at application level only; grant READ to the hub's user`,
  severity: "warning",
};

/** `make`, which is not called again as long as it is asked with the very same arguments as the last time. */
function memoizeLast<A extends readonly unknown[], R>(make: (...asked: A) => R): (...asked: A) => R {
  let last: { readonly asked: A; readonly result: R } | undefined;
  return (...asked) => {
    const isSame = last?.asked.every((one, at) => one === asked[at]);
    if (last === undefined || !isSame) last = { asked, result: make(...asked) };
    return last.result;
  };
}
