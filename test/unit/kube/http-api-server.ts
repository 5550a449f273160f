import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { temporaryFolder } from "../../bed/watchdog.ts";

/** An HTTP server that a client takes for an API server, until the test is over. Returns its kubeconfig. */
export async function openHttpApiServer(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const folder = temporaryFolder("http-api-server");
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const kubeconfig = join(folder.path, "kubeconfig");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const content = {
    clusters: [{ name: "a", cluster: { server: url, "insecure-skip-tls-verify": true } }],
    users: [{ name: "a", user: {} }],
    contexts: [{ name: "a", context: { cluster: "a", user: "a" } }],
    "current-context": "a",
  };
  await writeFile(kubeconfig, JSON.stringify(content));
  return kubeconfig;
}
