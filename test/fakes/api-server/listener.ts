import { writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { temporaryFolder } from "../../bed/watchdog.ts";
import { failure } from "./answer.ts";
import { lines } from "./in-process.ts";
import { type ApiRequest, parseRequest } from "./request.ts";
import type { FakeApiServer } from "./server.ts";

/** The fake API server on 127.0.0.1, for a client that wants a kubeconfig. Disposal ends every connection. */
export interface Listener extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`. */
  readonly url: string;
  /** Path of a kubeconfig for the user; each user has a token of his own, and others are refused (401). */
  kubeconfigFor(user: string): Promise<string>;
  tokenOf(user: string): string;
}

export async function listen(server: FakeApiServer): Promise<Listener> {
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("fake-api")).path;
  const http = createServer((request, response) => void answer(server, request, response));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  starting.defer(async () => {
    const closed = new Promise((resolve) => http.close(resolve));
    http.closeAllConnections();
    await closed;
  });
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const owned = starting.move();
  return {
    url,
    tokenOf,
    async kubeconfigFor(user) {
      const path = join(folder, `kubeconfig-${user}`);
      await writeFile(path, JSON.stringify(kubeconfigOf(url, tokenOf(user))));
      return path;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const tokenOf = (user: string): string => `token-of-${user}`;

/** client-node takes http:// from those only who give up the check of certificates. */
function kubeconfigOf(url: string, token: string): unknown {
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "fake", cluster: { server: url, "insecure-skip-tls-verify": true } }],
    users: [{ name: "user", user: { token } }],
    contexts: [{ name: "fake", context: { cluster: "fake", user: "user" } }],
    "current-context": "fake",
  };
}

async function answer(
  server: FakeApiServer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const parsed = await parsedRequest(request);
    const { code, headers, body, watch } =
      parsed === undefined ? failure(401, "Unauthorized", "Unauthorized") : await server.handle(parsed);
    const isText = typeof body === "string";
    response.writeHead(code, { "content-type": isText ? "text/plain" : "application/json", ...headers });
    if (watch === undefined) {
      response.end(isText ? body : JSON.stringify(body));
      return;
    }
    response.flushHeaders();
    response.once("close", () => watch.end());
    for await (const events of watch) response.write(lines(events));
    response.end();
  } catch {
    request.socket.destroy(); // an interceptor threw: the connection breaks, as it says
  }
}

/** undefined = nobody that is known. */
async function parsedRequest(request: IncomingMessage): Promise<ApiRequest | undefined> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString("utf8");
  const { authorization = "", "user-agent": userAgent = "", "content-type": contentType } = request.headers;
  const user = /^Bearer token-of-(.+)$/.exec(authorization)?.[1];
  if (user === undefined) return undefined;
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://127.0.0.1");
  return parseRequest({
    method: request.method ?? "GET",
    path: pathname,
    query: Object.fromEntries(searchParams),
    ...(contentType !== undefined && { contentType }),
    ...(text !== "" && { body: JSON.parse(text) as unknown }),
    user,
    userAgent,
  });
}
