import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Endpoint } from "../../../src/model/entry.ts";
import type { Share } from "../../../src/model/hub.ts";
import { weightOf } from "../../../src/translate/service-entry.ts";
import { dosed, shareLabelsOf } from "../../../src/translate/shares.ts";
import { endpointOf } from "../../support/model.ts";

const label = "ecns.easystack.cn/share";
const share = (name: string, percent: number): Share => ({ name, percent, selector: { requirements: [] } });
const of = (group: string, ...weights: readonly (number | undefined)[]): readonly Endpoint[] =>
  weights.map((weight, at) =>
    endpointOf(`10.${group.length}.0.${at + 1}:20880`, {
      ...(weight !== undefined && { weight }),
      labels: group === "" ? {} : { [label]: group },
    }),
  );
const sum = (numbers: Iterable<number>): number => [...numbers].reduce((all, one) => all + one, 0);
const weightsOf = (endpoints: readonly Endpoint[]): readonly (number | undefined)[] =>
  endpoints.map(({ weight }) => weight);
const canary = (percent: number) => [share("canary", percent)];

describe("doses", () => {
  test("without shares nothing happens", () => {
    const endpoints = of("", 1, 2, undefined);
    expect(dosed(endpoints, [])).toEqual({ endpoints, leftOut: [], isIgnored: false });
  });

  test("5 % for one of three: the sum of the weights stays", () => {
    const { endpoints } = dosed([...of("", undefined, undefined), ...of("canary", undefined)], canary(5));
    const weights = weightsOf(endpoints).map((weight = 1) => Number(weight.toFixed(9)));
    expect(weights).toEqual([1.425, 1.425, 0.15]);
  });

  test("within a group the registry's weights decide", () => {
    const { endpoints } = dosed([...of("", 1), ...of("canary", 1, 3)], canary(40));
    expect(weightsOf(endpoints)).toEqual([3, 0.5, 1.5]);
  });

  test("0 % is out, and counted", () => {
    const dose = dosed([...of("", 1), ...of("canary", 1, 1)], canary(0));
    expect(dose.endpoints.map(({ labels }) => labels[label])).toEqual([undefined]);
    expect(dose.leftOut).toEqual(["10.6.0.1:20880", "10.6.0.2:20880"]);
    expect(dosed([...of("", 1), ...of("canary", 1)], canary(100))).toMatchObject({
      endpoints: [{ labels: { [label]: "canary" }, weight: 2 }],
      leftOut: ["10.0.0.1:20880"],
    });
  });

  test("a group without endpoints leaves its part to the others, in proportion", () => {
    const shares = [share("a", 20), share("b", 60)];
    const { endpoints } = dosed([...of("a", 1), ...of("", 1)], shares);
    expect(weightsOf(endpoints)).toEqual([1, 1]);
    expect(weightsOf(dosed(of("a", 1, 1), [share("a", 1)]).endpoints)).toEqual([1, 1]);
  });

  test("where nobody would get the calls shares do not count, which is news where a share's instances are there", () => {
    const only = of("canary", 1, 2);
    expect(dosed(only, canary(0))).toEqual({ endpoints: only, leftOut: [], isIgnored: true });
    const rest = of("", 1);
    expect(dosed(rest, canary(100))).toEqual({ endpoints: rest, leftOut: [], isIgnored: false });
    expect(dosed([], canary(0)).isIgnored).toBe(false);
  });

  test.each([
    ["tiny", [0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01], [0.01], 5],
    ["two tiny ones", [0.01], [0.01], 5],
    ["huge", [10_000], [10_000], 5],
    ["one against many", [100], Array.from({ length: 199 }, () => 100), 1],
    ["odd", [1e308, 1e23], [1e-9], 10],
  ])("weights may be %s: what is written is the share", (_, rest, gray, percent) => {
    const { endpoints } = dosed([...of("", ...rest), ...of("canary", ...gray)], canary(percent));
    const written = endpoints.map((one) => ({ group: one.labels[label], weight: weightOf(one) }));
    const its = sum(written.filter(({ group }) => group === "canary").map(({ weight }) => weight));
    expect(Math.abs((100 * its) / sum(written.map(({ weight }) => weight)) - percent)).toBeLessThan(1);
  });

  test("whatever the shares: nobody is lost but those of 0 %, the sum stays, and each group has its part", () => {
    const groups = ["", "a", "b", "c"];
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 33 }), { minLength: 3, maxLength: 3 }),
        fc.array(fc.tuple(fc.constantFrom(...groups), fc.integer({ min: 1, max: 1_000 })), {
          minLength: 1,
          maxLength: 20,
        }),
        (percents, made) => {
          const shares = percents.map((percent, at) => share(groups[at + 1] ?? "", percent));
          const before = made.flatMap(([group, weight]) => of(group, weight / 100));
          const { endpoints, leftOut } = dosed(before, shares);
          expect(endpoints.length + leftOut.length).toBe(before.length);
          expect(endpoints.length).toBeGreaterThan(0);
          const total = sum(before.map(({ weight = 1 }) => weight));
          const doses = endpoints.map(({ weight = 1 }) => weight);
          const isWritable = Math.min(...doses) > 0.0501; // else all are larger
          expect(isWritable ? sum(doses) : total).toBeCloseTo(total);
          const percentOf = (group: string) =>
            shares.find(({ name }) => name === group)?.percent ?? 100 - sum(percents);
          const there = new Set(made.map(([group]) => group));
          const given = sum([...there].map(percentOf));
          for (const group of there) {
            const its = endpoints.filter(({ labels }) => (labels[label] ?? "") === group);
            const part = sum(its.map(({ weight = 1 }) => weight)) / sum(doses);
            expect(given === 0 ? 0 : part).toBeCloseTo(given === 0 ? 0 : percentOf(group) / given);
          }
        },
      ),
    );
  });
});

describe("an instance is labelled", () => {
  const gray: Share = {
    name: "gray",
    percent: 5,
    selector: { requirements: [{ key: "tag", operator: "in", values: ["gray"] }] },
  };

  test("with the first share that selects it, and its weight", () => {
    const labels = shareLabelsOf([gray, share("all", 10)], { tag: "gray" }, 1 / 3);
    expect(labels).toEqual({ [label]: "gray", "ecns.easystack.cn/weight": "0.333333" });
    expect(shareLabelsOf([gray, share("all", 10)], {}, 2)).toMatchObject({ [label]: "all" });
    expect(shareLabelsOf([gray], {}, 1e23)).toEqual({ "ecns.easystack.cn/weight": "10000" });
  });

  test("with its weight alone where none does", () => {
    expect(shareLabelsOf([gray], undefined, 1)).toEqual({ "ecns.easystack.cn/weight": "1" });
  });
});
