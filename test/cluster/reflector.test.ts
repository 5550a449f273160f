import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apply, remove } from "../../src/kube/apply.ts";
import type { ServiceEntry } from "../../src/model/istio.ts";
import type { KubeObject } from "../../src/model/kubernetes.ts";
import { eventually } from "../support/eventually.ts";
import {
  type Bench,
  configMaps,
  createNamespace,
  deleteObject,
  openBench,
  openReflector,
  serviceEntries,
  serviceEntry,
  startReflector,
} from "./cluster.ts";
import { startServer, type TestServer } from "./server.ts";

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.[Symbol.asyncDispose]());

const put = async ({ client, signal }: Bench, object: ConfigMap): Promise<ConfigMap> => {
  const result = await apply<ConfigMap>(client, configMaps, object, { fieldManager: "test", signal });
  if ("error" in result) throw result.error;
  return result.ok;
};

test("all pages of a list make one view", async () => {
  const bench = openBench(server.kubeconfig);
  const namespace = await createNamespace(bench, "paged");
  const names = Array.from({ length: 23 }, (_, at) => `one-${at}`);
  await Promise.all(names.map((name) => put(bench, { metadata: { namespace, name } })));
  const reflector = await openReflector(bench, configMaps, { namespace, pageSize: 5 });
  expect([...reflector.objects.keys()].sort()).toEqual(names.map((name) => `${namespace}/${name}`).sort());
});

test("listeners are told the keys of what is added, changed and deleted, and the view has it by then", async () => {
  const bench = openBench(server.kubeconfig);
  const namespace = await createNamespace(bench, "watched");
  const reflector = await openReflector<ConfigMap>(bench, configMaps, { namespace });
  const key = `${namespace}/one`;
  const seen: (string | undefined)[] = [];
  reflector.subscribe((keys) => {
    if (keys.has(key)) seen.push(reflector.objects.get(key)?.data?.value ?? "none");
  });
  await put(bench, { metadata: { namespace, name: "one" }, data: { value: "a" } });
  await put(bench, { metadata: { namespace, name: "one" }, data: { value: "b" } });
  await deleteObject(bench, configMaps, { namespace, name: "one" });
  await eventually(() => expect(seen).toEqual(["a", "b", "none"]), 10_000);
});

test("a selector limits the view, and what leaves it is gone", async () => {
  const bench = openBench(server.kubeconfig);
  const namespace = await createNamespace(bench, "selected");
  const reflector = await openReflector(bench, configMaps, { namespace, labelSelector: "keep=yes" });
  await put(bench, { metadata: { namespace, name: "out" } });
  await put(bench, { metadata: { namespace, name: "in", labels: { keep: "yes" } } });
  await eventually(() => expect([...reflector.objects.keys()]).toEqual([`${namespace}/in`]), 10_000);
  await put(bench, { metadata: { namespace, name: "in", labels: { keep: "no" } } });
  await eventually(() => expect(reflector.objects.size).toBe(0), 10_000);
});

test("what transform drops is not kept, neither from a list nor a watch nor a put", async () => {
  const bench = openBench(server.kubeconfig);
  const namespace = await createNamespace(bench, "small");
  await put(bench, { metadata: { namespace, name: "listed" }, data: { big: "x" } });
  const transform = ({ metadata }: ConfigMap): ConfigMap => ({ metadata });
  const reflector = await openReflector<ConfigMap>(bench, configMaps, { namespace, transform });
  await put(bench, { metadata: { namespace, name: "watched" }, data: { big: "x" } });
  reflector.put(await put(bench, { metadata: { namespace, name: "written" }, data: { big: "x" } }));
  await eventually(() => expect(reflector.objects.size).toBe(3), 10_000);
  expect([...reflector.objects.values()].filter(({ data }) => data !== undefined)).toEqual([]);
});

describe("our own writes", () => {
  test("are in the view at once, told once, and not undone by the events that were on their way", async () => {
    const bench = openBench(server.kubeconfig);
    const namespace = await createNamespace(bench, "written");
    const reflector = await openReflector<ConfigMap>(bench, configMaps, { namespace });
    const key = `${namespace}/one`;
    const values: (string | undefined)[] = [];
    reflector.subscribe((keys) => {
      if (keys.has(key)) values.push(reflector.objects.get(key)?.data?.value);
    });
    for (let value = 0; value < 30; value++) {
      reflector.put(await put(bench, { metadata: { namespace, name: "one" }, data: { value: `${value}` } }));
      expect(reflector.objects.get(key)?.data?.value).toBe(`${value}`);
    }
    await put(bench, { metadata: { namespace, name: "last" } });
    await eventually(() => expect(reflector.objects.has(`${namespace}/last`)).toBe(true), 10_000);
    expect(values).toEqual(Array.from({ length: 30 }, (_, value) => `${value}`));
  });

  test("deletes are gone at once and stay gone", async () => {
    const bench = openBench(server.kubeconfig);
    const namespace = await createNamespace(bench, "removed");
    const reflector = await openReflector<ConfigMap>(bench, configMaps, { namespace });
    const key = `${namespace}/one`;
    for (let round = 0; round < 10; round++) {
      const written = await put(bench, { metadata: { namespace, name: "one" }, data: { round: `${round}` } });
      reflector.put(written);
      expect(await remove(bench.client, configMaps, written, bench.signal)).toEqual({ ok: undefined });
      reflector.remove(written);
      expect(reflector.objects.has(key)).toBe(false);
    }
    await put(bench, { metadata: { namespace, name: "last" } });
    await eventually(() => expect(reflector.objects.has(`${namespace}/last`)).toBe(true), 10_000);
    expect(reflector.objects.has(key)).toBe(false);
  });
});

test("a watch whose time is up goes on where it was, without a list and without a word to anybody", async () => {
  const bench = openBench(server.kubeconfig);
  const namespace = await createNamespace(bench, "short");
  const reflector = await openReflector(bench, podTemplates, { namespace, watchSeconds: 2 });
  const told: ReadonlySet<string>[] = [];
  reflector.subscribe((keys) => told.push(keys));
  await eventually(
    async () => expect(await server.answered("watch", "podtemplates")).toBeGreaterThanOrEqual(2),
    30_000,
  );
  const template = { spec: { containers: [{ name: "main", image: "none" }] } };
  const podTemplate = { metadata: { namespace, name: "after" }, template };
  await apply(bench.client, podTemplates, podTemplate, { fieldManager: "test", signal: bench.signal });
  await eventually(() => expect(told).toEqual([new Set([`${namespace}/after`])]), 10_000);
  expect(await server.answered("list", "podtemplates")).toBe(1);
});

/** A type that nothing in the API server itself lists or watches. */
const podTemplates = { group: "", version: "v1", plural: "podtemplates", kind: "PodTemplate" };

test("a resource type that is missing is said so, and found when it is installed", async () => {
  const bench = openBench(server.kubeconfig);
  const reflector = startReflector<ServiceEntry>(bench, serviceEntries);
  await eventually(
    () =>
      expect(reflector.status).toMatchObject({ state: "pending", error: { reason: "ResourceTypeMissing" } }),
    10_000,
  );
  await server.installCrds();
  await eventually(() => expect(reflector.status).toEqual({ state: "synced" }), 15_000);
  const namespace = await createNamespace(bench, "istio");
  const { client, signal } = bench;
  await apply(client, serviceEntries, serviceEntry(namespace, "one"), { fieldManager: "test", signal });
  await eventually(() => expect([...reflector.objects.keys()]).toEqual([`${namespace}/one`]), 10_000);
});

test("rights that are missing are said in the server's words, and used when they are granted", async () => {
  const bench = openBench(server.alice.kubeconfig);
  const reflector = startReflector(bench, configMaps);
  await eventually(
    () =>
      expect(reflector.status).toMatchObject({
        state: "pending",
        error: { status: 403, reason: "Forbidden" },
      }),
    10_000,
  );
  if (reflector.status.state === "synced") throw new Error("alice may not list");
  expect(reflector.status.error?.message).toContain('"alice" cannot list resource "configmaps"');
  await server.grant({ verbs: ["list", "watch"], resource: "configmaps" });
  await eventually(() => expect(reflector.status).toEqual({ state: "synced" }), 15_000);
});
