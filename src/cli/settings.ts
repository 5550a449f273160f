import type { Command } from "commander";
import { ConfigError, settings } from "../config.ts";
import type { Reader } from "../config-options.ts";
import { type KubeconfigPlaces, kubeconfigProblem, loadKubeConfig } from "../kube/kubeconfig.ts";

/** What a process ends with when a person has to change its command line, its settings or a file that they name. */
export const badUsage = 2;

/** What to do about a kubeconfig that cannot be used. */
export const otherKubeconfig = "Set --kubeconfig or KUBECONFIG to one that can be used.";

/** Finds the kubeconfig, and connects to nothing. @throws ConfigError when there is none that can be used. */
export function checkKubeconfig(places: KubeconfigPlaces): void {
  try {
    loadKubeConfig(places);
  } catch (error) {
    throw new ConfigError([`${kubeconfigProblem(error)}. ${otherKubeconfig}`]);
  }
}

/** Adds the flags of a reader's settings to its command. */
export function addSettings(command: Command, reader: Reader): void {
  for (const { usage, env: variable, default: value, help } of settings(reader)) {
    // commander takes every | for the separator between a flag and its short form
    command.option(
      usage.replaceAll("|", "/"),
      `${help} (env ${variable}${value === "" ? "" : `, default ${value}`})`,
    );
  }
}
