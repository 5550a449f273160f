import { setTimeout as delay } from "node:timers/promises";
import { resources } from "../../src/kube/resources.ts";
import type { ServiceEntry } from "../../src/model/istio.ts";
import type { ApiServer } from "../../test/bed/api-server.ts";
import type { ZooKeeper } from "../../test/bed/zookeeper.ts";
import { viewCluster } from "../../test/support/cluster-view.ts";
import { type ControllerProcess, memoryFlags, startController } from "../../test/support/controllers.ts";
import { eventually } from "../../test/support/eventually.ts";
import { bareClient } from "./bare-client.ts";
import { type EntryWatch, namespace, startCluster, watchEntries } from "./cluster.ts";
import { costOf, type ProcessCost } from "./process-cost.ts";
import { restartProvider } from "./zookeeper-provider.ts";
import { addressOf, apartMs, hostOf, type ZooKeeperTree } from "./zookeeper-tree.ts";

/** How long rest is watched. */
export const restMs = 60_000;
/** How many providers are registered at once. */
export const burst = 100;
const syncMs = 600_000;
/** After its first listing, and again after a restart, everything is looked at once more when the registry has settled. */
const settledMs = 65_000;
/** What the last thing has set in motion: a status is told of changed counts every 10 s. */
const calmMs = 12_000;
/** The first provider that the burst adds to a service: no other has its number. */
const burstAdded = 90;

/** Write requests of the operator. */
export interface Writes {
  readonly entries: number;
  readonly statuses: number;
}

/** What the operator did and used while something happened. */
export interface Stretch extends Writes {
  readonly tookMs: number;
  readonly cpuMs: number;
}

/** From the creation of the hub to the last of the entries in an API watch. */
export interface FirstSync extends Stretch {
  /** Until the registry has been read. */
  readonly readMs: number;
}

/** While what the event loop had to wait. */
export const phases = [
  "first sync",
  "changes, end of settling, rest",
  "restart",
  "registry lost and back",
  "API server lost and back",
] as const;

/** The longest times that other work had to wait for its turn. */
export interface Pauses {
  /** A turn of the event loop, as a timer saw it: with all that other processes took meanwhile. */
  readonly loopMs: number;
  /** A collection of garbage. */
  readonly collectionMs: number;
  /** A turn of the event loop with our own work in it, in processor time of its thread, without collections of garbage. */
  readonly sliceMs: number;
  /** Whose work that was. */
  readonly loop: string;
}

/** Everything that is measured of one operator. */
export interface Measured {
  readonly pauses: Readonly<Record<(typeof phases)[number], Pauses>>;
  /** Memory without a hub, after the first sync, and at rest. */
  readonly empty: ProcessCost;
  readonly synced: ProcessCost;
  readonly rested: ProcessCost & { readonly heapMb: number };
  readonly restarted: ProcessCost & { readonly heapMb: number };
  readonly sync: FirstSync;
  readonly changes: Stretch;
  /** From registering a provider to the API watch, one after the other, in ms. */
  readonly changeMs: readonly number[];
  readonly burst: Stretch;
  readonly rest: Stretch;
  readonly restart: Stretch;
  /** A real Dubbo provider is killed and started again; and then ended and started again. */
  readonly killed: Writes;
  readonly ended: Writes;
  /** As they were after the first sync, as a writer has to send them. */
  readonly entries: readonly ServiceEntry[];
}

/** The operator as it is started, and who watches what it writes. */
interface Stage extends AsyncDisposable {
  readonly api: ApiServer;
  readonly watch: EntryWatch;
  readonly controller: ControllerProcess;
}

async function setStage(flags: readonly string[]): Promise<Stage> {
  await using starting = new AsyncDisposableStack();
  const api = starting.use(await startCluster());
  const watch = starting.use(await watchEntries(api));
  const controller = starting.use(
    await startController("hub-controller", api.kubeconfig, flags, { nodeFlags: memoryFlags }),
  );
  const owned = starting.move();
  return { api, watch, controller, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The first sync alone, on a cluster of its own. */
export async function measureFirstSync(
  zooKeeper: ZooKeeper,
  services: number,
  flags: readonly string[],
): Promise<FirstSync> {
  await using stage = await setStage(flags);
  return await firstSync(stage, zooKeeper, services);
}

/** One operator, with these flags, from its first sync to its restart and beyond, on a cluster of its own. */
export async function measureOperator(
  zooKeeper: ZooKeeper,
  tree: ZooKeeperTree,
  changes: number,
  flags: readonly string[],
): Promise<Measured> {
  await using stage = await setStage(flags);
  const { services, instances } = tree.size;
  const { api, controller } = stage;
  const empty = await costOf(controller.pid);
  const sync = await firstSync(stage, zooKeeper, services);
  const settled = delay(settledMs);
  const firstPauses = await pausesOf(controller);
  const synced = await costOf(controller.pid);
  const entries = await readBack(api);
  await delay(calmMs);
  const changeMs: number[] = [];
  const changed = await during(stage, async () => {
    for (let change = 0; change < changes; change++) {
      const added = instances + Math.floor((change * 7) / services);
      changeMs.push(await follow(stage, tree, (change * 7) % services, added));
      await delay(apartMs);
    }
  });
  const bursting = await during(stage, async () => {
    const all = Array.from({ length: burst }, (_, at) =>
      follow(stage, tree, at % services, burstAdded + Math.floor(at / services)),
    );
    await Promise.all(all);
  });
  await settled;
  const rest = await during(stage, () => delay(restMs), 0);
  const restPauses = await pausesOf(controller);
  const rested = await memoryOf(controller);
  const restart = await restartOperator(stage);
  const restartPauses = await pausesOf(controller);
  const restarted = await memoryOf(controller);
  const provider = await restartProvider(zooKeeper, stage.watch, () => writesOf(api));
  await pausesOf(controller);
  await untilListed(controller, () => zooKeeper.restart());
  await delay(settledMs);
  const lostPauses = await pausesOf(controller);
  await api.kill();
  await api.restart();
  await delay(settledMs);
  const blindPauses = await pausesOf(controller);
  await tree.reset();
  return {
    pauses: {
      "first sync": firstPauses,
      "changes, end of settling, rest": restPauses,
      restart: restartPauses,
      "registry lost and back": lostPauses,
      "API server lost and back": blindPauses,
    },
    empty,
    synced,
    rested,
    restarted,
    sync,
    changes: changed,
    changeMs,
    burst: bursting,
    rest,
    restart,
    ...provider,
    entries,
  };
}

async function firstSync(
  { api, watch, controller }: Stage,
  zooKeeper: ZooKeeper,
  services: number,
): Promise<FirstSync> {
  await using client = await bareClient(api);
  const { registryHubs } = resources;
  const hub = {
    apiVersion: "ecns.easystack.cn/v1alpha1",
    kind: registryHubs.kind,
    metadata: { name: "bench", namespace },
    spec: { generate_to: namespace, type: "zookeeper", address: zooKeeper.address },
  };
  const { cpuMs } = await costOf(controller.pid);
  const [startedAt, started] = [Date.now(), performance.now()];
  await client.apply(registryHubs, hub);
  const tookMs = (await watch.reached(services, syncMs)) - started;
  const used = (await costOf(controller.pid)).cpuMs - cpuMs;
  const listed = controller.log().find(({ msg }) => msg === "registry listed");
  const readMs = new Date(listed?.time ?? Number.NaN).getTime() - startedAt;
  return { tookMs, readMs, cpuMs: used, ...(await writesOf(api)) };
}

/** The time until the registry is listed again; the processor time and the writes until it has settled. */
async function restartOperator({ api, controller }: Stage): Promise<Stretch> {
  const before = await writesOf(api);
  const started = performance.now();
  await untilListed(controller, () => controller.restart());
  const tookMs = performance.now() - started;
  await delay(settledMs);
  return { tookMs, cpuMs: (await costOf(controller.pid)).cpuMs, ...since(before, await writesOf(api)) };
}

/** Returns when the registry has been listed anew after `run`. */
async function untilListed(controller: ControllerProcess, run: () => Promise<unknown>): Promise<void> {
  const lines = controller.log().length;
  await run();
  await eventually(() => {
    const later = controller.log().slice(lines);
    if (!later.some(({ msg }) => msg === "registry listed"))
      throw new Error("the registry is not listed yet");
  }, syncMs);
}

/** Since the last call, or the start of the process. */
async function pausesOf(controller: ControllerProcess): Promise<Pauses> {
  const { body } = await controller.get("/metrics");
  const inMs = (pattern: RegExp): readonly (readonly [string, number])[] =>
    [...body.matchAll(pattern)].map(([, of = "", seconds]) => [of, 1_000 * Number(seconds)]);
  const [[loop, sliceMs] = ["none", 0]] = inMs(
    /^registryhub_longest_slice_seconds\{loop="(\w+)"\} (\S+)$/gm,
  ).toSorted(([, one], [, other]) => other - one);
  const [[, loopMs] = ["", 0]] = inMs(/^registryhub_event_loop_delay_seconds\{quantile="(1)"\} (\S+)$/gm);
  const [[, collectionMs] = ["", 0]] = inMs(/^registryhub_longest_collection_seconds() (\S+)$/gm);
  return { loopMs, collectionMs, sliceMs, loop };
}

/** Registers a provider. Returns how long it took until an API watch shows it, in ms. */
async function follow(
  { watch }: Stage,
  tree: ZooKeeperTree,
  service: number,
  added: number,
): Promise<number> {
  const { ip, port } = addressOf(service, added);
  const started = performance.now();
  const seen = watch.has(hostOf(service), ip, port);
  await tree.register(service, added);
  return (await seen) - started;
}

/** Time and processor time of `run`, and the writes until `settleMs` after it. */
async function during(
  { api, controller }: Stage,
  run: () => Promise<unknown>,
  settleMs = calmMs,
): Promise<Stretch> {
  const before = await writesOf(api);
  const { cpuMs } = await costOf(controller.pid);
  const started = performance.now();
  await run();
  const tookMs = performance.now() - started;
  const used = (await costOf(controller.pid)).cpuMs - cpuMs;
  await delay(settleMs);
  return { tookMs, cpuMs: used, ...since(before, await writesOf(api)) };
}

/** All writes of the operator so far, refused ones too. */
async function writesOf(api: ApiServer): Promise<Writes> {
  const all = await api.writes({ userAgent: "registryhub-hub-controller" });
  const count = (resource: string): number => all.filter((write) => write.resource === resource).length;
  return { entries: count("serviceentries"), statuses: count("registryhubs") };
}

const since = (before: Writes, now: Writes): Writes => ({
  entries: now.entries - before.entries,
  statuses: now.statuses - before.statuses,
});

async function memoryOf(controller: ControllerProcess) {
  const { body } = await controller.get("/metrics");
  const heap = /^nodejs_heap_size_used_bytes (\S+)$/m.exec(body)?.[1];
  return { ...(await costOf(controller.pid)), heapMb: Number(heap) / 2 ** 20 };
}

async function readBack(api: ApiServer): Promise<readonly ServiceEntry[]> {
  await using view = await viewCluster(api);
  return (await view.serviceEntries(namespace)).map(({ metadata, spec }) => ({
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: {
      name: metadata.name,
      namespace,
      labels: metadata.labels ?? {},
      annotations: metadata.annotations ?? {},
    },
    spec,
  }));
}
