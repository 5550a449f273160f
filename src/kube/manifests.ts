import { dumpYaml, loadAllYaml } from "@kubernetes/client-node";

/** The `---` before nothing but blanks and comments, up to the next document or the end. */
const emptyDocument = /^---(?=[ \t]*(#.*)?(\r?\n[ \t]*(#.*)?)*(\r?\n---(\s|$)|$(?![\s\S])))/gm;

/** The documents of a YAML or JSON file, without empty ones. @throws Error that says where the text is not YAML. */
export function parseManifests(text: string): readonly unknown[] {
  // The library fails at a document that is empty. A comment in the place of its `---` leaves every line where it was.
  return loadAllYaml(text.replace(emptyDocument, "#--"));
}

/** One YAML document; with `sortKeys` in kubectl's order, so that two documents can be compared. */
export function yamlOf(object: unknown, { sortKeys = false } = {}): string {
  return dumpYaml(object, { lineWidth: -1, noRefs: true, sortKeys });
}
