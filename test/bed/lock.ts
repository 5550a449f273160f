import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { say } from "./progress.ts";

/**
 * Runs `run` while no other process (and no other call in this one) does so under the same `path`; says whom it waits for.
 *
 * The lock is an abstract Unix socket (Linux): the kernel gives it to one process and takes it back when that process
 * dies, so there is no stale lock to recognise.
 */
export async function withLock<T>(path: string, run: () => Promise<T>): Promise<T> {
  let release = await tryLock(path);
  for (let said = false; !release; release = await tryLock(path), said = true) {
    await untilReleased(socketOf(path), (holder) => {
      if (!said) say(`waiting for process ${holder}, which prepares ${path}`);
    });
  }
  try {
    return await run();
  } finally {
    release();
  }
}

const socketOf = (path: string): string =>
  `\0registryhub-bed-${createHash("sha256").update(path).digest("hex")}`;

/**
 * Takes the lock and returns how to release it, which the end of this process does as well; undefined while somebody has
 * it, be it this process. It does not keep the process alive.
 */
export async function tryLock(path: string): Promise<(() => void) | undefined> {
  const waiters = new Set<Socket>();
  const server = createServer((waiter) => {
    waiters.add(waiter);
    waiter.on("error", () => waiters.delete(waiter)); // it went away, which is its right
    waiter.write(String(process.pid));
  });
  try {
    await once(server.listen(socketOf(path)).unref(), "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return undefined;
    throw error;
  }
  return () => {
    server.close();
    for (const waiter of waiters) waiter.destroy();
  };
}

/** Returns when the lock's holder has released it or died. */
async function untilReleased(socketName: string, onHolder: (pid: string) => void): Promise<void> {
  const socket = connect(socketName);
  socket.on("data", (pid) => onHolder(String(pid)));
  socket.on("error", () => socket.destroy()); // released between our try and this connection: the next try tells
  await new Promise((resolve) => socket.once("close", resolve)); // `once` of node:events would throw the error
}
