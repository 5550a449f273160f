import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseManifests } from "../../src/kube/manifests.ts";
import type { KubeObject } from "../../src/model/kubernetes.ts";
import { helmBinary } from "../bed/helm-binary.ts";
import { run } from "../bed/run.ts";
import { versions } from "../bed/versions.ts";
import { temporaryFolder } from "../bed/watchdog.ts";
import { checkout, installNamespace } from "./install.ts";

/** The chart of this checkout. */
export const chart = join(checkout, "charts/registryhub");

/** What a file of values says, a part of charts/registryhub/values.yaml. */
export type Values = Readonly<Record<string, unknown>>;

const folder = temporaryFolder("helm").path;
let files = 0;

/** What helm printed, with nothing of its user's settings. @throws Error with what it said. */
export async function helm(args: readonly string[], kubeconfig = "/dev/null"): Promise<string> {
  const [cache, config, data] = ["cache", "config", "data"].map((name) => join(folder, name));
  const env = {
    HELM_CACHE_HOME: cache,
    HELM_CONFIG_HOME: config,
    HELM_DATA_HOME: data,
    KUBECONFIG: kubeconfig,
  };
  return run(await helmBinary(), args, { env: env as Record<string, string> });
}

/** The flags that give helm these values, as a file: `--set` reads numbers otherwise. */
export async function valuesFlags(values: Values): Promise<readonly string[]> {
  const path = join(folder, `values-${++files}.yaml`);
  await writeFile(path, JSON.stringify(values));
  return ["--values", path];
}

/** Every object of the chart, or of the one that is given, as it would be installed into `namespace`. */
export async function renderChart(
  values: Values = {},
  { namespace = installNamespace, from = chart } = {},
): Promise<readonly KubeObject[]> {
  // Without a cluster to ask, helm supposes an old one.
  const cluster = ["--kube-version", versions.kubernetes, "--namespace", namespace];
  const flags = [...cluster, ...(await valuesFlags(values))];
  return parseManifests(await helm(["template", "registryhub", from, ...flags])) as readonly KubeObject[];
}
