import type { HubId, HubKey } from "../../model/hub.ts";
import type { DestinationRule } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { annotations, fieldManagers, labels } from "../../model/labels.ts";
import { defaultRuleName } from "../destination-rule.ts";
import { hubIdOf } from "../names.ts";
import { fieldsOf, isFields, objectAnnotations, objectLabels, textOf } from "./json.ts";
import { nameOnly, withoutManagedFields } from "./kept.ts";
import { hubLabelsOf } from "./service-entry.ts";

/** Keeps of other people's rules only which hosts they are for and whether they eject; of ours all but who set which field. */
export function ruleHostOnly(object: Stored<DestinationRule>): Stored<DestinationRule> {
  if (isDefaultRule(object)) return withoutManagedFields(object);
  return {
    ...object,
    metadata: nameOnly(object).metadata,
    spec: { host: ruleHost(object), ...(ejects(object) && { trafficPolicy: { outlierDetection: {} } }) },
  };
}

/** Whether the operator wrote the rule. */
export function isDefaultRule(object: Stored<DestinationRule>): boolean {
  return (
    object.metadata.name === defaultRuleName &&
    objectLabels(object)[labels.managedBy] === fieldManagers.registryhub
  );
}

/** The hubs that the rule names; the key is "" where the annotation has lost it. */
export function hubsOfRule(object: Stored<DestinationRule>): ReadonlyMap<HubId, HubKey> {
  const keys = (objectAnnotations(object)[annotations.hubs] ?? "").split(",").filter((key) => key !== "");
  const keyOf = new Map(keys.map((key) => [hubIdOf(key), key]));
  return new Map(hubLabelsOf(object).map((id) => [id, keyOf.get(id) ?? ""]));
}

/**
 * For which hosts of the target namespace the rule is, and whether it ejects those that cannot be reached. Istio completes a
 * name without dots to that of a Service, and a `*` stands for any beginning. Source: istio pkg/config/host, name.go.
 */
export function concernOf(
  object: Stored<DestinationRule>,
  target: string,
): "none" | "some" | "all" | "all, and ejects" {
  const host = ruleHost(object)?.toLowerCase() ?? "";
  const end = `.${target}`;
  if (host.startsWith("*") && end.endsWith(host.slice(1))) return ejects(object) ? "all, and ejects" : "all";
  return host.endsWith(end) ? "some" : "none";
}

const ruleHost = (object: Stored<DestinationRule>): string | undefined => textOf(fieldsOf(object.spec).host);
const ejects = (object: Stored<DestinationRule>): boolean =>
  isFields(fieldsOf(fieldsOf(object.spec).trafficPolicy).outlierDetection);
