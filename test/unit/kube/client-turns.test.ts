import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createClient } from "../../../src/kube/client.ts";
import { temporaryFolder } from "../../bed/watchdog.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { silentLogger } from "../../support/model.ts";

const count = 12;

/** An API server that answers when so many have asked, and then all at once. Returns its kubeconfig. */
async function openServer(): Promise<string> {
  let asking: ServerResponse[] = [];
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      asking.push(response);
      if (asking.length < count) return;
      for (const one of asking) one.end("{}");
      asking = [];
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const folder = temporaryFolder("client-turns");
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

test("answers that come all at once leave the event loop its turns, whatever each of them costs", async () => {
  const clock = fakeClock();
  const options = { kubeconfig: await openServer(), userAgent: "test", concurrency: count };
  const client = createClient(options, { clock, random: Math.random, logger: silentLogger });
  onTestFinished(() => client.close());
  const turns: number[] = [];
  let [inTurn, left] = [0, count];
  const look = (): void => {
    turns.push(inTurn);
    inTurn = 0;
    if (left > 0) setImmediate(look);
  };
  setImmediate(look);
  const { signal } = new AbortController();
  const ask = async (_: unknown, at: number): Promise<void> => {
    await client.request({ method: "GET", path: `/${at}`, signal });
    clock.advance(3);
    inTurn++;
    left--;
  };
  await Promise.all(Array.from({ length: count }, ask));
  await new Promise((over) => setImmediate(over));
  expect(Math.max(...turns)).toBeLessThanOrEqual(2);
});
