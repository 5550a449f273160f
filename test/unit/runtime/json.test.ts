import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { firstIssue, listOf, mapOf, parseJson } from "../../../src/runtime/json.ts";

describe("what a JSON text says", () => {
  test.each([
    [String.raw`"\ud800"`, "\ufffd"],
    [String.raw`"a\uDC00b"`, "a\ufffdb"],
    [String.raw`"\ud83d\ude00"`, "\u{1f600}"],
    [String.raw`"\ud83d\ud83d\ude00\ude00"`, "\ufffd\u{1f600}\ufffd"],
    [String.raw`"\\ud800"`, String.raw`\ud800`],
    [String.raw`{"\ud800":["\udfff"]}`, { "\ufffd": ["\ufffd"] }],
  ])("%s has no half of a surrogate pair", (text, value) => {
    expect(parseJson(text)).toEqual(value);
  });

  test("law: every text that is read is well formed, and what was well formed is as it was", () => {
    const halves = fc.array(fc.constantFrom("\ud800", "\udfff", "\ud83d", "\ude00", "\\", '"', "u", "a"));
    fc.assert(
      fc.property(halves, (parts) => {
        const value = parts.join("");
        expect(parseJson(JSON.stringify(value))).toBe(value.toWellFormed());
        expect(parseJson(JSON.stringify({ [value]: 1 }))).toEqual({ [value.toWellFormed()]: 1 });
      }),
    );
  });

  test("what is no JSON", () => {
    for (const text of ["", "{", String.raw`"\ud8"`, "\\"]) expect(parseJson(text)).toBeUndefined();
  });
});

describe("what says so many things that they would take all memory", () => {
  const items = (text: string, count: number): string => `[${`${text},`.repeat(count - 1)}${text}]`;

  test.each(["{}", "[]", "1", '"a"', '{"":1}'])("%s a million times is not read", (text) => {
    expect(parseJson(items(text, 1_000_001))).toBeUndefined();
  });

  test("brackets within brackets are not read", () => {
    expect(parseJson(`${"[".repeat(1_000_001)}${"]".repeat(1_000_001)}`)).toBeUndefined();
  });

  test("what is in a text counts for nothing, however it is written", () => {
    const text = ',[{\\"'.repeat(600_000);
    expect(parseJson(JSON.stringify([text, 1]))).toEqual([text, 1]);
  });
});

describe("a list or an object of one form", () => {
  const looked: unknown[] = [];
  const even = z.unknown().transform((value, context): number => {
    looked.push(value);
    if (typeof value !== "number" || value % 2 !== 0) context.addIssue("not even");
    return Number(value);
  });

  test("is what its items are", () => {
    expect(listOf(even).parse([2, 4])).toEqual([2, 4]);
    expect(mapOf(even).parse({ a: 2, constructor: 4 })).toEqual({ a: 2, constructor: 4 });
  });

  test.each([
    ["a list", listOf(even), [2, 3, 5, 7]],
    ["an object", mapOf(even), { 0: 2, 1: 3, 2: 5, 3: 7 }],
  ])("%s ends at the first that is malformed, and says which", (_what, schema, value) => {
    looked.length = 0;
    const { error } = z.object({ values: schema }).safeParse({ values: value });
    expect(error && firstIssue(error)).toBe("values.1: not even");
    expect(looked).toEqual([2, 3]);
  });
});
