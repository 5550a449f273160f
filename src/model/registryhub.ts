import type { Identity, Policy, RegistryType } from "./hub.ts";
import type { KubeObject } from "./kubernetes.ts";
import type { ConditionStatus, ConditionType } from "./reasons.ts";

/**
 * A RegistryHub's spec as people write it (crds/registryhub.yaml). The CRD has validated everything that needs no
 * I/O.
 */
export interface RegistryHubSpec {
  readonly generate_to: string;
  readonly type: RegistryType;
  readonly address: string;
  readonly secretRef?: { readonly name: string };
  readonly tls?: { readonly enabled?: boolean; readonly insecureSkipVerify?: boolean };
  readonly protocol?: "tcp" | "http";
  readonly l7?: boolean;
  readonly services?: { readonly include?: readonly string[]; readonly exclude?: readonly string[] };
  readonly instances?: {
    readonly selector?: InstanceSelector;
    readonly labels?: readonly string[];
    readonly weights?: boolean;
    readonly shares?: readonly {
      readonly name: string;
      readonly selector: InstanceSelector;
      readonly percent: number;
    }[];
  };
  readonly outlierDetection?: boolean;
  readonly exportTo?: readonly string[];
  readonly identity?: Identity;
  readonly subjectAltNames?: readonly string[];
  readonly policy?: Policy;
  readonly suspend?: boolean;
  readonly zookeeper?: { readonly root?: string };
  readonly nacos?: { readonly namespace?: string; readonly groups?: readonly string[] };
  readonly eureka?: { readonly pollIntervalSeconds?: number };
  readonly consul?: {
    readonly datacenter?: string;
    readonly tags?: readonly string[];
    readonly includeWarning?: boolean;
  };
}

interface InstanceSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
    readonly values?: readonly string[];
  }[];
}

export interface RegistryHub extends KubeObject {
  readonly spec: RegistryHubSpec;
  readonly status?: HubStatus;
}

export interface Condition {
  readonly type: ConditionType;
  readonly status: ConditionStatus;
  readonly reason: string;
  readonly message: string;
  /** RFC 3339; changes only when `status` changes. */
  readonly lastTransitionTime: string;
  readonly observedGeneration: number;
  /** `[manual]`, on Ready while phase is failed: the error without the next step. */
  readonly failed_reason?: string;
  /** `[manual]`, on Ready: RFC 3339 time when this reason first appeared. */
  readonly record_time?: string;
}

export type Phase = "success" | "failed" | "pending";

/** The removals that the operator withholds now. In a reset hold, `endpoints` = how many the hub had when it began. */
export interface Hold {
  /** RFC 3339. */
  readonly since: string;
  readonly until: string;
  readonly services: number;
  readonly endpoints: number;
}

export interface HubStatus {
  readonly address: string;
  readonly type: string;
  readonly generate_to: string;
  readonly phase: Phase;
  /** ServiceEntry name -> RFC 3339 time of the operator's last write to it; at most 200 names. */
  readonly serviceentries: Readonly<Record<string, string>>;
  readonly conditions: readonly Condition[];
  readonly observedGeneration: number;
  readonly services: number;
  readonly endpoints: number;
  readonly rejected: number;
  /** Instances that `spec.instances` leaves out, by its selector and its shares of 0 %; absent while it leaves out none. */
  readonly excluded?: number;
  readonly problems: readonly { readonly at: string; readonly problem: string; readonly severity: string }[];
  readonly hold?: Hold;
  readonly plan?: { readonly create: number; readonly change: number; readonly remove: number };
  readonly origin: string;
  readonly truncated: number;
}
