import { fileURLToPath } from "node:url";
import { type GoModule, goPrograms } from "./go-programs.ts";
import { run } from "./run.ts";

const PACKAGE = "helm.sh/helm/v3";

const MODULE: GoModule<"helm"> = {
  name: "helm",
  folder: new URL("helm/", import.meta.url),
  packages: { helm: `${PACKAGE}/cmd/helm` },
  title: async () => `Helm ${await version()}`,
  stamps: async () => [`${PACKAGE}/internal/version.version=${await version()}`],
};

/** Path of helm, built from its Go module the first time (minutes). */
export async function helmBinary(): Promise<string> {
  return (await goPrograms(MODULE, ["helm"])).helm;
}

async function version(): Promise<string> {
  const options = { cwd: fileURLToPath(MODULE.folder), env: { GOWORK: "off" } };
  return (await run("go", ["list", "-m", "-f", "{{.Version}}", PACKAGE], options)).trim();
}
