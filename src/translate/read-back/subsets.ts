import type { DestinationRule } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { fieldsOf, listOf, textFieldsOf, textOf, textsOf } from "./json.ts";
import { nameOnly } from "./kept.ts";

type Labels = Readonly<Record<string, string>>;

/** What a DestinationRule says of subsets. */
export interface SubsetFacts {
  /** Of which host, or of which ones, as `*.demo`; "" = of none. */
  readonly host: string;
  /** The namespaces that see it, sorted, as they are written; "." = its own. */
  readonly exportTo: readonly string[];
  /** Only some of the workloads of its namespace follow it. */
  readonly isOfWorkloads: boolean;
  /** The labels of their endpoints, by name. */
  readonly subsets: ReadonlyMap<string, Labels>;
}

/** Keeps of a DestinationRule what it says of subsets. */
export function subsetsOnly(object: Stored<DestinationRule>): Stored<DestinationRule> {
  const { host, subsets, exportTo, workloadSelector } = fieldsOf(object.spec);
  const names = listOf(subsets).map((one) => {
    const { name, labels } = fieldsOf(one);
    return { name, ...(labels !== undefined && { labels }) };
  });
  return {
    ...object,
    metadata: nameOnly(object).metadata,
    spec: { host, exportTo, workloadSelector, ...(names.length > 0 && { subsets: names }) },
  };
}

/** Reads it. A subset whose name Istio does not take counts as absent. Source: istio pkg/config/validation. */
export function subsetFactsOf({ spec }: Stored<DestinationRule>): SubsetFacts {
  const { host, subsets, exportTo, workloadSelector } = fieldsOf(spec);
  const named = listOf(subsets).flatMap((one): readonly (readonly [string, Labels])[] => {
    const { name, labels } = fieldsOf(one);
    const text = textOf(name) ?? "";
    return /^[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/.test(text) ? [[text, textFieldsOf(labels)]] : [];
  });
  const isOfWorkloads = workloadSelector !== undefined;
  return {
    host: textOf(host) ?? "", // Istio finds it by its exact spelling, and hosts of ours are in lower case
    exportTo: isOfWorkloads ? ["."] : [...new Set(textsOf(exportTo))].sort(),
    isOfWorkloads,
    subsets: new Map(named),
  };
}

/** Whether no endpoint of an entry has these labels. */
export function isSubsetEmpty(
  labels: Labels,
  entry: Stored<{ readonly metadata: { readonly name: string } }>,
): boolean {
  const wanted = Object.entries(labels);
  return !listOf(fieldsOf(entry.spec).endpoints).some((endpoint) => {
    const has = textFieldsOf(fieldsOf(endpoint).labels);
    return wanted.every(([key, value]) => has[key] === value);
  });
}
