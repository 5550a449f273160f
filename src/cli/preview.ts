import { readFile } from "node:fs/promises";
import { text as textOf } from "node:stream/consumers";
import { inspect } from "node:util";
import type { Command } from "commander";
import { type Config, ConfigError, readConfig } from "../config.ts";
import { createClient } from "../kube/client.ts";
import { yamlOf } from "../kube/manifests.ts";
import { RegistryError } from "../model/errors.ts";
import type { Hub } from "../model/hub.ts";
import { printable } from "../model/problems.ts";
import { openRegistry } from "../registries/index.ts";
import type { Deps } from "../runtime/deps.ts";
import { entryOf } from "../translate/read-back/service-entry.ts";
import { type Cluster, type ClusterCopy, copyOf, emptyCluster } from "./cluster-copy.ts";
import { DiffError, printDiff } from "./diff.ts";
import { summaryOf } from "./diff-summary.ts";
import { type Generated, generate } from "./generate.ts";
import { PreviewFileError, readPreviewFile } from "./preview-file.ts";
import { readCluster } from "./read-cluster.ts";
import { depsOf, readOnce } from "./read-registry.ts";
import { addSettings, badUsage, checkKubeconfig } from "./settings.ts";
import { version } from "./version.ts";

interface PreviewFlags {
  readonly filename: string;
  readonly output: string;
  readonly diff?: true;
  readonly [setting: string]: string | boolean | undefined;
}

const description = `Read the registry of a RegistryHub once and print the ServiceEntries and EnvoyFilters that the operator would write to an empty cluster. If the hub names a Secret, the file must contain it too. Problems go to stderr. Exit code 1: the registry cannot be read; 2: the file or a flag is wrong.

With --diff, compare with the current cluster, which the command only reads. Print what the operator would change, with \`diff -u -N -r\` (or the program in KUBECTL_EXTERNAL_DIFF), and a summary on stderr. Pass the same settings that the controllers have. Exit code 0: nothing would change; 1: something would change; 2: the file or a flag is wrong; 3: the registry or the cluster cannot be read, or the diff program fails.`;

/** Adds `preview` to the program. */
export function addPreview(
  program: Command,
  env: NodeJS.ProcessEnv,
  ended: (exitCode: number) => void,
): void {
  const command = program
    .command("preview")
    .summary("Print what the operator would write or change for a RegistryHub.")
    .description(description)
    .requiredOption("-f, --filename <file>", "The hub's manifest; - reads stdin.")
    .option("-o, --output <yaml/json>", "The output format; not with --diff.", "yaml")
    .option("--diff", "Compare with the current cluster.");
  addSettings(command, "preview");
  command.action(async (flags: PreviewFlags) => {
    ended(await preview(flags, env));
  });
}

const say = (line: string): unknown => process.stderr.write(`${line}\n`);

async function preview(flags: PreviewFlags, env: NodeJS.ProcessEnv): Promise<number> {
  const { filename, output, diff = false } = flags;
  try {
    if (output !== "yaml" && output !== "json")
      throw new PreviewFileError(`-o ${output} is neither yaml nor json`);
    if (diff && output === "json")
      throw new PreviewFileError("--diff prints a diff, not objects: leave out -o");
    const { hub, credentials } = readPreviewFile(await contentOf(filename));
    const config = readConfig(flags, env);
    if (diff || config.kubeconfig !== undefined) checkKubeconfig(config);
    const deps = depsOf(config);
    const cluster = copyOf(diff ? await currentCluster(config, deps) : emptyCluster, deps);
    const known = () => cluster.entries.servicesOf(hub);
    const snapshot = await readOnce(hub, credentials, known, { ...deps, openRegistry });
    const generated = await generate(hub, snapshot, cluster, config);
    if (!diff) {
      process.stdout.write(printed(cluster, output));
      for (const line of [...remarks(generated), totals(hub, cluster)]) say(line);
      return 0;
    }
    const changes = [...cluster.serviceEntries.changes(), ...cluster.envoyFilters.changes()];
    const { KUBECTL_EXTERNAL_DIFF: program } = env;
    if (changes.length > 0) await printDiff(changes, program || "diff -u -N -r");
    for (const line of [...remarks(generated), ...summaryOf(hub, generated, cluster)]) say(line);
    return changes.length > 0 ? 1 : 0;
  } catch (error) {
    if (error instanceof PreviewFileError) say(`${filename}: ${error.message}`);
    else if (error instanceof RegistryError) say(printable(`${error.code}: ${error.message}`));
    else if (error instanceof DiffError || error instanceof ConfigError) say(error.message);
    else if (diff)
      say(inspect(error)); // a throw would end in exit code 1, which means differences
    else throw error;
    if (error instanceof PreviewFileError || error instanceof ConfigError) return badUsage;
    return diff ? 3 : 1;
  }
}

async function currentCluster(config: Config, deps: Deps): Promise<Cluster> {
  const { kubeconfig, defaultKubeconfigs, kubeApiConcurrency: concurrency, rootNamespace } = config;
  const userAgent = `registryhub-preview/${version}`;
  const client = createClient({ kubeconfig, defaultKubeconfigs, userAgent, concurrency }, deps);
  try {
    return await readCluster(client, rootNamespace);
  } finally {
    await client.close();
  }
}

async function contentOf(filename: string): Promise<string> {
  try {
    return filename === "-" ? await textOf(process.stdin) : await readFile(filename, "utf8");
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    throw new PreviewFileError(code === "ENOENT" ? "no such file" : `cannot be read (${code})`, { cause });
  }
}

function printed({ serviceEntries, envoyFilters }: ClusterCopy, output: "yaml" | "json"): string {
  const items = [...serviceEntries.objects.values(), ...envoyFilters.objects.values()];
  if (output === "json")
    return `${JSON.stringify({ apiVersion: "v1", kind: "List", items }, undefined, 2)}\n`;
  return items.map((item) => yamlOf(item)).join("---\n");
}

function* remarks({ problems, withoutVip }: Generated): Generator<string> {
  for (const { severity, at, code, detail } of problems)
    yield printable(`${severity}: ${at}: ${code}: ${detail}`);
  for (const host of withoutVip) yield `rejected: ${host}: no virtual IP is free in --vip-cidr`;
}

function totals({ key }: Hub, { serviceEntries, envoyFilters }: ClusterCopy): string {
  const entries = [...serviceEntries.objects.values()];
  const endpoints = entries.reduce((sum, object) => sum + (entryOf(object)?.endpoints.size ?? 0), 0);
  return `${key}: ${entries.length} ServiceEntries with ${endpoints} endpoints, ${envoyFilters.objects.size} EnvoyFilters`;
}
