/**
 * `make bench`: what the operator costs and how soon it follows, on real servers, against a floor in the same run. Prints
 * one table and writes it into docs/performance.md. Wants the machine for itself; says so with `--help`.
 */
import { fileURLToPath } from "node:url";
import { meshAssets, prepareAssets } from "../test/bed/assets.ts";
import { isInMeshNamespace, runInMeshNamespace } from "../test/bed/mesh-namespace.ts";
import { benchConsul } from "./bench/consul.ts";
import { benchEureka } from "./bench/eureka.ts";
import { benchMesh } from "./bench/mesh.ts";
import { benchNacos } from "./bench/nacos.ts";
import { benchNeighbours } from "./bench/neighbours.ts";
import { tableOf, writeReport } from "./bench/report.ts";
import type { Section } from "./bench/table.ts";
import { benchZooKeeper } from "./bench/zookeeper.ts";

interface Bench {
  /** It runs in a network of its own: `TYPE=` of another process. */
  readonly inMesh?: boolean;
  /** Numbers of services. */
  readonly sizes: readonly number[];
  run(services: number): Promise<readonly Section[]>;
}

const benches: Readonly<Record<string, Bench>> = {
  zookeeper: {
    sizes: [1_000, 10_000],
    run: async (services) => [await benchZooKeeper({ services, instances: 10 })],
  },
  scale: {
    sizes: [30_000],
    run: async (services) => [
      await benchZooKeeper({ services, instances: 3 }, [`--max-services-per-hub=${services + 10_000}`]),
    ],
  },
  nacos: {
    sizes: [1_000],
    run: async (services) => [
      await benchNacos("2.3", { services, changes: 200 }),
      await benchNacos("3.1", { services, changes: 200 }),
    ],
  },
  mesh: { sizes: [100, 1_000], inMesh: true, run: async (services) => [await benchMesh(services)] },
  scopes: {
    sizes: [3_000],
    inMesh: true,
    run: async (services) => [await benchMesh(services), await benchMesh(services, 10)],
  },
  neighbours: { sizes: [1], run: async () => [await benchNeighbours()] },
  eureka: { sizes: [100, 1_000], run: async (services) => [await benchEureka(services)] },
  consul: { sizes: [100, 1_000], run: async (services) => [await benchConsul({ services, changes: 100 })] },
};

const help = `TYPE=${Object.keys(benches).join("|")} measures one type, SIZE=n one number of services.
Without TYPE: ZooKeeper in full, the others for first sync, change and rest; 40 minutes on two cores.
`;

const { TYPE = "", SIZE = "" } = process.env;
const chosen = Object.entries(benches).filter(([name]) => TYPE === "" || TYPE === name);
if (process.argv.includes("--help") || chosen.length === 0 || !/^\d*$/.test(SIZE)) {
  process.stderr.write(help);
  process.exit(process.argv.includes("--help") ? 0 : 2);
}
const date = new Date().toISOString().slice(0, 10);
const measured: Section[] = [];
for (const [name, bench] of chosen) {
  if (bench.inMesh && !isInMeshNamespace) {
    await runInMesh(name);
    continue;
  }
  for (const size of SIZE === "" ? bench.sizes : [Number(SIZE)]) {
    const sections = await bench.run(size);
    process.stderr.write(`${tableOf(sections, date)}\n`);
    await writeReport(sections, date);
    measured.push(...sections);
  }
}
if (measured.length > 0) process.stdout.write(`${tableOf(measured, date)}\n`);

/** Fetches what it needs before, because there is no internet in there. */
async function runInMesh(name: string): Promise<void> {
  await prepareAssets(["zookeeper", "istio-crds", "kube-api", ...meshAssets]);
  process.env.TYPE = name;
  process.exitCode = await runInMeshNamespace([process.execPath, fileURLToPath(import.meta.url)]);
}
