import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../bed/run.ts";
import { temporaryFolder } from "../bed/watchdog.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

let built: Promise<string> | undefined;

/**
 * Path of the program as it is shipped: one file, built at the first call from the sources of that moment. It is this
 * process's own, so that no build beside it changes what runs, and goes away with it.
 */
export function builtProgram(): Promise<string> {
  built ??= build();
  return built;
}

async function build(): Promise<string> {
  const path = join(temporaryFolder("program").path, "registryhub.mjs");
  await run(process.execPath, [join(root, "scripts/build.ts"), path], { cwd: root });
  return path;
}
