import type { Command } from "commander";
import { type Reader, settings } from "../config.ts";

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
