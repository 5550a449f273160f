/**
 * Every code of a problem, with its meaning and the next step for its owner. docs/status.md prints this table, and a
 * test keeps the two equal.
 */
export const problemCodes = {
  BadUrl:
    "A node below providers is not a provider URL. Remove the node, or fix the application that registers it.",
  BadPort: "The port is missing or is not 1..65535. Fix the provider's registration.",
  BadAddress:
    "Consumers on other hosts cannot call the address. Have the provider register a routable IP address.",
  UnsupportedProtocol:
    "The operator does not support the provider's protocol. Register one of dubbo, tri, grpc, rest or http.",
  BadInstance: "The registry's data about an instance is malformed. Fix the application that registers it.",
  Protected:
    "Too few instances are healthy, so the registry reports all of them as healthy. Check the instances.",
  NameTooLong:
    "The host would be longer than 253 characters, or the name is longer than 1000. Shorten the service name, group or version.",
  HostConflict:
    "Another service or a foreign ServiceEntry already owns this host and keeps it: rename one of the two. Or somebody copied the service's entry: delete the copy.",
  VipShared:
    "A ServiceEntry that is not the operator's has the virtual IP of this host, so connections may reach either. Give that ServiceEntry another address.",
  PortNotAllowed:
    "The service's port is not one of --dubbo-ports, so the service gets no new EnvoyFilter; one that it has stays. Use another port, allow this one, or set l7: false.",
  OtherLane:
    "The ServiceEntry of this host belongs to a hub of another lane, so what this hub lists does not change it. Give both hubs the labels of one lane.",
  ShadowsService:
    "A Kubernetes Service has the same name in the mesh, so callers reach one of the two at random. Rename the Service, or use another namespace. Rejected: a hub of another namespace makes no entry that would answer for a Service.",
  HiddenByMesh:
    "meshConfig.serviceEntryVisibility hides the ServiceEntries of the hub's target, so callers do not reach them. Have the mesh's administrator add a policy with visibility PUBLIC that selects the namespace.",
  AmbientNoL7:
    "Some namespaces are ambient, where no EnvoyFilter acts: their consumers reach Dubbo services by connection, not by call. Give them sidecars, or set l7: false.",
  IdentityUnknown:
    "The operator cannot read which providers are pods with a sidecar, so new endpoints are called in plain text, which STRICT providers refuse. The detail names the list that it lacks. Grant it the rights of ClusterRole registryhub-identity, or set spec.identity: none.",
  WeightsApproximate:
    "The endpoints have different weights, which Istio follows roughly where calls are not balanced by the Dubbo filter. If shares have to be exact, give the host's DestinationRule ROUND_ROBIN.",
  ShareIgnored:
    "All instances of the service that are listed are in shares of 0 %, so shares do not count for it. Give one of spec.instances.shares more.",
  NoRight:
    "The hub says outlierDetection: true, and the operator may not write the DestinationRule that this needs for Spring services. Have the cluster's administrator add the component destination-rules.",
  NoDestinationRule:
    "The hub says outlierDetection: true, and the DestinationRule that this needs for Spring services is not there: somebody else's rule is for the same hosts, or the API server does not take it. Follow the detail.",
  MixedProtocols:
    "Instances of one service speak different protocols; the entry contains only those that speak its protocol. Or the hubs of a Spring service differ in spec.protocol; the entry keeps its protocol.",
  TooManyServices:
    "The hub has as many services as --max-services-per-hub allows. It keeps those that it has and leaves out the rest. Narrow spec.services, or raise the flag.",
  TooManyEndpoints:
    "The service has more than 2000 instances, or its entry would be larger than 1.2 MB. The entry keeps those it contains and leaves out the rest.",
  TooManyLabels:
    "An endpoint has room for 32 labels and 2 kB of them, and an entry for 1.2 MB. The labels that nobody counts on are left out first. Register less metadata.",
  TooManyHubs:
    "More than seven hubs list the same endpoint. Its label names only the oldest seven; the others keep it all the same.",
  UnexplainedEntry:
    "A ServiceEntry of the operator names no hub, or one whose name is lost, so nobody can tell what of it is gone. It stays until you delete it; what a registry lists comes back.",
  TokenRequired:
    "The provider demands a token. The operator never copies it, so consumers must send it themselves.",
  Unreadable:
    "The hub's account may not read this item. The operator keeps what the cluster has of it. Grant the account the right to read it.",
  Hidden:
    "The registry hides some of its services from the hub's account. The operator keeps what the cluster has of them.",
  RootMissing: "The registry has no root node yet. The operator watches for it.",
  ApplicationLevelOnly:
    "Live providers register at application level only, and the registry does not have their metadata, so the operator cannot discover their services. It keeps what the cluster has of them.",
} as const;

export type ProblemCode = keyof typeof problemCodes;

/** One thing in a registry that the operator cannot use (`rejected`) or that deserves attention (`warning`). */
export interface Problem {
  /** The place: the registry's own path or key, without a URL's query, which may hold a token. */
  readonly at: string;
  readonly code: ProblemCode;
  /** One sentence for the owner of the entry: the cause and the next step. */
  readonly detail: string;
  readonly severity: "rejected" | "warning";
}

/** A text in one line for a person's terminal: control characters, which may be commands to it, are replaced. */
export function printable(text: string): string {
  return text.replace(/[\t\n\r]+/g, " ").replace(/\p{Cc}/gu, "\uFFFD");
}

/**
 * A registered or configured address as messages may show it: any text may stand there, also a URL whose login, query
 * or parameters (RFC 3986, section 3.3) are a secret.
 */
export function withoutSecrets(address: string): string {
  return address
    .replace(/^.*@/s, "")
    .replace(/(?<=.)[?#;].+$/s, "")
    .replace(/\p{Cc}/gu, " ")
    .slice(0, 120);
}
