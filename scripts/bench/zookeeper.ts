import { startZooKeeper } from "../../test/bed/zookeeper.ts";
import { ms, percentiles, quantile, type Row, type Section } from "./table.ts";
import { type Floor, measureFloor } from "./zookeeper-floor.ts";
import {
  burst,
  type FirstSync,
  type Measured,
  measureFirstSync,
  measureOperator,
  phases,
  restMs,
} from "./zookeeper-operator.ts";
import { plantTree, type TreeSize } from "./zookeeper-tree.ts";

const changes = 200;
/** First syncs of operator and floor in turn, of which the medians count; one where it takes long enough to be exact. */
const roundsOf = (services: number): number => (services > 2_000 ? 1 : 3);
/** Of RSS, by the number of services. */
const memoryTargets: Readonly<Record<number, string>> = { 1000: "≤ 160 MB", 10000: "≤ 450 MB" };
const restTargets: Readonly<Record<number, string>> = { 1000: "≤ 1 %", 10000: "≤ 0.5 %", 30000: "≤ 0.5 %" };

/** A server with providers of Dubbo 2.7, the bundled hub-controller, and next to it what writing alone takes. */
export async function benchZooKeeper(size: TreeSize, flags: readonly string[] = []): Promise<Section> {
  const { services, instances } = size;
  await using zooKeeper = await startZooKeeper({ heapMb: 1024 });
  await using tree = await plantTree(zooKeeper, size);
  const measured = await measureOperator(zooKeeper, tree, changes, flags);
  const floor = await measureFloor(tree, measured.entries, changes);
  const syncs = [measured.sync];
  const floors = [floor.syncMs];
  for (let round = 1; round < roundsOf(services); round++) {
    syncs.push(await measureFirstSync(zooKeeper, services, flags));
    floors.push((await measureFloor(tree, measured.entries, 0)).syncMs);
  }
  return {
    title: `ZooKeeper 3.9.4, ${services} × ${instances}`,
    rows: [
      ...syncRows(syncs, floors),
      ...changeRows(measured, floor),
      ...writeRows(measured),
      ...costRows(measured, services),
      ...pauseRows(measured),
    ],
  };
}

const median = (values: readonly number[]): number => quantile(values, 0.5);

function syncRows(syncs: readonly FirstSync[], floors: readonly number[]): readonly Row[] {
  const took = median(syncs.map(({ tookMs }) => tookMs));
  const floor = median(floors);
  return [
    {
      what: `first sync${syncs.length > 1 ? `, the median of ${syncs.length}` : ""}`,
      value: `${ms(took)} = ${(took / floor).toFixed(2)} × the floor`,
      floor: `${ms(floor)} (a bare loop of writes)`,
      target: "≤ 1.3 × the floor",
    },
    { what: "of it until the registry is read", value: ms(median(syncs.map(({ readMs }) => readMs))) },
    { what: "processor time of the first sync", value: ms(median(syncs.map(({ cpuMs }) => cpuMs))) },
  ];
}

function changeRows({ changeMs, changes: stretch }: Measured, floor: Floor): readonly Row[] {
  return [
    {
      what: `registration → API watch, ${changes} times`,
      value: percentiles(changeMs),
      floor: `${percentiles(floor.changeMs)} (event, listing, bare write)`,
      target: "p50 ≤ 100 ms, p99 ≤ 400 ms at 1,000; p50 at 10,000 ≤ 1.5 × that",
    },
    { what: "processor time per change", value: ms(stretch.cpuMs / changes) },
  ];
}

function writeRows({
  sync,
  changes: stretch,
  burst: bursting,
  rest,
  restart,
  killed,
  ended,
}: Measured): readonly Row[] {
  return [
    { what: "ServiceEntry writes of the first sync", value: String(sync.entries) },
    { what: `ServiceEntry writes for ${changes} changes`, value: String(stretch.entries) },
    {
      what: `ServiceEntry writes for a burst of ${burst} changes`,
      value: `${bursting.entries}, within ${ms(bursting.tookMs)}`,
    },
    { what: `ServiceEntry writes in ${restMs / 1_000} s at rest`, value: String(rest.entries), target: "0" },
    { what: "ServiceEntry writes when the operator restarts", value: String(restart.entries), target: "0" },
    {
      what: "ServiceEntry writes when a provider is killed and started again",
      value: String(killed.entries),
      target: "0",
    },
    {
      what: "ServiceEntry writes when a provider is ended and started again",
      value: `${ended.entries}: it leaves, it returns`,
    },
    {
      what: "status writes of first sync / changes / burst / rest / operator's restart",
      value: [sync, stretch, bursting, rest, restart].map(({ statuses }) => statuses).join(" / "),
    },
  ];
}

function pauseRows({ pauses }: Measured): readonly Row[] {
  return phases.map((phase) => ({
    what: `longest slice of our own work: ${phase}`,
    value: `${ms(pauses[phase].sliceMs)} of processor time (${pauses[phase].loop}); a collection of garbage took ${ms(pauses[phase].collectionMs)}, a timer was late by ${ms(pauses[phase].loopMs)}`,
    target: "≤ 50 ms",
  }));
}

function costRows(measured: Measured, services: number): readonly Row[] {
  const { empty, synced, rested, restarted, rest, restart } = measured;
  const mb = (value: number): string => `${Math.round(value)} MB`;
  return [
    {
      what: `processor at rest, over ${restMs / 1_000} s`,
      value: `${((100 * rest.cpuMs) / rest.tookMs).toFixed(2)} % of a core`,
      target: restTargets[services] ?? "",
    },
    { what: "the registry is listed again after a restart of the operator", value: ms(restart.tookMs) },
    { what: "processor time of that restart until the registry has settled", value: ms(restart.cpuMs) },
    { what: "RSS without a hub", value: mb(empty.rssMb) },
    { what: "RSS after the first sync, and its peak", value: `${mb(synced.rssMb)}, ${mb(synced.peakMb)}` },
    {
      what: "RSS at rest",
      value: `${mb(rested.rssMb)}, of which ${mb(rested.heapMb)} are objects`,
      target: memoryTargets[services] ?? "",
    },
    {
      what: "RSS after a restart of the operator, and its peak",
      value: `${mb(restarted.rssMb)}, ${mb(restarted.peakMb)}`,
      target: memoryTargets[services] ?? "",
    },
  ];
}
