import { beforeAll, expect } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import type { ConditionType } from "../../src/model/reasons.ts";
import type { HubStatus, RegistryHub, RegistryHubSpec } from "../../src/model/registryhub.ts";
import { type ApiServer, type ApiServerOptions, startApiServer } from "../bed/api-server.ts";
import { startZooKeeper, type ZooKeeper } from "../bed/zookeeper.ts";
import { type ClusterRecorder, recordCluster } from "../support/cluster-recorder.ts";
import { type ClusterView, viewCluster } from "../support/cluster-view.ts";
import { type Controllers, startControllers } from "../support/controllers.ts";
import { eventually } from "../support/eventually.ts";
import { applyInstall, kubeconfigAs, type Overlay } from "../support/install.ts";
import { builtProgram } from "../support/program.ts";
import { showLogsOnFailure } from "../support/show-logs.ts";
import { connectZkWriter, type ZkWriter } from "../support/zk-writer.ts";

/** Times of a test run: settling 3 s, a deleted hub is gone after 3 s. */
export const quickly = [
  "--settle-factor=0.05",
  "--empty-grace=2s",
  "--shrink-hold=4s",
  "--log-level=debug",
] as const;

/** A status says why within this time, on a busy machine. */
export const STATUS_MS = 25_000;
/** What the operator does at once may take this long on a busy machine. */
export const SOON_MS = 20_000;
/** It asks a registry that was down, or the API server that refused a write, again after 30 s at the latest. */
export const RETRY_MS = 60_000;

/**
 * A cluster with Istio's CRDs and the installation, a ZooKeeper with a session that writes to it, and both controllers as
 * the ServiceAccounts that the manifests create.
 */
export interface World {
  readonly api: ApiServer;
  readonly cluster: ClusterView;
  /** Sees every write, from before the first one of the controllers. */
  readonly recorder: ClusterRecorder;
  readonly zooKeeper: ZooKeeper;
  /** The session of the moment. */
  readonly writer: ZkWriter;
  readonly controllers: Controllers;
  /** Kills ZooKeeper if it runs and starts it, by default with the data it had; `writer` is a new session then. */
  restartZooKeeper(options?: Parameters<ZooKeeper["restart"]>[0]): Promise<void>;
}

/** How a world is started. */
export interface WorldOptions {
  /** Default: `quickly`. */
  readonly hub?: readonly string[];
  readonly dubbo?: readonly string[];
  /** Node's own of the hub-controller. */
  readonly hubNodeFlags?: readonly string[];
  /** Default true. */
  readonly istio?: boolean;
  /** What is installed. Default: `default`. The flags of its Deployments are for the test to repeat. */
  readonly overlay?: Overlay;
  readonly apiServer?: ApiServerOptions;
}

/**
 * Called once in a file: starts everything before its first test and ends it after the last. The controllers' last words
 * are printed after every test that fails. @throws Error (each member) before the first test.
 */
export function useWorld(options: WorldOptions = {}): World {
  let started: World | undefined;
  const world = (): World => {
    if (started === undefined) throw new Error("the world begins with the first test");
    return started;
  };
  beforeAll(async () => {
    const own = await startWorld(options);
    started = own;
    return () => own[Symbol.asyncDispose]();
  });
  showLogsOnFailure(() => [world().controllers.hub, world().controllers.dubbo]);
  return new Proxy({} as World, { get: (_, member) => Reflect.get(world(), member) as unknown });
}

async function startWorld({
  hub = quickly,
  dubbo = [],
  istio = true,
  overlay = "default",
  apiServer = {},
  hubNodeFlags,
}: WorldOptions): Promise<World & AsyncDisposable> {
  await using starting = new AsyncDisposableStack();
  const [api, zooKeeper] = await Promise.all([startApiServer(apiServer), startZooKeeper(), builtProgram()]);
  starting.use(api);
  starting.use(zooKeeper);
  let writer = await connectZkWriter(zooKeeper.address);
  starting.defer(() => writer.close());
  const cluster = starting.use(await viewCluster(api));
  const recorder = starting.use(await recordCluster(api.etcdUrl));
  if (istio) await api.applyCrds();
  if (overlay === "istio-system") await api.kubectl(["create", "namespace", overlay]); // Istio makes it
  await applyInstall(api, overlay);
  const hubKubeconfig = await kubeconfigAs(api, "registryhub");
  const dubboKubeconfig = await kubeconfigAs(api, "dubbo-controller");
  const controllers = starting.use(
    await startControllers({
      hubKubeconfig,
      dubboKubeconfig,
      hub,
      dubbo,
      ...(hubNodeFlags && { hubNodeFlags }),
    }),
  );
  const owned = starting.move();
  return {
    api,
    cluster,
    recorder,
    zooKeeper,
    get writer() {
      return writer;
    },
    controllers,
    async restartZooKeeper(options) {
      await zooKeeper.kill();
      await writer.close(); // its client may take what a server says that comes back for an error of nobody's
      await zooKeeper.restart(options);
      writer = await connectZkWriter(zooKeeper.address);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A namespace and a ZooKeeper root of a test's own. Hubs are called `hub` where no name is given. */
export interface Tenant {
  readonly namespace: string;
  /** E.g. `/t1`. */
  readonly root: string;
  /** kubectl apply of a hub that reads `root` (or another type's registry) into `namespace`, with `spec` on top. */
  applyHub(spec?: Partial<RegistryHubSpec>, name?: string): Promise<void>;
  /** The manifest that `applyHub` would apply. */
  manifest(spec?: Partial<RegistryHubSpec>, name?: string): string;
  hub(name?: string): Promise<RegistryHub>;
  /** Its ServiceEntries, by name. */
  entries(): Promise<readonly ServiceEntry[]>;
  /** Registers providers below `root`, by nodes that outlive the session that made them; returns their paths. */
  provide(...urls: string[]): Promise<string[]>;
}

let tenants = 0;

/** Makes the namespace; the root comes with the first provider. */
export async function newTenant(world: World, namespace = `t${++tenants}`): Promise<Tenant> {
  const { api, cluster, zooKeeper } = world;
  const root = `/${namespace}`;
  await api.kubectl(["create", "namespace", namespace]);
  const manifest = (spec: Partial<RegistryHubSpec> = {}, name = "hub") =>
    JSON.stringify({
      apiVersion: "ecns.easystack.cn/v1alpha1",
      kind: "RegistryHub",
      metadata: { name, namespace },
      spec: {
        generate_to: namespace,
        type: "zookeeper",
        address: zooKeeper.address,
        ...((spec.type ?? "zookeeper") === "zookeeper" && { zookeeper: { root } }),
        ...spec,
      },
    });
  return {
    namespace,
    root,
    manifest,
    applyHub: async (spec, name) =>
      void (await api.kubectl(["apply", "-f", "-"], { input: manifest(spec, name) })),
    hub: (name = "hub") => cluster.hub(namespace, name),
    entries: () => cluster.serviceEntries(namespace),
    async provide(...urls) {
      const paths = urls.map((url) => pathOf(url, root));
      await Promise.all(paths.map((path) => world.writer.create(path)));
      return paths;
    },
  };
}

/** What a Dubbo 2.7 provider writes, as far as it matters here. */
export function providerUrl(
  iface: string,
  address: string,
  parameters: Readonly<Record<string, string>> = {},
): string {
  const all = {
    interface: iface,
    side: "provider",
    version: "1.0.0",
    pid: "1",
    timestamp: "1",
    ...parameters,
  };
  return `dubbo://${address}/${iface}?${new URLSearchParams(all).toString()}`;
}

function pathOf(url: string, root: string): string {
  const iface = /[?&]interface=([^&]*)/.exec(url)?.[1] ?? "";
  return `${root}/${decodeURIComponent(iface)}/providers/${encodeURIComponent(url)}`;
}

/** The endpoints of an entry as "ip:port", sorted; IPv6 in brackets. */
export function endpointsOf({ spec }: ServiceEntry): readonly string[] {
  return (spec.endpoints ?? [])
    .map(({ address = "", ports }) => {
      const port = Object.values(ports ?? {})[0];
      return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
    })
    .sort();
}

/** A condition of a hub's status. @throws Error when there is none. */
export function conditionOf(hub: RegistryHub, type: ConditionType): HubStatus["conditions"][number] {
  const found = hub.status?.conditions.find((one) => one.type === type);
  if (!found) throw new Error(`${hub.metadata.name} has no condition ${type} yet`);
  return found;
}

/** Waits until the hub is in sync with what its registry lists now. */
export function untilReady(
  tenant: Tenant,
  { name, deadlineMs = STATUS_MS }: { readonly name?: string; readonly deadlineMs?: number } = {},
): Promise<RegistryHub> {
  return eventually(async () => {
    const hub = await tenant.hub(name);
    expect(conditionOf(hub, "Ready")).toMatchObject({ status: "True", reason: "Ready" });
    expect(hub.status).toMatchObject({ phase: "success", observedGeneration: hub.metadata.generation });
    return hub;
  }, deadlineMs);
}

/** Waits until the status holds no removal. */
export async function untilNothingHeld(
  tenant: Tenant,
  { deadlineMs = STATUS_MS }: { readonly deadlineMs?: number } = {},
): Promise<void> {
  await eventually(async () => {
    const hub = await tenant.hub();
    expect(conditionOf(hub, "DeletionHeld").reason).toBe("NothingHeld");
    expect(hub.status).not.toHaveProperty("hold");
  }, deadlineMs);
}

/** Waits until the status says `failed` for this reason, in a sentence that matches, the manual's fields included. */
export function untilFailed(
  tenant: Tenant,
  reason: string,
  failedReason: string | RegExp,
  deadlineMs = STATUS_MS,
): Promise<RegistryHub> {
  return eventually(async () => {
    const hub = await tenant.hub();
    const ready = conditionOf(hub, "Ready");
    expect(ready).toMatchObject({ status: "False", reason });
    expect(ready.failed_reason).toMatch(failedReason);
    expect(ready.message).toContain(ready.failed_reason); // and then what to do
    expect(ready.message.length).toBeGreaterThan((ready.failed_reason ?? "").length + 10);
    expect(ready.record_time).toMatch(/^\d{4}-\d\d-\d\dT/);
    expect(hub.status?.phase).toBe("failed");
    return hub;
  }, deadlineMs);
}
