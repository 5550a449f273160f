import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Clock } from "../../../src/runtime/deps.ts";

/** How a server answers badly. */
export type Fault =
  /** Another answer: a status, a redirect, a page of a proxy, odd JSON. */
  | { readonly status: number; readonly headers?: OutgoingHttpHeaders; readonly body?: string | Buffer }
  /** No answer while the connection stays open. */
  | "hang"
  /** The connection is closed without an answer, as an idle one that the server gave up. */
  | "close"
  /** A body that never ends: blanks, or `pours` again and again. */
  | "endless"
  | { readonly pours: Buffer; readonly headers?: OutgoingHttpHeaders }
  /** Half of a body, and then the connection is closed. */
  | "cut"
  /** Bytes that are no HTTP. */
  | { readonly raw: string | Buffer }
  /** The right answer, later. */
  | { readonly delayMs: number };

/** Does what the fault says; "late" = the right answer is due now. */
export async function misbehave(
  fault: Fault,
  { socket }: IncomingMessage,
  response: ServerResponse,
  clock: Clock,
): Promise<"answered" | "late"> {
  if (typeof fault === "object" && "delayMs" in fault) {
    await new Promise<void>((resolve) => clock.after(fault.delayMs, resolve));
    return "late";
  }
  if (fault === "close") socket.destroy();
  else if (fault === "endless") pourForever(response, Buffer.alloc(64 * 1_024, " "));
  else if (typeof fault === "object" && "pours" in fault) pourForever(response, fault.pours, fault.headers);
  else if (fault === "cut") {
    response.writeHead(200, { "content-type": "application/json", "content-length": 1_000 });
    response.write('{"applications":', () => response.destroy());
  } else if (fault !== "hang" && "raw" in fault) socket.end(fault.raw);
  else if (fault !== "hang") {
    response.writeHead(fault.status, { "content-type": "application/json", ...fault.headers });
    response.end(fault.body ?? "");
  }
  return "answered";
}

/** As fast as the reader takes it. */
function pourForever(response: ServerResponse, chunk: Buffer, headers: OutgoingHttpHeaders = {}): void {
  response.writeHead(200, { "content-type": "application/json", ...headers });
  const pour = (): void => {
    if (!response.destroyed) response.write(chunk, pour);
  };
  pour();
}
