import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheRoot, fillCache } from "./cache.ts";
import { goModuleFolder } from "./go-module.ts";
import { versions } from "./versions.ts";

const sum = "h1:rHWuFo6SVya4FBSCNg2DCzyc4xAv54zk3eDTzp5mQZc=";
const kinds = ["podmonitors", "prometheusrules"];

/** Path of the CustomResourceDefinitions of prometheus-operator that the component `monitoring` needs, as its Go module carries them. */
export async function prometheusCrds(): Promise<string> {
  const path = join(cacheRoot(), `prometheus-crds-${versions.prometheusOperator}.yaml`);
  await fillCache(path, [{ path, build: download }]);
  return path;
}

async function download(path: string): Promise<void> {
  const module = `github.com/prometheus-operator/prometheus-operator@v${versions.prometheusOperator}`;
  const folder = join(await goModuleFolder({ module, sum }), "example", "prometheus-operator-crd");
  const texts = kinds.map((kind) => readFile(join(folder, `monitoring.coreos.com_${kind}.yaml`), "utf8"));
  await writeFile(path, (await Promise.all(texts)).join("\n---\n"));
}
