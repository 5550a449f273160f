import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { World } from "./world.ts";

const program = fileURLToPath(new URL("../../bin/kubectl-registryhub", import.meta.url));

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
