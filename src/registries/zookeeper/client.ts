import { RegistryError } from "../../model/errors.ts";
import type { Credentials, RegistrySpec } from "../../model/hub.ts";
import { inTime } from "../../runtime/clock.ts";
import type { Clock, Deps } from "../../runtime/deps.ts";
import { tlsOptionsOf } from "../../runtime/dialer.ts";
import { dialAny, type Server } from "../../runtime/servers.ts";
import { parseConnectString } from "./address.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { int, text } from "./jute.ts";
import { createSession, fire, type Session, successful, type Watches } from "./session.ts";

/**
 * A server that lags and has handed out a session of its own (`localSessionsEnabled`) does not answer `sync`, but pings.
 * Source: measured on 3.9.4.
 */
const catchUpMs = 2_000;

/** What a server is dialled with, whichever it is. */
type Dialling = Omit<ConnectionOptions, "server" | "ip" | "onLost">;

/**
 * Opens a session on any server of the connect string: in random order, each name resolved anew, each of its
 * addresses once, none of them while it lags behind its leader. There is no second round: that is for
 * `supervise`. `onLost` is called once if the session breaks later.
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
  const tls = registry.tls.enabled ? tlsOptionsOf(registry.tls, credentials) : undefined;
  const dialling: Dialling = { ...(tls && { tls }), onEvent: (path) => fire(watches, path) };
  const dial = async (server: Server, ip: string): Promise<Session> => {
    let isInUse = false;
    const lost = (error: RegistryError): void => void (isInUse && onLost(error));
    const connection = await Connection.open({ ...dialling, server, ip, onLost: lost }, deps.clock, signal);
    const session = createSession(connection, server.name, chroot, watches);
    try {
      await login(connection, server, digest);
      await catchUp(session, deps.clock, signal);
    } catch (error) {
      connection.close();
      throw error;
    }
    isInUse = true;
    return session;
  };
  return dialAny(servers, dial, deps, signal);
}

/**
 * Without a user the session may do what ACLs grant to the world. A wrong password is not refused here: it
 * shows as a missing right later. Source: measured on 3.9.4.
 */
async function login(connection: Connection, server: Server, digest: string | undefined): Promise<void> {
  if (digest === undefined) return;
  const reply = await connection.authenticate(int(0), text("digest"), text(digest));
  successful(reply, server.name, "digest login");
}

/** What is read from now on is not older than what anyone has read before. @throws RegistryError when it is not within 2 s. */
function catchUp(session: Session, clock: Pick<Clock, "sleep">, signal: AbortSignal): Promise<void> {
  const detail = `connect ${session.server}: the server lags behind its leader: no answer to sync within ${catchUpMs / 1_000} s`;
  const advice = "Read the server's log.";
  const late = (): Error => new RegistryError("RegistryUnreachable", detail, advice);
  return inTime(session.sync(), { ms: catchUpMs, late }, clock, signal);
}

/**
 * "user:password", or undefined when the Secret has neither. @throws RegistryError SecretInvalid when it has
 * one of them.
 */
function digestOf({ username, password }: Credentials): string | undefined {
  if (username !== undefined && password !== undefined) return `${username}:${password}`;
  if (username === undefined && password === undefined) return undefined;
  const advice = "Set both for a digest login, or neither.";
  throw new RegistryError("SecretInvalid", "the Secret has only one of username and password", advice);
}
