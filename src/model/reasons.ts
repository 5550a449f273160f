/**
 * The closed set of conditions and, by status, of their reasons, each with the sentence that docs/status.md prints.
 * `Ready` repeats the reason of the first of RegistrySynced and Applied that is not True.
 */
export const reasons = {
  RegistrySynced: {
    True: { Synced: "The operator has read the complete registry and watches it for changes." },
    False: {
      RegistryUnreachable: "The operator cannot reach the registry, or the registry stopped answering.",
      RegistryUnauthorized:
        "The registry rejects the credentials, or the account may not read what the operator needs.",
      RegistryBadResponse:
        "The server's answers do not fit this type of registry, or they show that the registry lost data.",
      SecretInvalid: "The Secret of spec.secretRef is missing, lacks a key, or the operator may not read it.",
      InvalidSpec:
        "This version of the operator cannot use the spec, or another hub has the id that the name gives.",
      InternalError:
        "A bug of the operator stopped its work on the hub. Its entries stay, and the operator tries again.",
    },
    Unknown: { Connecting: "The operator is waiting for the registry's first complete listing." },
  },
  Applied: {
    True: {
      Applied: "The operator has written every ServiceEntry of the hub as planned.",
      Observing:
        "spec.policy is observe: the operator writes nothing, and status.plan counts what it would write.",
    },
    False: {
      NamespaceMissing: "The namespace of spec.generate_to does not exist or is being deleted.",
      NamespaceNotAllowed:
        "The namespace of spec.generate_to does not accept entries from the hub's namespace, or this operator does not watch it.",
      IstioMissing:
        "The cluster does not serve ServiceEntries of networking.istio.io/v1beta1: Istio's CRDs are not installed, or those that are lack this version.",
      Forbidden: "The operator's ServiceAccount lacks a permission.",
      VipsExhausted: "Every virtual IP in --vip-cidr is in use.",
      ApplyFailed: "The API server refused a write.",
      InternalError:
        "A bug of the operator stopped its work on a host. The host stays as it is, and the operator tries again.",
    },
    Unknown: { Syncing: "The operator is writing ServiceEntries." },
  },
  DeletionHeld: {
    True: {
      Settling:
        "The operator connected to the registry recently. It removes nothing until the settling time has passed.",
      Shrunk:
        "Many services lost their last instance at once. The operator keeps those instances until status.hold.until.",
      RegistryReset:
        "The registry lost its data. The operator keeps what the registry had until it lists most of it again or the hold ends.",
    },
    False: { NothingHeld: "No removal is withheld." },
    Unknown: {},
  },
  Ready: {
    True: {
      Ready: "The operator has read the registry and written every ServiceEntry of the hub as planned.",
      Observing: "The operator has read the registry. It writes nothing because spec.policy is observe.",
      Suspended:
        "spec.suspend is true: as asked, the operator does not connect to the registry and writes nothing.",
    },
    False: {},
    Unknown: {},
  },
} as const;

export type ConditionType = keyof typeof reasons;
export type ConditionStatus = "True" | "False" | "Unknown";

/** The reasons that a condition of type `T` may have while its status is `S`. */
export type ReasonOf<T extends ConditionType, S extends ConditionStatus = ConditionStatus> = {
  [K in S]: Extract<keyof (typeof reasons)[T][K], string>;
}[S];
