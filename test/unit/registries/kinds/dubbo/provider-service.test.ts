import { describe, expect, test } from "vitest";
import type { Provider } from "../../../../../src/registries/kinds/dubbo/provider.ts";
import { serviceOf, withProviders } from "../../../../../src/registries/kinds/dubbo/provider-service.ts";
import { instanceAt } from "../../../../fakes/registries.ts";

const at = (weight?: number, metadata = {}): Provider => ({
  instance: instanceAt("10.0.0.1:20880", "dubbo", { metadata, ...(weight !== undefined && { weight }) }),
});
const weightsOf = (...providers: Provider[]): readonly (number | undefined)[] => {
  const { instances } = serviceOf("a.B", providers);
  return instances === "unknown" ? [] : instances.map(({ weight }) => weight);
};

describe("a provider that is registered twice", () => {
  test.each([
    [[at(0.5), at(2)], 0.5],
    [[at(2), at(0.5)], 0.5],
    [[at(), at(0.5)], 0.5],
    [[at(0.5), at()], 0.5],
    [[at(2), at()], 2],
    [[at(), at(2)], 2],
    [[at(), at()], undefined],
  ])("has the lowest weight that was said, however the order: %#", (providers, weight) => {
    expect(weightsOf(...providers)).toEqual([weight]);
  });

  test("is as the first says in all else, and the same object while nothing is added", () => {
    const service = serviceOf("a.B", [at(1, { side: "provider" })]);
    expect(withProviders(service, [at(2, { side: "other" }), at()])).toBe(service);
    expect(withProviders(service, [at(0.5, { side: "other" })]).instances).toMatchObject([
      { weight: 0.5, metadata: { side: "provider" } },
    ]);
  });
});
