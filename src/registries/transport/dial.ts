import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { type Net, specialAddresses, withIPv6Forms } from "../../model/special-addresses.ts";
import { inTime } from "../../runtime/clock.ts";
import type { Clock } from "../../runtime/deps.ts";

const familyOf = (address: string): "ipv4" | "ipv6" => (address.includes(":") ? "ipv6" : "ipv4");

function blockList(nets: readonly Net[]): BlockList {
  const list = new BlockList();
  for (const [address, bits] of nets) list.addSubnet(address, bits, familyOf(address));
  return list;
}

/**
 * Addresses that no registry has, so a hub must not make the operator connect to them. Loopback is allowed; it reaches
 * servers on the operator's own host. So are IPv6 forms of it, and of private addresses.
 */
const refused = blockList(Object.values(specialAddresses).flat().flatMap(withIPv6Forms));

/** The operator must not dial the host, or none of its addresses. */
export class DialRefusedError extends Error {
  override readonly name = "DialRefusedError";
}

/** Of each name at most one: a lookup takes one of Node's few threads, and cannot be given up when it is late. */
const lookups = new Map<string, Promise<readonly string[]>>();

function lookUp(name: string): Promise<readonly string[]> {
  const running = lookups.get(name);
  if (running !== undefined) return running;
  const found = lookup(name, { all: true }).then((all) => all.map(({ address }) => address));
  const started = found.finally(() => lookups.delete(name));
  lookups.set(name, started);
  return started;
}

/**
 * The IP addresses to dial for a host name or IP literal (IPv6 without brackets), resolved anew unless a lookup is under way. Dial one of
 * these and never the name; otherwise the checked address is not the one reached. `allowedCidrs`, if there are any, leaves
 * out whatever is in none of them; it never brings back what is always refused.
 * @throws DialRefusedError when none is left; otherwise the resolver's own error.
 */
export async function resolveDialable(
  host: string,
  allowedCidrs: readonly string[] = [],
): Promise<readonly string[]> {
  const found = isIP(host) ? [host] : await lookUp(host);
  const legal = found.filter((ip) => !refused.check(ip, familyOf(ip)));
  if (legal.length === 0)
    throw new DialRefusedError(
      `${found.join(", ")} is link-local, unspecified, multicast or a cloud's metadata service`,
    );
  if (allowedCidrs.length === 0) return legal;
  const allowed = blockList(
    allowedCidrs.map((cidr): Net => [cidr.replace(/\/.*/, ""), Number(/\d+$/.exec(cidr)?.[0])]),
  );
  const dialable = legal.filter((ip) => allowed.check(ip, familyOf(ip)));
  if (dialable.length === 0)
    throw new DialRefusedError(`${legal.join(", ")} is in none of the ranges of --allow-registry-cidrs`);
  return dialable;
}

/** The resolver's own time-outs can add up to half a minute. */
const lookupMs = 5_000;

/**
 * `resolveDialable` within 5 s, because a name lookup cannot be cancelled. @throws as `resolveDialable`; Error when
 * it is late; the signal's reason.
 */
export function resolveInTime(
  host: string,
  allowedCidrs: readonly string[],
  clock: Pick<Clock, "sleep">,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const late = (): Error => new Error(`the name server does not answer within ${lookupMs / 1_000} s`);
  return inTime(resolveDialable(host, allowedCidrs), { ms: lookupMs, late }, clock, signal);
}

/** Servers choose one of several alerts, and in TLS 1.3 send it only after the client has finished the handshake. */
const clientCertificate = "the server refuses the client's certificate, or demands one";

const words: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "the server's certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the server's certificate is signed by an unknown CA",
  EAI_AGAIN: "the name server does not answer",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "no route to host",
  ENETUNREACH: "network is unreachable",
  ENOTFOUND: "no such host",
  EPIPE: "connection closed",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "the server does not speak TLS",
  "ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE": clientCertificate,
  "ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_UNKNOWN": clientCertificate,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: clientCertificate,
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: clientCertificate,
  ERR_SSL_WRONG_VERSION_NUMBER: "the server does not speak TLS",
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate is for another name",
  ETIMEDOUT: "no answer",
  SELF_SIGNED_CERT_IN_CHAIN: "the server's certificate is signed by an unknown CA",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the server's certificate is signed by an unknown CA",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the server's certificate is signed by an unknown CA",
};

/** Describes a network error in a few words, without addresses or volatile parts. */
export function describeNetworkError(error: unknown): string {
  const { code = "", message, reason } = error as NodeJS.ErrnoException & { readonly reason?: string };
  if (words[code] !== undefined) return words[code];
  // OpenSSL's messages begin with a thread number.
  return code.startsWith("ERR_SSL_") && reason !== undefined ? `TLS fails: ${reason}` : message;
}
