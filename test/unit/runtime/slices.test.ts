import { expect, test } from "vitest";
import { atOnce, inSlices, type Steps } from "../../../src/runtime/slices.ts";
import { fakeClock } from "../../support/fake-clock.ts";

const count = 12;

/** Twelve steps of 4 ms. */
function* steps(done: number[], advance: (ms: number) => void): Steps<string> {
  for (let at = 0; at < count; at++) {
    advance(4);
    done.push(at);
    yield;
  }
  return "all";
}

test("after 10 ms the event loop has its turn, and every step is done in the end", async () => {
  const clock = fakeClock();
  const done: number[] = [];
  const seen: number[] = [];
  const look = (): void => {
    seen.push(done.length);
    if (done.length < count) setImmediate(look);
  };
  setImmediate(look);
  expect(await inSlices(steps(done, clock.advance), clock)).toBe("all");
  expect(done).toHaveLength(count);
  expect(seen.slice(0, 2)).toEqual([3, 6]);
});

test("all at once nobody else has a turn", () => {
  const done: number[] = [];
  expect(atOnce(steps(done, () => undefined))).toBe("all");
  expect(done).toHaveLength(count);
});
