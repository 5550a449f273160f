import { afterEach, beforeEach, expect, it } from "vitest";
import type { ListeningServer } from "../../../src/runtime/listen.ts";
import { createHubMetrics, type HubMetrics } from "../../../src/runtime/metrics.ts";
import { serveVitals } from "../../../src/runtime/vitals-server.ts";

let nowMs: number;
let metrics: HubMetrics;
let stuck: string[];
let reason: string | undefined;
let server: ListeningServer;

beforeEach(async () => {
  nowMs = 1_000;
  stuck = [];
  reason = undefined;
  metrics = createHubMetrics({ monotonic: () => nowMs });
  const vitals = { stuckLoops: () => stuck, notReady: () => reason, metrics: metrics.render };
  server = await serveVitals({ host: "127.0.0.1", port: 0 }, vitals);
});
afterEach(() => server[Symbol.asyncDispose]());

async function get(path: string): Promise<readonly [status: number, body: string]> {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
  return [response.status, await response.text()];
}

it("is alive until a loop is stuck", async () => {
  expect(await get("/healthz")).toEqual([200, "ok\n"]);
  stuck = ["serviceentries reflector", "queue"];
  expect(await get("/healthz")).toEqual([503, "stuck: serviceentries reflector, queue\n"]);
});

it("is ready when nothing is missing", async () => {
  reason = "hubs are not listed yet";
  expect(await get("/readyz")).toEqual([503, "not ready: hubs are not listed yet\n"]);
  reason = undefined;
  expect(await get("/readyz")).toEqual([200, "ok\n"]);
});

it("knows no other path", async () => {
  expect((await get("/"))[0]).toBe(404);
  expect((await fetch(`http://127.0.0.1:${server.port}/healthz`, { method: "POST" })).status).toBe(405);
});

it("counts writes and hubs", async () => {
  metrics.wrote("ServiceEntry", "apply", "ok");
  metrics.wrote("ServiceEntry", "apply", "ok");
  metrics.hubCounts("dubbozk/sample", { services: 12, endpoints: 40 });
  const [, text] = await get("/metrics");
  expect(text).toContain('registryhub_writes_total{kind="ServiceEntry",verb="apply",result="ok"} 2');
  expect(text).toContain('registryhub_endpoints{hub="dubbozk/sample"} 40');
  metrics.forgetHub("dubbozk/sample");
  expect((await get("/metrics"))[1]).not.toContain("dubbozk/sample");
});

it("tells the age of a view that is no longer vouched for", async () => {
  const age = async (): Promise<string | undefined> =>
    (await get("/metrics"))[1].split("\n").find((line) => line.startsWith("registryhub_sync_age_seconds{"));
  metrics.registryUp("a/b", "zookeeper", false);
  expect(await age()).toBeUndefined();
  metrics.registryUp("a/b", "zookeeper", true);
  nowMs += 60_000;
  expect(await age()).toBe('registryhub_sync_age_seconds{hub="a/b"} 0');
  metrics.registryUp("a/b", "zookeeper", false);
  nowMs += 5_000;
  metrics.registryUp("a/b", "zookeeper", false);
  nowMs += 2_000;
  expect(await age()).toBe('registryhub_sync_age_seconds{hub="a/b"} 7');
  metrics.registryUp("a/b", "nacos", false);
  const [, text] = await get("/metrics");
  expect(text).toContain('registryhub_registry_up{hub="a/b",type="nacos"} 0');
  expect(text).not.toContain("zookeeper");
  expect(await age()).toBeUndefined();
});

it("frees its port, also while a client stays connected", async () => {
  await get("/healthz");
  const { port } = server;
  await server[Symbol.asyncDispose]();
  await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow("fetch failed");
  server = await serveVitals(
    { host: "127.0.0.1", port },
    { stuckLoops: () => [], notReady: () => undefined, metrics: metrics.render },
  );
});
