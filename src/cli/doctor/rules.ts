import { objectKey } from "../../kube/resources.ts";
import type { DestinationRule } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { isDefaultRule } from "../../translate/read-back/destination-rule.ts";
import { fieldsOf, isFields, listOf, textOf } from "../../translate/read-back/json.ts";
import { hasDefaultEjection } from "../../translate/read-back/mesh-config.ts";
import { type Finding, type Findings, fault, named } from "./finding.ts";
import { type OwnHost, ownHosts } from "./hosts.ts";
import type { Sight } from "./sight.ts";

/** DestinationRules that take something away from hosts of hubs. Istio applies the most specific rule, and merges none. */
export function ruleFindings(sight: Sight): Findings {
  const { destinationRules } = sight.objects;
  const hosts = ownHosts(sight);
  const inherits = sight.meshes?.some(({ mesh }) => hasDefaultEjection(mesh)) ?? false;
  return destinationRules.flatMap((rule) => {
    if (isDefaultRule(rule)) return [];
    const own = hosts.filter(({ host }) => isFor(rule, host));
    return [...tlsFindings(rule, own), ...(inherits ? [] : ejectionFindings(rule, own, destinationRules))];
  });
}

function tlsFindings(rule: Stored<DestinationRule>, hosts: readonly OwnHost[]): readonly Finding[] {
  const mode = tlsModeOf(rule);
  if (mode === undefined || hosts.length === 0) return [];
  const [how, concerned] =
    mode === "DISABLE"
      ? ["in plain text, also where providers speak mTLS", hosts.filter(hasMtls)]
      : [
          "by TLS, also where providers do not speak it: those run into their time-out",
          hosts.filter(hasPlain),
        ];
  if (concerned.length === 0) return [];
  return [
    fault(
      `calls to ${named(concerned.map(({ host }) => host))} are ${how}`,
      `DestinationRule ${objectKey(rule)} sets tls.mode ${mode} for all endpoints`,
      `Take tls out of it, so that each endpoint is called as its label security.istio.io/tlsMode says: kubectl edit destinationrule -n ${objectKey(rule).replace("/", " ")}`,
    ),
  ];
}

/** Dubbo hosts with filters have outlier detection from those of their port, which no rule takes away. */
function ejectionFindings(
  rule: Stored<DestinationRule>,
  hosts: readonly OwnHost[],
  all: readonly Stored<DestinationRule>[],
): readonly Finding[] {
  if (ejects(rule)) return [];
  const lost = hosts.filter(({ entry }) => !(entry.shape.protocol === "dubbo" && entry.l7));
  const wider = all.find((one) => one !== rule && ejects(one) && isWider(one, rule) && lost.some(isOf(one)));
  if (wider === undefined) return [];
  return [
    fault(
      `calls to ${named(lost.filter(isOf(wider)).map(({ host }) => host))} go on to endpoints that cannot be reached`,
      `DestinationRule ${objectKey(rule)} has no outlierDetection, and DestinationRule ${objectKey(wider)}, which has it, does not count beside a rule for fewer hosts`,
      'Give the first one the blocks of docs/operations.md, "What the mesh needs".',
    ),
  ];
}

const isOf =
  (rule: Stored<DestinationRule>) =>
  ({ host }: OwnHost): boolean =>
    isFor(rule, host);

const hostOf = (rule: Stored<DestinationRule>): string => textOf(fieldsOf(rule.spec).host) ?? "";

const isFor = (rule: Stored<DestinationRule>, host: string): boolean =>
  hostOf(rule) === host || (hostOf(rule).startsWith("*") && host.endsWith(hostOf(rule).slice(1)));

const isWider = (one: Stored<DestinationRule>, other: Stored<DestinationRule>): boolean =>
  hostOf(one).startsWith("*") && hostOf(one).length < hostOf(other).length;

/** Of the policy, of one of its ports or of a subset. */
function tlsModeOf(rule: Stored<DestinationRule>): string | undefined {
  const { trafficPolicy, subsets } = fieldsOf(rule.spec);
  const policies = [trafficPolicy, ...listOf(subsets).map((one) => fieldsOf(one).trafficPolicy)];
  const settings = policies.flatMap((one) => [one, ...listOf(fieldsOf(one).portLevelSettings)]);
  return settings.flatMap((one) => textOf(fieldsOf(fieldsOf(one).tls).mode) ?? [])[0];
}

const ejects = (rule: Stored<DestinationRule>): boolean =>
  isFields(fieldsOf(fieldsOf(rule.spec).trafficPolicy).outlierDetection);

const hasMtls = ({ entry }: OwnHost): boolean => [...entry.endpoints.values()].some(({ mtls }) => mtls);
const hasPlain = ({ entry }: OwnHost): boolean => [...entry.endpoints.values()].some(({ mtls }) => !mtls);
