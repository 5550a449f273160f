import { createServer, type ServerResponse } from "node:http";
import { type ListeningServer, listen } from "./listen.ts";

/** The answers of the endpoints. None may depend on the state of the API server or of a registry. */
export interface Vitals {
  /** The names of loops that are stuck; [] = alive. */
  stuckLoops(): readonly string[];
  /** Why the process is not ready yet; undefined = ready. */
  notReady(): string | undefined;
  /** The metrics in Prometheus' text format. */
  metrics(): Promise<string>;
}

/**
 * Serves GET /healthz (503 names the stuck loops), /readyz (503 gives the reason) and /metrics. Port 0 binds any free
 * port.
 * @throws the system's error when the address cannot be bound.
 */
export function serveVitals(
  bind: { readonly host?: string; readonly port: number },
  vitals: Vitals,
): Promise<ListeningServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split("?")[0] ?? "";
    if (request.method !== "GET" && request.method !== "HEAD")
      return answer(response, 405, "only GET is allowed");
    void respond(path, vitals).then(
      ([status, body]) => answer(response, status, body),
      (error: unknown) => answer(response, 500, String(error)),
    );
  });
  return listen(server, bind);
}

async function respond(path: string, vitals: Vitals): Promise<readonly [status: number, body: string]> {
  switch (path) {
    case "/healthz": {
      const stuck = vitals.stuckLoops();
      return stuck.length === 0 ? [200, "ok"] : [503, `stuck: ${stuck.join(", ")}`];
    }
    case "/readyz": {
      const reason = vitals.notReady();
      return reason === undefined ? [200, "ok"] : [503, `not ready: ${reason}`];
    }
    case "/metrics":
      return [200, await vitals.metrics()];
    default:
      return [404, "not found; the paths are /healthz, /readyz and /metrics"];
  }
}

function answer(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
  response.end(body.endsWith("\n") ? body : `${body}\n`);
}
