import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseJson } from "../../../src/runtime/json.ts";

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
