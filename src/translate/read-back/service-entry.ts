import type { Entry, EntryShape, HostKey, ServiceIdentity } from "../../model/entry.ts";
import { type HubId, subjectAltNamesOf } from "../../model/hub.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import type { KubeObject, ManagedFields, Stored } from "../../model/kubernetes.ts";
import { annotations, fieldManagers, labels } from "../../model/labels.ts";
import type { Protocol } from "../../model/service.ts";
import { baseName, dubboServiceName, hostOf, hubIdOf } from "../names.ts";
import { dubboMarks, dubboPortNames, serviceEntryOf, springManager } from "../service-entry.ts";
import { exportToOf } from "./export-to.ts";
import { fieldsOf, listOf, objectAnnotations, objectKeyOf, objectLabels, textOf, textsOf } from "./json.ts";
import {
  endpointsOf,
  heldEndpoints,
  isPortNumber,
  portAt,
  type StoredEndpoint,
  vouchersOf,
} from "./stored-endpoints.ts";

/** The maker of a ServiceEntry: the operator, the old product or somebody else. */
export type Ownership = "ours" | "adoptable" | "foreign";

/** The facts of one ServiceEntry for an index over all of them, foreign ones included. */
export interface EntryFacts {
  readonly name: string;
  /**
   * The hosts that nobody else can have: of a foreign entry all, of ours and of the old product's only the first. A
   * host that somebody adds to an entry of ours is no second identity of it; the next write takes it away.
   */
  readonly hosts: readonly HostKey[];
  /** Of spec and status. */
  readonly ips: readonly string[];
  readonly ownership: Ownership;
  /** Of the objects that have one host, the one whose text sorts first is the host's entry. */
  readonly precedence: string;
  /** As in Entry.hubs; none unless the entry is ours. */
  readonly hubs: Entry["hubs"];
  /** How many endpoints each of them vouches for. */
  readonly vouched: ReadonlyMap<HubId, number>;
  /** As in ServiceIdentity.name. */
  readonly service: string;
  /** RFC 3339 time of our last write; "" = never. */
  readonly writtenAt: string;
}

/** The facts of a ServiceEntry that decide about its EnvoyFilters. */
export interface RouteFacts {
  /** "<namespace>/<name>". */
  readonly key: string;
  readonly ownership: Ownership;
  /** It has the label of the old product's Dubbo entries. */
  readonly isMarked: boolean;
  readonly l7: boolean;
  readonly outlierDetection: boolean;
  readonly host: string | undefined;
  readonly addresses: readonly string[];
  /** The exact spelling. */
  readonly interface: string | undefined;
  readonly ports: readonly EntryPort[];
}

/** A port that Istio accepts. */
export interface EntryPort {
  readonly name: string;
  /** 1..65535. */
  readonly number: number;
  readonly protocol: string;
}

/** Whether the operator, the old product or somebody else made this object. */
export function ownershipOf(object: Stored<ServiceEntry>): Ownership {
  const has = objectLabels(object);
  if (has[labels.managedBy] === fieldManagers.registryhub) return "ours";
  const aeraki = Object.entries(dubboMarks).every(([key, value]) => has[key] === value);
  const encs =
    objectAnnotations(object)[annotations.manager] === springManager &&
    has[labels.registryName] !== undefined;
  return aeraki || encs ? "adoptable" : "foreign";
}

/**
 * Reads back a ServiceEntry of ours or of the old product; undefined when it has no host, or when neither it nor its
 * endpoints name a port. A field that is not as Istio describes it counts as absent.
 */
export function entryOf(object: Stored<ServiceEntry>): Entry | undefined {
  const { metadata } = object;
  const [host] = hostsOf(object);
  const endpoints = endpointsOf(object);
  const port = ourPort(portsOf(object), endpoints);
  if (host === undefined || port === undefined) return undefined;
  const notes = objectAnnotations(object);
  const shape: EntryShape = {
    service: identityOf(object, host, endpoints),
    protocol: protocolOf(port),
    port: port.number,
    portName: port.name,
  };
  const emptySince = notes[annotations.emptySince];
  const entry: Entry = {
    host: `${metadata.namespace ?? ""}/${host}`,
    name: metadata.name,
    vip: "",
    shape,
    ours: ownershipOf(object) === "ours",
    hubs: hubsOf(object, endpoints),
    endpoints: heldEndpoints(endpoints, shape, hubLabelsOf(object)),
    ...(emptySince !== undefined && { emptySince }),
    l7: notes[annotations.l7] !== "false",
    outlierDetection: notes[annotations.outlierDetection] !== "false",
    ...exportToOf(textsOf(fieldsOf(object.spec).exportTo)),
    ...subjectAltNamesOf(textsOf(fieldsOf(object.spec).subjectAltNames)),
    registryName: objectLabels(object)[labels.registryName] ?? "",
  };
  return { ...entry, vip: vipOf(object, entry) };
}

/** The only address; of several, to which somebody has added, the one that the operator wrote; "" = none. */
function vipOf(object: Stored<ServiceEntry>, entry: Entry): string {
  const addresses = addressesOf(object);
  if (addresses.length <= 1) return addresses[0] ?? "";
  return addresses.find((vip) => isWrittenAs(object, { ...entry, vip })) ?? "";
}

/** Reads the facts for an index. */
export function factsOf(object: Stored<ServiceEntry>): EntryFacts {
  const { name, namespace = "" } = object.metadata;
  const ownership = ownershipOf(object);
  const hosts = hostsOf(object).slice(0, ownership === "foreign" ? undefined : 1);
  const endpoints = endpointsOf(object);
  const labelled = hubLabelsOf(object);
  const vouched = new Map<HubId, number>();
  for (const id of endpoints.flatMap((endpoint) => [...vouchersOf(endpoint, labelled)]))
    vouched.set(id, (vouched.get(id) ?? 0) + 1);
  const [first = ""] = hosts;
  const service = identityOf(object, first, endpoints);
  const allocated = listOf(fieldsOf(object.status).addresses).map((one) => textOf(fieldsOf(one).value) ?? "");
  return {
    name,
    hosts: hosts.map((host) => `${namespace}/${host}`),
    ips: exactly([...addressesOf(object), ...allocated].filter((ip) => ip !== "")),
    ownership,
    precedence: precedenceOf(object, baseName(service.kind, first)),
    hubs: ownership === "ours" ? hubsOf(object, endpoints) : new Map(),
    vouched,
    service: service.name,
    writtenAt: ownWritesOf(object)[0]?.time ?? "",
  };
}

/** Ours before the old product's before a stranger's; among equals the one with the host's base name, else the oldest. */
function precedenceOf(object: Stored<ServiceEntry>, base: string): string {
  const { name, creationTimestamp = "" } = object.metadata;
  const rank = { ours: 0, adoptable: 1, foreign: 2 }[ownershipOf(object)];
  return `${rank} ${name === base ? 0 : 1} ${creationTimestamp} ${name}`;
}

/** Reads the facts that decide about the filters. */
export function routeFactsOf(object: Stored<ServiceEntry>): RouteFacts {
  const notes = objectAnnotations(object);
  return {
    key: objectKeyOf(object),
    ownership: ownershipOf(object),
    isMarked: objectLabels(object)[labels.manager] === dubboMarks[labels.manager],
    l7: notes[annotations.l7] !== "false",
    outlierDetection: notes[annotations.outlierDetection] !== "false",
    host: hostsOf(object)[0],
    addresses: addressesOf(object),
    interface: notes[annotations.interface],
    ports: portsOf(object),
  };
}

/** Whether nobody has changed what the operator wrote last, its address included; additions of others do not count. */
export function isAsWritten(object: Stored<ServiceEntry>): boolean {
  const entry = entryOf(object);
  if (entry === undefined) return false;
  const { exportTo: _, ...inAll } = entry; // what no hub says, others may
  const { subjectAltNames: __, ...ofAny } = entry;
  const { subjectAltNames: ___, ...neither } = inAll;
  return [entry, inAll, ofAny, neither].some((one) => isWrittenAs(object, one));
}

function isWrittenAs(object: Stored<ServiceEntry>, entry: Entry): boolean {
  const written = objectAnnotations(serviceEntryOf(entry))[annotations.lastApplied];
  return written !== undefined && written === objectAnnotations(object)[annotations.lastApplied];
}

/** As Entry.hubs: the hubs of the ownership labels, of the endpoints and of the annotation. */
export function hubsOf(object: Stored<ServiceEntry>, endpoints = endpointsOf(object)): Entry["hubs"] {
  const names = (objectAnnotations(object)[annotations.hubs] ?? "").split(",").filter((key) => key !== "");
  const ids = [...hubLabelsOf(object), ...endpoints.flatMap((endpoint) => [...vouchersOf(endpoint, [])])];
  return new Map([
    ...ids.map((id) => [id, ""] as const),
    ...names.map((key) => [hubIdOf(key), key] as const),
  ]);
}

/** The hubs of the ownership labels. */
export function hubLabelsOf(object: KubeObject): readonly HubId[] {
  const keys = Object.keys(objectLabels(object)).filter((key) => key.startsWith(labels.hub));
  return keys.map((key) => key.slice(labels.hub.length));
}

/** Our own writes in managedFields, with their times and without their fields. */
export function ownWritesOf({ metadata }: Stored<ServiceEntry>): readonly ManagedFields[] {
  const own = listOf(metadata.managedFields).flatMap((one) => {
    const { manager, subresource, time } = fieldsOf(one);
    if (manager !== fieldManagers.registryhub || subresource !== undefined) return [];
    return [{ manager, ...(typeof time === "string" && { time }) }];
  });
  return exactly(own);
}

/** A copy for keeping, of every entry: V8 leaves room for 16 more in what filter and flatMap make (measured). */
const exactly = <T>(made: readonly T[]): readonly T[] => made.slice();

/** The addresses of the entry's spec; Istio may have allocated others. */
export function addressesOf({ spec }: Stored<ServiceEntry>): readonly string[] {
  return textsOf(fieldsOf(spec).addresses);
}

function hostsOf({ spec }: Stored<ServiceEntry>): readonly string[] {
  return textsOf(fieldsOf(spec).hosts);
}

/** A port without a name or a number counts as absent; one without a protocol is TCP. */
function portsOf({ spec }: Stored<ServiceEntry>): readonly EntryPort[] {
  return listOf(fieldsOf(spec).ports).flatMap((one) => {
    const { name, number, protocol } = fieldsOf(one);
    if (typeof name !== "string" || !isPortNumber(number)) return [];
    return [{ name, number, protocol: textOf(protocol) ?? "tcp" }];
  });
}

/**
 * The port that the endpoints refer to; other ports do not matter. If somebody removed or renamed it, the endpoints
 * still name it, so that the entry is repaired and not mistaken for another one.
 */
function ourPort(ports: readonly EntryPort[], endpoints: readonly StoredEndpoint[]): EntryPort | undefined {
  const [name] = endpoints.flatMap((endpoint) => Object.keys(endpoint.ports));
  const known =
    ports.find((port) => (name === undefined ? isPortOfOurs(port.name) : port.name === name)) ?? ports[0];
  if (name === undefined || known?.name === name) return known;
  const [number] = endpoints.flatMap((endpoint) => portAt(endpoint.ports, name) ?? []);
  const like = known ?? (number === undefined ? undefined : { number, protocol: "tcp" });
  return like && { name, number: like.number, protocol: like.protocol };
}

/** Whether Dubbo services have ports of this name. */
export function isPortOfOurs(name: string): boolean {
  return Object.values(dubboPortNames).includes(name) && name !== dubboPortNames.tcp;
}

/**
 * The service of an entry whose host is `host`. Without an annotation, a Spring service gets its name from the host.
 */
function identityOf(
  object: Stored<ServiceEntry>,
  host: string,
  endpoints: readonly StoredEndpoint[],
): ServiceIdentity {
  const notes = objectAnnotations(object);
  const isDubbos = objectLabels(object)[labels.manager] === dubboMarks[labels.manager];
  const originalName = notes[annotations.originalName] ?? "";
  const namespace = object.metadata.namespace ?? "";
  const iface =
    notes[annotations.interface] ?? (isDubbos ? labelledInterface(host, namespace, endpoints) : undefined);
  const kind = iface === undefined ? "spring" : "dubbo";
  const name = iface ?? (originalName || host.slice(0, -(namespace.length + 1)));
  return {
    kind,
    name,
    serviceKey: kind === "dubbo" ? (notes[annotations.service] ?? "") : "",
    originalName,
    registry: notes[annotations.registry] ?? "",
    registryGroup: notes[annotations.registryGroup] ?? "",
  };
}

/**
 * The interface of an entry whose annotation somebody removed: the endpoints still have it, unless it was too long or
 * too odd for a label. "" = nobody can tell but a hub that lists the host.
 */
function labelledInterface(host: string, namespace: string, endpoints: readonly StoredEndpoint[]): string {
  const isTheHosts = ({
    labels: { interface: iface = "", group = "", version = "" },
  }: StoredEndpoint): boolean =>
    iface !== "" && hostOf(dubboServiceName(iface, group, version), namespace)?.host === host;
  return endpoints.find(isTheHosts)?.labels.interface ?? "";
}

function protocolOf(port: EntryPort): Protocol {
  const named = (["dubbo", "grpc", "http"] as const).find(
    (protocol) => dubboPortNames[protocol] === port.name,
  );
  if (named !== undefined) return named;
  const protocol = port.protocol.toLowerCase();
  return protocol === "http" || protocol === "grpc" ? protocol : "tcp";
}
