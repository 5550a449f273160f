import { readFile, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { versions } from "../../test/bed/versions.ts";
import { linesOf, type Section, tableHead } from "./table.ts";

const file = new URL("../../docs/performance.md", import.meta.url);
const [start, end] = ["<!-- make bench: start -->", "<!-- make bench: end -->"];

/** The table of these sections, as Markdown. */
export const tableOf = (sections: readonly Section[], date: string): string =>
  [...tableHead, ...sections.flatMap((section) => linesOf(section, date))].join("\n");

/**
 * Puts the sections into the table of docs/performance.md, in place of those of the same title; others stay, so that a
 * run may measure only some. The machine is that of the last run. @throws Error when the document has no place for it.
 */
export async function writeReport(sections: readonly Section[], date: string): Promise<void> {
  const text = await readFile(file, "utf8");
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file.pathname} has no lines "${start}" and "${end}"`);
  const known = sectionsIn(text.slice(from, to));
  for (const section of sections) known.set(section.title, linesOf(section, date));
  const titles = [...known.keys()].sort(byOrder);
  const lines = [
    start,
    "",
    machine(),
    "",
    ...tableHead,
    ...titles.flatMap((title) => known.get(title) ?? []),
    "",
  ];
  await writeFile(file, `${text.slice(0, from)}${lines.join("\n")}\n${text.slice(to)}`);
}

/** Their lines by title. */
function sectionsIn(table: string): Map<string, readonly string[]> {
  const sections = new Map<string, string[]>();
  let current: string[] = [];
  for (const line of table.split("\n").filter((one) => one.startsWith("| "))) {
    const title = /^\| \*\*(.+?)\*\* \|/.exec(line)?.[1];
    if (title !== undefined) {
      current = [];
      sections.set(title, current);
    }
    current.push(line);
  }
  return sections;
}

const order = ["ZooKeeper", "Nacos", "Eureka", "Consul", "A hostile registry"];

function byOrder(one: string, other: string): number {
  const place = (title: string): number => order.findIndex((type) => title.startsWith(type));
  return place(one) - place(other) || one.localeCompare(other, "en", { numeric: true });
}

function machine(): string {
  const gb = Math.round(totalmem() / 2 ** 30);
  const cores = `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? "unknown"})`;
  const programs = `Node ${process.version}, kube-apiserver ${versions.kubernetes}, etcd ${versions.etcd}`;
  return `Machine: ${cores}, ${gb} GB, Linux ${release().split("-", 1).join()}; ${programs}.`;
}
