import type { ObjectMeta } from "./hub.ts";

/** Only the fields of Istio's API that the operator reads or writes. */
export interface ServiceEntry {
  readonly apiVersion: "networking.istio.io/v1beta1";
  readonly kind: "ServiceEntry";
  readonly metadata: ObjectMeta;
  readonly spec: ServiceEntrySpec;
  readonly status?: { readonly addresses?: readonly { readonly value?: string }[] };
}

export interface ServiceEntrySpec {
  readonly hosts?: readonly string[];
  readonly addresses?: readonly string[];
  readonly location?: string;
  readonly resolution?: string;
  readonly ports?: readonly ServiceEntryPort[];
  readonly endpoints?: readonly WorkloadEntry[];
}

export interface ServiceEntryPort {
  readonly name: string;
  readonly number: number;
  readonly protocol: string;
  readonly targetPort?: number;
}

export interface WorkloadEntry {
  readonly address: string;
  /** Port name of the ServiceEntry -> the endpoint's real port. */
  readonly ports?: Readonly<Record<string, number>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly weight?: number;
  readonly locality?: string;
}

export interface EnvoyFilter {
  readonly apiVersion: "networking.istio.io/v1alpha3";
  readonly kind: "EnvoyFilter";
  readonly metadata: ObjectMeta;
  readonly spec: { readonly priority?: number; readonly configPatches?: readonly unknown[] };
}
