import { once } from "node:events";
import { createServer } from "node:net";
import { isPortAllowed, portRules } from "../../src/model/port-rules.ts";
import { tryLock } from "../bed/lock.ts";

// Below the kernel's ephemeral ports (32768 and up): there, a client that retries a stopped server's port can be given
// that very port as its own, connect to itself, and keep the server from coming back. And below Dubbo's own, 20880.
const LOWEST = 12_000;
const HIGHEST = 19_999;
// A provider on another port has no filter.
const forDubbo = portRules("default");

let next = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));

/**
 * A TCP port on 127.0.0.1 that nothing listens on, and neither at these offsets from it. Until this process ends no call
 * in any process is given it again, so a server that is down for a while finds its ports free. @throws Error when there is none.
 */
export async function freePort(offsets: readonly number[] = []): Promise<number> {
  for (let tried = LOWEST; tried <= HIGHEST; tried++) {
    const port = next;
    next = port === HIGHEST ? LOWEST : port + 1;
    if (await claim([port, ...offsets.map((offset) => port + offset)])) return port;
  }
  throw new Error(`no port from ${LOWEST} to ${HIGHEST} is free`);
}

/** All of them, or none. */
async function claim(ports: readonly number[]): Promise<boolean> {
  if (ports.some((port) => port < LOWEST || port > HIGHEST || !isPortAllowed(port, forDubbo))) return false;
  await using claimed = new AsyncDisposableStack();
  for (const port of ports) {
    const release = await tryLock(`port ${port}`);
    if (release === undefined) return false;
    claimed.defer(release);
    if (!(await isFree(port))) return false;
  }
  claimed.move(); // until this process ends
  return true;
}

/** True when nothing listens on `127.0.0.1:port` at this moment. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
  server.close();
  await once(server, "close");
  return true;
}
