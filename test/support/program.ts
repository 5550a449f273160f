import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withLock } from "../bed/lock.ts";
import { run } from "../bed/run.ts";
import { temporaryFolder } from "../bed/watchdog.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const bundle = join(root, "dist/registryhub.mjs");

let built: Promise<string> | undefined;

/**
 * Path of the program as it is shipped: one file, built at the first call from the sources of that moment. A copy, so that
 * a build beside it does not change what runs; it goes away with this process.
 */
export function builtProgram(): Promise<string> {
  built ??= withLock(bundle, build);
  return built;
}

async function build(): Promise<string> {
  await run(process.execPath, [join(root, "scripts/build.ts")], { cwd: root });
  const copy = join(temporaryFolder("program").path, "registryhub.mjs");
  await Promise.all([copyFile(bundle, copy), copyFile(`${bundle}.map`, `${copy}.map`)]);
  return copy;
}
