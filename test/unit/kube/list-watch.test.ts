import { expect, test } from "vitest";
import type { KubeClient, KubeRequest } from "../../../src/kube/client.ts";
import { KubeError } from "../../../src/kube/errors.ts";
import { createListWatch } from "../../../src/kube/list-watch.ts";
import { resources } from "../../../src/kube/resources.ts";
import { createStore } from "../../../src/kube/store.ts";
import { inProcessClient } from "../../fakes/api-server/in-process.ts";
import { createFakeApiServer } from "../../fakes/api-server/server.ts";
import { fakeClock } from "../../support/fake-clock.ts";

const { configMaps } = resources;

/** A list of so many objects, of which the client cannot take more than `most` in one answer. */
function openLists(count: number, most: number, reason: string) {
  const clock = fakeClock();
  const server = createFakeApiServer(clock);
  server.person.createNamespace("demo");
  for (let at = 0; at < count; at++)
    server.person.put({
      kind: "ConfigMap",
      apiVersion: "v1",
      metadata: { namespace: "demo", name: `m${at}` },
    });
  const client = inProcessClient(server, { user: "test", userAgent: "test/1", concurrency: 1 }, clock);
  const limits: number[] = [];
  const picky: KubeClient = {
    ...client,
    request: <T>(request: KubeRequest): Promise<T> => {
      const limit = Number(request.query?.limit);
      limits.push(limit);
      if (limit <= most) return client.request<T>(request);
      return Promise.reject(new KubeError({ status: 0, reason, text: "no" }, request));
    },
  };
  const store = createStore();
  const listWatch = createListWatch(picky, configMaps, store, {}, { clock, random: () => 0.5 });
  /** Lists once. Returns what went wrong. */
  const look = async (): Promise<unknown> => {
    limits.length = 0;
    listWatch.forget();
    const stopping = new AbortController();
    try {
      for await (const _ of listWatch.follow(stopping.signal, () => true)) break;
      return undefined;
    } catch (error) {
      return error;
    } finally {
      stopping.abort();
    }
  };
  return { look, limits, store };
}

test.each(["TooLarge", "Timeout", "ServerTimeout"])(
  "a page that fails for %s is half as long the next time, and stays so (I20)",
  async (reason) => {
    const { look, limits, store } = openLists(30, 25, reason);
    const seen: unknown[] = [];
    while ((await look()) !== undefined && seen.length < 10) seen.push(limits[0]);
    expect(seen).toEqual([100, 50]);
    expect([limits, store.objects.size]).toEqual([[25, 25], 30]);
    expect(await look()).toBeUndefined();
    expect(limits).toEqual([25, 25]);
  },
);

test("a page is never shorter than ten, whatever fails", async () => {
  const { look, limits } = openLists(1, 0, "Timeout");
  for (let at = 0; at < 10; at++) expect(await look()).toBeInstanceOf(KubeError);
  expect(limits).toEqual([10]);
});

test("a page that fails for another reason is as long as before", async () => {
  const { look, limits } = openLists(1, 0, "Unreachable");
  for (let at = 0; at < 3; at++) await look();
  expect(limits).toEqual([100]);
});
