import type { Claim, Endpoint, Entry, HostKey } from "../../src/model/entry.ts";
import type { Hub } from "../../src/model/hub.ts";
import type { ServiceEntry } from "../../src/model/istio.ts";
import { splitKey } from "../../src/model/keys.ts";
import type { Stored } from "../../src/model/kubernetes.ts";
import type { ProblemCode } from "../../src/model/problems.ts";
import type { HubStatus, RegistryHub } from "../../src/model/registryhub.ts";
import type { Service, ServiceInstance } from "../../src/model/service.ts";
import { type HostInput, planHost } from "../../src/plan/host.ts";
import { type TrustState, untrusted } from "../../src/plan/trust-state.ts";
import { chooseVip, vipPool } from "../../src/plan/vip.ts";
import type { Logger } from "../../src/runtime/deps.ts";
import type { HubView, WrittenEntries, WrittenEntry } from "../../src/status/hub-status.ts";
import { addrOf } from "../../src/translate/addresses.ts";
import { objectName } from "../../src/translate/names.ts";
import { readHub } from "../../src/translate/read-back/hub.ts";
import { endpointBytes, portNameOf, serviceEntryOf } from "../../src/translate/service-entry.ts";

export const greeting = "org.apache.dubbo.samples.api.GreetingService";
export const pool = vipPool("240.241.0.0/16");

/** A RegistryHub as the API server hands it out; the manual's sample unless told otherwise. */
export function hubObject(
  spec: Partial<RegistryHub["spec"]> = {},
  metadata: Partial<RegistryHub["metadata"]> = {},
): RegistryHub {
  return {
    apiVersion: "ecns.easystack.cn/v1alpha1",
    kind: "RegistryHub",
    metadata: {
      name: "registryhub-sample",
      namespace: "dubbozk",
      uid: "u1",
      generation: 1,
      creationTimestamp: "2024-02-04T02:50:00Z",
      ...metadata,
    },
    spec: { generate_to: "dubbozk", type: "zookeeper", address: "zookeeper.dubbozk:2181", ...spec },
  };
}

export function hubOf(...args: Parameters<typeof hubObject>): Hub {
  return hubIn(hubObject(...args));
}

/** @throws Error when this version cannot use it. */
export function hubIn(object: Stored<RegistryHub>): Hub {
  const reading = readHub(object);
  if ("problem" in reading) throw new Error(reading.problem.detail);
  return reading.hub;
}

export function instanceOf(overrides: Partial<ServiceInstance> = {}): ServiceInstance {
  return {
    address: "10.42.0.57",
    port: 20_880,
    protocol: "dubbo",
    version: "1.0.0",
    group: "",
    metadata: {},
    ...overrides,
  };
}

export function serviceOf(overrides: Partial<Service> = {}): Service {
  const name = overrides.name ?? greeting;
  return { id: name, kind: "dubbo", name, instances: [instanceOf()], problems: [], ...overrides };
}

/** A Dubbo endpoint `<ip>:<port>`. */
export function endpointOf(hostPort: string, overrides: Partial<Endpoint> = {}): Endpoint {
  const at = hostPort.lastIndexOf(":");
  const [address, port] = [hostPort.slice(0, at), Number(hostPort.slice(at + 1))];
  return {
    hostPort: addrOf(address, port),
    address,
    port,
    protocol: "dubbo",
    service: {
      kind: "dubbo",
      name: greeting,
      serviceKey: "",
      originalName: "",
      registry: "",
      registryGroup: "",
    },
    labels: {},
    ...overrides,
  };
}

/** An endpoint `<ip>:<port>` of a Spring service; of Eureka's unless told otherwise. */
export function springEndpointOf(hostPort: string, service: Partial<Endpoint["service"]> = {}): Endpoint {
  const identity = {
    kind: "spring",
    name: "ORDER-SERVICE",
    serviceKey: "",
    originalName: "",
    registry: "eureka",
    registryGroup: "",
  };
  const { name, registry } = { ...identity, ...service };
  return endpointOf(hostPort, {
    protocol: "tcp",
    service: { ...identity, kind: "spring", ...service },
    labels: { [`${registry}Name`]: name },
  });
}

export function claimOf(key: string, overrides: Partial<Claim> = {}): Claim {
  return {
    key,
    name: key.split("/")[1] ?? "",
    l7: true,
    mayWrite: true,
    listed: [],
    unlisted: "gone",
    ...overrides,
  };
}

/** What a host worker would ask of the plan for the manual's host, in a cluster that has nothing else. */
export function inputOf(overrides: Partial<HostInput> = {}): HostInput {
  const host = overrides.host ?? `dubbozk/${greeting.toLowerCase()}-1.0.0.dubbozk`;
  const hostname = splitKey(host)[1];
  return {
    host,
    actual: undefined,
    claims: new Map(),
    emptyForMs: 0,
    graceMs: 600_000,
    now: "2024-02-04T03:00:00Z",
    portName: (endpoint, port) => portNameOf(endpoint.service.kind, endpoint.protocol, port),
    bytesOf: endpointBytes,
    chooseName: (shape) => objectName(shape.service.kind, hostname, () => false),
    vip: overrides.actual?.vip ?? chooseVip(hostname, pool, () => false),
    isVirtual: (address) => pool.leadsInto(address),
    speaksMtls: () => false,
    ...overrides,
  };
}

/** The ServiceEntry of a host as its hub wrote it, of the name of its service. */
export function writtenEntry({ id, key }: Hub, host: HostKey, listed: readonly Endpoint[]): ServiceEntry {
  const { step } = planHost(inputOf({ host, claims: new Map([[id, claimOf(key, { listed })]]) }));
  if (step.op !== "apply") throw new Error(`planned ${step.op}`);
  return serviceEntryOf({ ...step.entry, name: splitKey(host)[1] });
}

/** The trust of a registry that is listed, settled, and has lost nothing. */
export const trusted: TrustState = {
  ...untrusted({ settleMs: 0, settleAfterLossMs: 0, shrinkHoldMs: 0, resetHoldMs: 0 }),
  isSynced: true,
};

export const addrsOf = (entry: Entry | undefined): readonly string[] => [...(entry?.endpoints.keys() ?? [])];

export const codesOf = (problems: readonly { readonly code: ProblemCode }[]): readonly ProblemCode[] =>
  problems.map(({ code }) => code);

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};

/** What a status asks of the entries of a hub: these, in order. */
export const writtenEntries = (entries: readonly WrittenEntry[]): WrittenEntries => ({
  written: entries.length,
  first: (count) => entries.slice(0, count),
});

/** What the status of a hub is made of; all is well: one service with two endpoints is written. */
export function hubView(overrides: Partial<HubView> = {}): HubView {
  return {
    hub: hubOf(),
    previous: undefined,
    registry: { state: "synced" },
    progress: { isListed: true, hasAnswered: true, hasMoved: false, isFresh: false },
    failure: undefined,
    syncing: "no",
    held: undefined,
    entries: writtenEntries([{ name: "aeraki-x", writtenAt: "2024-02-04T03:04:20Z" }]),
    services: 1,
    endpoints: 2,
    excluded: 0,
    problems: [],
    plan: undefined,
    origin: "0x2/1692673338277",
    ...overrides,
  };
}

/** A status that has nothing to tell. */
export function hubStatus(overrides: Partial<HubStatus> = {}): HubStatus {
  return {
    address: "zk:2181",
    type: "zookeeper",
    generate_to: "demo",
    phase: "success",
    serviceentries: {},
    conditions: [],
    observedGeneration: 1,
    services: 0,
    endpoints: 0,
    rejected: 0,
    problems: [],
    origin: "",
    truncated: 0,
    ...overrides,
  };
}
