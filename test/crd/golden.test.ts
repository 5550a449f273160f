import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ApiServer, startApiServer } from "../bed/api-server.ts";
import { playStory, storyNames } from "../golden/story.ts";

const namespaces = ["dubbo", "dubbozk", "springnacos", "springconsul", "servicemesh"];

let api: ApiServer;
beforeAll(async () => {
  api = await startApiServer({ controllerManager: false });
  await api.applyCrds();
  for (const namespace of namespaces) await api.kubectl(["create", "namespace", namespace]);
});
afterAll(() => api?.[Symbol.asyncDispose]());

/** Applies without storing anything; the server's schemas and rules are all asked. */
const dryRun = (manifest: string): Promise<string> =>
  api.kubectl(["apply", "--server-side", "--dry-run=server", "-o", "name", "-f", "-"], { input: manifest });

test.each(storyNames)("the API server accepts every object of %s", async (name) => {
  for (const { folder, serviceEntries, envoyFilters } of await playStory(name)) {
    const files = ["03-service-entries.yaml", "04-envoy-filters.yaml"];
    const manifests = files
      .map((file) => readFileSync(join(folder, file), "utf8"))
      .filter((text) => text !== "");
    const accepted = manifests.length === 0 ? "" : await dryRun(manifests.join("---\n"));
    expect(accepted.split("\n").filter(Boolean)).toHaveLength(serviceEntries.length + envoyFilters.length);
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
