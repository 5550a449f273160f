import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ApiServer, startApiServer } from "../bed/api-server.ts";
import { type Istiod, startIstiod } from "../bed/istiod.ts";
import { playStory, storyNames } from "../golden/story.ts";

const namespaces = ["dubbo", "dubbozk", "springnacos", "springconsul", "servicemesh"];

let api: ApiServer;
/** Its webhook judges as well. */
let istiod: Istiod;
beforeAll(async () => {
  api = await startApiServer({ controllerManager: false });
  await api.applyCrds();
  for (const namespace of namespaces) await api.kubectl(["create", "namespace", namespace]);
  istiod = await startIstiod({ api });
});
afterAll(async () => {
  await istiod?.[Symbol.asyncDispose]();
  await api?.[Symbol.asyncDispose]();
});

/** Applies without storing anything; the server's schemas and rules and the webhook are all asked. */
const dryRun = (manifest: string): Promise<string> =>
  api.kubectl(["apply", "--server-side", "--dry-run=server", "-o", "name", "-f", "-"], { input: manifest });

test.each(storyNames)("the API server and istiod accept every object of %s", async (name) => {
  for (const { serviceEntries, envoyFilters } of await playStory(name)) {
    const items = [...serviceEntries, ...envoyFilters];
    const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    const accepted = items.length === 0 ? "" : await dryRun(list);
    expect(accepted.split("\n").filter(Boolean)).toHaveLength(items.length);
  }
});

test("and would refuse what is wrong", async () => {
  const file = "manual-greeting-service/03-service-entries.yaml";
  const good = readFileSync(new URL(`../golden/stories/${file}`, import.meta.url), "utf8");
  await expect(dryRun(good.replace("number: 20880", "number: 70000"))).rejects.toThrow(
    "must be between 1-65535",
  );
  await expect(dryRun(good.replace("MESH_INTERNAL", "MESH_NOWHERE"))).rejects.toThrow("Unsupported value");
});

test("and istiod what the schemas do not see", async () => {
  const { serviceEntries, envoyFilters } = (await playStory("manual-greeting-service"))[0] ?? {};
  const [entry, filter] = [JSON.stringify(serviceEntries?.[0]), JSON.stringify(envoyFilters?.[0])];
  await expect(dryRun(entry.replace(/"addresses":\["[^"]*"/, '"addresses":["nowhere"'))).rejects.toThrow(
    /rev\.validation\.istio\.io.*nowhere/,
  );
  await expect(
    dryRun(filter.replace(/type\.googleapis\.com\/[\w.]+/, "type.googleapis.com/No")),
  ).rejects.toThrow(/rev\.validation\.istio\.io/);
});
