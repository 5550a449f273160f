import type { Problem } from "../../model/problems.ts";
import type { Clock } from "../../runtime/deps.ts";
import { memoizeLast } from "../../runtime/memoize.ts";
import {
  type Application,
  type HiddenInstance,
  type Instances,
  type IsRegistered,
  type Metadata,
  needsMetadata,
  opaqueApplications,
} from "../kinds/dubbo/application.ts";
import type { ApplicationInstance } from "../kinds/dubbo/application-instance.ts";
import { KnownApplications } from "../kinds/dubbo/known-applications.ts";
import type { Registrations } from "../kinds/dubbo/merge.ts";
import { parseMetadataInfo } from "../kinds/dubbo/metadata-info.ts";
import { decodeInstance, decodeMapping, decodeNodeAddress, isSegment } from "./decode.ts";
import {
  type KnownMetadata,
  metadataOf,
  metadataProblems,
  obstacleOf,
  remembering,
} from "./known-metadata.ts";
import type { Session } from "./session.ts";
import { WatchedNodes } from "./watched-nodes.ts";

/** The parent of applications without a registry group, in Dubbo and Spring Cloud. */
const ungrouped = "/services";

export interface ApplicationsOptions {
  readonly session: Session;
  /** The root of the interfaces without a slash at its end; metadata and mapping are below it. */
  readonly base: string;
  /** Selects the relevant interfaces. */
  readonly wants: (name: string) => boolean;
  /** Those of the instances' facts. */
  readonly keys?: readonly string[];
  /** Called whenever `refresh` has work to do. */
  readonly changed: () => void;
  readonly clock: Pick<Clock, "monotonic">;
}

/** The registrations of applications, for `mergeApplications`; the very same while nothing has changed. */
export interface ApplicationsView
  extends Pick<Registrations, "applications" | "mapping" | "isMappingPartial" | "cannotList"> {
  /** What could not be read, besides what `mergeApplications` reports. */
  readonly problems: readonly Problem[];
  /** Directories among those that `refresh` was given that belong to interfaces. */
  readonly interfaces: ReadonlySet<string>;
}

/** A directory that may be an application's: the names of its nodes. */
type Directory = readonly string[] | "interface" | "forbidden";
type Names = readonly string[] | "forbidden";
/**
 * Providers that registered their application, read through one session. Java's are below the registry's group, which
 * is the root, and without a group below `/services`, as dubbo-go's always are. `<root>/metadata` describes their
 * services. `<root>/mapping` lists which applications claim an interface; it is read only while some application's
 * services are unknown. Errors: `refresh` @throws RegistryError.
 * Source: apache/dubbo, CuratorFrameworkUtils.getRootPath (executed, 3.3.6), ZookeeperServiceDiscovery,
 * ZookeeperMetadataReport; the same of apache/dubbo-go.
 */
export class Applications {
  readonly #options: ApplicationsOptions;
  readonly #mappingPath: string;
  /** Children of `/services` and of `<root>/mapping`, by path. */
  readonly #tops: WatchedNodes<Names>;
  readonly #topPaths: ReadonlySet<string>;
  /** By path. */
  readonly #directories: WatchedNodes<Directory>;
  /** By path. */
  readonly #instances: WatchedNodes<ApplicationInstance | HiddenInstance>;
  /** By `<application>/<revision>`. */
  readonly #metadata: WatchedNodes<KnownMetadata>;
  /** By interface. */
  readonly #mappings: WatchedNodes<Names>;
  readonly #known: KnownApplications;

  constructor(options: ApplicationsOptions) {
    this.#options = options;
    const { base, wants, keys, changed, clock } = options;
    this.#known = new KnownApplications(wants, keys);
    this.#mappingPath = `${base}/mapping`;
    // Another group's applications may be of the same build, so nothing but their place tells them apart.
    this.#topPaths = new Set(base === "/dubbo" ? [ungrouped, this.#mappingPath] : [this.#mappingPath]);
    const isForbidden = (value: unknown): boolean => value === "forbidden";
    this.#tops = new WatchedNodes((path, fired) => this.#list(path, fired), changed, clock, isForbidden);
    this.#directories = new WatchedNodes(
      (path, fired) => this.#readDirectory(path, fired),
      changed,
      clock,
      isForbidden,
    );
    this.#instances = new WatchedNodes(
      (path, fired) => this.#readInstance(path, fired),
      changed,
      clock,
      (node) => "reason" in node,
    );
    this.#metadata = new WatchedNodes(
      async (key, fired, before) => remembering(await this.#readMetadata(key, fired), before),
      changed,
      clock,
      (known) => obstacleOf(known) === "unreadable",
    );
    this.#mappings = new WatchedNodes(
      (name, fired) => this.#readMapping(name, fired),
      changed,
      clock,
      isForbidden,
    );
  }

  /**
   * Reads everything that changed since the last call; the first call reads everything. `below` are the directories
   * below the root that no wanted interface is registered in.
   */
  async refresh(below: ReadonlySet<string>, isRegistered: IsRegistered): Promise<ApplicationsView> {
    const tops = await this.#tops.sync(this.#topPaths);
    const home = tops.get(ungrouped);
    const directories = await this.#directories.sync(this.#candidates(home, below));
    const nodes = await this.#instances.sync(this.#nodePaths(directories));
    const instances = this.#byApplication(directories, nodes);
    const metadata = await this.#metadata.sync(this.#revisions(instances, isRegistered));
    const applications = this.#applications(instances, metadata);
    const isBlind = home === "forbidden";
    const isMappingOfUse = isBlind || opaqueApplications(applications, isRegistered).size > 0;
    const mapped = isMappingOfUse ? tops.get(this.#mappingPath) : none;
    const mappings = await this.#mappings.sync(this.#mappedNames(mapped));
    return this.#view(applications, mapped, mappings, isBlind, metadata, directories);
  }

  /** Checks what no watch reports: whether forbidden nodes are still forbidden. */
  probe(): void {
    for (const nodes of this.#all) nodes.retry();
  }

  /** Makes the next `refresh` read everything, as if no watch had ever fired. */
  invalidate(): void {
    for (const nodes of this.#all) nodes.invalidate();
  }

  get #all() {
    return [this.#tops, this.#directories, this.#instances, this.#metadata, this.#mappings];
  }

  readonly #candidates = memoizeLast(
    (home: Names | undefined, below: ReadonlySet<string>): ReadonlySet<string> =>
      new Set([...namesIn(home).map((name) => `${ungrouped}/${name}`), ...below]),
  );

  readonly #nodePaths = memoizeLast(
    (directories: ReadonlyMap<string, Directory>) =>
      new Set([...directories].flatMap(([path, names]) => namesIn(names).map((name) => `${path}/${name}`))),
  );

  readonly #byApplication = memoizeLast(
    (
      directories: ReadonlyMap<string, Directory>,
      nodes: ReadonlyMap<string, ApplicationInstance | HiddenInstance>,
    ): ReadonlyMap<string, Instances> => {
      const all = new Map<string, Instances>();
      for (const [path, names] of directories) {
        if (names === "interface") continue;
        const found = namesIn(names).flatMap((name) => nodes.get(`${path}/${name}`) ?? []);
        const application = lastSegment(path);
        const others = all.get(application) ?? [];
        all.set(application, [...others, ...(names === "forbidden" ? (["unreadable"] as const) : found)]);
      }
      return all;
    },
  );

  /** The instances whose MetadataInfo is always read, and those for which that depends on the registered interfaces. */
  readonly #readable = memoizeLast((byApplication: ReadonlyMap<string, Instances>) => {
    const instances = [...byApplication.values()]
      .flat()
      .filter((one) => typeof one === "object" && "revision" in one);
    const always = instances.filter((instance) => needsMetadata(instance, () => true));
    const perhaps = instances.filter((instance) => !needsMetadata(instance, () => true));
    return { always: new Set(always.map(keyOf)), perhaps };
  });

  readonly #applications = memoizeLast(
    (byApplication: ReadonlyMap<string, Instances>, metadata: ReadonlyMap<string, KnownMetadata>) =>
      this.#known.read(byApplication, (name, revision) => metadataOf(metadata.get(`${name}/${revision}`))),
  );

  readonly #mappedNames = memoizeLast(
    (listed: Names | undefined) => new Set(namesIn(listed).filter(this.#options.wants)),
  );

  readonly #view = memoizeLast(
    (
      applications: readonly Application[],
      mapped: Names | undefined,
      mappings: ReadonlyMap<string, Names>,
      isBlind: boolean,
      metadata: ReadonlyMap<string, KnownMetadata>,
      directories: ReadonlyMap<string, Directory>,
    ): ApplicationsView => {
      const readable = [...mappings].flatMap(([name, all]) =>
        all === "forbidden" ? [] : [[name, all] as const],
      );
      const isForbidden = mapped === "forbidden" || readable.length < mappings.size;
      const interfaces = [...directories].flatMap(([path, one]) => (one === "interface" ? [path] : []));
      return {
        applications,
        mapping: typeof mapped === "object" ? new Map(readable) : undefined,
        isMappingPartial: isForbidden || mapped === undefined,
        ...(isBlind && { cannotList: cannotSee }),
        problems: [...(isForbidden ? [cannotMap(this.#mappingPath)] : []), ...metadataProblems(metadata)],
        interfaces: new Set(interfaces),
      };
    },
  );

  #revisions(byApplication: ReadonlyMap<string, Instances>, isRegistered: IsRegistered): ReadonlySet<string> {
    const { always, perhaps } = this.#readable(byApplication);
    const needed = perhaps.filter((instance) => needsMetadata(instance, isRegistered));
    return needed.length === 0 ? always : new Set([...always, ...needed.map(keyOf)]);
  }

  async #list(path: string, fired: () => void): Promise<Names | undefined> {
    const listing = await this.#options.session.children(path, fired);
    if (typeof listing === "object") return listing.children.toSorted();
    return listing === "missing" ? undefined : listing;
  }

  /** Of a directory below the root nobody knows whether it is an interface's; `providers` tells, without any right. */
  async #readDirectory(path: string, fired: () => void): Promise<Directory | undefined> {
    const names = await this.#list(path, fired);
    if (path.startsWith(`${ungrouped}/`) && this.#options.base !== ungrouped) return names;
    if (names !== "forbidden")
      return names?.includes("providers") ? "interface" : names?.filter((name) => decodeNodeAddress(name));
    return (await this.#options.session.data(`${path}/providers`)) === "missing" ? names : "interface";
  }

  async #readInstance(
    path: string,
    fired: () => void,
  ): Promise<ApplicationInstance | HiddenInstance | undefined> {
    const node = await this.#options.session.data(path, fired);
    const [application, name] = path.split("/").slice(-2) as [string, string];
    if (typeof node === "object") return decodeInstance(application, node.data, this.#options.keys);
    const address = decodeNodeAddress(name);
    return node === "missing" || address === undefined
      ? undefined
      : { reason: "unreadable", addresses: [address] };
  }

  /**
   * Java and dubbo-go up to 3.2 write `metadata/<application>/<revision>`; dubbo-go since 3.3 omits `metadata/`. A
   * missing node is watched, because providers may write it after the instance.
   * Source: apache/dubbo, SubscriberMetadataIdentifier; apache/dubbo-go, metadata/report/zookeeper/report.go.
   */
  async #readMetadata(key: string, fired: () => void): Promise<Metadata> {
    const { session, base } = this.#options;
    if (!isSegment(key.slice(key.indexOf("/") + 1))) return "missing";
    let obstacle: Metadata = "missing";
    for (const path of [`${base}/metadata/${key}`, `${base}/${key}`]) {
      const node = await session.data(path, fired);
      if (node === "forbidden") obstacle = "unreadable";
      else if (node !== "missing") return parseMetadataInfo(node.data) ?? "undecodable";
    }
    return obstacle;
  }

  async #readMapping(name: string, fired: () => void): Promise<Names> {
    const node = await this.#options.session.data(`${this.#mappingPath}/${name}`, fired);
    if (node === "forbidden") return node;
    return node === "missing" ? [] : decodeMapping(node.data);
  }
}

const none: readonly string[] = [];

const keyOf = ({ application, revision }: ApplicationInstance): string => `${application}/${revision}`;
const lastSegment = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** A forbidden or missing node, and one of an interface, has no names of use. */
function namesIn(names: Directory | undefined): readonly string[] {
  return typeof names === "object" ? names : [];
}

const cannotSee: Problem = {
  at: ungrouped,
  code: "Unreadable",
  detail: `the hub's user may not list ${ungrouped}, so the operator does not see providers that register at application level only, and keeps what the cluster has of them; grant READ to the hub's user`,
  severity: "warning",
};

const cannotMap = (at: string): Problem => ({
  at,
  code: "Unreadable",
  detail:
    "the hub's user may not read all of it, so the operator cannot tell which interfaces applications serve; grant READ to the hub's user",
  severity: "warning",
});
