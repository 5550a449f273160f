import { endpointLabels, isExpectedLabel, maxHubsPerEndpoint, prefix, shareLabels } from "../model/labels.ts";

const maxLength = 63;
/** Of all labels of an endpoint, the operator's own included. */
const maxLabels = 32;
const maxBytes = 2_000;
const maxIdsLength = maxHubsPerEndpoint * "ddf6610a.".length - 1;
const ownBytes = endpointLabels.registryName.length + maxLength + endpointLabels.by.length + maxIdsLength;
const shareBytes = shareLabels.share.length + shareLabels.weight.length + 2 * maxLength;

/**
 * Keys that steer Istio's security, routing or telemetry, and our own. A provider that could set them could turn mTLS
 * off or join another network.
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
const reservedKeys = new Set<string>(["istio-locality", endpointLabels.registryName]);

/** Names of secrets, without what separates words. */
const secret = /passw(or)?d|passphrase|pwd|secret|token|credential|apikey|privatekey/;

/** What becomes of a provider's metadata. */
export interface LabelChoice {
  /** Sorted by key. */
  readonly labels: Readonly<Record<string, string>>;
  /** The first of the keys for which there is no room. */
  readonly leftOut?: string;
}

/**
 * The part of a provider's metadata that may become labels of its endpoint: legal keys that steer nothing and do not look
 * like a secret's, with legal values of at most 63 characters (`,` becomes `-`, longer ones are cut, others are left out).
 * An endpoint has room for 32 labels and 2 kB of them; those that people count on or have `asked` for come first, then the
 * others by key. @param isDosed whether the endpoint also has the labels of shares.
 */
export function labelsOf(
  metadata: Readonly<Record<string, string>>,
  asked: readonly string[] = [],
  isDosed = false,
): LabelChoice {
  const isExpected = (key: string): boolean => isExpectedLabel(key) || asked.includes(key);
  const usable = Object.keys(metadata)
    .sort()
    .flatMap((key) => {
      const value = isLegalKey(key) && !isReserved(key) && !isSecret(key) && legalValue(metadata[key] ?? "");
      return typeof value === "string" ? [[key, value] as const] : [];
    });
  let [count, bytes] = [Object.keys(endpointLabels).length, ownBytes];
  if (isDosed) [count, bytes] = [count + Object.keys(shareLabels).length, bytes + shareBytes];
  const byRank = usable.toSorted(([a], [b]) => Number(isExpected(b)) - Number(isExpected(a)));
  const beyond = byRank.findIndex(([key, value]) => {
    count += 1;
    bytes += key.length + value.length; // all of them are ASCII
    return count > maxLabels || bytes > maxBytes;
  });
  if (beyond < 0) return { labels: Object.fromEntries(usable) };
  const kept = byRank.slice(0, beyond).sort(([a], [b]) => (a < b ? -1 : 1));
  const [leftOut] = byRank[beyond] ?? [];
  return { labels: Object.fromEntries(kept), ...(leftOut !== undefined && { leftOut }) };
}

/** The key of a label for something that is registered under this key: made legal like a value. */
export function labelKeyOf(key: string): string {
  return isLegalKey(key) ? key : (legalValue(key) ?? key);
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

/** In any spelling: `userPassword`, `api-key`, `SECRET_ACCESS_KEY`, `db.pass`. */
function isSecret(key: string): boolean {
  const words = key
    .replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, ".")
    .toLowerCase()
    .split(/[^a-z0-9]+/);
  return secret.test(words.join("")) || words.includes("pass");
}

function legalValue(value: string): string | undefined {
  const cut = value
    .replaceAll(",", "-")
    .slice(0, maxLength)
    .replace(/[-_.]+$/, "");
  return /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/.test(cut) ? cut : undefined;
}
