import type { Entry, EntryEndpoint, EntryShape, ServiceIdentity } from "../model/entry.ts";
import type { ServiceEntry, ServiceEntryPort, WorkloadEntry } from "../model/istio.ts";
import { splitKey } from "../model/keys.ts";
import {
  annotations,
  dubboPortName,
  endpointLabels,
  fieldManagers,
  labels,
  maxHubsPerEndpoint,
  sidecarLabel,
} from "../model/labels.ts";
import type { Protocol } from "../model/service.ts";
import { hash } from "./names.ts";

/** The labels of every Dubbo entry, including those of the old product. */
export const dubboMarks = { [labels.manager]: "aeraki", [labels.registry]: "dubbo2istio" };
/** The value of the annotation `manager` of every Spring entry, including those of the old product. */
export const springManager = "encs";

/** Istio's weights are integers and those of registries are not; this keeps two decimals. */
export const weightScale = 100;
/** Envoy refuses endpoints whose weights add up to more than 2^32 - 1. */
export const maxWeight = 1_000_000;

/** `[manual]` the port name of a Dubbo service, by its protocol. */
export const dubboPortNames: Readonly<Record<Protocol, string>> = {
  dubbo: dubboPortName,
  grpc: "grpc-tri",
  http: "http-rest",
  tcp: "tcp",
};

/** The name of the service port. */
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
      ...(entry.exportTo !== undefined && { exportTo: entry.exportTo }),
      ...(entry.subjectAltNames !== undefined && { subjectAltNames: entry.subjectAltNames }),
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

/** How many bytes of the object an endpoint takes at most: as JSON, which is what etcd keeps, with a weight. */
export function endpointBytes(endpoint: EntryEndpoint, shape: EntryShape): number {
  const text = JSON.stringify({ ...workloadEntry(endpoint, shape), weight: maxWeight });
  return Buffer.byteLength(text) + ",".length;
}

/** The entry as an earlier version wrote it, which did not tell the exact service. */
export function withoutServiceKey(entry: Entry): Entry {
  return { ...entry, shape: { ...entry.shape, service: { ...entry.shape.service, serviceKey: "" } } };
}

function labelsFor(entry: Entry): Record<string, string> {
  const hubs = [...entry.hubs.keys()].sort().map((id) => [`${labels.hub}${id}`, ""]);
  const marks =
    entry.shape.service.kind === "dubbo" ? dubboMarks : { [labels.registryName]: entry.registryName };
  return { ...marks, [labels.managedBy]: fieldManagers.registryhub, ...Object.fromEntries(hubs) };
}

function annotationsFor(entry: Entry): Record<string, string> {
  const { kind, name, serviceKey, originalName, registry, registryGroup } = entry.shape.service;
  const hubs = [...entry.hubs.values()].filter((key) => key !== "").sort();
  return {
    ...(kind === "dubbo"
      ? { ...(name !== "" && { [annotations.interface]: name }), [annotations.workloadSelector]: "" }
      : { [annotations.manager]: springManager, [annotations.registry]: registry }),
    [annotations.hubs]: hubs.join(","),
    ...(serviceKey !== "" && { [annotations.service]: serviceKey }),
    ...(originalName !== "" && { [annotations.originalName]: originalName }),
    ...(registryGroup !== "" && { [annotations.registryGroup]: registryGroup }),
    ...(entry.emptySince !== undefined && { [annotations.emptySince]: entry.emptySince }),
    ...(!entry.l7 && { [annotations.l7]: "false" }),
    ...(!entry.outlierDetection && { [annotations.outlierDetection]: "false" }),
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
      ...(endpoint.mtls && { [sidecarLabel.key]: sidecarLabel.value }),
    },
    ...(endpoint.locality !== undefined && { locality: endpoint.locality }),
  };
}

/** The weight of an endpoint among those of its entry, as it is written where they differ: hundredths. */
export function weightOf({ weight = 1 }: Pick<EntryEndpoint, "weight">): number {
  return Math.min(Math.max(Math.round(weight * weightScale), 1), maxWeight);
}
