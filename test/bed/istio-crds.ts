import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheRoot, fillCache } from "./cache.ts";
import { goModuleFolder } from "./go-module.ts";
import { versions } from "./versions.ts";

/**
 * The release of Istio -> the version of the Go module istio.io/api that has its CRDs, and the module's checksum. Before
 * 1.19 the module has no release: istio.io/client-go v1.18.7 requires this one.
 */
const apis = {
  "1.18.7": ["v0.0.0-20231206023236-e7cadb36da57", "h1:yINFMnBRewB/CxEwnR8bfsAcdkqgM0OqG1XweO8ctuU="],
  "1.22.3": ["v1.22.3", "h1:V59wgcCm2fK2r137QBsddCDHNg0efg/DauIWEB9DFz8="],
  "1.26.4": ["v1.26.4", "h1:UTY9bm+aXznG5bRHs1l0vuaG8mN+dBg0EIY0sRsvAHM="],
  [versions.istioApi]: ["v1.31.1", "h1:5Yb5ihcz4YQsCkciusK7DnFpBMwRB6EFWeUKH1Atuyk="],
} as const;

/** A release of Istio whose CRDs the bed has. */
export type IstioVersion = keyof typeof apis;

/** The releases of Istio whose CRDs the bed has, the oldest first. */
export const istioVersions = Object.keys(apis) as readonly IstioVersion[];

/** Path of Istio's own CustomResourceDefinitions (14 or 15 of them, one file), as its Go module carries them. */
export async function istioCrds(version: IstioVersion = versions.istioApi): Promise<string> {
  const path = join(cacheRoot(), `istio-crds-${version}.yaml`);
  await fillCache(path, [{ path, build: (temporary) => download(version, temporary) }]);
  return path;
}

async function download(version: IstioVersion, path: string): Promise<void> {
  const [api, sum] = apis[version];
  const folder = await goModuleFolder({ module: `istio.io/api@${api}`, sum });
  await copyFile(join(folder, "kubernetes", "customresourcedefinitions.gen.yaml"), path);
}
