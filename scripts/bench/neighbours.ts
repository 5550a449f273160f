import { setTimeout as delay } from "node:timers/promises";
import type { RegistryHub } from "../../src/model/registryhub.ts";
import type { ApiServer } from "../../test/bed/api-server.ts";
import { startZooKeeper } from "../../test/bed/zookeeper.ts";
import { type ControllerProcess, memoryFlags, startController } from "../../test/support/controllers.ts";
import { type Hostility, hostilities } from "../../test/support/hostile-registries.ts";
import { type EntryWatch, namespace, startCluster, watchEntries } from "./cluster.ts";
import { costOf } from "./process-cost.ts";
import { ms, percentiles, type Row, type Section } from "./table.ts";
import { addressOf, hostOf, plantTree, type ZooKeeperTree } from "./zookeeper-tree.ts";

const size = { services: 20, instances: 2 };
/** Of the innocent hub beside each hostile one. */
const changes = 100;
const apartMs = 200;
const syncMs = 60_000;
/** What the limit of a Pod of 768 Mi leaves to the heap. */
const heapFlags = [...memoryFlags, "--max-old-space-size=384"];

interface Stage {
  readonly api: ApiServer;
  readonly watch: EntryWatch;
  readonly controller: ControllerProcess;
  readonly tree: ZooKeeperTree;
}

/** One process with leader election, an innocent hub, and one hostile registry after the other beside it. */
export async function benchNeighbours(): Promise<Section> {
  await using zooKeeper = await startZooKeeper();
  await using tree = await plantTree(zooKeeper, size);
  await using api = await startCluster();
  await using watch = await watchEntries(api);
  const flags = ["--leader-elect", `--leader-elect-namespace=${namespace}`];
  await using controller = await startController("hub-controller", api.kubeconfig, flags, {
    nodeFlags: heapFlags,
  });
  const stage: Stage = { api, watch, controller, tree };
  await applyHub(api, namespace, { type: "zookeeper", address: zooKeeper.address });
  await watch.reached(size.services, syncMs);
  const alone = await follow(stage, 0);
  const rows: Row[] = [{ what: "alone", value: percentiles(alone) }];
  for (const [at, hostility] of hostilities.entries())
    rows.push(await beside(hostility, at + 1, stage, percentiles(alone)));
  const { peakMb } = await costOf(controller.pid);
  const terms = controller.log().filter(({ msg }) => msg === "leading").length;
  return {
    title: `A hostile registry beside an innocent hub, ${heapFlags.at(-1)}`,
    rows: [
      ...rows,
      { what: "peak of RSS", value: `${Math.round(peakMb)} MB` },
      {
        what: "restarts, lost Leases",
        value: `${controller.isRunning() ? 0 : 1}, ${terms - 1}`,
        target: "0, 0",
      },
    ],
  };
}

async function beside(hostility: Hostility, round: number, stage: Stage, alone: string): Promise<Row> {
  const { api } = stage;
  await using registry = await hostility.start();
  const target = `hostile-${round}`;
  await api.kubectl(["create", "namespace", target]);
  await applyHub(api, target, registry.spec);
  const times = await follow(stage, round);
  const hub = JSON.parse(await api.kubectl(["-n", target, "get", "rh", "hub", "-o", "json"])) as RegistryHub;
  await api.kubectl(["-n", target, "delete", "rh", "hub"]);
  return {
    what: `${hostility.name}: ${told(hub)}`,
    value: percentiles(times),
    floor: alone,
    target: "p99 ≤ 1 s",
  };
}

/** What the status says of the registry, for people. */
function told({ status }: RegistryHub): string {
  const [problem] = status?.problems ?? [];
  const synced = status?.conditions.find(({ type }) => type === "RegistrySynced");
  const text =
    synced?.status === "False" ? synced.message : (problem?.problem ?? synced?.message ?? "no status");
  return text.replaceAll("|", "\\|").slice(0, 160);
}

/** One change of the innocent hub after the other; how long each took until the API watch, in ms. */
async function follow({ watch, tree }: Stage, round: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let change = 0; change < changes; change++) {
    const service = change % size.services;
    const added = size.instances + round * (changes / size.services) + Math.floor(change / size.services);
    const { ip, port } = addressOf(service, added);
    const started = performance.now();
    const seen = watch.has(hostOf(service), ip, port);
    await tree.register(service, added);
    times.push((await seen) - started);
    await delay(apartMs);
  }
  process.stderr.write(`round ${round}: ${percentiles(times)}, at most ${ms(Math.max(...times))}\n`);
  return times;
}

async function applyHub(api: ApiServer, target: string, spec: object): Promise<void> {
  const hub = {
    apiVersion: "ecns.easystack.cn/v1alpha1",
    kind: "RegistryHub",
    metadata: { name: "hub", namespace: target },
    spec: { generate_to: target, ...spec },
  };
  await api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(hub) });
}
