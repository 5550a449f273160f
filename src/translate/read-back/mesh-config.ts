import { type Requirement, selectorOperators, selectsLabels } from "../../model/label-selector.ts";
import { fieldsOf, isFields, listOf, textFieldsOf, textOf, textsOf } from "./json.ts";

/** Who sees a ServiceEntry: every workload of the mesh, those of its own namespace, or none. */
type Visibility = "PUBLIC" | "NAMESPACE" | "NONE";

/** What a mesh does with the ServiceEntries of one namespace. */
export interface EntryVisibility {
  readonly visibility: Visibility;
  /** Whether sidecars and gateways obey as well; ambient's proxies always do. */
  readonly appliesToSidecars: boolean;
}

/** Istio's root namespace, if the mesh does not set it. Source: istio.io/api mesh/v1alpha1, MeshConfig. */
export const defaultRootNamespace = "istio-system";

/** The root namespace that a MeshConfig sets. */
export function rootNamespaceOf(mesh: unknown): string {
  return textOf(fieldOf(mesh, "rootNamespace")) ?? defaultRootNamespace;
}

/**
 * What a MeshConfig says about ServiceEntries in a namespace with these labels: the first policy whose rules all match,
 * else the default. A rule without a selector, or with one that istiod cannot read, never matches. Sources: istio.io/api
 * 1.31 mesh/v1alpha1, ServiceEntryVisibility; istio 1.31 ServiceEntryVisibilityMatcher.
 */
export function entryVisibility(mesh: unknown, labels: Readonly<Record<string, string>>): EntryVisibility {
  const setting = fieldOf(mesh, "serviceEntryVisibility");
  const isMatched = (rule: unknown): boolean => selects(fieldOf(rule, "namespaceSelector"), labels);
  const policy = listOf(fieldOf(setting, "policies")).find((one) =>
    listOf(fieldOf(one, "matchingRules")).every(isMatched),
  );
  return {
    visibility: visibilityOf(policy ? fieldOf(policy, "visibility") : fieldOf(setting, "defaultVisibility")),
    appliesToSidecars: fieldOf(setting, "applyToSidecars") === true,
  };
}

/** Whether sidecars answer DNS, unless their pods or namespaces say otherwise. */
export function capturesDns(mesh: unknown): boolean {
  const metadata = fieldsOf(fieldOf(fieldOf(mesh, "defaultConfig"), "proxyMetadata"));
  return isTrue(textOf(metadata.ISTIO_META_DNS_CAPTURE));
}

/** What Go's ParseBool takes for true. */
export const isTrue = (text: string | undefined): boolean =>
  ["1", "t", "T", "true", "TRUE", "True"].includes(text ?? "");

/** Whether proxies refuse calls to what they do not know, and do not just let them pass. */
export function isRegistryOnly(mesh: unknown): boolean {
  const mode = fieldOf(fieldOf(mesh, "outboundTrafficPolicy"), "mode");
  return mode === "REGISTRY_ONLY" || mode === 0;
}

/** Whether a DestinationRule without outlierDetection inherits one (Istio 1.31). */
export function hasDefaultEjection(mesh: unknown): boolean {
  return isFields(fieldOf(fieldOf(mesh, "defaultTrafficPolicy"), "outlierDetection"));
}

/** Protobuf's JSON has a field's name in camel case, and istiod also takes it as the .proto spells it. */
function fieldOf(value: unknown, name: string): unknown {
  const fields = fieldsOf(value);
  return fields[name] ?? fields[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)];
}

/** Protobuf's JSON has an enum's name or its number; unset is PUBLIC. */
function visibilityOf(value: unknown): Visibility {
  if (value === "NONE" || value === 1) return "NONE";
  return value === "NAMESPACE" || value === 2 ? "NAMESPACE" : "PUBLIC";
}

const operators = new Map<unknown, Requirement["operator"]>(Object.entries(selectorOperators));

/** Whether a selector of Kubernetes' LabelSelector, in JSON, selects these labels. */
function selects(selector: unknown, labels: Readonly<Record<string, string>>): boolean {
  if (!isFields(selector)) return false;
  const requirements: Requirement[] = Object.entries(textFieldsOf(selector.matchLabels)).map(
    ([key, value]) => ({ key, operator: "in", values: [value] }),
  );
  for (const expression of listOf(selector.matchExpressions)) {
    const { key, operator, values } = fieldsOf(expression);
    const known = operators.get(operator);
    if (typeof key !== "string" || known === undefined) return false;
    requirements.push({ key, operator: known, values: textsOf(values) });
  }
  return selectsLabels({ requirements }, labels);
}
