import { istioBinaries } from "../bed/istio-binaries.ts";
import { run } from "../bed/run.ts";
import { codesOf, rowsOf, sectionOf, textOf } from "./markdown.ts";

/** One finding of `istioctl analyze`. */
export interface Finding {
  readonly code: string;
  readonly origin: string;
  readonly message: string;
}

/** The codes that docs/compatibility.md explains. */
const explained = rowsOf(sectionOf(textOf("docs/compatibility.md"), "## What istioctl says")).flatMap(
  ([code = ""]) => codesOf(code),
);

/** The findings that no document explains. */
export const unexplained = (findings: readonly Finding[]): readonly Finding[] =>
  findings.filter(({ code }) => !explained.includes(code));

/**
 * What `istioctl analyze` finds in these objects, or in those of the cluster of a kubeconfig. It looks at the namespace
 * "default" alone unless it is told otherwise, and no finding makes it fail.
 */
export async function analyze(what: readonly object[] | string): Promise<readonly Finding[]> {
  const [where, input] =
    typeof what === "string" ? [[`--kubeconfig=${what}`]] : [["--use-kube=false", "-"], documentsOf(what)];
  const args = ["analyze", "--all-namespaces", "--failure-threshold=Error", "--output=json", ...where];
  return JSON.parse(await istioctl(args, input)) as readonly Finding[];
}

/** @throws Error with what `istioctl validate` refuses of the objects. */
export const validate = (objects: readonly object[]): Promise<string> =>
  istioctl(["validate", "--filename=-"], documentsOf(objects));

/** One document each: of the items of a List, istioctl validate tells no errors. */
const documentsOf = (objects: readonly object[]): string =>
  objects.map((one) => JSON.stringify(one)).join("\n---\n");

async function istioctl(args: readonly string[], input = ""): Promise<string> {
  const programs = await istioBinaries(["istioctl"]);
  return run(programs.istioctl, args, { input });
}
