import { expect, test } from "vitest";
import { parseManifests } from "../../../src/kube/manifests.ts";

test.each([
  ["nothing", "", []],
  ["comments only", "# a\n", []],
  ["a marker alone", "---", []],
  [
    "empty documents before, between and after",
    "---\n--- # c\n\n---\na: 1\n---\n# c\n---\nb: 2\n---\n",
    [{ a: 1 }, { b: 2 }],
  ],
  ["lines that end as on Windows", "---\r\na: 1\r\n---\r\n# c\r\n---\r\n", [{ a: 1 }]],
  ["a document behind its marker", "--- { a: 1 }\n--- { b: 2 }\n", [{ a: 1 }, { b: 2 }]],
  ["a text with a line of dashes", "a: |\n  x\n  ---\n  y\n", [{ a: "x\n---\ny\n" }]],
  ["JSON", '{ "a": 1 }', [{ a: 1 }]],
])("of %s there are the documents that say something", (_, text, documents) => {
  expect(parseManifests(text)).toEqual(documents);
});

test("what is no YAML is named by its line, also behind an empty document", () => {
  expect(() => parseManifests("---\n---\na: [\n")).toThrow("(4:1)");
});
