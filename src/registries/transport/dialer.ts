import { isIP, type Socket, connect as tcpConnect } from "node:net";
import { createSecureContext, type SecureContext, connect as tlsConnect } from "node:tls";
import type { Credentials, RegistrySpec } from "../../model/hub.ts";
import type { Clock } from "../../runtime/deps.ts";
import { resolveInTime } from "./dial.ts";

/** After this time an address is given up. */
const connectMs = 3_000;
/** After this time the next address is tried as well. Source: RFC 8305, "Connection Attempt Delay". */
const nextAddressMs = 250;

/** PEM, as in a hub's Secret. */
export interface TlsOptions {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecureSkipVerify?: boolean;
  /** The protocols to offer over TLS, best first; without them, nothing is negotiated. */
  readonly protocols?: readonly ("h2" | "http/1.1")[];
}

export interface Endpoint {
  /** Name or IP literal, IPv6 without brackets. */
  readonly host: string;
  /** The one address to dial, as `resolveInTime` gave it; absent = each that the name has now. */
  readonly ip?: string;
  readonly port: number;
  readonly secure: boolean;
}

/** The TLS options of a hub and its Secret. */
export function tlsOptionsOf({ insecureSkipVerify }: RegistrySpec["tls"], of: Credentials): TlsOptions {
  return {
    insecureSkipVerify,
    ...(of.caCert !== undefined && { ca: of.caCert }),
    ...(of.clientCert !== undefined && { cert: of.clientCert }),
    ...(of.clientKey !== undefined && { key: of.clientKey }),
  };
}

/** The PEM texts of `TlsOptions` are unusable. */
export class BadTlsOptionsError extends Error {
  override readonly name = "BadTlsOptionsError";
}

/** Opens sockets; each socket is destroyed when the dialer's signal aborts. */
export type Dialer = (endpoint: Endpoint) => Promise<Socket>;

/**
 * Resolves the name on every call, checks its addresses (`resolveDialable`) and dials them in their order: the next one
 * when one fails or is silent for 250 ms, so a dead address costs little. It never dials the name, so the checked address
 * is the one reached. A TLS socket is ready and verified against the name. `allowedCidrs`: as `resolveDialable` has it.
 * The dialer @throws BadTlsOptionsError; DialRefusedError; the error of the resolver or of the address that failed last;
 * the signal's reason.
 */
export function createDialer(
  tls: TlsOptions,
  clock: Clock,
  signal: AbortSignal,
  allowedCidrs: readonly string[] = [],
): Dialer {
  let context: SecureContext | undefined;
  return async (endpoint) => {
    signal.throwIfAborted();
    if (endpoint.secure) context ??= secureContext(tls);
    const { host, ip } = endpoint;
    const addresses = ip === undefined ? await resolveInTime(host, allowedCidrs, clock, signal) : [ip];
    signal.throwIfAborted();
    const dials = addresses.map((one) => () => socketTo(endpoint, one, tls, context));
    return firstToOpen(dials, (socket) => open(socket, endpoint.secure, clock, signal), clock, signal);
  };
}

/**
 * The first socket that `opened` says is open; the others are destroyed. Each dial begins when one before it has failed,
 * or 250 ms after it. @throws the failure that came last.
 */
export async function firstToOpen(
  dials: readonly (() => Socket)[],
  opened: (socket: Socket) => Promise<Socket>,
  clock: Pick<Clock, "after">,
  signal: AbortSignal,
): Promise<Socket> {
  const { promise: first, resolve, reject } = Promise.withResolvers<Socket>();
  const waiting = dials.values();
  const sockets: Socket[] = [];
  let stopTimer: (() => void) | undefined;
  let isOver = false;
  let failed = 0;
  const dialNext = (): void => {
    stopTimer?.();
    const { value: dial } = isOver ? {} : waiting.next();
    if (dial === undefined) return;
    const socket = dial();
    sockets.push(socket);
    stopTimer = clock.after(nextAddressMs, dialNext);
    opened(socket).then(resolve, (error: unknown) => {
      if (++failed === dials.length || signal.aborted) reject(error);
      else dialNext();
    });
  };
  dialNext();
  try {
    const winner = await first;
    sockets.splice(sockets.indexOf(winner), 1);
    return winner;
  } finally {
    isOver = true;
    stopTimer?.();
    for (const loser of sockets) loser.destroy();
  }
}

function secureContext({ ca, cert, key }: TlsOptions): SecureContext {
  try {
    return createSecureContext({
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    });
  } catch {
    // The library's message may quote the key.
    throw new BadTlsOptionsError("ca.crt, tls.crt and tls.key are not PEM, or do not belong together");
  }
}

/**
 * A socket that is connecting to one address of the endpoint. It is the caller's to listen to and to destroy.
 * @throws BadTlsOptionsError.
 */
export function socketTo(
  { host, port, secure }: Endpoint,
  ip: string,
  tls: TlsOptions,
  context = secure ? secureContext(tls) : undefined,
): Socket {
  if (!secure) return tcpConnect({ host: ip, port, noDelay: true });
  return tlsConnect({
    host: ip,
    port,
    ...(context !== undefined && { secureContext: context }),
    rejectUnauthorized: !tls.insecureSkipVerify,
    ...(tls.protocols && { ALPNProtocols: [...tls.protocols] }),
    ...(isIP(host) === 0 && { servername: host }),
  });
}

/**
 * Resolves with the connected socket. Destroys the socket when that fails or takes too long, and later when `signal`
 * aborts.
 */
function open(socket: Socket, secure: boolean, clock: Clock, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const late = clock.after(connectMs, () =>
      socket.destroy(new Error(`no answer within ${connectMs / 1_000} s`)),
    );
    const stop = (): unknown => socket.destroy(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    socket.once(secure ? "secureConnect" : "connect", () => {
      late();
      resolve(socket);
    });
    // Stays, because an error without a listener would end the process.
    socket.on("error", reject);
    socket.once("close", () => {
      late();
      signal.removeEventListener("abort", stop);
      reject(new Error("connection closed"));
    });
  });
}
