/** A suite of tests: a project of vitest, and what `make test` runs as one process of vitest. */
export interface Suite {
  readonly name: string;
  readonly include: readonly string[];
  readonly exclude?: readonly string[];
  /** For a test, and for each hook. */
  readonly timeoutMs: number;
  /** How many of its files run at once, as vitest counts them. Default 1: each starts servers of its own. */
  readonly maxWorkers?: number | string;
  /** How many processors it (or a shard of it) keeps busy, about; `all` is alone on the machine. */
  readonly processors: number | "all";
  /** Into how many processes `make test` divides it. Default 1. */
  readonly shards?: number;
  /** It runs in a network of its own, which scripts/mesh.ts makes. */
  readonly network?: "mesh";
  /** Left to `make test-matrix`: older versions of what other suites run on, or another place for it. */
  readonly isMatrix?: true;
  /** What test/cluster runs on. */
  readonly apiServer?: "real" | "fake";
}

const seconds = 1000;
const everyFile = (suite: string): readonly string[] => [`test/${suite}/**/*.test.ts`];

/** The contract of a registry on the fakes: no servers to compete for the machine, and mostly waiting for clocks. */
const onFakes = ["test/contract/*-fake.contract.test.ts"];
/** Hostile registries take the processor from an innocent one within one process; that of another suite would look the same. */
const alone = ["test/e2e/hostile-neighbour.test.ts"];
/** What the suites of the same name leave to those of `make test-matrix`. */
const matrix = {
  contract: ["test/contract/{nacos-2,zookeeper-3.4,zookeeper-3.8}.contract.test.ts"],
  outage: ["test/outage/nacos-2.test.ts"],
  mesh: ["test/mesh/root-namespace.test.ts"],
};

/** In the order in which `make test` begins them: first what is alone, then the longest. */
export const suites: readonly Suite[] = [
  {
    name: "unit",
    include: ["test/{unit,property,golden,controllers}/**/*.test.ts", "test/cluster/*.test.ts"],
    timeoutMs: 20 * seconds,
    maxWorkers: "100%", // vitest leaves one processor free, which is half of two
    processors: "all",
    apiServer: "fake",
  },
  { name: "e2e-alone", include: alone, timeoutMs: 600 * seconds, processors: "all" },
  {
    name: "outage",
    include: everyFile("outage"),
    exclude: matrix.outage,
    timeoutMs: 600 * seconds,
    processors: 1,
  },
  {
    name: "e2e",
    include: everyFile("e2e"),
    exclude: alone,
    timeoutMs: 600 * seconds,
    processors: 1,
    shards: 2,
  },
  {
    name: "mesh",
    include: everyFile("mesh"),
    exclude: matrix.mesh,
    timeoutMs: 180 * seconds,
    processors: 1,
    network: "mesh",
  },
  {
    name: "contract",
    include: everyFile("contract"),
    exclude: [...onFakes, ...matrix.contract],
    timeoutMs: 180 * seconds,
    processors: 1,
  },
  { name: "tenancy", include: everyFile("tenancy"), timeoutMs: 180 * seconds, processors: 1 },
  { name: "release", include: everyFile("release"), timeoutMs: 180 * seconds, processors: 1 },
  { name: "monitoring", include: everyFile("monitoring"), timeoutMs: 180 * seconds, processors: 1 },
  { name: "page", include: everyFile("page"), timeoutMs: 120 * seconds, processors: 1 },
  { name: "bed", include: everyFile("bed"), timeoutMs: 180 * seconds, processors: 1 },
  { name: "upgrade", include: everyFile("upgrade"), timeoutMs: 180 * seconds, processors: 1 },
  {
    name: "cluster",
    include: everyFile("cluster"),
    timeoutMs: 180 * seconds,
    processors: 1,
    apiServer: "real",
  },
  { name: "crd", include: everyFile("crd"), timeoutMs: 120 * seconds, processors: 1 },
  { name: "fakes", include: onFakes, timeoutMs: 60 * seconds, maxWorkers: 4, processors: 1 },
  {
    name: "matrix-outage",
    include: matrix.outage,
    timeoutMs: 600 * seconds,
    processors: 1,
    isMatrix: true,
  },
  {
    name: "matrix-contract",
    include: matrix.contract,
    timeoutMs: 180 * seconds,
    processors: 1,
    isMatrix: true,
  },
  {
    name: "matrix-istio",
    include: everyFile("matrix"),
    timeoutMs: 300 * seconds,
    processors: 1,
    isMatrix: true,
  },
  {
    name: "matrix-mesh",
    include: matrix.mesh,
    timeoutMs: 180 * seconds,
    processors: 1,
    network: "mesh",
    isMatrix: true,
  },
];
