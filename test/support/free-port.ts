import { once } from "node:events";
import { createServer } from "node:net";

// Below the kernel's ephemeral ports (32768 and up): there, a client that retries a stopped server's port can be given
// that very port as its own, connect to itself, and keep the server from coming back.
const LOWEST = 12_000;
const HIGHEST = 31_999;

let next = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));

const given = new Set<number>();

/**
 * A TCP port on 127.0.0.1 that nothing listens on, and neither at these offsets from it. One process is never given the
 * same port twice, so a server that is down for a while finds its ports free again.
 */
export async function freePort(offsets: readonly number[] = []): Promise<number> {
  for (;;) {
    const port = next;
    next = port === HIGHEST ? LOWEST : port + 1;
    const ports = [port, ...offsets.map((offset) => port + offset)];
    if (!ports.every(isOurs) || !(await areFree(ports))) continue;
    for (const each of ports) given.add(each);
    return port;
  }
}

function isOurs(port: number): boolean {
  return port >= LOWEST && port <= HIGHEST && !given.has(port);
}

async function areFree(ports: readonly number[]): Promise<boolean> {
  return (await Promise.all(ports.map(isFree))).every(Boolean);
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
