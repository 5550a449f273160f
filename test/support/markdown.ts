import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout, with a slash at its end. */
export const checkout = fileURLToPath(new URL("../..", import.meta.url));

/** The text of a file, by its path in the checkout. */
export const textOf = (path: string): string => readFileSync(join(checkout, path), "utf8");

/** Paths of the documents that people write and read, sorted. */
export const documents: readonly string[] = globSync(
  ["*.md", "charts/**/*.md", "docs/**/*.md", "src/**/*.md", "test/*.md", ".github/**/*.md"],
  { cwd: checkout },
).toSorted();

/** The lines outside fenced blocks, with their numbers from 1 on. */
export function linesOf(text: string): readonly { readonly line: string; readonly number: number }[] {
  let isFenced = false;
  return text.split("\n").flatMap((line, index) => {
    const isFence = /^\s*```/.test(line);
    if (isFence) isFenced = !isFenced;
    return isFence || isFenced ? [] : [{ line, number: index + 1 }];
  });
}

/** The contents of the fenced blocks of a language, in order. */
export function blocksOf(text: string, language: string): readonly string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(
    ([, block = ""]) => block,
  );
}

/** The lines from a heading to the next one of its level or above. @throws Error when there is no such heading. */
export function sectionOf(text: string, heading: string): string {
  const lines = linesOf(text);
  const start = lines.findIndex(({ line }) => line === heading);
  if (start < 0) throw new Error(`there is no heading "${heading}"`);
  const level = heading.indexOf(" ");
  const isEnd = (line: string) => /^#+ /.test(line) && line.indexOf(" ") <= level;
  const rest = lines.slice(start + 1);
  const end = rest.findIndex(({ line }) => isEnd(line));
  return (end < 0 ? rest : rest.slice(0, end)).map(({ line }) => line).join("\n");
}

/** The cells of the rows of all tables in `text`, headers left out. */
export function rowsOf(text: string): readonly (readonly string[])[] {
  const lines = text.split("\n");
  const isRow = (line = "") => line.startsWith("|");
  const isRule = (line = "") => /^\|[-| :]+\|$/.test(line);
  return lines
    .filter((line, index) => isRow(line) && !isRule(line) && !isRule(lines[index + 1]))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** The words in backticks of a table cell. */
export const codesOf = (cell: string): readonly string[] =>
  [...cell.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code);

/** A test that a document names, as `file` › title; several are separated by semicolons. */
export interface NamedTest {
  readonly file: string;
  /** A part of its title as the file has it, or of its `describe`'s. */
  readonly title: string;
}

/** The tests that a text names, in order. */
export const testsNamedIn = (text: string): readonly NamedTest[] =>
  [...text.matchAll(/`(test\/[^`]+)` › ([^;|\n]+?)(?=;| \||$)/gm)].map(([, file = "", title = ""]) => ({
    file,
    title,
  }));

/** Every relative link of the document that leads nowhere, as "line: target". */
export function brokenLinks(path: string, text = textOf(path)): readonly string[] {
  return linesOf(text).flatMap(({ line, number }) =>
    [...line.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target = ""]) => target)
      .filter((target) => !/^[a-z]+:/.test(target) && !leadsSomewhere(path, text, target))
      .map((target) => `${number}: ${target}`),
  );
}

function leadsSomewhere(path: string, text: string, target: string): boolean {
  const [file = "", anchor = ""] = target.split("#");
  if (file === "") return anchorsOf(text).includes(anchor);
  const found = normalize(join(dirname(path), file));
  return existsSync(join(checkout, found)) && (anchor === "" || anchorsOf(textOf(found)).includes(anchor));
}

/** GitHub's anchors of the headings. Source: github-slugger. */
function anchorsOf(text: string): readonly string[] {
  return linesOf(text)
    .filter(({ line }) => /^#+ /.test(line))
    .map(({ line }) =>
      line
        .replace(/^#+ /, "")
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(" ", "-"),
    );
}
