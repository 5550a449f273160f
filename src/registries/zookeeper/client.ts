import { RegistryError } from "../../model/errors.ts";
import type { Credentials, RegistrySpec } from "../../model/hub.ts";
import type { Clock, Deps } from "../../runtime/deps.ts";
import { describeNetworkError, resolveDialable } from "../../runtime/dial.ts";
import { parseConnectString, type Server } from "./address.ts";
import { Connection, type ConnectionOptions, type TlsOptions } from "./connection.ts";
import { int, text } from "./jute.ts";
import { createSession, fire, type Session, successful, type Watches } from "./session.ts";

/** No further server is tried after this long: whoever waits wants to be told why. */
const roundMs = 10_000;
const lookupMs = 5_000;

/** What a server is dialled with, whichever it is. */
type Dialling = Omit<ConnectionOptions, "server" | "ip">;

/**
 * Opens a session on any server of the connect string: in random order, each name resolved anew, each of its
 * addresses once. There is no second round: that is for `supervise`. `onLost` is called once if the session
 * breaks later.
 *
 * Always a new session that claims to have seen nothing. So a server that closes without an answer is
 * starting or has no quorum, and never one that refuses us because its data is older than what we saw: that
 * it is older is told by `Snapshot.position` and `Snapshot.origin`.
 * @throws RegistryError; an AbortError or the signal's reason.
 */
export async function openSession(
  registry: RegistrySpec<"zookeeper">,
  credentials: Credentials,
  onLost: (error: RegistryError) => void,
  deps: Deps,
  signal: AbortSignal,
): Promise<Session> {
  const { servers, chroot } = parseConnectString(registry.address);
  const digest = digestOf(credentials);
  const watches: Watches = new Map();
  const tls = tlsOptions(registry, credentials);
  const dialling: Dialling = { ...(tls && { tls }), onEvent: (path) => fire(watches, path), onLost };
  const failures = new Map<Server, RegistryError>();
  const giveUpAt = deps.clock.monotonic() + roundMs;
  for (const server of shuffled(servers, deps)) {
    if (failures.size > 0 && deps.clock.monotonic() > giveUpAt) break;
    try {
      const connection = await dialServer(server, dialling, deps, signal);
      await login(connection, server, digest);
      return createSession(connection, server.name, chroot, watches);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      failures.set(server, error);
    }
  }
  throw summary(servers.flatMap((server) => failures.get(server) ?? []));
}

/** @throws RegistryError of the last address that was tried. */
async function dialServer(
  server: Server,
  dialling: Dialling,
  deps: Deps,
  signal: AbortSignal,
): Promise<Connection> {
  let failure: unknown;
  for (const ip of shuffled(await resolve(server, deps.clock, signal), deps)) {
    try {
      return await Connection.open({ ...dialling, server, ip }, deps.clock, signal);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      failure = error;
    }
  }
  throw failure;
}

/**
 * The name server cannot be told to stop, so it is left behind when it is late or nobody wants to know any
 * more.
 */
async function resolve({ host }: Server, clock: Clock, signal: AbortSignal): Promise<readonly string[]> {
  const known = new AbortController();
  const late = clock.sleep(lookupMs, AbortSignal.any([signal, known.signal])).then(() => {
    throw new Error(`no answer within ${lookupMs / 1_000} s`);
  });
  try {
    return await Promise.race([resolveDialable(host), late]);
  } catch (cause) {
    if (signal.aborted) throw cause;
    const detail = `lookup ${host}: ${describeNetworkError(cause)}`;
    throw new RegistryError(
      "RegistryUnreachable",
      detail,
      "Check spec.address; the operator retries by itself.",
      { cause },
    );
  } finally {
    known.abort();
  }
}

/**
 * Without a user the session may do what ACLs grant to the world. A wrong password is not refused here: it
 * shows as a missing right later. Source: measured on 3.9.4.
 */
async function login(connection: Connection, server: Server, digest: string | undefined): Promise<void> {
  if (digest === undefined) return;
  try {
    const reply = await connection.authenticate(int(0), text("digest"), text(digest));
    successful(reply, server.name, "digest login");
  } catch (error) {
    connection.close();
    throw error;
  }
}

/**
 * "user:password", or undefined when the Secret has neither. @throws RegistryError SecretInvalid when it has
 * one of them.
 */
function digestOf({ username, password }: Credentials): string | undefined {
  if (username !== undefined && password !== undefined) return `${username}:${password}`;
  if (username === undefined && password === undefined) return undefined;
  const advice = "A digest login needs both; without a login leave both out.";
  throw new RegistryError("SecretInvalid", "the Secret has only one of username and password", advice);
}

function tlsOptions(registry: RegistrySpec<"zookeeper">, credentials: Credentials): TlsOptions | undefined {
  if (!registry.tls.enabled) return undefined;
  const { caCert, clientCert, clientKey } = credentials;
  return {
    rejectUnauthorized: !registry.tls.insecureSkipVerify,
    ...(caCert !== undefined && { ca: caCert }),
    ...(clientCert !== undefined && { cert: clientCert }),
    ...(clientKey !== undefined && { key: clientKey }),
  };
}

/** One error for all servers, in the order of the connect string; its code is the most telling one. */
function summary(failures: readonly RegistryError[]): RegistryError {
  const chief = failures.find(({ code }) => code !== "RegistryUnreachable") ?? failures[0];
  if (chief === undefined) throw new Error("no server was tried");
  if (failures.length === 1) return chief;
  const detail = failures.map((failure) => failure.detail).join("; ");
  return new RegistryError(chief.code, detail, chief.nextStep, { cause: failures });
}

function shuffled<T>(items: readonly T[], { random }: Deps): T[] {
  return items
    .map((item) => ({ item, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
