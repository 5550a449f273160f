import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheRoot, fillCache } from "./cache.ts";
import { withProgress } from "./progress.ts";
import { run } from "./run.ts";
import { versions } from "./versions.ts";
import { temporaryFolder } from "./watchdog.ts";

const MODULE_SUM = "h1:5Yb5ihcz4YQsCkciusK7DnFpBMwRB6EFWeUKH1Atuyk="; // of istio.io/api at versions.istioApi

/** Path of Istio's own CustomResourceDefinitions (15 of them, one file), as its Go module carries them. */
export async function istioCrds(): Promise<string> {
  const path = join(cacheRoot(), `istio-crds-${versions.istioApi}.yaml`);
  await fillCache(path, [{ path, build: download }]);
  return path;
}

async function download(path: string): Promise<void> {
  const module = `istio.io/api@v${versions.istioApi}`;
  await using folder = temporaryFolder("go"); // outside of any Go module
  const answer = await withProgress(`downloading ${module}`, () =>
    run("go", ["mod", "download", "-json", module], { cwd: folder.path, env: { GOWORK: "off" } }),
  );
  const { Dir, Sum } = JSON.parse(answer) as { Dir: string; Sum: string };
  if (Sum !== MODULE_SUM)
    throw new Error(`${module} has the checksum ${Sum} instead of ${MODULE_SUM}; check GOPROXY`);
  await copyFile(join(Dir, "kubernetes", "customresourcedefinitions.gen.yaml"), path);
}
