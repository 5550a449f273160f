/**
 * The suites `mesh` and `matrix-mesh`, or those that `--project` names, in a network of their own.
 *
 *   node scripts/mesh.ts [argument of vitest ...]   e.g. a part of a file's name, or -t "part of a test's title"
 */
import { fileURLToPath } from "node:url";
import { runInMeshNamespace } from "../test/bed/mesh-namespace.ts";

const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));

try {
  const args = process.argv.slice(2);
  const isOfAll = !args.some((arg) => arg.startsWith("--project"));
  const projects = isOfAll ? ["--project=mesh", "--project=matrix-mesh"] : [];
  process.exitCode = await runInMeshNamespace([process.execPath, vitest, "run", ...projects, ...args]);
} catch (error) {
  process.stderr.write(`mesh: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
