import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseJson, tooLong } from "../../../src/runtime/json.ts";
import { JsonCursor, NotJsonError } from "../../../src/runtime/json-cursor.ts";
import type { Steps } from "../../../src/runtime/slices.ts";
import { readJsonOf } from "../../support/read-json.ts";

/** Everything that a text says, read part by part. */
function* everything(json: JsonCursor): Steps<unknown> {
  if (json.isArray) {
    const items: unknown[] = [];
    for (const _ of json.items()) items.push(yield* everything(json));
    return items;
  }
  if (!json.isObject) return yield* json.value();
  const members = new Map<string, unknown>();
  for (const name of json.members()) members.set(name, yield* everything(json));
  return Object.fromEntries(members);
}

function* whole(json: JsonCursor): Steps<unknown> {
  const said = yield* everything(json);
  json.end();
  return said;
}

/** The same, and whether it is JSON at all. */
const read = (text: string): readonly [unknown] | undefined => {
  try {
    return [readJsonOf(whole, text)];
  } catch (error) {
    if (error instanceof NotJsonError) return undefined;
    throw error;
  }
};

const parsed = (text: string): readonly [unknown] | undefined => {
  const said = parseJson(Buffer.from(text).toString());
  return said === undefined ? undefined : [said];
};

describe("a text that is read part by part", () => {
  const json = fc
    .tuple(fc.jsonValue({ stringUnit: "binary" }), fc.constantFrom(undefined, 1, "\t", "\r\n "))
    .map(([value, space]) => JSON.stringify(value, undefined, space) ?? "null");

  test("says what it says at once", () => {
    fc.assert(
      fc.property(json, (text) => {
        expect(read(text)).toEqual(parsed(text));
      }),
      { numRuns: 500 },
    );
  });

  test("is JSON or not, as it is at once, wherever a character is lost, doubled or another", () => {
    const odd = fc
      .tuple(json, fc.nat(), fc.constantFrom("", "{", "}", "[", "]", ",", ":", '"', "\\", " ", "0", "nul"))
      .map(([text, at, other]) => {
        const place = at % (text.length + 1);
        return text.slice(0, place) + other + text.slice(place + (at % 2));
      });
    fc.assert(
      fc.property(odd, (text) => {
        expect(read(text)).toEqual(parsed(text));
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    "",
    " ",
    "{",
    "[",
    '"',
    '{"a"',
    '{"a":',
    '{"a":1',
    "[1",
    "[1,",
    '"\\',
    "{,}",
    "[,]",
    "1 1",
    "\u00a01",
  ])("%j is no JSON", (text) => {
    expect(read(text)).toBeUndefined();
  });
});

test("what is skipped is passed over, whatever it holds", () => {
  function* second(json: JsonCursor): Steps<unknown> {
    let said: unknown;
    for (const name of json.members())
      if (name === "second") said = yield* json.value();
      else yield* json.skip();
    return said;
  }
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: "binary" }), (first) => {
      expect(readJsonOf(second, { first, second: 7 })).toBe(7);
    }),
  );
});

test("a long value is passed over in many steps, and nothing is made of it", () => {
  const long = 'x\\"'.repeat(1_000_000);
  const steps = new JsonCursor(Buffer.from(`"${long}"`)).value();
  let count = 0;
  let step = steps.next();
  for (; !step.done; step = steps.next()) count++;
  expect(step.value).toBe(tooLong);
  expect(count).toBeGreaterThan(8);
});

test("members that nobody asks for are passed over one by one, so that others have their turn", () => {
  function* passOver(json: JsonCursor): Steps<void> {
    for (const _ of json.members()) yield* json.skip();
  }
  const steps = passOver(new JsonCursor(Buffer.from(`{${'"a":1,'.repeat(1_000)}"b":1}`)));
  let count = 0;
  while (steps.next().done !== true) count++;
  expect(count).toBeGreaterThan(1_000);
});

test.each(["1".repeat(2_000_000), `{"${"x".repeat(2_000_000)}":1}`, `[${" ".repeat(2_000_000)}1]`])(
  "a long number or name, or blanks without end, are no JSON",
  (text) => {
    expect(read(text)).toBeUndefined();
  },
);
