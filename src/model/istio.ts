import type { ObjectMeta } from "./kubernetes.ts";

// Only the fields of Istio's API that the operator reads or writes. A field is optional unless Istio's CRD requires it;
// only a filter's spec is not, because every filter of ours has one. A stored object may be looser still (`Stored`).

/** Source: istio.io/api networking/v1beta1, customresourcedefinitions.gen.yaml. */
export interface ServiceEntry {
  readonly apiVersion: "networking.istio.io/v1beta1";
  readonly kind: "ServiceEntry";
  readonly metadata: ObjectMeta;
  readonly spec: ServiceEntrySpec;
  /** Istio writes it; its CRD allows any content. */
  readonly status?: unknown;
}

export interface ServiceEntrySpec {
  readonly hosts?: readonly string[];
  readonly addresses?: readonly string[];
  readonly location?: string;
  readonly resolution?: string;
  readonly ports?: readonly ServiceEntryPort[];
  readonly endpoints?: readonly WorkloadEntry[];
  /** Absent = to all namespaces; "." = its own. */
  readonly exportTo?: readonly string[];
  readonly subjectAltNames?: readonly string[];
}

export interface ServiceEntryPort {
  readonly name: string;
  readonly number: number;
  /** Absent = Istio detects it. */
  readonly protocol?: string;
  readonly targetPort?: number;
}

export interface WorkloadEntry {
  /** An endpoint has an `address`, a `network` or both. */
  readonly address?: string;
  readonly network?: string;
  /** Port name of the ServiceEntry -> the endpoint's real port. */
  readonly ports?: Readonly<Record<string, number>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly weight?: number;
  readonly locality?: string;
}

/** Source: istio.io/api networking/v1alpha3, customresourcedefinitions.gen.yaml. */
export interface EnvoyFilter {
  readonly apiVersion: "networking.istio.io/v1alpha3";
  readonly kind: "EnvoyFilter";
  readonly metadata: ObjectMeta;
  readonly spec: { readonly priority?: number; readonly configPatches?: readonly unknown[] };
}

/** Source: istio.io/api networking/v1beta1, customresourcedefinitions.gen.yaml. */
export interface DestinationRule {
  readonly apiVersion: "networking.istio.io/v1beta1";
  readonly kind: "DestinationRule";
  readonly metadata: ObjectMeta;
  readonly spec: { readonly host: string; readonly trafficPolicy?: unknown };
}

/** Its spec is whatever somebody wrote. Source: istio.io/api networking/v1beta1, customresourcedefinitions.gen.yaml. */
export interface VirtualService {
  readonly apiVersion: "networking.istio.io/v1beta1";
  readonly kind: "VirtualService";
  readonly metadata: ObjectMeta;
  readonly spec: unknown;
}
