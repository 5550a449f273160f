import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import { isInMeshNamespace } from "./test/bed/mesh-namespace.ts";
import { type Suite, suites } from "./test/suites.ts";
import { tally } from "./test/support/tally.ts";
import { attackTable } from "./test/tenancy/attack-table.ts";

/** Suites of one run of vitest come one after the other, by `groupOrder` (from 1 on: 0 means something else to vitest). */
function project(suite: Suite, at: number): TestProjectInlineConfiguration {
  const { name, include, exclude = [], timeoutMs, maxWorkers = 1, apiServer } = suite;
  return {
    extends: true,
    test: {
      name,
      include: [...include],
      exclude: [...exclude],
      testTimeout: timeoutMs,
      hookTimeout: timeoutMs,
      sequence: { groupOrder: at + 1 },
      maxWorkers,
      fileParallelism: maxWorkers !== 1,
      ...(apiServer && { provide: { apiServer } }),
    },
  };
}

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
    // Elsewhere than in the network that a suite needs there is no such suite.
    projects: suites.filter(({ network }) => network === undefined || isInMeshNamespace).map(project),
  },
});
