/**
 * Copies the manifests of config/ and crds/ into the Helm chart, whose templates put the values into them: a chart cannot read
 * what is outside of it. `--check` writes nothing and fails when a copy is stale.
 */
import { cpSync, existsSync, globSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const target = join(root, "charts/registryhub/manifests");

/** What the templates do themselves: what kustomize patches, and a Deployment that is a copy of another. */
const kustomizeOnly = ["kustomization.yaml", "lane.yaml", "lanes/disruption-budget.yaml", "lanes/copy/"];

/** From the path below `manifests` to that in the checkout. */
const sources = new Map(
  ["crds", "config/rbac", "config/manager", "config/components"]
    .flatMap((folder) => globSync(`${folder}/**/*.{yaml,json}`, { cwd: root }))
    .filter((path) => !kustomizeOnly.some((part) => path.includes(part)))
    .map((path) => [path.replace(/^config\//, ""), path] as const),
);

function isStale(copy: string): boolean {
  const [made, source] = [join(target, copy), sources.get(copy)];
  return (
    source === undefined || !existsSync(made) || !readFileSync(made).equals(readFileSync(join(root, source)))
  );
}

const copies = globSync("**/*.{yaml,json}", { cwd: target });
const stale = [...new Set([...copies, ...sources.keys()])].filter(isStale).toSorted();
if (process.argv.includes("--check")) {
  for (const copy of stale)
    console.error(`charts/registryhub/manifests/${copy} is stale: run \`make chart\` and commit the result`);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  rmSync(target, { recursive: true, force: true });
  for (const [copy, source] of sources) cpSync(join(root, source), join(target, copy));
}
