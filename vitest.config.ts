import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import { isInMeshNamespace } from "./test/bed/mesh-namespace.ts";
import { tally } from "./test/support/tally.ts";
import { attackTable } from "./test/tenancy/attack-table.ts";

const seconds = 1000;

/** A suite; suites run one after the other, in the order of `groupOrder` (from 1 on: 0 means something else to vitest). */
function suite(
  name: string,
  groupOrder: number,
  include: string[],
  timeoutMs: number,
  maxWorkers: number | string = "100%", // vitest leaves one processor free, which is half of two
): TestProjectInlineConfiguration {
  return {
    extends: true,
    test: {
      name,
      include,
      testTimeout: timeoutMs,
      hookTimeout: timeoutMs,
      sequence: { groupOrder },
      maxWorkers,
    },
  };
}

/** A suite on real servers: one file at a time, so that files never compete for the machine. */
function serverSuite(name: string, groupOrder: number, timeoutMs: number): TestProjectInlineConfiguration {
  const base = suite(name, groupOrder, [`test/${name}/**/*.test.ts`], timeoutMs);
  return { ...base, test: { ...base.test, exclude: onFakes, fileParallelism: false, maxWorkers: 1 } };
}

/** What test/cluster runs on: the suite of the real API server is also that of the fake one. */
function onApiServer(
  apiServer: "real" | "fake",
  { test, ...rest }: TestProjectInlineConfiguration,
): TestProjectInlineConfiguration {
  return { ...rest, test: { ...test, provide: { apiServer } } };
}

const fast = ["test/{unit,property,golden,controllers}/**/*.test.ts", "test/cluster/*.test.ts"];
/** The contract of a registry on the fakes, which mostly wait for clocks: all at once. */
const onFakes = ["test/contract/*-fake.contract.test.ts"];

/** What the fast suite has to reach, layer by layer; `--coverage` asks for it. Nothing is printed but what falls short. */
const covered = ["controllers", "plan", "status", "translate"].map((layer) => `src/${layer}/**`);
const coverage = {
  include: covered,
  reporter: [],
  thresholds: Object.fromEntries(covered.map((files) => [files, { lines: 90 }])),
};

export default defineConfig({
  test: {
    pool: "forks",
    reporters: ["default", attackTable, tally],
    coverage,
    projects: [
      onApiServer("fake", suite("unit", 1, fast, 20 * seconds)),
      serverSuite("bed", 2, 180 * seconds),
      serverSuite("crd", 3, 120 * seconds),
      onApiServer("real", serverSuite("cluster", 4, 180 * seconds)),
      serverSuite("tenancy", 5, 180 * seconds),
      serverSuite("contract", 6, 180 * seconds),
      serverSuite("outage", 7, 600 * seconds),
      serverSuite("e2e", 8, 600 * seconds),
      serverSuite("upgrade", 9, 180 * seconds),
      suite("fakes", 10, onFakes, 60 * seconds, 4),
      // scripts/mesh.ts runs it; anywhere else there is no such project.
      ...(isInMeshNamespace ? [serverSuite("mesh", 11, 180 * seconds)] : []),
    ],
  },
});
