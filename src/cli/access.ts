import { inspect } from "node:util";
import type { Command } from "commander";
import { type Config, ConfigError, readConfig } from "../config.ts";
import type { Controller, Reader } from "../config-options.ts";
import { createClient, type KubeClient } from "../kube/client.ts";
import { KubeError } from "../kube/errors.ts";
import { type KubeconfigPlaces, loadKubeConfig, namespaceOfContext } from "../kube/kubeconfig.ts";
import type { Ms } from "../model/entry.ts";
import { printable } from "../model/problems.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Deps } from "../runtime/deps.ts";
import { createLogger } from "../runtime/logger.ts";
import { addSettings, badUsage, checkKubeconfig } from "./settings.ts";
import { type NextSteps, unreadable } from "./unreadable.ts";
import { UsageError } from "./usage-error.ts";
import { version } from "./version.ts";

/** What a command of people ends with, besides `badUsage`. */
export const exitCodes = { fine: 0, found: 1, unreadable: 3 } as const;

/** A cluster, with the rights of whoever runs the command. */
export interface Access {
  readonly client: KubeClient;
  /** That of the command line, else of the context. */
  readonly namespace: string;
  readonly config: Config;
  /** Wall time in ms. */
  readonly now: Ms;
  /** Without an abort: a person ends the process. */
  readonly signal: AbortSignal;
}

/** The flags that are as in kubectl. */
export interface AccessFlags {
  readonly context?: string;
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly output?: string;
  readonly [setting: string]: string | boolean | undefined;
}

const concurrency = 8;

const nextSteps: NextSteps = {
  forbidden: "Ask for that right, or name a namespace in which you have it with -n.",
  typeMissing: "Install the CRD of RegistryHub: kubectl apply -k config/crd.",
};

/** Adds the flags that are as in kubectl, and those of the command's settings. */
export function addAccessFlags(command: Command, reader: Exclude<Reader, Controller | "preview">): void {
  command
    .option("--context <name>", "The context of the kubeconfig; if empty: the current one.")
    .option("-n, --namespace <name>", "The namespace; if empty: that of the context.");
  addSettings(command, reader);
}

/**
 * Runs a command on the cluster and returns its exit code. What it throws is said on stderr: a usage that is wrong, or a cluster
 * that cannot be read.
 */
export async function withAccess(
  flags: AccessFlags,
  env: NodeJS.ProcessEnv,
  run: (access: Access) => Promise<number>,
): Promise<number> {
  try {
    const config = readConfig(flags, env);
    const { kubeconfig, defaultKubeconfigs } = config;
    const places: KubeconfigPlaces = { kubeconfig, defaultKubeconfigs, context: flags.context };
    checkKubeconfig(places);
    const namespace = flags.namespace ?? namespaceOfContext(loadKubeConfig(places));
    const deps: Deps = { clock: systemClock, logger: createLogger("error"), random: Math.random };
    const userAgent = `kubectl-registryhub/${version}`;
    const client = createClient({ ...places, userAgent, concurrency }, deps);
    try {
      const { signal } = new AbortController();
      return await run({ client, namespace, config, now: deps.clock.now(), signal });
    } finally {
      await client.close();
    }
  } catch (error) {
    if (error instanceof UsageError || error instanceof ConfigError) {
      say(error.message);
      return badUsage;
    }
    // A bug, too: the code of a throw would mean that something was found.
    say(error instanceof KubeError ? unreadable(error, nextSteps) : inspect(error));
    return exitCodes.unreadable;
  }
}

/** One line for a person, on stderr. */
export const say = (line: string): unknown => process.stderr.write(`${printable(line)}\n`);
