import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { inTime } from "../../runtime/clock.ts";
import type { Clock } from "../../runtime/deps.ts";

/**
 * Addresses that no registry has, so a hub must not make the operator connect to them: "this host", link-local (where
 * clouds serve their metadata) and multicast. Loopback is allowed; it reaches servers on the operator's own host.
 */
const refused = new BlockList();
refused.addSubnet("0.0.0.0", 8, "ipv4");
refused.addSubnet("169.254.0.0", 16, "ipv4");
refused.addSubnet("224.0.0.0", 4, "ipv4");
refused.addAddress("255.255.255.255", "ipv4");
refused.addAddress("::", "ipv6");
refused.addSubnet("fe80::", 10, "ipv6");
refused.addSubnet("ff00::", 8, "ipv6");

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
 * these and never the name; otherwise the checked address is not the one reached.
 * @throws DialRefusedError when each is link-local, unspecified or multicast; otherwise the resolver's own error.
 */
export async function resolveDialable(host: string): Promise<readonly string[]> {
  const found = isIP(host) ? [host] : await lookUp(host);
  const dialable = found.filter((ip) => !refused.check(ip, isIP(ip) === 6 ? "ipv6" : "ipv4"));
  if (dialable.length === 0)
    throw new DialRefusedError(`${found.join(", ")} is link-local, unspecified or multicast`);
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
  clock: Pick<Clock, "sleep">,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const late = (): Error => new Error(`the name server does not answer within ${lookupMs / 1_000} s`);
  return inTime(resolveDialable(host), { ms: lookupMs, late }, clock, signal);
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
