import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { EnvoyFilter } from "@kubernetes-models/istio/networking.istio.io/v1alpha3/EnvoyFilter";
import { ServiceEntry } from "@kubernetes-models/istio/networking.istio.io/v1beta1/ServiceEntry";
import { describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { playStory, type Step, storiesFolder, storyNames } from "./story.ts";

const stories = await Promise.all(storyNames.map(async (name) => ({ name, steps: await playStory(name) })));

const yaml = (value: object): string => stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
/** As kubectl reads them. */
const documents = (objects: readonly object[]): string => objects.map(yaml).join("---\n");

/** What a step's files say, by name; "" = nothing. */
const outputsOf = ({ snapshots, serviceEntries, envoyFilters, plan }: Step) => ({
  "02-snapshot.yaml": snapshots.length === 0 ? "" : yaml(snapshots),
  "03-service-entries.yaml": documents(serviceEntries),
  "04-envoy-filters.yaml": documents(envoyFilters),
  "plan.yaml": plan.length === 0 ? "" : yaml(plan),
});

/** The expected files of a story, by path: what is as in the step before, or is nothing, has none. */
function filesOf(steps: readonly Step[]): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const before = new Map<string, string>();
  for (const step of steps) {
    for (const [name, text] of Object.entries(outputsOf(step))) {
      if (text !== (before.get(name) ?? "")) files.set(join(step.folder, name), text);
      if (name !== "plan.yaml") before.set(name, text);
    }
  }
  return files;
}

describe.each(stories)("$name", ({ name, steps }) => {
  const folder = join(storiesFolder, name);
  const files = filesOf(steps);

  test("says why it is told", () => {
    expect(readFileSync(join(folder, "why.md"), "utf8").length).toBeGreaterThan(80);
  });

  test("every step comes to what its files say", async () => {
    for (const [path, text] of files) await expect(text).toMatchFileSnapshot(path);
  });

  test("has no stale file: `make golden` writes files and deletes none", () => {
    const written = steps.map((step) => join(step.folder, "01-registry.yaml"));
    const inputs = ["why.md", "00-cluster.yaml"].map((file) => join(folder, file));
    const known = new Set([...inputs, ...written, ...files.keys()]);
    const there = readdirSync(folder, { recursive: true, withFileTypes: true });
    const paths = there.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
    expect(paths.filter((path) => !known.has(path)).map((path) => relative(folder, path))).toEqual([]);
  });

  test("Istio's schemas accept every object", () => {
    for (const { serviceEntries, envoyFilters } of steps) {
      // The library's types forbid readonly data; its schema is what counts here.
      for (const one of serviceEntries) new ServiceEntry(one as never).validate();
      for (const one of envoyFilters) new EnvoyFilter(one as never).validate();
    }
  });

  test("no secret of a provider gets anywhere", () => {
    const written = JSON.stringify(steps);
    expect(written).not.toContain("a850da41-5fa3-4e05-b26f-c2c08c75221b");
    expect(written).not.toContain("s3cret");
  });
});
