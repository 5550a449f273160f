import type { EntryEndpoint } from "../../model/entry.ts";
import type { PeerPolicy } from "../../model/mesh-pod.ts";
import { demandsMtls, peerPoliciesOf } from "../../plan/sidecar-mtls.ts";
import type { ConsumerPod } from "../../translate/read-back/consumer-pod.ts";
import { canonicalIp, ipsOf } from "../../translate/read-back/mesh-pod.ts";
import { counted } from "../output.ts";
import { type Findings, fault, named } from "./finding.ts";
import { type OwnHost, ownHosts } from "./hosts.ts";
import { isWhole, type Sight } from "./sight.ts";

/** A policy of the entries' namespace turns their labels off: their consumers speak plain text to all. */
export function disabledFindings(sight: Sight): Findings {
  const { peerPolicies, settings } = sight;
  if (peerPolicies === undefined || !isWhole(sight, "peerauthentications")) return undefined;
  const byNamespace = peerPoliciesOf(peerPolicies);
  const forAll = (namespace: string): PeerPolicy | undefined =>
    byNamespace.get(namespace)?.find(({ selector }) => Object.keys(selector).length === 0);
  const hosts = ownHosts(sight).filter(({ entry }) => [...entry.endpoints.values()].some(({ mtls }) => mtls));
  return [...Map.groupBy(hosts, ({ namespace }) => namespace)].flatMap(([namespace, own]) => {
    const policy = [forAll(namespace), forAll(settings.rootNamespace)].find((one) => one?.mode !== undefined);
    if (policy?.mode !== "DISABLE") return [];
    return [
      fault(
        `calls to ${counted(own.length, "host")} of ${namespace} are in plain text, also where providers speak mTLS`,
        `PeerAuthentication ${keyOf(policy)} says DISABLE for the namespace of the ServiceEntries`,
        "Say PERMISSIVE there: it changes nothing for workloads without a sidecar.",
      ),
    ];
  });
}

/** A provider that refuses plain text, and an entry that has it called so. */
export function strictFindings(sight: Sight): Findings {
  const { peerPolicies, pods, settings } = sight;
  if (peerPolicies === undefined || pods === undefined || !isWhole(sight, "peerauthentications"))
    return undefined;
  const policies = peerPoliciesOf(peerPolicies);
  const byIp = new Map(
    pods.filter(({ sidecar }) => sidecar).flatMap((pod) => ipsOf(pod.mesh).map((ip) => [ip, pod] as const)),
  );
  const strictPod = ({ address, port, mtls }: EntryEndpoint): ConsumerPod | undefined => {
    const pod = mtls ? undefined : byIp.get(canonicalIp(address));
    if (pod === undefined) return undefined;
    return demandsMtls(pod.mesh.traits, port, policies, settings.rootNamespace) ? pod : undefined;
  };
  const refused = ownHosts(sight).flatMap((host) =>
    [...host.entry.endpoints.values()].flatMap((one) => {
      const pod = strictPod(one);
      return pod === undefined ? [] : [{ host, pod, address: one.hostPort }];
    }),
  );
  if (refused.length === 0) return [];
  const hosts = new Set(refused.map(({ host }) => host));
  return [
    fault(
      `calls to ${named([...hosts].map(({ host }) => host))} are refused, and may end the caller's proxy`,
      `mTLS is STRICT at ${named(refused.map(({ pod, address }) => `pod ${pod.namespace}/${pod.name} (${address})`))}, and the ServiceEntry has it called in plain text`,
      fixFor(sight, [...hosts]),
    ),
  ];
}

function fixFor({ hubs }: Sight, hosts: readonly OwnHost[]): string {
  const keys = new Set(hosts.flatMap(({ entry }) => [...entry.hubs.values()]));
  const none = hubs.filter(({ key, hub }) => keys.has(key) && hub?.identity === "none").map(({ key }) => key);
  return none.length > 0
    ? `Take spec.identity: none out of RegistryHub ${named(none)}.`
    : "Give the hub-controller the rights of ClusterRole registryhub-identity, and see whether a DestinationRule or PeerAuthentication is in the way.";
}

/** "<creation time> <name>" begins with the time, which may be missing. */
const keyOf = ({ namespace, precedence }: PeerPolicy): string =>
  `${namespace}/${precedence.split(" ").at(-1) ?? ""}`;
