import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheKey, cacheRoot, fillCache } from "./cache.ts";
import { type GoModule, goPrograms } from "./go-programs.ts";
import { run } from "./run.ts";

/** The programs of Istio that the bed runs: the control plane, the person's, and the one beside a sidecar's Envoy. */
export const istioPrograms = ["pilot-discovery", "istioctl", "pilot-agent"] as const;
export type IstioProgram = (typeof istioPrograms)[number];

/** The line that go.mod's commit belongs to, as its file VERSION says. */
export const istioVersion = "1.31.0";

const VERSION_PACKAGE = "istio.io/istio/pkg/version";
const stamps = [
  `${VERSION_PACKAGE}.buildVersion=${istioVersion}`,
  `${VERSION_PACKAGE}.buildTag=${istioVersion}`,
  `${VERSION_PACKAGE}.buildStatus=Clean`,
];
/** Those of istiod and istioctl in Istio's own build; the agent shares what they have in common. Source: Makefile.core.mk, STANDARD_TAGS. */
const tags = ["vtprotobuf", "disable_pgv"];

const MODULE: GoModule<IstioProgram> = {
  name: "istio",
  folder: new URL("istio/", import.meta.url),
  packages: {
    "pilot-discovery": "istio.io/istio/pilot/cmd/pilot-discovery",
    istioctl: "istio.io/istio/istioctl/cmd/istioctl",
    "pilot-agent": "istio.io/istio/pilot/cmd/pilot-agent",
  },
  title: (program) => `${program} ${istioVersion}`,
  stamps: () => stamps,
  tags,
  key: [...stamps, ...tags],
};

/** Paths of the programs; what is missing is built from Istio's Go module first (minutes, once). */
export function istioBinaries<P extends IstioProgram>(programs: readonly P[]): Promise<Record<P, string>> {
  return goPrograms(MODULE as GoModule<P>, programs);
}

/** Path of the template from which Istio's agent writes Envoy's bootstrap, as Istio's Go module carries it. */
export async function bootstrapTemplate(): Promise<string> {
  const key = await cacheKey([new URL("go.mod", MODULE.folder)]);
  const path = join(cacheRoot(), `istio-bootstrap-${key}.json`);
  await fillCache(path, [{ path, build: copyTemplate }]);
  return path;
}

async function copyTemplate(path: string): Promise<void> {
  const options = { cwd: fileURLToPath(MODULE.folder), env: { GOWORK: "off" } };
  const { Dir } = JSON.parse(await run("go", ["mod", "download", "-json", "istio.io/istio"], options)) as {
    readonly Dir: string;
  };
  await copyFile(join(Dir, "tools/packaging/common/envoy_bootstrap.json"), path);
}
