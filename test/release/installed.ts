import type { ApiServer } from "../bed/api-server.ts";
import { chart, helm, type Values, valuesFlags } from "../support/helm.ts";
import { installNamespace, renderInstall } from "../support/install.ts";

const partOf = "app.kubernetes.io/part-of=registryhub";
/** Every kind that an installation has, but the CRD. */
const kinds = [
  "deployment",
  "poddisruptionbudget",
  "serviceaccount",
  "role",
  "rolebinding",
  "networkpolicy",
  "clusterrole",
  "clusterrolebinding",
  "priorityclass",
  "validatingadmissionpolicy",
  "validatingadmissionpolicybinding",
].join(",");

/** How Helm is run. */
interface HelmOptions {
  readonly values?: Values;
  readonly flags?: readonly string[];
  /** The folder of the chart; default this checkout's. */
  readonly from?: string;
}

/** Runs Helm on the release `registryhub`, with these values and no others. @throws Error with what it said. */
export async function withHelm(
  api: ApiServer,
  verb: "install" | "upgrade" | "uninstall",
  { values = {}, flags = [], from = chart }: HelmOptions = {},
): Promise<string> {
  const given = ["install", "upgrade"].includes(verb) ? [from, ...(await valuesFlags(values))] : [];
  // Told of no values, an upgrade takes those of the release.
  const what = verb === "upgrade" ? [...given, "--reset-values"] : given;
  return helm([verb, "registryhub", ...what, "--namespace", installNamespace, ...flags], api.kubeconfig);
}

/** `<kind>/<name>` and uid of all that an installation has made. */
export async function installed(api: ApiServer): Promise<Readonly<Record<string, string>>> {
  const template = 'jsonpath={range .items[*]}{.kind}/{.metadata.name}{" "}{.metadata.uid}{"\\n"}{end}';
  const text = await api.kubectl(["get", kinds, "-A", "-l", partOf, "-o", template]);
  return Object.fromEntries(
    text
      .trim()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split(" ")),
  ) as Readonly<Record<string, string>>;
}

/** The same of what this version's `config/default` makes, without uids and sorted. */
export async function namesOfInstall(): Promise<readonly string[]> {
  return (await renderInstall("default"))
    .filter(({ kind }) => kind !== "Namespace" && kind !== "CustomResourceDefinition")
    .map(({ kind, metadata }) => `${kind}/${metadata.name}`)
    .toSorted();
}
