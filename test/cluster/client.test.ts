import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apply } from "../../src/kube/apply.ts";
import { resources } from "../../src/kube/resources.ts";
import { startProxy } from "../bed/fault-proxy.ts";
import { freePort } from "../support/free-port.ts";
import {
  configMaps,
  createNamespace,
  deleteObject,
  failure,
  getDefaultNamespace,
  kubeconfigThrough,
  openBench,
  openReflector,
} from "./cluster.ts";
import { startServer, type TestServer } from "./server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.[Symbol.asyncDispose]());

describe("errors", () => {
  test("a refusal for lack of rights names the verb, the resource and the path, and never the token", async () => {
    const bench = openBench(server.alice.kubeconfig);
    const path = "/api/v1/namespaces/default/secrets/login";
    const error = await failure(bench.client.request({ method: "GET", path, signal: bench.signal }));
    expect(error).toMatchObject({ status: 403, reason: "Forbidden" });
    expect(error.message).toMatch(
      /"alice" cannot get resource "secrets".*\(GET \/api\/v1\/namespaces\/default/,
    );
    expect(error.message).not.toContain(server.alice.token);
  });

  test("an unknown resource type, a missing object and a missing namespace are told apart", async () => {
    const { client, signal } = openBench(server.kubeconfig);
    const reasonOf = async (method: "GET" | "POST", path: string, body?: unknown): Promise<string> =>
      (await failure(client.request({ method, path, body, signal }))).reason;
    expect(await reasonOf("GET", "/apis/networking.example.org/v1/things")).toBe("ResourceTypeMissing");
    expect(await reasonOf("GET", "/api/v1/things")).toBe("ResourceTypeMissing");
    expect(await reasonOf("GET", "/api/v1/namespaces/default/configmaps/nothing")).toBe("NotFound");
    const configMap = { metadata: { name: "one" } };
    expect(await reasonOf("POST", "/api/v1/namespaces/nowhere/configmaps", configMap)).toBe(
      "NamespaceMissing",
    );
  });

  test("a namespace that is being deleted counts as missing", async () => {
    const bench = openBench(server.kubeconfig);
    const namespace = await createNamespace(bench, "ending");
    await deleteObject(bench, resources.namespaces, { name: namespace });
    const configMap = { metadata: { namespace, name: "late" } };
    const result = await apply(bench.client, configMaps, configMap, {
      fieldManager: "test",
      signal: bench.signal,
    });
    expect(result).toMatchObject({ error: { status: 403, reason: "NamespaceMissing" } });
  });

  test("nothing listening is Unreachable, with the address in the message", async () => {
    const port = await freePort();
    const error = await failure(getDefaultNamespace(openBench(await kubeconfigThrough(server, { port }))));
    expect(error).toMatchObject({ status: 0, reason: "Unreachable" });
    expect(error.message).toContain(`//127.0.0.1:${port}: ECONNREFUSED`);
  });

  test("a server that accepts and says nothing is a Timeout", async () => {
    await using proxy = await startProxy("127.0.0.1", Number(new URL(server.url).port));
    const bench = openBench(await kubeconfigThrough(server, proxy));
    await getDefaultNamespace(bench);
    proxy.stall();
    expect(await failure(getDefaultNamespace(bench, 500))).toMatchObject({ status: 0, reason: "Timeout" });
    await proxy.heal();
    expect((await getDefaultNamespace(bench)).metadata.name).toBe("default");
  });

  test("an aborted request ends with the reason it was aborted for", async () => {
    const { client } = openBench(server.kubeconfig);
    const reason = new Error("stop");
    const request = client.request({ method: "GET", path: "/api", signal: AbortSignal.abort(reason) });
    await expect(request).rejects.toBe(reason);
  });
});

describe("kubeconfig", () => {
  test("a file that is missing is named", async () => {
    const error = await failure(getDefaultNamespace(openBench("/nonexistent/kubeconfig")));
    expect(error).toMatchObject({ status: 0, reason: "BadKubeconfig" });
    expect(error.message).toContain("/nonexistent/kubeconfig");
  });

  test("of several files the first with a name wins, and missing ones are skipped", async () => {
    const dead = await kubeconfigThrough(server, { port: await freePort() });
    const bench = openBench({ defaultKubeconfigs: `/nonexistent/kubeconfig:${server.kubeconfig}:${dead}` });
    expect((await getDefaultNamespace(bench)).metadata.name).toBe("default");
  });
});

describe("connections", () => {
  test("500 applies at once never open more than 16 connections, besides those of watches", async () => {
    await using proxy = await startProxy("127.0.0.1", Number(new URL(server.url).port));
    const bench = openBench(await kubeconfigThrough(server, proxy));
    const { client, signal } = bench;
    const namespace = await createNamespace(bench, "many");
    const watched = await openReflector(bench, configMaps, { namespace });
    const opened = proxy.accepted;
    const results = await Promise.all(
      Array.from({ length: 500 }, (_, at) => {
        const configMap = { metadata: { namespace, name: `one-${at}` }, data: { at: `${at}` } };
        return apply(client, configMaps, configMap, { fieldManager: "test", signal });
      }),
    );
    expect(results.filter((result) => "error" in result)).toEqual([]);
    await expect.poll(() => watched.objects.size, { timeout: 20_000 }).toBe(500);
    expect(proxy.accepted - opened).toBeLessThanOrEqual(16);
  });
});
