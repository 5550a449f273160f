import fc from "fast-check";
import { expect, test } from "vitest";
import { SeveralMap } from "../../../src/runtime/several-map.ts";

const op = fc.record({
  what: fc.constantFrom("add", "delete", "deleteAll"),
  key: fc.constantFrom("a", "b"),
  value: fc.constantFrom("1", "2", "3"),
});

test("law: it has what a map of sets has, in the order of addition", () => {
  fc.assert(
    fc.property(fc.array(op), (ops) => {
      const several = new SeveralMap<string, string>();
      const sets = new Map<string, Set<string>>();
      for (const { what, key, value } of ops) {
        const set = sets.get(key) ?? new Set();
        if (what === "add") sets.set(key, set.add(value));
        if (what === "delete" && set.delete(value) && set.size === 0) sets.delete(key);
        if (what === "deleteAll") sets.delete(key);
        if (what === "deleteAll") several.deleteAll(key);
        else several[what as "add" | "delete"](key, value);
      }
      expect([...several.keys()]).toEqual([...sets.keys()]);
      for (const key of ["a", "b"]) {
        expect(several.get(key)).toEqual([...(sets.get(key) ?? [])]);
        expect(several.has(key)).toBe(sets.has(key));
      }
    }),
  );
});

test("what was asked for does not change", () => {
  const several = new SeveralMap<string, string>();
  several.add("a", "1");
  several.add("a", "2");
  const before = several.get("a");
  several.delete("a", "1");
  expect(before).toEqual(["1", "2"]);
  expect(several.get("a")).toEqual(["2"]);
});
