import type { HubId, HubKey } from "../model/hub.ts";
import type { DestinationRule } from "../model/istio.ts";
import { annotations, fieldManagers, labels } from "../model/labels.ts";
import { hash } from "./names.ts";

/** The name of the rule that the operator makes in a target namespace. */
export const defaultRuleName = "registryhub-defaults";

/**
 * Endpoints of Spring hosts that cannot be reached are called no more for a while. Only failures to connect count, so that no
 * answer of a provider ejects it. Without the last setting Istio would begin to prefer endpoints by locality.
 */
const trafficPolicy = {
  connectionPool: { tcp: { connectTimeout: "1500ms" } },
  outlierDetection: {
    splitExternalLocalOriginErrors: true,
    consecutiveLocalOriginFailures: 3,
    consecutive5xxErrors: 0,
    consecutiveGatewayErrors: 0,
    interval: "5s",
    baseEjectionTime: "10s",
    maxEjectionPercent: 100,
  },
  loadBalancer: { localityLbSetting: { enabled: false } },
};

/** The hosts that the rule of a target namespace is for. */
export const defaultRuleHost = (target: string): string => `*.${target}`;

/** The rule for all hosts of a target namespace. @param hubs that ask for it. */
export function defaultRule(target: string, hubs: ReadonlyMap<HubId, HubKey>): DestinationRule {
  const owned = [...hubs].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const content = {
    labels: {
      [labels.managedBy]: fieldManagers.registryhub,
      ...Object.fromEntries(owned.map(([id]) => [`${labels.hub}${id}`, ""])),
    },
    annotations: { [annotations.hubs]: owned.map(([, key]) => key).join(",") },
    spec: { host: defaultRuleHost(target), trafficPolicy },
  };
  return {
    apiVersion: "networking.istio.io/v1beta1",
    kind: "DestinationRule",
    metadata: {
      name: defaultRuleName,
      namespace: target,
      labels: content.labels,
      annotations: { ...content.annotations, [annotations.lastApplied]: hash(JSON.stringify(content), 16) },
    },
    spec: content.spec,
  };
}
