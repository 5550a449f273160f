import { once } from "node:events";
import { createServer } from "node:net";

// Below the kernel's ephemeral ports (32768 and up): there, a client that retries a stopped server's port can be given
// that very port as its own, connect to itself, and keep the server from coming back.
const LOWEST = 12_000;
const HIGHEST = 31_999;

let next = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));

/**
 * A TCP port on 127.0.0.1 that nothing listens on. One process is never given the same port twice, so a server that is
 * down for a while finds its port free again.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = next;
    next = port === HIGHEST ? LOWEST : port + 1;
    if (await isFree(port)) return port;
  }
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
