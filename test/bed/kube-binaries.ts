import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheKey, cacheRoot, fillCache } from "./cache.ts";
import { withProgress } from "./progress.ts";
import { run } from "./run.ts";
import { versions } from "./versions.ts";

/** The programs of a Kubernetes control plane that the bed runs. */
export const kubePrograms = ["etcd", "kube-apiserver", "kubectl", "kube-controller-manager"] as const;
export type KubeProgram = (typeof kubePrograms)[number];

const MODULE = new URL("kube/", import.meta.url);

const PACKAGES: Readonly<Record<KubeProgram, string>> = {
  etcd: "go.etcd.io/etcd/server/v3",
  "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
  kubectl: "k8s.io/kubernetes/cmd/kubectl",
  "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
};

/** The command that prints a program's version, and what it prints for the right one. */
const VERSION_CHECKS: Readonly<
  Record<KubeProgram, { readonly args: readonly string[]; readonly prints: string }>
> = {
  etcd: { args: ["--version"], prints: `etcd Version: ${versions.etcd}` },
  "kube-apiserver": { args: ["--version"], prints: `Kubernetes v${versions.kubernetes}` },
  kubectl: { args: ["version", "--client"], prints: `Client Version: v${versions.kubernetes}` },
  "kube-controller-manager": { args: ["--version"], prints: `Kubernetes v${versions.kubernetes}` },
};

/**
 * Paths of the programs: from `$KUBEBUILDER_ASSETS`, else from PATH if the version is exactly ours, else from the cache,
 * where what is missing is built from the Go modules first (minutes, once).
 */
export async function kubeBinaries<P extends KubeProgram>(
  programs: readonly P[],
): Promise<Record<P, string>> {
  const folder = join(
    cacheRoot(),
    `kube-${await cacheKey([new URL("go.mod", MODULE), new URL("go.sum", MODULE)], [ldflags()])}`,
  );
  const found = await Promise.all(
    programs.map(async (name) => [name, fromAssets(name) ?? (await fromPath(name))] as const),
  );
  const missing = found.filter(([, path]) => path === undefined).map(([name]) => name);
  await buildMissing(folder, missing);
  return Object.fromEntries(found.map(([name, path]) => [name, path ?? join(folder, name)])) as Record<
    P,
    string
  >;
}

function fromAssets(name: KubeProgram): string | undefined {
  const folder = process.env.KUBEBUILDER_ASSETS;
  return folder && existsSync(join(folder, name)) ? join(folder, name) : undefined;
}

async function fromPath(name: KubeProgram): Promise<string | undefined> {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const path = folders.map((folder) => join(folder, name)).find((candidate) => existsSync(candidate));
  if (path === undefined) return undefined;
  const { args, prints } = VERSION_CHECKS[name];
  // A program that cannot even print its version is not ours; what it failed with does not matter.
  const printed = await run(path, args).catch(() => "");
  return printed.split("\n").some((line) => line.trim() === prints) ? path : undefined;
}

async function buildMissing(folder: string, programs: readonly KubeProgram[]): Promise<void> {
  const buildCache = `${folder}-go-build`; // 2.9 GB that the builds share; a build that was killed goes on with it
  const items = programs.map((name) => ({
    path: join(folder, name),
    build: (path: string) => build(name, path, buildCache),
  }));
  await fillCache(folder, items, buildCache);
}

async function build(name: KubeProgram, path: string, buildCache: string): Promise<void> {
  const version = name === "etcd" ? versions.etcd : versions.kubernetes;
  const args = ["build", "-mod=readonly", "-trimpath", "-ldflags", ldflags(), "-o", path, PACKAGES[name]];
  await withProgress(`building ${name} ${version}`, () =>
    run("go", args, {
      cwd: fileURLToPath(MODULE),
      env: { CGO_ENABLED: "0", GOCACHE: buildCache, GOWORK: "off" },
    }),
  );
}

/** What Kubernetes' own build stamps into its programs; without it they call themselves v0.0.0 and kubectl complains. */
function ldflags(): string {
  const [major, minor] = versions.kubernetes.split(".");
  const stamps = {
    gitVersion: `v${versions.kubernetes}`,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: "clean",
    gitCommit: "0".repeat(40),
    buildDate: "1970-01-01T00:00:00Z",
  };
  const variables = Object.entries(stamps).map(
    ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
  );
  return ["-s", "-w", ...variables].join(" ");
}
