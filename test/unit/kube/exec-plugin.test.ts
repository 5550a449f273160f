import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createClient } from "../../../src/kube/client.ts";
import { temporaryFolder } from "../../bed/watchdog.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { silentLogger } from "../../support/model.ts";

/** A client whose credential plugin does not answer before the test is over, and its clock. */
async function openHanging() {
  const folder = temporaryFolder("exec-plugin");
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const kubeconfig = join(folder.path, "kubeconfig");
  const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "sleep", args: ["5"] };
  const content = {
    clusters: [{ name: "a", cluster: { server: "https://127.0.0.1:1" } }],
    users: [{ name: "a", user: { exec } }],
    contexts: [{ name: "a", context: { cluster: "a", user: "a" } }],
    "current-context": "a",
  };
  await writeFile(kubeconfig, JSON.stringify(content));
  const clock = fakeClock();
  const deps = { clock, logger: silentLogger, random: () => 0 };
  return { clock, client: createClient({ kubeconfig, userAgent: "test", concurrency: 1 }, deps) };
}

const path = "/api/v1/namespaces";

test("a credential plugin that hangs costs a request no more than its time (I17)", async () => {
  const { clock, client } = await openHanging();
  const { signal } = new AbortController();
  const failed = client.request({ method: "GET", path, signal }).catch((error: unknown) => error);
  clock.advance(30_000);
  expect(await failed).toMatchObject({ name: "KubeError", reason: "Timeout" });
}, 3_000);

test.each(["GET", "PATCH"] as const)(
  "nor does it keep a %s from being given up (I17)",
  async (method) => {
    const { client } = await openHanging();
    const giveUp = new AbortController();
    const failed = client.request({ method, path, signal: giveUp.signal }).catch((error: unknown) => error);
    const stopping = new Error("stopping");
    giveUp.abort(stopping);
    expect(await failed).toBe(stopping);
    await expect(client.request({ method, path, signal: giveUp.signal })).rejects.toBe(stopping);
  },
  3_000,
);
