import type { Entry, EntryEndpoint, EntryShape, HostPort, ServiceIdentity } from "../model/entry.ts";
import type { HubId, HubKey } from "../model/hub.ts";
import type { ServiceEntry, ServiceEntryPort, ServiceEntrySpec, WorkloadEntry } from "../model/istio.ts";
import { splitKey } from "../model/keys.ts";
import {
  annotations,
  dubboPortName,
  endpointLabels,
  fieldManagers,
  labels,
  maxHubsPerEndpoint,
} from "../model/labels.ts";
import type { Protocol } from "../model/service.ts";
import { addrOf } from "./addresses.ts";
import { hash, hubIdOf } from "./names.ts";

const dubboMarks = { [labels.manager]: "aeraki", [labels.registry]: "dubbo2istio" };
const springManager = "encs";

/** Istio's weights are integers and those of registries are not; this keeps two decimals. */
const weightScale = 100;
/** Envoy refuses endpoints whose weights add up to more than 2^32 - 1. */
const maxWeight = 1_000_000;

const dubboPortNames: Readonly<Record<Protocol, string>> = {
  dubbo: dubboPortName,
  grpc: "grpc-tri",
  http: "http-rest",
  tcp: "tcp",
};

/** `[manual]` the name of the service port. */
export function portNameOf(kind: ServiceIdentity["kind"], protocol: Protocol, port: number): string {
  return kind === "dubbo" ? dubboPortNames[protocol] : String(port);
}

/** The object to apply for an entry: sorted, without a clock, and with its own hash. */
export function serviceEntryOf(entry: Entry): ServiceEntry {
  const [namespace, host] = splitKey(entry.host);
  const endpoints = [...entry.endpoints.values()];
  // Istio counts an endpoint without a weight as 1, a hundredth of the others, so either all endpoints get a weight
  // or none.
  const isWeighted = endpoints.some((endpoint) => weightOf(endpoint) !== weightScale);
  const content = {
    labels: labelsFor(entry),
    annotations: annotationsFor(entry),
    spec: {
      hosts: [host],
      addresses: [entry.vip],
      location: "MESH_INTERNAL",
      resolution: "STATIC",
      ports: [portFor(entry.shape)],
      endpoints: endpoints.map((endpoint) => ({
        ...workloadEntry(endpoint, entry.shape),
        ...(isWeighted && { weight: weightOf(endpoint) }),
      })),
    },
  };
  return {
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: {
      name: entry.name,
      namespace,
      labels: content.labels,
      annotations: { ...content.annotations, [annotations.lastApplied]: hash(JSON.stringify(content), 16) },
    },
    spec: content.spec,
  };
}

function labelsFor(entry: Entry): Record<string, string> {
  const hubs = [...entry.hubs.keys()].sort().map((id) => [`${labels.hub}${id}`, ""]);
  const marks =
    entry.shape.service.kind === "dubbo" ? dubboMarks : { [labels.registryName]: entry.registryName };
  return { ...marks, [labels.managedBy]: fieldManagers.registryhub, ...Object.fromEntries(hubs) };
}

function annotationsFor(entry: Entry): Record<string, string> {
  const { kind, name, originalName, registry, registryGroup } = entry.shape.service;
  const hubs = [...entry.hubs.values()].filter((key) => key !== "").sort();
  return {
    ...(kind === "dubbo"
      ? { [annotations.interface]: name, [annotations.workloadSelector]: "" }
      : { [annotations.manager]: springManager, [annotations.registry]: registry }),
    [annotations.hubs]: hubs.join(","),
    ...(originalName !== "" && { [annotations.originalName]: originalName }),
    ...(registryGroup !== "" && { [annotations.registryGroup]: registryGroup }),
    ...(entry.emptySince !== undefined && { [annotations.emptySince]: entry.emptySince }),
    ...(!entry.l7 && { [annotations.l7]: "false" }),
  };
}

function portFor(shape: EntryShape): ServiceEntryPort {
  const protocol = shape.protocol === "dubbo" ? "tcp" : shape.protocol;
  return { name: shape.portName, number: shape.port, protocol, targetPort: shape.port };
}

function workloadEntry(endpoint: EntryEndpoint, shape: EntryShape): WorkloadEntry {
  const by = [...endpoint.by].slice(0, maxHubsPerEndpoint).join(".");
  return {
    address: endpoint.address,
    ports: { [shape.portName]: endpoint.port },
    labels: {
      ...endpoint.labels,
      [endpointLabels.registryName]: endpoint.registryName,
      [endpointLabels.by]: by,
    },
    ...(endpoint.locality !== undefined && { locality: endpoint.locality }),
  };
}

function weightOf({ weight = 1 }: EntryEndpoint): number {
  return Math.min(Math.max(Math.round(weight * weightScale), 1), maxWeight);
}

/** Whether the operator, the old product or somebody else made this object. */
export function ownershipOf(object: ServiceEntry): "ours" | "adoptable" | "foreign" {
  const { labels: has = {}, annotations: notes = {} } = object.metadata;
  if (has[labels.managedBy] === fieldManagers.registryhub) return "ours";
  const aeraki = Object.entries(dubboMarks).every(([key, value]) => has[key] === value);
  const encs = notes[annotations.manager] === springManager && has[labels.registryName] !== undefined;
  return aeraki || encs ? "adoptable" : "foreign";
}

/**
 * Reads back a ServiceEntry of ours or of the old product; undefined when it has no host, or when neither it nor its
 * endpoints name a port.
 */
export function entryOf(object: ServiceEntry): Entry | undefined {
  const { metadata, spec } = object;
  const [host, port] = [spec.hosts?.[0], ourPort(spec)];
  if (host === undefined || port === undefined) return undefined;
  const notes = metadata.annotations ?? {};
  const shape: EntryShape = {
    service: identityOf(object, host),
    protocol: protocolOf(port),
    port: port.number,
    portName: port.name,
  };
  const emptySince = notes[annotations.emptySince];
  return {
    host: `${metadata.namespace ?? ""}/${host}`,
    name: metadata.name,
    vip: spec.addresses?.length === 1 ? (spec.addresses[0] ?? "") : "",
    shape,
    ours: ownershipOf(object) === "ours",
    hubs: hubsOf(object),
    endpoints: endpointsOf(spec.endpoints ?? [], shape),
    ...(emptySince !== undefined && { emptySince }),
    l7: notes[annotations.l7] !== "false",
    registryName: metadata.labels?.[labels.registryName] ?? "",
  };
}

/**
 * The port that the endpoints refer to; other ports do not matter. If somebody removed or renamed it, the endpoints
 * still name it, so that the entry is repaired and not mistaken for another one.
 */
function ourPort({ ports = [], endpoints = [] }: ServiceEntrySpec): ServiceEntryPort | undefined {
  const [named] = endpoints.flatMap((endpoint) => Object.entries(endpoint.ports ?? {}));
  const known = ports.find((port) => (named ? port.name === named[0] : isPortOfOurs(port.name))) ?? ports[0];
  if (named === undefined || known?.name === named[0]) return known;
  return { name: named[0], number: known?.number ?? named[1], protocol: known?.protocol ?? "tcp" };
}

/** Whether Dubbo services have ports of this name. */
export function isPortOfOurs(name: string): boolean {
  return Object.values(dubboPortNames).includes(name) && name !== dubboPortNames.tcp;
}

/**
 * The service of an entry whose host is `host`. Without an annotation, a Spring service gets its name from the host.
 */
export function identityOf(object: ServiceEntry, host: string): ServiceIdentity {
  const notes = object.metadata.annotations ?? {};
  // If somebody removed the annotation, the endpoints still have it.
  const marked = object.metadata.labels?.[labels.manager] === dubboMarks[labels.manager];
  const listed = object.spec.endpoints?.find(
    (endpoint) => endpoint.labels?.[annotations.interface] !== undefined,
  );
  const iface =
    notes[annotations.interface] ?? (marked ? listed?.labels?.[annotations.interface] : undefined);
  const kind = iface === undefined ? "spring" : "dubbo";
  const originalName = notes[annotations.originalName] ?? "";
  const name = iface ?? (originalName || host.slice(0, -((object.metadata.namespace ?? "").length + 1)));
  return {
    kind,
    name,
    originalName,
    registry: notes[annotations.registry] ?? "",
    registryGroup: notes[annotations.registryGroup] ?? "",
  };
}

function protocolOf(port: ServiceEntryPort): Protocol {
  const named = (["dubbo", "grpc", "http"] as const).find(
    (protocol) => dubboPortNames[protocol] === port.name,
  );
  if (named !== undefined) return named;
  const protocol = port.protocol.toLowerCase();
  return protocol === "http" || protocol === "grpc" ? protocol : "tcp";
}

/** The hubs of the ownership labels; "" for a label whose hub the annotation does not name. */
export function hubsOf(object: ServiceEntry): ReadonlyMap<HubId, HubKey> {
  const names = (object.metadata.annotations?.[annotations.hubs] ?? "")
    .split(",")
    .filter((key) => key !== "");
  const byId = new Map(names.map((key) => [hubIdOf(key), key]));
  const ids = Object.keys(object.metadata.labels ?? {}).filter((key) => key.startsWith(labels.hub));
  return new Map(ids.map((label) => label.slice(labels.hub.length)).map((id) => [id, byId.get(id) ?? ""]));
}

function endpointsOf(
  endpoints: readonly WorkloadEntry[],
  shape: EntryShape,
): ReadonlyMap<HostPort, EntryEndpoint> {
  const result = new Map<HostPort, EntryEndpoint>();
  for (const { address, ports, labels: has = {}, weight, locality } of endpoints) {
    const port = ports?.[shape.portName] ?? shape.port;
    const hostPort = addrOf(address, port);
    const { [endpointLabels.registryName]: registryName = "", [endpointLabels.by]: by = "", ...rest } = has;
    result.set(hostPort, {
      hostPort,
      address,
      port,
      protocol: shape.protocol,
      service: shape.service,
      ...(weight !== undefined && weight !== weightScale && { weight: weight / weightScale }),
      ...(locality !== undefined && { locality }),
      labels: rest,
      by: new Set(by.split(".").filter((id) => id !== "")),
      registryName,
    });
  }
  return result;
}
