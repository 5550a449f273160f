/**
 * The suite `mesh`, in a network of its own.
 *
 *   node scripts/mesh.ts [argument of vitest ...]   e.g. a part of a file's name, or -t "part of a test's title"
 */
import { fileURLToPath } from "node:url";
import { runInMeshNamespace } from "../test/bed/mesh-namespace.ts";

const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));

try {
  const args = ["run", "--project", "mesh", ...process.argv.slice(2)];
  process.exitCode = await runInMeshNamespace([process.execPath, vitest, ...args]);
} catch (error) {
  process.stderr.write(`mesh: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
