import type { VirtualService } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { annotations } from "../../model/labels.ts";
import { hash } from "../names.ts";
import { fieldsOf, listOf, objectAnnotations, textsOf } from "./json.ts";
import { nameOnly } from "./kept.ts";

/** Keeps of a VirtualService what may become of it, and when it was made; of most only that they are for other hosts. */
export function ruleOnly(object: Stored<VirtualService>): Stored<VirtualService> {
  const { hosts, gateways } = fieldsOf(object.spec);
  const { creationTimestamp } = object.metadata;
  const note = objectAnnotations(object)[annotations.applyRulesNow];
  return {
    apiVersion: object.apiVersion,
    kind: object.kind,
    spec: hostNamesOf(object).full.length > 0 ? object.spec : { hosts, gateways },
    metadata: {
      ...nameOnly(object).metadata,
      ...(creationTimestamp !== undefined && { creationTimestamp }),
      ...(note !== undefined && { annotations: { [annotations.applyRulesNow]: note } }),
    },
  };
}

/** For which hosts of its namespace a VirtualService of the mesh speaks. */
export interface HostNames {
  /** By their full name. */
  readonly full: readonly string[];
  /** Those that a name without the namespace may mean, which is no way to have rules for them. */
  readonly short: readonly string[];
  /** As `*.demo`, which is none either. */
  readonly wildcards: readonly string[];
}

/**
 * The hosts that it is for; none if it is for gateways alone. A host that the operator makes in a namespace ends with it. Istio
 * takes a VirtualService from any namespace; rules come from the entry's own.
 */
export function hostNamesOf({ metadata, spec }: Stored<VirtualService>): HostNames {
  const { hosts, gateways } = fieldsOf(spec);
  const isForMesh = listOf(gateways).length === 0 || listOf(gateways).includes("mesh");
  const end = `.${metadata.namespace ?? ""}`;
  const names = [...new Set(isForMesh ? textsOf(hosts).map((name) => name.toLowerCase()) : [])];
  const plain = names.filter((name) => !name.includes("*"));
  return {
    full: plain.filter((name) => name.endsWith(end)),
    short: plain.filter((name) => !name.endsWith(end)).map((name) => name + end),
    wildcards: names.filter((name) => name.startsWith("*.") && name.endsWith(end)),
  };
}

/** What its annotation says, in a form that fits into a name; undefined = nothing. */
export function applyNowOf(object: Stored<VirtualService>): string | undefined {
  const note = objectAnnotations(object)[annotations.applyRulesNow];
  return note === undefined ? undefined : hash(note);
}
