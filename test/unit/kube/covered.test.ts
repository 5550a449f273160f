import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isCovered } from "../../../src/kube/covered.ts";

const port = (name: string, number: number): object => ({ name, number, protocol: "tcp" });

/** JSON objects as the API server holds them. */
const json = fc.dictionary(fc.constantFrom("a", "b", "c", "spec"), fc.jsonValue({ maxDepth: 3 }), {
  maxKeys: 3,
});

/** `object` with fields that others added, at the top and in nested objects, never inside lists. */
function withForeignFields(object: unknown): unknown {
  if (typeof object !== "object" || object === null || Array.isArray(object)) return object;
  const fields = Object.entries(object).map(([name, value]) => [name, withForeignFields(value)]);
  return { ...Object.fromEntries(fields), foreign: { by: "somebody" } };
}

describe("isCovered", () => {
  test("an object covers itself, and whatever others add to it", () => {
    fc.assert(
      fc.property(json, (object) => {
        expect(isCovered(object, structuredClone(object))).toBe(true);
        expect(isCovered(object, withForeignFields(object))).toBe(true);
      }),
    );
  });

  test("a field of ours that differs or is missing is never covered", () => {
    fc.assert(
      fc.property(json, fc.jsonValue(), fc.jsonValue(), (object, one, other) => {
        fc.pre(JSON.stringify(one) !== JSON.stringify(other) && !isCovered(one, other));
        expect(isCovered({ ...object, ours: one }, { ...object, ours: other })).toBe(false);
        expect(isCovered({ ...object, ours: one }, object)).toBe(false);
      }),
    );
  });

  test("fields that are undefined are not desired", () => {
    expect(isCovered({ a: 1, b: undefined }, { a: 1, b: 2 })).toBe(true);
  });

  test.each([
    ["longer", [1, 2], [1, 2, 3]],
    ["shorter", [1, 2], [1]],
    ["in another order", [1, 2], [2, 1]],
    ["with a foreign field inside", [{ a: 1 }], [{ a: 1, b: 2 }]],
    ["not a list", [1], { 0: 1 }],
  ])("a list is one value: %s is a difference", (_, desired, actual) => {
    expect(isCovered({ spec: { endpoints: desired } }, { spec: { endpoints: actual } })).toBe(false);
  });

  test("spec.ports is keyed by name: ports of others and their order do not count, ours do", () => {
    const desired = { spec: { ports: [port("a", 1), port("b", 2)] } };
    const actual = (...ports: object[]): object => ({ spec: { ports } });
    expect(isCovered(desired, actual(port("b", 2), port("x", 9), { ...port("a", 1), targetPort: 7 }))).toBe(
      true,
    );
    expect(isCovered(desired, actual(port("a", 1)))).toBe(false);
    expect(isCovered(desired, actual(port("a", 1), port("b", 3)))).toBe(false);
    expect(isCovered({ ports: [1] }, { ports: [1, 2] })).toBe(false);
  });
});
