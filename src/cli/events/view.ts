import { splitKey } from "../../model/keys.ts";
import { type Format, table, textFor } from "../output.ts";
import type { Told } from "./told.ts";

const cell = (text: string): string => text || "-";

const columns: Readonly<Record<string, (one: Told) => string>> = {
  TIME: ({ at }) => at,
  HUB: ({ hub }) => cell(hub),
  HOST: ({ host }) => cell(splitKey(host)[1]),
  WHAT: ({ what }) => what,
  WHY: ({ why, endpoint }) => (endpoint === "" ? why : `${endpoint}: ${why}`),
};

const wideColumns: typeof columns = {
  TIME: ({ at }) => at,
  REGISTRY: ({ registry }) => cell(registry),
  HUB: ({ hub }) => cell(hub),
  NAMESPACE: ({ host, hub }) => cell(splitKey(host || hub)[0]),
  HOST: ({ host }) => cell(splitKey(host)[1]),
  ENDPOINT: ({ endpoint }) => cell(endpoint),
  WHAT: ({ what }) => what,
  WHY: ({ why }) => why,
};

/** A row for each, as wide as its widest cell; `isFirst` = below their names. */
export function toldLines(told: readonly Told[], isWide: boolean, isFirst = true): readonly string[] {
  const shown = isWide ? wideColumns : columns;
  const rows = told.map((one) => Object.values(shown).map((of) => of(one)));
  return table([Object.keys(shown), ...rows]).slice(isFirst ? 0 : 1);
}

/** What comes while somebody follows: rows, a line of JSON for each, or a document of YAML. */
export function followedText(told: readonly Told[], format: Format, isFirst: boolean): string {
  if (format === "json") return told.map((one) => `${JSON.stringify(one)}\n`).join("");
  if (format === "yaml") return told.map((one) => `---\n${textFor("yaml", one, [])}`).join("");
  return textFor(format, told, toldLines(told, format === "wide", isFirst));
}
