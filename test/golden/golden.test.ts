import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EnvoyFilter } from "@kubernetes-models/istio/networking.istio.io/v1alpha3/EnvoyFilter";
import { ServiceEntry } from "@kubernetes-models/istio/networking.istio.io/v1beta1/ServiceEntry";
import { describe, expect, test } from "vitest";
import { documents, playStory, storiesFolder, storyNames } from "./story.ts";

const stories = await Promise.all(storyNames.map(async (name) => ({ name, steps: await playStory(name) })));

describe.each(stories)("$name", ({ name, steps }) => {
  test("says why it is told", () => {
    expect(readFileSync(join(storiesFolder, name, "why.md"), "utf8").length).toBeGreaterThan(80);
  });

  test("every step comes to what its files say", async () => {
    for (const { folder, snapshot, serviceEntries, envoyFilters, plan } of steps) {
      await expect(snapshot).toMatchFileSnapshot(join(folder, "02-snapshot.yaml"));
      await expect(documents(serviceEntries)).toMatchFileSnapshot(join(folder, "03-service-entries.yaml"));
      await expect(documents(envoyFilters)).toMatchFileSnapshot(join(folder, "04-envoy-filters.yaml"));
      await expect(plan).toMatchFileSnapshot(join(folder, "plan.yaml"));
    }
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
