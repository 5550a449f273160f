import { RegistryError } from "../../model/errors.ts";
import type { Reply, ZkConnection } from "./connection.ts";
import { bool, errorCode, opcode, type Reader, readStat, type Stat, text } from "./wire.ts";

/** Why one node is unreadable; worse errors are thrown. */
export type Obstacle = "missing" | "forbidden";

export interface Children {
  readonly children: readonly string[];
  readonly stat: Stat;
}

export interface NodeData {
  /** As UTF-8. */
  readonly data: string;
  readonly stat: Stat;
}

/**
 * Reads below the chroot. With `changed` a read also watches the path: `changed` is called once, after the next
 * change of the node, of its children, or of its existence. The very same `changed` watches a path once. A forbidden
 * node is not watched.
 * Errors: every method @throws RegistryError when the connection breaks or the server answers out of order.
 */
export interface Session {
  /** "host:port" of the server. */
  readonly server: string;
  /** The newest transaction in any answer. */
  zxid(): bigint;
  children(path: string, changed: () => void): Promise<Children | Obstacle>;
  data(path: string, changed?: () => void): Promise<NodeData | Obstacle>;
  /** Makes the server catch up with the leader, so that later reads are not older than what anyone has read before. */
  sync(): Promise<void>;
}

/** A session over an open connection. */
export function createSession(connection: ZkConnection, server: string, chroot: string): Session {
  const read = async <T>(
    type: ReadType,
    path: string,
    changed: (() => void) | undefined,
    decode: (record: Reader) => T,
  ): Promise<T | Obstacle> => {
    const fullPath = below(chroot, path);
    if (changed) watch(connection, fullPath, changed); // before the request, because the event may follow the answer at once
    const reply = await connection.request(opcode[type], text(fullPath), bool(changed !== undefined));
    if (reply.error === errorCode.noNode) return "missing";
    if (reply.error === errorCode.noAuth) return "forbidden";
    const what = `${type} ${fullPath}`;
    const record = successful(reply, server, what);
    try {
      return decode(record);
    } catch (cause) {
      const advice = "Check that spec.address points to a ZooKeeper server.";
      const detail = `${what} on ${server}: the answer cannot be read: ${(cause as Error).message}`;
      throw new RegistryError("RegistryBadResponse", detail, advice, { cause });
    }
  };
  const untilWatched = async <T>(
    type: ReadType,
    path: string,
    changed: (() => void) | undefined,
    decode: (record: Reader) => T,
  ): Promise<T | Obstacle> => {
    for (;;) {
      const answer = await read(type, path, changed, decode);
      if (answer !== "missing" || changed === undefined) return answer;
      // Only this read can watch a node that does not exist.
      const nothing = await read("exists", path, changed, readStat);
      if (nothing === "missing" || nothing === "forbidden") return nothing;
    }
  };
  return {
    server,
    zxid: () => connection.zxid,
    children: (path, changed) => untilWatched("getChildren2", path, changed, readListing),
    data: (path, changed) => untilWatched("getData", path, changed, readNodeData),
    async sync() {
      successful(await connection.request(opcode.sync, text(below(chroot, "/"))), server, "sync");
    },
  };
}

function watch({ watches }: ZkConnection, path: string, changed: () => void): void {
  watches.add(path, changed);
}

const readListing = (record: Reader): Children => ({ children: record.texts(), stat: readStat(record) });
const readNodeData = (record: Reader): NodeData => ({ data: record.text(), stat: readStat(record) });

type ReadType = "getChildren2" | "getData" | "exists";

/** `path` is absolute; the chroot itself is "/". */
function below(chroot: string, path: string): string {
  return path === "/" ? chroot || "/" : chroot + path;
}

/** The record of an answer without an error. @throws RegistryError. */
export function successful({ error, record }: Reply, server: string, what: string): Reader {
  if (error === errorCode.ok) return record;
  const retry = "Read the server's log.";
  switch (error) {
    case errorCode.sessionExpired:
    case errorCode.sessionMoved:
      throw new RegistryError("RegistryUnreachable", `${what} on ${server}: the session has ended`, retry);
    case errorCode.authFailed: {
      const advice = "Check username and password in the Secret, and that the server accepts digest logins.";
      throw new RegistryError("RegistryUnauthorized", `${what} on ${server}: refused`, advice);
    }
    default:
      throw new RegistryError("RegistryBadResponse", `${what} on ${server}: error ${error}`, retry);
  }
}
