import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheKey, cacheRoot, fillCache } from "./cache.ts";
import { withProgress } from "./progress.ts";
import { run } from "./run.ts";

const MODULE = new URL("consul/", import.meta.url);
const PACKAGE = "github.com/hashicorp/consul";

/** Path of the program of Consul, built from its Go module the first time (minutes). */
export async function consulBinary(): Promise<string> {
  const key = await cacheKey([new URL("go.mod", MODULE), new URL("go.sum", MODULE)]);
  const folder = join(cacheRoot(), `consul-${key}`);
  const path = join(folder, "consul");
  const buildCache = `${folder}-go-build`; // a build that was killed goes on with it
  await fillCache(folder, [{ path, build: (to) => build(to, buildCache) }], buildCache);
  return path;
}

async function build(path: string, buildCache: string): Promise<void> {
  const options = {
    cwd: fileURLToPath(MODULE),
    env: { CGO_ENABLED: "0", GOCACHE: buildCache, GOWORK: "off" },
  };
  const version = (await run("go", ["list", "-m", "-f", "{{.Version}}", PACKAGE], options)).trim();
  // Without a stamp it calls itself a development version.
  const ldflags = `-s -w -X ${PACKAGE}/version.GitDescribe=${version}`;
  const args = ["build", "-mod=readonly", "-trimpath", "-ldflags", ldflags, "-o", path, PACKAGE];
  await withProgress(`building Consul ${version}`, () => run("go", args, options));
}
