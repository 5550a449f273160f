import { setTimeout as delay } from "node:timers/promises";
import { ask } from "../bed/tcp.ts";
import type { ZooKeeper } from "../bed/zookeeper.ts";
import { eventually } from "../support/eventually.ts";
import { connectZkWriter, type ZkWriter } from "../support/zk-writer.ts";

/** One provider process as ZooKeeper sees it. Disposal ends it and its session. */
export interface Pod extends AsyncDisposable {
  /** Registers nodes whose directories exist. Returns once they are there. */
  add(paths: readonly string[]): Promise<void>;
  /** Deletes nodes. */
  remove(paths: readonly string[]): Promise<void>;
  /** Registers these no more, wherever they are now. */
  forget(paths: readonly string[]): void;
}

const BEAT_MS = 200;
/** A session that leaves one request unanswered for this long is given up, as one that has expired is. */
const PATIENCE_MS = 2_000;
const REGISTER_MS = 15_000;

/**
 * A process that keeps a session and its ephemeral nodes as Dubbo does: after the loss of its session it deletes and
 * creates them anew, `returnMs` after it has another; where the directory is gone it stays out until somebody else creates it (measured, Dubbo 2.7 and 3.3).
 */
export function startPod(server: ZooKeeper, sessionTimeoutMs: number, returnMs: number): Pod {
  const wanted = new Set<string>();
  const stopping = new AbortController();
  let session: Session | undefined;
  let sessions = 0;

  async function live(): Promise<void> {
    while (!stopping.signal.aborted) {
      // A server that is starting swallows connections: only one that serves is dialled.
      if (session === undefined && (await ask(server.port, "srvr")).includes("\nMode:")) {
        const writer = await connectZkWriter(server.address, { sessionTimeoutMs }).catch(() => undefined); // it is asked again
        const registersAt = performance.now() + (sessions > 0 ? returnMs : 0);
        if (writer !== undefined) session = { writer, registered: new Set(), registersAt };
        if (writer !== undefined) sessions++;
      }
      // Why it fails is of no interest: the session is replaced in any case.
      if (session !== undefined) await beat(session).catch(drop);
      await delay(BEAT_MS, undefined, { signal: stopping.signal }).catch(() => undefined); // the end of the loop
    }
    await drop();
  }
  async function beat({ writer, registered, registersAt }: Session): Promise<void> {
    for (const path of performance.now() < registersAt ? [] : wanted) {
      if (!registered.has(path) && (await register(writer, path))) registered.add(path);
      if (wanted.has(path)) continue;
      await exists(answered(writer.delete(path))); // it was removed while it was being registered
      registered.delete(path);
    }
    await answered(writer.getChildren("/")); // fails once the session has
  }
  async function drop(): Promise<void> {
    const ended = session;
    session = undefined;
    await ended?.writer.close();
  }

  const living = live();
  return {
    async add(paths) {
      for (const path of paths) wanted.add(path);
      await eventually(() => {
        const missing = paths.filter((path) => !session?.registered.has(path));
        if (missing.length > 0) throw new Error(`not registered yet: ${missing.join(", ")}`);
      }, REGISTER_MS);
    },
    async remove(paths) {
      for (const path of paths) wanted.delete(path);
      await eventually(async () => {
        if (session === undefined) throw new Error("this provider has no session: is the registry down?");
        for (const path of paths) await exists(session.writer.delete(path));
      }, REGISTER_MS);
    },
    forget(paths) {
      for (const path of paths) wanted.delete(path);
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await living;
    },
  };
}

/** A connection and the nodes that it has registered. */
interface Session {
  readonly writer: ZkWriter;
  readonly registered: Set<string>;
  /** In performance.now(). */
  readonly registersAt: number;
}

/** False when the directory is missing. */
async function register(writer: ZkWriter, path: string): Promise<boolean> {
  const directory = path.slice(0, path.lastIndexOf("/"));
  if (!(await exists(answered(writer.getChildren(directory))))) return false;
  await exists(answered(writer.delete(path))); // of a session before this one
  await answered(writer.create(path, { ephemeral: true }));
  return true;
}

/** False when the node is missing. */
async function exists(answer: Promise<unknown>): Promise<boolean> {
  try {
    await answer;
    return true;
  } catch (error) {
    if (String(error).includes("NO_NODE")) return false;
    throw error;
  }
}

/** @throws Error when there is no answer in time. */
function answered<T>(answer: Promise<T>): Promise<T> {
  const silence = delay(PATIENCE_MS, undefined, { ref: false }).then((): never => {
    throw new Error(`no answer within ${PATIENCE_MS} ms`);
  });
  return Promise.race([answer, silence]);
}
