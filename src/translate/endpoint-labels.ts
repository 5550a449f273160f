import { prefix } from "../model/labels.ts";

const maxLength = 63;

/**
 * Keys that steer Istio's security, routing or telemetry, and our own. A provider that could set them could turn mTLS
 * off or join another network. `token` is a secret.
 */
const reservedPrefixes = [
  "security.istio.io",
  "topology.istio.io",
  "networking.istio.io",
  "service.istio.io",
  "sidecar.istio.io",
  "gateway.istio.io",
  "istio.io",
  "k8s.io",
  "kubernetes.io",
  prefix,
];
const reservedKeys = new Set(["istio-locality", "token", "registryName"]);

/**
 * The part of a provider's metadata that may become labels of its endpoint: legal keys that steer nothing, with legal
 * values of at most 63 characters (`,` becomes `-`, longer ones are cut, others are left out). Keys are sorted.
 */
export function labelsOf(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const result: Record<string, string> = {};
  for (const key of Object.keys(metadata).sort()) {
    if (!isLegalKey(key) || isReserved(key)) continue;
    const value = legalValue(metadata[key] ?? "");
    if (value !== undefined) result[key] = value;
  }
  return result;
}

/** `[<DNS subdomain>/]<name>`, as Kubernetes requires. */
function isLegalKey(key: string): boolean {
  const slash = key.indexOf("/");
  const domain = key.slice(0, Math.max(slash, 0));
  const isLegalDomain =
    slash < 0 || (domain.length <= 253 && domain.split(".").every((part) => isDnsLabel(part)));
  return isLegalDomain && /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(key.slice(slash + 1));
}

function isDnsLabel(part: string): boolean {
  return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(part);
}

function isReserved(key: string): boolean {
  const slash = key.indexOf("/");
  if (slash < 0) return reservedKeys.has(key);
  const domain = key.slice(0, slash);
  return reservedPrefixes.some((reserved) => domain === reserved || domain.endsWith(`.${reserved}`));
}

function legalValue(value: string): string | undefined {
  const cut = value
    .replaceAll(",", "-")
    .slice(0, maxLength)
    .replace(/[-_.]+$/, "");
  return /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/.test(cut) ? cut : undefined;
}
