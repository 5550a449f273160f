import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { resources } from "../../src/kube/resources.ts";
import { istioCrds, istioVersions } from "../bed/istio-crds.ts";

interface Crd {
  readonly spec: { readonly versions: readonly { readonly name: string; readonly served: boolean }[] };
}

describe.each(istioVersions)("the CRDs of Istio %s", async (version) => {
  const documents = (await readFile(await istioCrds(version), "utf8")).split(/^---$/m);
  const { serviceEntries, envoyFilters } = resources;

  test.each([serviceEntries, envoyFilters])("serve the $kind that the operator writes", (resource) => {
    const name = `\n  name: ${resource.plural}.${resource.group}\n`;
    const [text = ""] = documents.filter((one) => one.includes(name));
    const { spec } = parse(text) as Crd;
    expect(spec.versions.filter(({ served }) => served).map((one) => one.name)).toContain(resource.version);
  });
});
