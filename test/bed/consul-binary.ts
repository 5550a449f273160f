import { fileURLToPath } from "node:url";
import { type GoModule, goPrograms } from "./go-programs.ts";
import { run } from "./run.ts";

const PACKAGE = "github.com/hashicorp/consul";

const MODULE: GoModule<"consul"> = {
  name: "consul",
  folder: new URL("consul/", import.meta.url),
  packages: { consul: PACKAGE },
  title: async () => `Consul ${await version()}`,
  // Without a stamp it calls itself a development version.
  stamps: async () => [`${PACKAGE}/version.GitDescribe=${await version()}`],
};

/** Path of the program of Consul, built from its Go module the first time (minutes). */
export async function consulBinary(): Promise<string> {
  return (await goPrograms(MODULE, ["consul"])).consul;
}

async function version(): Promise<string> {
  const options = { cwd: fileURLToPath(MODULE.folder), env: { GOWORK: "off" } };
  return (await run("go", ["list", "-m", "-f", "{{.Version}}", PACKAGE], options)).trim();
}
