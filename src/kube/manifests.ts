import { dumpYaml, loadAllYaml } from "@kubernetes/client-node";

/** The documents of a YAML or JSON file, without empty ones. @throws Error that says where the text is not YAML. */
export function parseManifests(text: string): readonly unknown[] {
  return loadAllYaml(text).filter((document: unknown) => document !== null && document !== undefined);
}

/** One YAML document; with `sortKeys` in kubectl's order, so that two documents can be compared. */
export function yamlOf(object: unknown, { sortKeys = false } = {}): string {
  return dumpYaml(object, { lineWidth: -1, noRefs: true, sortKeys });
}
