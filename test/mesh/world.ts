import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeAll, beforeEach, expect } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import type { RegistryHubSpec } from "../../src/model/registryhub.ts";
import { registries } from "../../src/registries/index.ts";
import {
  type DubboCall as ConsumerCall,
  type DubboConsumer,
  startDubboConsumer,
} from "../bed/dubbo-consumer.ts";
import { type DubboProviderOptions, startDubboProvider } from "../bed/dubbo-provider.ts";
import { type Sidecar, type SidecarOptions, startSidecar } from "../bed/envoy.ts";
import { type Istiod, startIstiod } from "../bed/istiod.ts";
import { setHost } from "../bed/mesh-namespace.ts";
import type { ProviderProcess, RetiringProvider } from "../bed/provider-process.ts";
import { endpointsOf, STATUS_MS, type Tenant, useWorld, type World } from "../e2e/world.ts";
import type { DubboCall } from "../support/dubbo-client.ts";
import { eventually } from "../support/eventually.ts";
import { type Figures, readFigures, tellFigures } from "./figures.ts";

/** What a change takes from the registry to the sidecar, on a busy machine; settling is not included. */
export const ARRIVES_MS = 15_000;

/**
 * More failures than this share show that a dead endpoint, one of two, is called like the other one. Envoy takes the better
 * of two endpoints that it draws, and both draws are the dead one for a quarter of the calls: that is the mean, this is safe.
 */
export const DEAD_SHARE = 1 / 8;

/** A call of the method that all providers here have. */
export const hello: DubboCall = {
  interface: "org.apache.dubbo.samples.api.GreetingService",
  version: "1.0.0",
  method: "sayHello",
  args: ["you"],
};

/** A mesh on the world of the end-to-end suite. */
export interface Mesh {
  readonly world: World;
  readonly istiod: Istiod;
  /** What this process and those that it starts send to virtual IPs and pods goes through it. */
  readonly sidecar: Sidecar;
  /** How long what a ZooKeeper lacks may be kept. */
  readonly settlingMs: number;
}

/** How a mesh is started. */
export interface MeshOptions {
  /** Starts the sidecar. Default: Envoy alone, without Istio's agent. */
  readonly start?: (options: SidecarOptions) => Promise<Sidecar>;
  /** Istio's. Default `servicemesh`. */
  readonly rootNamespace?: "servicemesh" | "istio-system";
  /** What else the mesh's configuration says. */
  readonly meshConfig?: object;
  /** Whether sidecars speak mutual TLS to each other: `start` has to be Istio's agent, which has a certificate. Default false. */
  readonly mutualTls?: boolean;
  /** Whether the sidecar may refuse a configuration. Default false. */
  readonly mayRefuse?: boolean;
  /** Of the hub-controller: 0.05, with which what a ZooKeeper lacks counts as gone after 3 s, unless told otherwise. */
  readonly settleFactor?: number;
}

/**
 * Called once in a file: starts everything before its first test and ends it after the last. After every test no proxy
 * may have refused a configuration, and the sidecar has to live; what went through it is printed. @throws Error (istiod, sidecar) before the first test.
 */
export function useMesh({
  start = startSidecar,
  rootNamespace = "servicemesh",
  meshConfig = {},
  mutualTls = false,
  mayRefuse = false,
  settleFactor = 0.05,
}: MeshOptions = {}): Mesh {
  const world = useWorld({
    hub: [`--settle-factor=${settleFactor}`, "--shrink-hold=4s", "--log-level=debug"],
    dubbo: [`--root-namespace=${rootNamespace}`],
    overlay: rootNamespace === "istio-system" ? rootNamespace : "default",
  });
  let started: Pick<Mesh, "istiod" | "sidecar"> | undefined;
  const running = () => {
    if (started === undefined) throw new Error("the mesh begins with the first test");
    return started;
  };
  beforeAll(async () => {
    await using starting = new AsyncDisposableStack();
    const istiod = starting.use(await startIstiod({ api: world.api, rootNamespace, meshConfig, mutualTls }));
    const sidecar = starting.use(await start({ istiod }));
    started = { istiod, sidecar };
    const owned = starting.move();
    return () => owned.disposeAsync();
  });
  beforeEach(({ onTestFailed }) => {
    onTestFailed(() => {
      for (const { name, readLog } of Object.values(running()))
        process.stderr.write(`--- the end of the log of ${name}\n${readLog().slice(-4_000)}\n`);
    });
  });
  let seen: { readonly pid: number; readonly figures: Figures } | undefined;
  beforeEach(async () => {
    const { sidecar } = running();
    seen = { pid: sidecar.pid, figures: await readFigures(sidecar) };
  });
  afterEach(async () => {
    const { istiod, sidecar } = running();
    expect(sidecar.isRunning()).toBe(true);
    if (!mayRefuse)
      expect({ refused: await sidecar.rejects(), told: await istiod.rejects() }).toEqual({
        refused: 0,
        told: 0,
      });
    if (seen?.pid === sidecar.pid)
      tellFigures(expect.getState().currentTestName ?? "", seen.figures, await readFigures(sidecar));
  });
  return {
    world,
    settlingMs: settleFactor * registries.zookeeper.settleMs,
    get istiod() {
      return running().istiod;
    },
    get sidecar() {
      return running().sidecar;
    },
  };
}

/** Called once in a file: consumers of Dubbo 2.7 and 3.3, in this order, from its first test to its last. */
export function useConsumers(): readonly DubboConsumer[] {
  const consumers: DubboConsumer[] = [];
  beforeAll(async () => {
    const owned = new AsyncDisposableStack();
    const versions = ["2.7", "3.3"] as const;
    for (const one of await Promise.all(versions.map((dubbo) => startDubboConsumer({ dubbo }))))
      consumers.push(owned.use(one));
    return () => owned.disposeAsync();
  });
  return consumers;
}

const [SHARE_CALLS, SHARE_THREADS] = [2_000, 8];

/** The part of 2,000 parallel calls of the first consumer that a provider answers, in percent. None may fail. */
export async function shareOf(
  { host }: ProviderProcess,
  [consumer]: readonly DubboConsumer[],
  call: ConsumerCall,
): Promise<number> {
  const { ok, failed, answers = {} } = (await consumer?.calls(call, SHARE_CALLS, SHARE_THREADS)) ?? {};
  expect({ ok, failed }).toEqual({ ok: SHARE_CALLS, failed: 0 });
  return (100 * (answers[`Hello world from ${host}`] ?? 0)) / SHARE_CALLS;
}

/** A service of a tenant, as its consumers know it. */
export interface Service {
  readonly host: string;
  readonly virtualIp: string;
  readonly port: number;
  /** Waits until calls of the sidecar go to these, `ip:port`, and to nobody else. */
  arrives(...endpoints: string[]): Promise<void>;
}

/** Starts a provider of version 1.0.0 that registers in the tenant's ZooKeeper and listens on its own address, as a pod does. */
export function startPod(
  { world }: Mesh,
  { root }: Tenant,
  options: Partial<DubboProviderOptions> & { readonly host: string },
): Promise<RetiringProvider> {
  return startDubboProvider({
    registry: `zookeeper://${world.zooKeeper.address}?group=${root.slice(1)}`,
    version: "1.0.0",
    port: 20_880,
    id: options.host,
    listensOnHost: true,
    ...options,
  });
}

/** Where a provider listens, as `ip:port`. */
export const at = ({ host, port }: ProviderProcess): string => `${host}:${port}`;

/** How long a provider serves at least after it has left its registry. */
const SERVES_MS = 3_000;

/**
 * Providers leave their registry, serve until calls of the sidecar go to the others alone, and are stopped, as whoever stops
 * them should do: stopped, they close their ports at once.
 */
export async function retire(
  service: Service,
  leaving: readonly RetiringProvider[],
  staying: readonly RetiringProvider[],
): Promise<void> {
  await Promise.all(leaving.map((one) => one.offline()));
  await Promise.all([delay(SERVES_MS), service.arrives(...staying.map(at))]);
  await Promise.all(leaving.map((one) => one.stop()));
}

/**
 * Applies the tenant's hub, whose registry lists a Dubbo service with these `ip:port`; returns when the sidecar has it,
 * with the filter that `spec` asks for, and its name resolves.
 */
export async function openDubboService(
  mesh: Mesh,
  tenant: Tenant,
  endpoints: readonly string[],
  spec: Partial<RegistryHubSpec> = {},
): Promise<Service> {
  const service = await openService(mesh, tenant, endpoints, spec);
  const filter = spec.l7 === false ? "tcp_proxy" : "dubbo_proxy";
  await eventually(async () => {
    const filters = await mesh.sidecar.filters(service.virtualIp, service.port);
    expect(filters).toEqual([expect.stringContaining(filter)]);
  }, ARRIVES_MS);
  return service;
}

/** The same of a service of any kind, whose filter is Istio's own. */
export async function openService(
  { sidecar, settlingMs }: Mesh,
  tenant: Tenant,
  endpoints: readonly string[],
  spec: Partial<RegistryHubSpec> = {},
): Promise<Service> {
  await tenant.applyHub(spec);
  const entry = await eventually(() => entryWith(tenant, endpoints), STATUS_MS);
  const host = entry.spec.hosts?.[0] ?? "";
  const virtualIp = entry.spec.addresses?.[0] ?? "";
  const port = entry.spec.ports?.[0]?.number ?? 0;
  const arrives = async (...wanted: string[]) => {
    await eventually(async () => {
      expect(await sidecar.endpoints(host, port)).toEqual(wanted.toSorted());
    }, settlingMs + ARRIVES_MS);
  };
  await arrives(...endpoints);
  if (!sidecar.answersDns) await setHost(host, virtualIp);
  return { host, virtualIp, port, arrives };
}

/** The entry with exactly these endpoints. @throws Error when there is none. */
async function entryWith(tenant: Tenant, endpoints: readonly string[]): Promise<ServiceEntry> {
  const wanted = endpoints.toSorted().join();
  const entries = await tenant.entries();
  const entry = entries.find((one) => endpointsOf(one).join() === wanted);
  if (entry === undefined)
    throw new Error(`no entry has exactly ${wanted}: ${entries.map(endpointsOf).join(" ")}`);
  return entry;
}
