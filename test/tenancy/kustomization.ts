import { mkdir, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { temporaryFolder } from "../bed/watchdog.ts";
import { checkout } from "../support/install.ts";

/** The folders of `config/components`, which `components.test.ts` compares. */
export const components = [
  "destination-rules",
  "istio-system",
  "lanes",
  "monitoring",
  "multi-tenant",
  "network-policy",
  "priority",
  "scoped-filters",
] as const;
export type Component = (typeof components)[number];

const folder = temporaryFolder("kustomize").path;
let kustomizations = 0;

/** A folder whose kustomization is `config/default` with these components, in this order, and `more` of its fields. */
export async function folderOf(chosen: readonly Component[], more: object = {}): Promise<string> {
  const path = join(folder, String(++kustomizations));
  await mkdir(path);
  const config = (name: string) => relative(path, join(checkout, "config", name));
  const kustomization = {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    resources: [config("default")],
    components: chosen.map((name) => config(`components/${name}`)),
    ...more,
  };
  await writeFile(join(path, "kustomization.yaml"), JSON.stringify(kustomization));
  return path;
}
