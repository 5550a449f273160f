/**
 * The closed set of conditions and, per status, of their reasons, each with the sentence that the documentation prints.
 * `Ready` repeats the reason of the first of RegistrySynced and Applied that is not True.
 */
export const reasons = {
  RegistrySynced: {
    True: { Synced: "The registry's complete listing is known and watched." },
    False: {
      RegistryUnreachable: "The registry cannot be reached, or it stopped answering.",
      RegistryUnauthorized: "The registry refuses the credentials, or they may not read what is needed.",
      RegistryBadResponse: "Something answers, but not as this type of registry does.",
      SecretInvalid: "The Secret of spec.secretRef is missing, lacks a key, or may not be read.",
      InvalidSpec: "This version of the operator cannot use the spec.",
    },
    Unknown: { Connecting: "The first listing is on its way." },
  },
  Applied: {
    True: {
      Applied: "The cluster has what the registry lists.",
      Observing: "spec.policy is observe: nothing is written, status.plan says what would be.",
    },
    False: {
      NamespaceMissing: "The namespace of spec.generate_to does not exist or is being deleted.",
      NamespaceNotAllowed:
        "The namespace of spec.generate_to does not accept entries from the hub's namespace.",
      IstioMissing: "The cluster has no ServiceEntry resource: Istio's CRDs are not installed.",
      Forbidden: "The operator's ServiceAccount lacks a permission.",
      VipsExhausted: "No virtual IP is free in --vip-cidr.",
      ApplyFailed: "The API server refused a write.",
    },
    Unknown: { Syncing: "Writes are on their way." },
  },
  DeletionHeld: {
    True: {
      Settling:
        "The registry was connected a moment ago; until it has settled nothing is believed to be gone.",
      Shrunk: "Many services lost their last instance at once; those instances stay until status.hold.until.",
      RegistryReset:
        "The registry lost its data; what it had before stays until it lists enough again or the hold ends.",
    },
    False: { NothingHeld: "No removal is withheld." },
    Unknown: {},
  },
  Ready: {
    True: { Ready: "Everything is in sync.", Observing: "In sync, and writing nothing on purpose." },
    False: {},
    Unknown: { Suspended: "spec.suspend is true: no connection and no writes." },
  },
} as const;

export type ConditionType = keyof typeof reasons;
export type ConditionStatus = "True" | "False" | "Unknown";

/** The reasons that a condition of type `T` may have while its status is `S`. */
export type ReasonOf<T extends ConditionType, S extends ConditionStatus = ConditionStatus> = {
  [K in S]: Extract<keyof (typeof reasons)[T][K], string>;
}[S];
