import { type Command, Option } from "commander";
import { yamlOf } from "../kube/manifests.ts";
import type { Ms } from "../model/entry.ts";
import { printable } from "../model/problems.ts";
import { parseTime } from "../model/time.ts";

const formats = ["json", "yaml", "wide"] as const;

/** How a command prints what it has found. */
export type Format = "text" | (typeof formats)[number];

/** Adds `-o`. */
export function addOutputFlag(command: Command): void {
  command.addOption(new Option("-o, --output <format>", "The output format.").choices(formats));
}

/** What it says. */
export function formatOf(output: string | undefined): Format {
  return formats.find((one) => one === output) ?? "text";
}

/** The report as data, or its lines, without what a terminal would take for a command. */
export function textFor(format: Format, report: unknown, lines: readonly string[]): string {
  if (format === "json") return `${JSON.stringify(report, undefined, 2)}\n`;
  if (format === "yaml") return yamlOf(JSON.parse(JSON.stringify(report))); // which leaves out what is undefined
  return lines.map((line) => `${printable(line).trimEnd()}\n`).join("");
}

/** Rows in columns, as kubectl prints them. */
export function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("   ")
      .trimEnd(),
  );
}

/** A name before each line of a text, in one column. */
export const field = (name: string, text: string): string => `  ${name.padEnd(14)}${text}`;

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const;

/** How long ago a time was, in its largest unit: "3m"; "?" where the text is no time. */
export function ageOf(time: string, now: Ms): string {
  const at = parseTime(time);
  if (at === undefined) return "?";
  const ms = Math.max(0, now - at);
  const [unit, size] = units.find(([, one]) => ms >= one) ?? ["s", 1_000];
  return `${Math.floor(ms / size)}${unit}`;
}

/** "1 host", "2 hosts". */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** With a capital at the start. */
export const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
