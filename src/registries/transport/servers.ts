import { RegistryError } from "../../model/errors.ts";
import { withoutSecrets } from "../../model/problems.ts";
import type { Deps } from "../../runtime/deps.ts";
import { describeNetworkError, resolveInTime } from "./dial.ts";

/** The place where one of a registry's servers listens. */
export interface Server {
  /** Name or IP literal, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** "host:port" for messages, IPv6 in brackets. */
  readonly name: string;
}

/** A server with an HTTP API. */
export interface HttpServer extends Server {
  /** The prefix of the API's paths, without a slash at the end. */
  readonly baseUrl: string;
}

/** No further server is tried after this time, so that the caller gets the reason. */
const allServersMs = 10_000;

/**
 * Reads `host:port` or `[2001:db8::1]:port`, or only a host if there is a default port. undefined = it is neither, or
 * its port is not 1..65535.
 */
export function parseServer(text: string, defaultPort = 0): Server | undefined {
  const [, bracketed, plain, portText] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = portText === undefined ? defaultPort : Number(portText);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  return { host, port, name: bracketed === undefined ? `${host}:${port}` : `[${host}]:${port}` };
}

/**
 * Reads `https://host:port/path`. Without a path it has `defaultPath`; without a port it has the scheme's. undefined
 * = it is not such a URL, or it has a login, a query or a fragment.
 */
function parseServerUrl(text: string, defaultPath: string): HttpServer | undefined {
  const url = /[?#@]/.test(text) ? null : URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === "" || url.port === "0")
    return undefined;
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port,
    name: `${url.hostname}:${port}`,
    baseUrl: `${url.origin}${url.pathname.replace(/\/+$/, "") || defaultPath}`,
  };
}

/**
 * The servers of a comma-separated list of such URLs; `advice` says how to write one. @throws RegistryError
 * InvalidSpec.
 */
export function parseServerUrls(address: string, defaultPath: string, advice: string): readonly HttpServer[] {
  return address.split(",").map((part) => {
    const server = parseServerUrl(part.trim(), defaultPath);
    if (server !== undefined) return server;
    const detail = `"${withoutSecrets(part.trim())}" is not a server URL`;
    throw new RegistryError("InvalidSpec", detail, advice);
  });
}

/**
 * The result of `dial` for the first server that it succeeds with. Each name is resolved on this call, and each of
 * its addresses is tried once; else as `tryAny`. @throws one RegistryError for all servers; any other error of
 * `dial`; the signal's reason.
 */
export function dialAny<S extends Server, T>(
  servers: readonly S[],
  dial: (server: S, ip: string) => Promise<T>,
  deps: Deps,
  signal: AbortSignal,
): Promise<T> {
  return tryAny(servers, (server) => dialServer(server, dial, deps, signal), deps);
}

/**
 * The result of `attempt` for the first server that it succeeds with, in random order. There is no second round;
 * `supervise` retries. @throws one RegistryError for all servers; any other error of `attempt`.
 */
export async function tryAny<S extends Server, T>(
  servers: readonly S[],
  attempt: (server: S) => Promise<T>,
  deps: Deps,
): Promise<T> {
  const failures = new Map<S, RegistryError>();
  const giveUpAt = deps.clock.monotonic() + allServersMs;
  for (const server of shuffled(servers, deps)) {
    if (failures.size > 0 && deps.clock.monotonic() > giveUpAt) break;
    try {
      return await attempt(server);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      failures.set(server, error);
    }
  }
  throw summary(servers.flatMap((server) => failures.get(server) ?? []));
}

/**
 * The results of `attempt` for all servers that it succeeds with, which are asked at once, in their order. @throws one
 * RegistryError if there is none; any other error of `attempt`.
 */
export async function tryAll<S extends Server, T>(
  servers: readonly S[],
  attempt: (server: S) => Promise<T>,
): Promise<readonly [T, ...T[]]> {
  const ended = await Promise.allSettled(servers.map(attempt));
  const failures = ended.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
  const known = failures.filter((failure) => failure instanceof RegistryError);
  if (known.length < failures.length) throw failures.find((failure) => !(failure instanceof RegistryError));
  const [first, ...more] = ended.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  if (first === undefined) throw summary(known);
  return [first, ...more];
}

/** @throws RegistryError of the last address tried. */
async function dialServer<S extends Server, T>(
  server: S,
  dial: (server: S, ip: string) => Promise<T>,
  deps: Deps,
  signal: AbortSignal,
): Promise<T> {
  let failure: unknown;
  for (const ip of shuffled(await resolve(server, deps, signal), deps)) {
    try {
      return await dial(server, ip);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      failure = error;
    }
  }
  throw failure;
}

async function resolve(
  { host }: Server,
  { clock, limits }: Deps,
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    return await resolveInTime(host, limits?.allowedCidrs ?? [], clock, signal);
  } catch (cause) {
    if (signal.aborted) throw cause;
    const detail = `lookup ${host}: ${describeNetworkError(cause)}`;
    const advice = "Check spec.address.";
    throw new RegistryError("RegistryUnreachable", detail, advice, { cause });
  }
}

/** One error for all servers, in the order of the address, with the most telling code. */
function summary(failures: readonly RegistryError[]): RegistryError {
  const chief = failures.find(({ code }) => code !== "RegistryUnreachable") ?? failures[0];
  if (chief === undefined) throw new Error("no server was tried");
  if (failures.length === 1) return chief;
  const detail = failures.map((failure) => failure.detail).join("; ");
  return new RegistryError(chief.code, detail, chief.nextStep, { cause: failures });
}

/** The items in random order. */
export function shuffled<T>(items: readonly T[], { random }: Deps): T[] {
  return items
    .map((item) => ({ item, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
