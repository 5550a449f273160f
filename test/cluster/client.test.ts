import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { apply } from "../../src/kube/apply.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { KubeObject } from "../../src/kube/resources.ts";
import { type ApiServer, startApiServer } from "../bed/api-server.ts";
import { startProxy } from "../bed/fault-proxy.ts";
import { freePort } from "../support/free-port.ts";
import {
  type Bench,
  configMaps,
  createNamespace,
  editedKubeconfig,
  kubeconfigThrough,
  openBench,
  openReflector,
  testFolder,
} from "./cluster.ts";

let server: ApiServer;
beforeAll(async () => {
  server = await startApiServer({ controllerManager: false });
});
afterAll(() => server?.[Symbol.asyncDispose]());

const getNamespace = ({ client, signal }: Bench, timeoutMs?: number): Promise<KubeObject> =>
  client.request<KubeObject>({
    method: "GET",
    path: "/api/v1/namespaces/default",
    signal,
    ...(timeoutMs !== undefined && { timeoutMs }),
  });

async function failure(request: Promise<unknown>): Promise<KubeError> {
  const error = await request.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof KubeError)) throw new Error("expected a KubeError", { cause: error });
  return error;
}

describe("errors", () => {
  test("a refusal for lack of rights names the verb, the resource and the path, and never the token", async () => {
    const bench = openBench(await server.kubeconfigFor(server.aliceToken));
    const path = "/api/v1/namespaces/default/secrets/login";
    const error = await failure(bench.client.request({ method: "GET", path, signal: bench.signal }));
    expect(error).toMatchObject({ status: 403, reason: "Forbidden" });
    expect(error.message).toMatch(
      /"alice" cannot get resource "secrets".*\(GET \/api\/v1\/namespaces\/default/,
    );
    expect(error.message).not.toContain(server.aliceToken);
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
    await server.kubectl(["delete", "namespace", namespace, "--wait=false"]);
    const configMap = { metadata: { namespace, name: "late" } };
    const result = await apply(bench.client, configMaps, configMap, {
      fieldManager: "test",
      signal: bench.signal,
    });
    expect(result).toMatchObject({ error: { status: 403, reason: "NamespaceMissing" } });
  });

  test("nothing listening is Unreachable, with the address in the message", async () => {
    const port = await freePort();
    const error = await failure(getNamespace(openBench(await kubeconfigThrough(server, { port }))));
    expect(error).toMatchObject({ status: 0, reason: "Unreachable" });
    expect(error.message).toContain(`https://127.0.0.1:${port}: ECONNREFUSED`);
  });

  test("a server that accepts and says nothing is a Timeout", async () => {
    await using proxy = await startProxy("127.0.0.1", Number(new URL(server.url).port));
    const bench = openBench(await kubeconfigThrough(server, proxy));
    await getNamespace(bench);
    proxy.stall();
    expect(await failure(getNamespace(bench, 500))).toMatchObject({ status: 0, reason: "Timeout" });
    await proxy.heal();
    expect((await getNamespace(bench)).metadata.name).toBe("default");
  });

  test("a server with another certificate is not believed", async () => {
    const strange = await editedKubeconfig(server, ({ clusters }) => {
      delete (clusters[0].cluster as { "certificate-authority"?: string })["certificate-authority"];
    });
    const error = await failure(getNamespace(openBench(strange)));
    expect(error.message).toMatch(/SELF_SIGNED_CERT|UNABLE_TO_VERIFY|self-signed/i);
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
    const error = await failure(getNamespace(openBench("/nonexistent/kubeconfig")));
    expect(error).toMatchObject({ status: 0, reason: "BadKubeconfig" });
    expect(error.message).toContain("/nonexistent/kubeconfig");
  });

  test("of several files the first with a name wins, and missing ones are skipped", async () => {
    const dead = await kubeconfigThrough(server, { port: await freePort() });
    const bench = openBench({ defaultKubeconfigs: `/nonexistent/kubeconfig:${server.kubeconfig}:${dead}` });
    expect((await getNamespace(bench)).metadata.name).toBe("default");
  });

  test("a token file that changes is read again as soon as the old token is refused", async () => {
    const tokenFile = join(testFolder(), "token");
    await writeFile(tokenFile, `${server.adminToken}\n`);
    const bench = openBench(await withTokenFile(tokenFile));
    await getNamespace(bench);
    await replaceFile(tokenFile, "revoked");
    // What the client still has is the good token; a fresh client proves that the new one is refused.
    expect(await failure(getNamespace(openBench(await withTokenFile(tokenFile))))).toMatchObject({
      status: 401,
    });
    const refusedFirst = openBench(await withTokenFile(tokenFile));
    expect(await failure(getNamespace(refusedFirst))).toMatchObject({ status: 401, reason: "Unauthorized" });
    await replaceFile(tokenFile, server.adminToken);
    expect((await getNamespace(refusedFirst)).metadata.name).toBe("default");
  });

  test("a credential plugin's token is used", async () => {
    const exec = await editedKubeconfig(server, ({ users }) => {
      const credential = { apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential" };
      const output = JSON.stringify({ ...credential, status: { token: server.adminToken } });
      Object.assign(users[0], {
        user: {
          exec: {
            apiVersion: credential.apiVersion,
            command: "echo",
            args: [output],
            interactiveMode: "Never",
          },
        },
      });
    });
    expect((await getNamespace(openBench(exec))).metadata.name).toBe("default");
  });

  test("a CA that changes is followed without a restart", async () => {
    const caFile = join(testFolder(), "ca.crt");
    const good = await readFile(server.caFile, "utf8");
    await writeFile(caFile, await otherCertificate());
    const bench = openBench(
      await editedKubeconfig(server, ({ clusters }) => {
        clusters[0].cluster["certificate-authority"] = caFile;
      }),
    );
    await failure(getNamespace(bench));
    await replaceFile(caFile, good);
    await expect.poll(() => getNamespace(bench).catch(() => undefined), { timeout: 15_000 }).toBeDefined();
  });

  const withTokenFile = (tokenFile: string): Promise<string> =>
    editedKubeconfig(server, ({ users }) => {
      users[0].user = { tokenFile };
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

async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

async function otherCertificate(): Promise<string> {
  const other = await startApiServer({ controllerManager: false });
  onTestFinished(() => other[Symbol.asyncDispose]());
  return readFile(other.caFile, "utf8");
}
