/**
 * `make test`, once the servers are there: each suite of test/suites.ts as one process of vitest, beside each other as far as
 * they mostly wait. Names as arguments: only these suites; `matrix` stands for those of `make test-matrix`, and `all` for every
 * one. The last line is `N passed, N failed`.
 */
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { hasEarlierVersion } from "../test/bed/earlier-version.ts";
import { suites } from "../test/suites.ts";
import { linesOf } from "../test/support/tally.ts";
import { runSuites } from "./test/run-suites.ts";

const names = process.argv.slice(2);
const groups = new Map([
  ["all", suites],
  ["matrix", suites.filter(({ isMatrix }) => isMatrix)],
  ...suites.map((suite) => [suite.name, [suite]] as const),
]);
const unknown = names.filter((name) => !groups.has(name));
if (unknown.length > 0) {
  process.stderr.write(`unknown: ${unknown.join(", ")}; the suites are ${[...groups.keys()].join(", ")}\n`);
  process.exit(2);
}
const write = (text: string): void => void process.stdout.write(text);
const asked = new Set(names.flatMap((name) => groups.get(name) ?? []));
let chosen = suites.filter((suite) => (names.length === 0 ? !suite.isMatrix : asked.has(suite)));
const isAsked = names.includes("upgrade");
if (!isAsked && chosen.some(({ name }) => name === "upgrade") && !(await hasEarlierVersion())) {
  write("this clone has not its whole history: make test-upgrade is left out\n");
  chosen = chosen.filter(({ name }) => name !== "upgrade");
}

const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
const mesh = fileURLToPath(new URL("mesh.ts", import.meta.url));
const processes = chosen.flatMap(({ name, processors, network, shards = 1 }) =>
  Array.from({ length: shards }, (_, at) => ({
    name: shards === 1 ? name : `${name}-${at + 1}`,
    processors,
    command: process.execPath,
    args: [
      ...(network === "mesh" ? [mesh] : [vitest, "run"]),
      `--project=${name}`,
      `--shard=${at + 1}/${shards}`,
      ...(name === "unit" ? ["--coverage"] : []),
    ],
  })),
);
const tally = await runSuites(processes, availableParallelism(), write);
write(`\n${linesOf(tally)}`);
process.exitCode = tally.failures.length === 0 ? 0 : 1;
