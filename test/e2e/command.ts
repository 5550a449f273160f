import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { World } from "./world.ts";

/** The plugin. */
export const program = fileURLToPath(new URL("../../bin/kubectl-registryhub", import.meta.url));

/** Makes somebody hold the Leases of the controllers, for an hour: those of the tests elect nobody. */
export async function holdLeases({ api }: Pick<World, "api">, namespace: string): Promise<void> {
  for (const name of ["registryhub", "dubbo-controller"]) {
    const lease = {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { namespace, name },
      spec: {
        holderIdentity: "a",
        leaseDurationSeconds: 3_600,
        renewTime: `${new Date().toISOString().slice(0, -1)}000Z`,
      },
    };
    await api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(lease) });
  }
}

/** Runs the plugin, as the administrator unless told otherwise. `head` = the first three lines. */
export async function command(
  { api }: Pick<World, "api">,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  const child = spawn(program, [...args], {
    env: { ...process.env, KUBECONFIG: api.kubeconfig, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code: child.exitCode, stdout, stderr, head: stdout.split("\n").slice(0, 3) };
}

/** What `explain --registry` ends with: its exit code and its last line. */
export async function explainRegistry(
  world: Pick<World, "api">,
  namespace: string,
  what: string,
  env: Readonly<Record<string, string>> = {},
) {
  const { code, stdout } = await command(world, ["explain", "--registry", "-n", namespace, what], env);
  return { code, stdout, answer: stdout.trimEnd().split("\n").at(-1) };
}
