import { RegistryError } from "../../model/errors.ts";
import type { Credentials } from "../../model/hub.ts";
import { inTime } from "../../runtime/clock.ts";
import type { Clock, Deps } from "../../runtime/deps.ts";
import type { RegistryConfig } from "../adapter.ts";
import { tlsOptionsOf } from "../transport/dialer.ts";
import { dialAny, type Server } from "../transport/servers.ts";
import { parseConnectString } from "./address.ts";
import { ZkConnection } from "./connection.ts";
import { createSession, type Session, successful } from "./session.ts";
import { int, text } from "./wire.ts";

/**
 * How long a server may take for a new session, and to catch up with its leader: one that lags and issued a local
 * session (`localSessionsEnabled`) does not answer `sync`, but answers pings. At first longer waiting does not help,
 * because a starting server accepts connections that it then neither answers nor closes. It doubles with every watch
 * that failed, up to 8 s, because a server whose disk is slow gives no session sooner.
 * Source: measured on 3.9.4; docs/registries/zookeeper.md.
 */
const patienceMs = (failures: number): number => Math.min(2_000 * 2 ** failures, 8_000);

/**
 * Opens a session on any server of the connect string. It tries the servers in random order, resolves each name on
 * this call, tries each address once, and skips a server that lags behind its leader. There is no second round;
 * `supervise` retries. `onLost` is called once if the session breaks later.
 *
 * The session is always new and claims zxid 0. A server that closes without answering is therefore starting or lacks
 * quorum; staleness is detected through `Snapshot.position` and `Snapshot.origin`.
 * @throws RegistryError; an AbortError or the signal's reason.
 */
export async function openSession(
  { registry, credentials, failures = 0 }: RegistryConfig<"zookeeper">,
  onLost: (error: Error) => void,
  deps: Deps,
  signal: AbortSignal,
): Promise<Session> {
  const { servers, chroot } = parseConnectString(registry.address);
  const digest = digestOf(credentials);
  const tls = registry.tls.enabled ? tlsOptionsOf(registry.tls, credentials) : undefined;
  const handshakeMs = patienceMs(failures);
  const dial = async (server: Server, ip: string): Promise<Session> => {
    const options = { server, ip, handshakeMs, ...(tls && { tls }) };
    const connection = await ZkConnection.open(options, deps.clock, signal);
    const session = createSession(connection, server.name, chroot);
    try {
      await login(connection, server, digest);
      await catchUp(session, handshakeMs, deps.clock, signal);
    } catch (error) {
      connection.close();
      throw error;
    }
    connection.whenLost(onLost);
    return session;
  };
  return dialAny(servers, dial, deps, signal);
}

/**
 * Adds the user to the session. Without a user the session has the rights that ACLs grant to the world. A wrong
 * password is not refused here; it appears later as a missing right. Source: measured on 3.9.4.
 */
async function login(connection: ZkConnection, server: Server, digest: string | undefined): Promise<void> {
  if (digest === undefined) return;
  const reply = await connection.authenticate(int(0), text("digest"), text(digest));
  successful(reply, server.name, "digest login");
}

/** Makes sure that later reads are not older than what anyone has read before. @throws RegistryError after `ms`. */
function catchUp(
  session: Session,
  ms: number,
  clock: Pick<Clock, "sleep">,
  signal: AbortSignal,
): Promise<void> {
  const detail = `connect ${session.server}: the server lags behind its leader: no answer to sync within ${ms / 1_000} s`;
  const advice = "Read the server's log.";
  const late = (): Error => new RegistryError("RegistryUnreachable", detail, advice);
  return inTime(session.sync(), { ms, late }, clock, signal);
}

/**
 * "user:password", or undefined when the Secret has neither. @throws RegistryError SecretInvalid when it has only one
 * of them.
 */
function digestOf({ username, password }: Credentials): string | undefined {
  if (username !== undefined && password !== undefined) return `${username}:${password}`;
  if (username === undefined && password === undefined) return undefined;
  const advice = "Set both for a digest login, or neither.";
  throw new RegistryError("SecretInvalid", "the Secret has only one of username and password", advice);
}
