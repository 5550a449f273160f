import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type GoModule, goPrograms, linkerFlags } from "./go-programs.ts";
import { run } from "./run.ts";
import { versions } from "./versions.ts";

/** What an API server needs: what Kubernetes' envtest brings. */
export const apiPrograms = ["etcd", "kube-apiserver", "kubectl"] as const;
/** The programs of a Kubernetes control plane that the bed runs. */
export const kubePrograms = [...apiPrograms, "kube-controller-manager"] as const;
export type KubeProgram = (typeof kubePrograms)[number];

const MODULE: GoModule<KubeProgram> = {
  name: "kube",
  folder: new URL("kube/", import.meta.url),
  packages: {
    etcd: "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    kubectl: "k8s.io/kubernetes/cmd/kubectl",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
  },
  title: (program) => `${program} ${versionOf(program)}`,
  stamps,
  key: [linkerFlags(stamps())],
};

/** The command that prints a program's version, and what stands before the version in what it prints. */
const VERSION_CHECKS: Readonly<
  Record<KubeProgram, { readonly args: readonly string[]; readonly before: string }>
> = {
  etcd: { args: ["--version"], before: "etcd Version: " },
  "kube-apiserver": { args: ["--version"], before: "Kubernetes v" },
  kubectl: { args: ["version", "--client"], before: "Client Version: v" },
  "kube-controller-manager": { args: ["--version"], before: "Kubernetes v" },
};

/** How many minor versions a program that we did not build may be older or newer than ours. */
export const MAX_MINORS = 3;

/** Names the variable that, as `1`, takes programs of PATH with other versions than ours: enough to show something, not to test. */
export const NEAR_VERSIONS = "REGISTRYHUB_BED_NEAR_VERSIONS";

/**
 * Paths of the programs: from `$KUBEBUILDER_ASSETS` where it has them, else from PATH if the version is exactly ours (or
 * near it, where `NEAR_VERSIONS` is set), else from the cache, where what is missing is built from the Go modules first (minutes, once).
 *
 * @throws Error when that folder does not exist, or one of its programs is more than three minor versions away from ours.
 */
export async function kubeBinaries<P extends KubeProgram>(
  programs: readonly P[],
): Promise<Record<P, string>> {
  const found = await Promise.all(
    programs.map(async (name) => [name, (await fromAssets(name)) ?? (await fromPath(name))] as const),
  );
  const missing = found.filter(([, path]) => path === undefined).map(([name]) => name);
  return { ...Object.fromEntries(found), ...(await goPrograms(MODULE, missing)) } as Record<P, string>;
}

async function fromAssets(name: KubeProgram): Promise<string | undefined> {
  const folder = process.env.KUBEBUILDER_ASSETS;
  if (!folder) return undefined;
  if (!existsSync(folder)) throw new Error(`KUBEBUILDER_ASSETS: there is no folder ${folder}`);
  const path = join(folder, name);
  if (!existsSync(path)) return undefined;
  const wanted = versionOf(name);
  const version = await printedVersion(name, path);
  if (isNear(version, wanted)) return path;
  throw new Error(
    `KUBEBUILDER_ASSETS: ${path} is version ${version || "unknown"}, and ${wanted} is needed, or one up to ${MAX_MINORS} minor ` +
      "versions from it; set another folder, or unset the variable to have the programs built",
  );
}

async function fromPath(name: KubeProgram): Promise<string | undefined> {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const path = folders.map((folder) => join(folder, name)).find((candidate) => existsSync(candidate));
  if (path === undefined) return undefined;
  const [version, wanted] = [await printedVersion(name, path), versionOf(name)];
  const fits = process.env[NEAR_VERSIONS] === "1" ? isNear(version, wanted) : version === wanted;
  return fits ? path : undefined;
}

/** The version that the program prints, without "v"; "" when it prints none. */
async function printedVersion(name: KubeProgram, path: string): Promise<string> {
  const { args, before } = VERSION_CHECKS[name];
  // A program that cannot even print its version is not ours; what it failed with does not matter.
  const printed = await run(path, args).catch(() => "");
  const line = printed.split("\n").find((one) => one.startsWith(before)) ?? "";
  return line.slice(before.length).trim();
}

function isNear(version: string, wanted: string): boolean {
  const [major = "", minor = ""] = version.split(".");
  const [wantedMajor, wantedMinor] = wanted.split(".");
  return major === wantedMajor && Math.abs(Number(minor) - Number(wantedMinor)) <= MAX_MINORS;
}

function versionOf(name: KubeProgram): string {
  return name === "etcd" ? versions.etcd : versions.kubernetes;
}

/** What Kubernetes' own build stamps into its programs; without it they call themselves v0.0.0 and kubectl complains. */
function stamps(): string[] {
  const [major, minor] = versions.kubernetes.split(".");
  const values = {
    gitVersion: `v${versions.kubernetes}`,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: "clean",
    gitCommit: "0".repeat(40),
    buildDate: "1970-01-01T00:00:00Z",
  };
  return Object.entries(values).map(([name, value]) => `k8s.io/component-base/version.${name}=${value}`);
}
