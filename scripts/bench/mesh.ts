import { setTimeout as delay } from "node:timers/promises";
import type { RegistryHubSpec } from "../../src/model/registryhub.ts";
import { type ApiServer, startApiServer } from "../../test/bed/api-server.ts";
import { type Sidecar, startSidecar } from "../../test/bed/envoy.ts";
import { istioVersion } from "../../test/bed/istio-binaries.ts";
import { startIstiod } from "../../test/bed/istiod.ts";
import { startZooKeeper } from "../../test/bed/zookeeper.ts";
import { startController } from "../../test/support/controllers.ts";
import { eventually } from "../../test/support/eventually.ts";
import { applyInstall } from "../../test/support/install.ts";
import { namespace } from "./cluster.ts";
import { costOf } from "./process-cost.ts";
import { ms, quantile, type Row, type Section } from "./table.ts";
import { addressOf, folderOf, hostOf, plantTree, type ZooKeeperTree } from "./zookeeper-tree.ts";

const instances = 3;
/** How often each thing is done. */
const changes = 10;
const syncMs = 600_000;
/** Of istiod, which waits for up to a second for more of the same, and of Envoy. */
const calmMs = 3_000;
const restMs = 30_000;

/** Istio's control plane and one sidecar. */
interface Mesh {
  readonly istiod: number;
  readonly envoy: number;
}

/**
 * What a mesh with one sidecar pays for so many Dubbo services and their filters: all in the root namespace, or each exported
 * to one of up to ten namespaces, of which the sidecar's is one.
 */
export async function benchMesh(services: number, namespaces = 1): Promise<Section> {
  await using zooKeeper = await startZooKeeper();
  await using tree = await plantTree(zooKeeper, { services, instances });
  await using api = await startApiServer({ controllerManager: false });
  await api.applyCrds();
  await applyInstall(api);
  await api.kubectl(["create", "namespace", namespace]);
  await using istiod = await startIstiod({ api });
  const teams = Array.from({ length: namespaces }, (_, team) => `team-${team}`);
  for (const team of teams) await api.kubectl(["create", "namespace", team]);
  await using sidecar = await startSidecar({ istiod, namespace: "team-0" });
  const mesh = { istiod: istiod.pid, envoy: sidecar.pid };
  const empty = await memoryOf(mesh);
  await using _hub = await startController("hub-controller", api.kubeconfig);
  await using _dubbo = await startController("dubbo-controller", api.kubeconfig);

  const first = await during(mesh, async () => {
    const { address } = zooKeeper;
    if (namespaces === 1) await applyHub(api, "bench", { address });
    else for (const [at, team] of teams.entries()) await applyHub(api, team, { address, ...only(at, team) });
    await untilDubbo(sidecar, services / namespaces, syncMs);
  });
  const full = await memoryOf(mesh);
  const added = await repeated(mesh, (one) => addEndpoint(sidecar, tree, one * namespaces));
  const opened = await repeated(mesh, (one) => addService(sidecar, tree, services + one * namespaces));
  const rest = await during(mesh, () => delay(restMs));
  const rows: readonly Row[] = [
    { what: "from the hub to the last Dubbo listener in Envoy", value: costs(first) },
    { what: "a provider joins", value: costs(added) },
    { what: "a service comes: its entry and its filter", value: costs(opened) },
    { what: "rest", value: `istiod ${share(rest.istiodMs)}, Envoy ${share(rest.envoyMs)}` },
    { what: "memory of istiod", value: `${full.istiod} MB`, floor: `${empty.istiod} MB` },
    { what: "memory of Envoy", value: `${full.envoy} MB`, floor: `${empty.envoy} MB` },
    { what: "configurations that Envoy refused", value: String(await sidecar.rejects()), target: "0" },
  ];
  const scope = namespaces === 1 ? "" : `, each for one of ${namespaces} namespaces`;
  return { title: `Istio ${istioVersion}, one sidecar, ${services} Dubbo services${scope}`, rows };
}

/** What something took, and used of the processor. */
interface Cost {
  readonly tookMs: number;
  readonly istiodMs: number;
  readonly envoyMs: number;
}

async function during(mesh: Mesh, run: () => Promise<unknown>, settleMs = 0): Promise<Cost> {
  const before = await Promise.all([costOf(mesh.istiod), costOf(mesh.envoy)]);
  const started = performance.now();
  await run();
  const tookMs = performance.now() - started;
  await delay(settleMs);
  const [istiod, envoy] = await Promise.all([costOf(mesh.istiod), costOf(mesh.envoy)]);
  return { tookMs, istiodMs: istiod.cpuMs - before[0].cpuMs, envoyMs: envoy.cpuMs - before[1].cpuMs };
}

/** The median of each. */
async function repeated(mesh: Mesh, run: (one: number) => Promise<void>): Promise<Cost> {
  const all: Cost[] = [];
  for (let one = 0; one < changes; one++) all.push(await during(mesh, () => run(one), calmMs));
  const median = (of: (cost: Cost) => number): number => quantile(all.map(of), 0.5);
  return {
    tookMs: median((one) => one.tookMs),
    istiodMs: median((one) => one.istiodMs),
    envoyMs: median((one) => one.envoyMs),
  };
}

async function addEndpoint(sidecar: Sidecar, tree: ZooKeeperTree, service: number): Promise<void> {
  await tree.register(service, instances);
  const { ip, port } = addressOf(service, instances);
  await eventually(async () => {
    const endpoints = (await sidecar.endpoints(hostOf(service), port)) ?? [];
    if (!endpoints.includes(`${ip}:${port}`)) throw new Error(`Envoy has no ${ip}`);
  }, syncMs);
}

/** A service that the tree does not have yet. */
async function addService(sidecar: Sidecar, tree: ZooKeeperTree, service: number): Promise<void> {
  const before = await dubboListeners(sidecar);
  const folder = folderOf(service);
  await tree.witness.createAll([folder.replace(/\/providers$/, ""), folder]);
  await tree.register(service, 0);
  await untilDubbo(sidecar, before + 1, syncMs);
}

async function untilDubbo(sidecar: Sidecar, count: number, withinMs: number): Promise<void> {
  await eventually(
    async () => {
      const found = await dubboListeners(sidecar);
      if (found < count) throw new Error(`${found} of ${count} listeners speak Dubbo`);
    },
    withinMs,
    100,
  );
}

async function dubboListeners(sidecar: Sidecar): Promise<number> {
  const all = await sidecar.listeners();
  return all.values().reduce((sum, [filter = ""]) => sum + (filter.includes("dubbo_proxy") ? 1 : 0), 0);
}

async function memoryOf({
  istiod,
  envoy,
}: Mesh): Promise<{ readonly istiod: number; readonly envoy: number }> {
  const [one, other] = await Promise.all([costOf(istiod), costOf(envoy)]);
  return { istiod: Math.round(one.rssMb), envoy: Math.round(other.rssMb) };
}

/** The services whose number ends with the digit are for one namespace. */
const only = (digit: number, team: string): Partial<RegistryHubSpec> => ({
  services: { include: [`*${digit}`] },
  exportTo: [team],
});

async function applyHub(api: ApiServer, name: string, spec: Partial<RegistryHubSpec>): Promise<void> {
  const hub = {
    apiVersion: "ecns.easystack.cn/v1alpha1",
    kind: "RegistryHub",
    metadata: { name, namespace },
    spec: { generate_to: namespace, type: "zookeeper", ...spec },
  };
  await api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(hub) });
}

const costs = ({ tookMs, istiodMs, envoyMs }: Cost): string =>
  `${ms(tookMs)}; processor time of istiod ${ms(istiodMs)}, of Envoy ${ms(envoyMs)}`;

const share = (used: number): string => `${((100 * used) / restMs).toFixed(2)} % of a core`;
