import { connect } from "node:net";

const SILENCE_MS = 1_000;

/**
 * Everything `127.0.0.1:port` answers to `request` until it closes the connection; what it has said so far when it
 * breaks off or is silent for a second (`""` when nothing listens). For readiness probes, which ask again anyway.
 */
export function ask(port: number, request: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(request));
    socket.setTimeout(SILENCE_MS, () => socket.destroy());
    socket.on("data", (chunk) => (answer += String(chunk)));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => resolve(answer));
  });
}

/** Whether somebody listens on `127.0.0.1:port`. */
export function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      resolve(true);
      socket.destroy();
    });
    socket.on("error", () => resolve(false));
  });
}

/** The status that a GET is answered with; undefined while nobody listens. */
export async function statusOf(url: string): Promise<number | undefined> {
  try {
    return (await fetch(url)).status;
  } catch {
    return undefined;
  }
}
