import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubeObject } from "../../src/model/kubernetes.ts";
import { type ApiServer, startApiServer } from "../bed/api-server.ts";
import { istioVersions } from "../bed/istio-crds.ts";
import { playStory, storyNames } from "../golden/story.ts";

/** What an object says, beside its name. */
type Said = KubeObject & { readonly kind: string; readonly spec: unknown };

/** Every object of every golden story, each once, and each under a name of its own. */
const objects = await goldenObjects();
const namespaces = new Set(objects.map(({ metadata }) => metadata.namespace ?? ""));

async function goldenObjects(): Promise<readonly Said[]> {
  const stories = await Promise.all(storyNames.map(playStory));
  const all = stories.flat().flatMap((step) => [...step.serviceEntries, ...step.envoyFilters]);
  const distinct = new Map(all.map((one) => [JSON.stringify(one), one]));
  return [...distinct.values()].map((one, index) => ({
    ...one,
    metadata: { ...one.metadata, name: `golden-${index}` },
  }));
}

const saidBy = ({ kind, metadata: { name, labels, annotations }, spec }: Said) => ({
  kind,
  metadata: { name, labels, annotations },
  spec,
});

describe.each(istioVersions)("the CRDs of Istio %s", (version) => {
  let api: ApiServer;
  beforeAll(async () => {
    api = await startApiServer({ controllerManager: false });
    await api.applyCrds(version);
    for (const namespace of namespaces) await api.kubectl(["create", "namespace", namespace]);
  });
  afterAll(() => api?.[Symbol.asyncDispose]());

  const apply = async (items: readonly object[]): Promise<readonly Said[]> => {
    const args = ["apply", "--server-side", "--validate=strict", "-o", "json", "-f", "-"];
    const input = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    return (JSON.parse(await api.kubectl(args, { input })) as { readonly items: readonly Said[] }).items;
  };

  test("store every object of the golden stories as it was sent: nothing refused, pruned or added", async () => {
    expect(objects.length).toBeGreaterThan(storyNames.length);
    expect((await apply(objects)).map(saidBy)).toEqual(objects.map(saidBy));
  });

  test("would refuse a field that they do not know", async () => {
    const odd = objects.slice(0, 1).map((one) => ({ ...one, spec: { ...(one.spec as object), extra: 1 } }));
    await expect(apply(odd)).rejects.toThrow(/unknown field|not declared in schema/);
  });
});
