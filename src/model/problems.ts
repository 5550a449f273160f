/**
 * Every code a problem may carry, with what it means and what its owner should do. The documentation prints this table,
 * and a test keeps the two equal.
 */
export const problemCodes = {
  BadUrl: "A provider node is not a provider URL. Remove it, or fix what registers it.",
  BadPort: "The port is not 1..65535. Fix the provider's registration.",
  BadAddress: "The address is not one that consumers elsewhere can call. Register a routable IP address.",
  UnsupportedProtocol: "The provider speaks a protocol that the mesh is not told about.",
  BadInstance: "An instance is not as its registry describes instances. Fix what registers it.",
  Protected: "Too few instances are healthy, so the registry shows all of them as healthy. Look at them.",
  NameTooLong: "The host would be longer than 253 characters. Shorten the service name, group or version.",
  HostConflict: "Another service or a foreign ServiceEntry already has this host. The incumbent keeps it.",
  ShadowsService:
    "A Kubernetes Service answers to the host as well, so callers reach one of the two by chance. Rename it, or use another namespace.",
  MixedProtocols:
    "Instances of one service speak different protocols: only those of the entry's are used. Or the hubs of a Spring service differ in spec.protocol: the entry keeps its own.",
  TooManyEndpoints:
    "The service has more than 2000 instances. Those already in the entry stay, the rest are left out.",
  TooManyHubs: "More than seven hubs vouch for one endpoint. Only the oldest seven are recorded.",
  TokenRequired: "The provider demands a token. Consumers must send it themselves; it is never copied.",
  Unreadable: "The registry refused to read this one. What the cluster has of it stays as it is.",
  Hidden:
    "The registry hides some of its services from the hub's account. What the cluster has of them stays as it is.",
  RootMissing: "The registry has no root node yet. It is watched until it is created.",
  ApplicationLevelOnly:
    "Live providers registered their application only, and the registry does not say what they serve. What the cluster has of it stays.",
} as const;

export type ProblemCode = keyof typeof problemCodes;

/** One thing in a registry that could not be used (`rejected`) or deserves a look (`warning`). */
export interface Problem {
  /** Where: the registry's own path or key, without a URL's query (it may hold a token). */
  readonly at: string;
  readonly code: ProblemCode;
  /** One sentence for the owner of the entry: what is wrong and what to do. */
  readonly detail: string;
  readonly severity: "rejected" | "warning";
}
