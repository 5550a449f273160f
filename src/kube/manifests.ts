import { dumpYaml, loadAllYaml } from "@kubernetes/client-node";

/** The documents of a YAML or JSON file, empty ones left out. @throws Error that says where the text is no YAML. */
export function parseManifests(text: string): readonly unknown[] {
  return loadAllYaml(text).filter((document: unknown) => document !== null && document !== undefined);
}

/** One YAML document, as kubectl prints it. */
export function yamlOf(object: unknown): string {
  return dumpYaml(object, { lineWidth: -1, noRefs: true });
}
