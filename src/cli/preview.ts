import { readFile } from "node:fs/promises";
import { text as textOf } from "node:stream/consumers";
import type { Command } from "commander";
import { readConfig } from "../config.ts";
import { yamlOf } from "../kube/manifests.ts";
import { RegistryError } from "../model/errors.ts";
import { type Hub, wants } from "../model/hub.ts";
import type { Snapshot } from "../model/service.ts";
import { vipPool } from "../plan/vip.ts";
import { openRegistry } from "../registries/index.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Deps } from "../runtime/deps.ts";
import { createLogger } from "../runtime/logger.ts";
import { type Generated, generate } from "./generate.ts";
import { PreviewFileError, readPreviewFile } from "./preview-file.ts";

interface PreviewFlags {
  readonly filename: string;
  readonly output: string;
}

/** Adds `preview` to the program. */
export function addPreview(program: Command, env: NodeJS.ProcessEnv): void {
  program
    .command("preview")
    .summary("Print what a RegistryHub would generate, without a cluster.")
    .description(
      "Read the registry of a RegistryHub once and print the ServiceEntries and EnvoyFilters that it would become in an empty cluster. " +
        "A Secret that the hub names has to be in the same file. Problems go to stderr. Exit code 1: the registry cannot be read; 2: the file cannot.",
    )
    .requiredOption("-f, --filename <file>", "The hub's manifest; - is stdin.")
    .option("-o, --output <yaml/json>", "How to print.", "yaml")
    .action(async (flags: PreviewFlags) => {
      process.exitCode = await preview(flags, env);
    });
}

async function preview({ filename, output }: PreviewFlags, env: NodeJS.ProcessEnv): Promise<number> {
  const say = (line: string): unknown => process.stderr.write(`${line}\n`);
  try {
    if (output !== "yaml" && output !== "json")
      throw new PreviewFileError(`-o ${output} is neither yaml nor json`);
    const { hub, credentials } = readPreviewFile(await contentOf(filename));
    const config = readConfig({}, env);
    const registry = {
      registry: hub.registry,
      credentials,
      wants: (name: string) => wants(hub.filter, name),
    };
    const deps: Deps = { clock: systemClock, logger: createLogger("error"), random: Math.random };
    const snapshot = await readOnce(openRegistry(registry, deps));
    const generated = generate(hub, snapshot, vipPool(config.vipCidr), config.rootNamespace);
    process.stdout.write(printed(generated, output));
    for (const line of remarks(hub, generated)) say(line);
    return 0;
  } catch (error) {
    if (error instanceof PreviewFileError) say(`${filename}: ${error.message}`);
    else if (error instanceof RegistryError) say(`${error.code}: ${error.message}`);
    else throw error;
    return error instanceof RegistryError ? 1 : 2;
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

/** The first listing. @throws RegistryError. */
async function readOnce(adapter: ReturnType<typeof openRegistry>): Promise<Snapshot> {
  const done = new AbortController();
  try {
    for await (const snapshot of adapter.watch(done.signal)) return snapshot;
  } finally {
    done.abort();
  }
  throw new RegistryError("RegistryUnreachable", "the registry ended the watch", "Try again.");
}

function printed({ serviceEntries, envoyFilters }: Generated, output: "yaml" | "json"): string {
  const items = [...serviceEntries, ...envoyFilters];
  if (output === "json")
    return `${JSON.stringify({ apiVersion: "v1", kind: "List", items }, undefined, 2)}\n`;
  return items.map(yamlOf).join("---\n");
}

function* remarks(
  hub: Hub,
  { serviceEntries, envoyFilters, problems, withoutVip }: Generated,
): Generator<string> {
  for (const { severity, at, code, detail } of problems) yield `${severity}: ${at}: ${code}: ${detail}`;
  for (const host of withoutVip) yield `rejected: ${host}: no virtual IP is free in REGISTRYHUB_VIP_CIDR`;
  const endpoints = serviceEntries.reduce((sum, { spec }) => sum + (spec.endpoints?.length ?? 0), 0);
  yield `${hub.key}: ${serviceEntries.length} ServiceEntries with ${endpoints} endpoints, ${envoyFilters.length} EnvoyFilters`;
}
