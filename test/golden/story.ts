import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, parseAllDocuments, stringify } from "yaml";
import { copyOf } from "../../src/cli/cluster-copy.ts";
import { generateFilters } from "../../src/cli/generate.ts";
import { readConfig } from "../../src/config.ts";
import { EntryIndex } from "../../src/controllers/entries.ts";
import { ListingIndex } from "../../src/controllers/listing-index.ts";
import { isCovered } from "../../src/kube/same.ts";
import type { Claim, Entry, HostKey } from "../../src/model/entry.ts";
import { type Hub, parseHub, type RegistryHub } from "../../src/model/hub.ts";
import type { EnvoyFilter, ServiceEntry } from "../../src/model/istio.ts";
import { splitKey } from "../../src/model/keys.ts";
import { annotations } from "../../src/model/labels.ts";
import type { Problem } from "../../src/model/problems.ts";
import type { Service, Snapshot } from "../../src/model/service.ts";
import { type HostPlan, planHost } from "../../src/plan/host.ts";
import { chooseVip } from "../../src/plan/vip.ts";
import { type Metadata, readApplication } from "../../src/registries/dubbo/application.ts";
import { type Merged, mergeApplications, type Registrations } from "../../src/registries/dubbo/merge.ts";
import { parseMetadataInfo } from "../../src/registries/dubbo/metadata-info.ts";
import { parseApplications } from "../../src/registries/eureka/applications.ts";
import { decodeApplication } from "../../src/registries/eureka/decode.ts";
import type { ConfigRead } from "../../src/registries/nacos/group.ts";
import { parseServiceInfo } from "../../src/registries/nacos/service-info.ts";
import { idOf } from "../../src/registries/nacos/service-name.ts";
import { ServiceTable } from "../../src/registries/nacos/service-table.ts";
import { decodeAddresses, decodeInstance, decodeService } from "../../src/registries/zookeeper/decode.ts";
import { hubIdOf, objectName } from "../../src/translate/names.ts";
import { serviceEntryOf } from "../../src/translate/service-entry.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { inputOf, pool, silentLogger } from "../support/model.ts";
import { type ConsulAnswers, servicesOfConsul } from "./consul-answers.ts";

/** Where the stories are: one folder each, with a folder more for each further step. */
export const storiesFolder = fileURLToPath(new URL("stories", import.meta.url));
export const storyNames = readdirSync(storiesFolder).sort();

const start = Date.parse("2024-02-04T03:00:00Z");
const graceMs = 600_000;

/** `01-registry.yaml`: all that is known at one moment. A hub that is absent has been deleted. */
interface Moment {
  /** Minutes since the step before. */
  readonly passed?: number;
  /** Oldest first. */
  readonly hubs: readonly HubMoment[];
}

interface HubMoment {
  readonly hub: Pick<RegistryHub, "metadata" | "spec">;
  /** false = an outage or settling: nothing follows from what is not listed. */
  readonly vouches: boolean;
  /** ZooKeeper: the names of the nodes below /dubbo/<interface>/providers. */
  readonly providers?: Readonly<Record<string, readonly string[]>>;
  /** ZooKeeper: what is below /services, by application, with its MetadataInfos by revision. */
  readonly applications?: Readonly<Record<string, ApplicationMoment>>;
  /** ZooKeeper: /dubbo/mapping. */
  readonly mapping?: Readonly<Record<string, readonly string[]>>;
  /** Nacos: what the server answered about each service of the namespace. */
  readonly nacos?: readonly NacosService[];
  /** Nacos: its configurations. */
  readonly nacosConfigs?: readonly NacosConfig[];
  /** Eureka: what the server answered to GET /apps, to the letter. */
  readonly eureka?: string;
  readonly consul?: ConsulAnswers;
  /** What another registry's reader would hand over. */
  readonly services?: readonly Service[];
}

interface ApplicationMoment {
  /** The data of the nodes. */
  readonly instances: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
}

interface NacosService {
  readonly group: string;
  readonly name: string;
  /** The ServiceInfo, to the letter. */
  readonly info: string;
}

interface NacosConfig {
  readonly dataId: string;
  readonly group: string;
  readonly content: string;
}

/** What one step of a story comes to; each is the content of one file. */
export interface StepResult {
  readonly folder: string;
  readonly snapshot: string;
  readonly serviceEntries: readonly ServiceEntry[];
  readonly envoyFilters: readonly EnvoyFilter[];
  readonly plan: string;
}

/** Plays a story from its first step to its last, every step on the cluster that the one before left. */
export async function playStory(name: string): Promise<readonly StepResult[]> {
  const folder = join(storiesFolder, name);
  const steps = readdirSync(folder).filter((file) => file.startsWith("step-"));
  const cluster = new Map<string, ServiceEntry>();
  for (const object of initialCluster(folder)) cluster.set(keyOf(object), object);
  let wallMs = start;
  const results: StepResult[] = [];
  for (const at of [folder, ...steps.sort().map((step) => join(folder, step))]) {
    const moment = parse(readFileSync(join(at, "01-registry.yaml"), "utf8")) as Moment;
    wallMs += (moment.passed ?? 0) * 60_000;
    results.push(await playStep(at, await Promise.all(moment.hubs.map(speakerOf)), cluster, wallMs));
  }
  return results;
}

/** The documents of one output file, as kubectl reads them. */
export function documents(objects: readonly unknown[]): string {
  return objects.map((object) => yaml(object)).join("---\n");
}

function initialCluster(folder: string): readonly ServiceEntry[] {
  const path = join(folder, "00-cluster.yaml");
  if (!existsSync(path)) return [];
  return parseAllDocuments(readFileSync(path, "utf8")).map((document) => document.toJS() as ServiceEntry);
}

async function playStep(
  folder: string,
  speakers: readonly Speaker[],
  cluster: Map<string, ServiceEntry>,
  wallMs: number,
): Promise<StepResult> {
  const index = new EntryIndex(cluster);
  for (const key of cluster.keys()) index.update(key);
  const hosts = new Set([...speakers.flatMap(({ listing }) => [...listing.hosts()]), ...index.hosts()]);
  const steps = [...hosts].sort().map((host) => {
    const before = index.occupant(host)?.object;
    const plan = planOf(host, speakers, index, wallMs);
    carryOut(plan, cluster, index);
    return told(host, before, plan);
  });
  const serviceEntries = [...cluster.values()].sort(byKey);
  return {
    folder,
    snapshot: yaml(
      speakers.map(({ hub, services, problems, listing }) => ({
        hub: hub.key,
        services,
        problems: [...problems, ...listing.problems],
      })),
    ),
    serviceEntries,
    envoyFilters: await filtersOf(serviceEntries),
    plan: yaml(steps.filter((step) => step.op !== "nothing" || Object.keys(step).length > 2)),
  };
}

/** What the dubbo-controller makes of these entries where there are no filters yet; those of ports last. */
async function filtersOf(serviceEntries: readonly ServiceEntry[]): Promise<readonly EnvoyFilter[]> {
  const deps = { clock: fakeClock(), logger: silentLogger, random: () => 0 };
  const copy = copyOf({ hubs: [], serviceEntries, envoyFilters: [] }, deps);
  const { vipCidr, rootNamespace, foreignServiceEntries, inboundFilters } = readConfig({}, {});
  const options = { vipCidr, rootNamespace, foreignServiceEntries, inboundFilters };
  await generateFilters(serviceEntries.map(keyOf), copy, options);
  const filters = [...copy.envoyFilters.objects.values()];
  const isOfPort = ({ metadata }: EnvoyFilter): boolean =>
    metadata.annotations?.[annotations.serviceEntry] === undefined;
  const ofPorts = filters.filter(isOfPort).sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  return [...filters.filter((one) => !isOfPort(one)), ...ofPorts];
}

interface Speaker {
  readonly id: string;
  readonly hub: Hub;
  readonly services: readonly Service[];
  /** Of the registry as a whole. */
  readonly problems: readonly Problem[];
  readonly listing: ListingIndex;
  readonly rest: Claim["unlisted"];
}

async function speakerOf(moment: HubMoment): Promise<Speaker> {
  const { hub: object, vouches, eureka, consul, services = [] } = moment;
  const hub = parseHub({ apiVersion: "ecns.easystack.cn/v1alpha1", kind: "RegistryHub", ...object });
  const read = [mergedOf(moment), await nacosOf(moment)];
  const applications = eureka === undefined ? [] : parseApplications(eureka).map(decodeApplication);
  const all = [...read.flatMap((one) => [...one.services.values()]), ...applications, ...services];
  if (consul && hub.registry.type === "consul") all.push(...servicesOfConsul(consul, hub.registry));
  const listing = new ListingIndex();
  listing.update(new Map(all.map((service) => [service.id, service])), hub);
  const problems = read.flatMap((one) => one.problems);
  return { id: hubIdOf(hub.key), hub, services: all, problems, listing, rest: vouches ? "gone" : "unknown" };
}

/** What the ZooKeeper reader makes of it. */
function mergedOf({ providers = {}, applications = {}, mapping = {} }: HubMoment): Merged {
  const decoded = Object.entries(providers).map(
    ([iface, nodes]) => [iface, decodeService(iface, nodes)] as const,
  );
  const addresses = new Set(Object.values(providers).flatMap(decodeAddresses));
  const registrations: Registrations = {
    services: new Map(decoded),
    isRegistered: (address) => addresses.has(address),
    applications: Object.entries(applications).map(([name, { instances, metadata = {} }]) => {
      const metadataOf = (revision: string): Metadata => {
        const text = metadata[revision];
        return text === undefined ? "missing" : (parseMetadataInfo(text) ?? "undecodable");
      };
      const known = instances.flatMap((node) => decodeInstance(name, node) ?? []);
      return readApplication(name, known, metadataOf, () => true);
    }),
    mapping: new Map(Object.entries(mapping)),
  };
  return mergeApplications(registrations, undefined);
}

/** What the Nacos reader makes of it. */
async function nacosOf({ nacos = [], nacosConfigs = [] }: HubMoment): Promise<Snapshot> {
  const contents = new Map(nacosConfigs.map((one) => [idOf({ ...one, name: one.dataId }), one.content]));
  const config = (dataId: string, group: string): Promise<ConfigRead> => {
    const content = contents.get(idOf({ group, name: dataId }));
    return Promise.resolve(content === undefined ? "missing" : { content });
  };
  const table = new ServiceTable({ wants: () => true, config });
  for (const { group, name, info } of nacos) table.set({ group, name }, parseServiceInfo(info));
  return (await table.publish(false)) ?? { services: new Map(), problems: [] };
}

function planOf(host: HostKey, speakers: readonly Speaker[], index: EntryIndex, wallMs: number): HostPlan {
  const actual = index.occupant(host)?.entry;
  const [namespace, hostname] = splitKey(host);
  const input = inputOf({
    host,
    actual,
    claims: new Map(speakers.flatMap((speaker) => claimOf(speaker, host, actual))),
    graceMs,
    now: new Date(wallMs).toISOString().replace(".000Z", "Z"),
    emptyForMs: actual?.emptySince === undefined ? 0 : wallMs - Date.parse(actual.emptySince),
    chooseName: (shape) =>
      objectName(shape.service.kind, hostname, (name) => index.isNameTaken(namespace, name, host)),
    chooseVip: (current) =>
      pool.believes(current) ? current : chooseVip(hostname, pool, (ip) => index.isUsed(ip, host)),
  });
  return planHost(input);
}

/** A hub has a say when it lists the host, owns some of its entry, or may adopt it. */
function claimOf(
  { id, hub, listing, rest }: Speaker,
  host: HostKey,
  actual: Entry | undefined,
): [string, Claim][] {
  const listed = listing.listed(host);
  const owns = actual?.hubs.has(id) || (actual !== undefined && !actual.ours);
  if (listed.length === 0 && !owns) return [];
  const isUnknown = listing.isUnknown(host, actual?.shape.service.name ?? "");
  const claimed = isUnknown ? "unknown" : rest;
  const { key, name, l7, protocol } = hub;
  return [[id, { key, name, l7, protocol, mayWrite: true, listed, unlisted: claimed }]];
}

function carryOut({ step }: HostPlan, cluster: Map<string, ServiceEntry>, index: EntryIndex): void {
  if (step.op === "none" || step.op === "blocked") return;
  const object = serviceEntryOf(step.entry);
  const key = keyOf(object);
  if (step.op === "delete") cluster.delete(key);
  else cluster.set(key, object);
  index.update(key);
}

/** A plan in words that a reader of the golden file can check. */
function told(host: HostKey, before: ServiceEntry | undefined, { step, withheld, problems }: HostPlan) {
  const desired = step.op === "apply" ? serviceEntryOf(step.entry) : undefined;
  const had = addressesOf(before);
  const has = step.op === "delete" ? [] : addressesOf(desired ?? before);
  const changes = {
    added: has.filter((one) => !had.includes(one)),
    removed: had.filter((one) => !has.includes(one)),
    withheld: Object.fromEntries(withheld),
    problems: Object.fromEntries(problems),
  };
  return {
    host,
    op: opOf(before, desired, step.op),
    ...(step.op === "delete" && { why: step.why }),
    ...Object.fromEntries(Object.entries(changes).filter(([, value]) => Object.keys(value).length > 0)),
  };
}

function opOf(before: ServiceEntry | undefined, desired: ServiceEntry | undefined, op: string): string {
  if (desired === undefined) return op === "none" ? "nothing" : op;
  if (before === undefined) return "create";
  return isCovered(desired, before) ? "nothing" : "change";
}

function addressesOf(object: ServiceEntry | undefined): readonly string[] {
  return (object?.spec.endpoints ?? []).map(
    ({ address, ports }) => `${address} ${Object.values(ports ?? {}).join()}`,
  );
}

const yaml = (value: unknown): string => stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
const keyOf = ({ metadata }: ServiceEntry): string => `${metadata.namespace}/${metadata.name}`;
const byKey = (a: ServiceEntry, b: ServiceEntry): number => (keyOf(a) < keyOf(b) ? -1 : 1);
