import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Logger } from "./deps.ts";
import { type ListeningServer, listen } from "./listen.ts";

/** What a route answers; undefined = there is no such thing. */
export type Answer = { readonly json: unknown } | { readonly file: Uint8Array; readonly type: string };

/** Answers GET. The signal aborts when nobody waits for the answer any more. */
export type Route = (query: URLSearchParams, signal: AbortSignal) => Promise<Answer | undefined>;

/** By path. */
export type Routes = Readonly<Record<string, Route>>;

/** Nobody needs more at once, and each request takes of the time of the process. */
const mostConnections = 64;
/** Of a connection. Browsers ask one thing after the other; whoever sends more without an answer is cut off. */
const mostAtOnce = 16;

/**
 * What is served has no scripts, styles or requests of any other origin, nobody may put it into a frame, and no cache keeps it.
 * Source: Content Security Policy Level 3.
 */
const headers = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
};

/**
 * Serves GET of the routes at a port of 127.0.0.1, to people of this machine, or at the other end of a port-forward. A page of
 * another site cannot read it: it allows no other origin, and refuses every name but that of this machine, to which such a site
 * could have its own name lead (DNS rebinding). A route that throws is logged, and answers 500.
 * @throws the system's error when the port cannot be bound.
 */
export function serveLocally(port: number, routes: Routes, logger: Logger): Promise<ListeningServer> {
  const inWork = new WeakMap<Socket, number>();
  const server = createServer((request, response) => {
    const { socket } = request;
    const count = (by: number): number => {
      const now = (inWork.get(socket) ?? 0) + by;
      inWork.set(socket, now);
      return now;
    };
    if (count(1) > mostAtOnce) return void socket.destroy();
    response.once("close", () => count(-1));
    respond(request, response, routes).catch((error: unknown) => {
      if (response.destroyed || response.headersSent) return void response.destroy(); // nobody waits for it
      logger.error("cannot answer", { path: request.url, error });
      say(response, 500, "The operator cannot answer because of a bug; its log says more.");
    });
  });
  server.maxConnections = mostConnections;
  return listen(server, { host: "127.0.0.1", port });
}

async function respond(request: IncomingMessage, response: ServerResponse, routes: Routes): Promise<void> {
  const { host = "" } = request.headers;
  if (!/^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(host))
    return say(response, 403, "Only 127.0.0.1 and localhost are served; use a port-forward to this machine.");
  if (request.method !== "GET" && request.method !== "HEAD") return say(response, 405, "Only GET is served.");
  const [path = "", query] = request.url?.split("?", 2) ?? [];
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const answer = await route?.(new URLSearchParams(query), gone.signal);
  if (answer === undefined)
    return say(response, 404, `Not found; the paths are ${Object.keys(routes).join(" ")}`);
  const [type, body] =
    "file" in answer ? [answer.type, answer.file] : ["application/json", JSON.stringify(answer.json)];
  response.writeHead(200, { ...headers, "content-type": type });
  response.end(body);
}

function say(response: ServerResponse, status: number, sentence: string): void {
  response.writeHead(status, { ...headers, "content-type": "text/plain; charset=utf-8" });
  response.end(`${sentence}\n`);
}
