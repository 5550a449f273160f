import { describe, expect, test } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import { playStory, storyNames } from "../golden/story.ts";
import { analyze, unexplained, validate } from "../support/istio-lint.ts";

/** What each step of a story leaves in the cluster. */
const objectsOf = async (name: string) =>
  (await playStory(name))
    .map(({ serviceEntries, envoyFilters }) => [...serviceEntries, ...envoyFilters])
    .filter((objects) => objects.length > 0);

test.each(storyNames)("istioctl finds nothing in what %s generates but what is explained", async (name) => {
  const steps = await objectsOf(name);
  for (const objects of steps) expect(unexplained(await analyze(objects))).toEqual([]);
  await validate(steps.flat());
});

describe("istioctl finds", () => {
  const changed = async (spec: Partial<ServiceEntry["spec"]>) => {
    const [[entry] = []] = await objectsOf("manual-greeting-service");
    return [{ ...entry, spec: { ...entry?.spec, ...spec } }];
  };

  test("an entry without an address, which the manual's Spring entries are", async () => {
    const { addresses: _, ...spec } = (await changed({}))[0]?.spec ?? {};
    const [entry] = await changed({});
    const findings = unexplained(await analyze([{ ...entry, spec }]));
    expect(findings.map(({ code }) => code)).toEqual(["IST0134"]);
  });

  test("an address that is none", async () => {
    await expect(validate(await changed({ addresses: ["nowhere"] }))).rejects.toThrow("nowhere");
  });
});
