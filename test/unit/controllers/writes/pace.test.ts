import { expect, test } from "vitest";
import { Pace } from "../../../../src/controllers/writes/pace.ts";
import { fakeClock } from "../../../support/fake-clock.ts";

test.each([
  [0, 0],
  [19_999, 0],
  [20_000, 100],
  [200_000, 1_000],
  [1_200_000, 6_000],
  [2_000_000, 10_000],
  [100_000_000, 10_000],
])("after a write of %i bytes the next one waits %i ms", (bytes, ms) => {
  const clock = fakeClock();
  const pace = new Pace(clock);
  expect(pace.pauseMs("a")).toBe(0);
  pace.wrote("a", bytes);
  expect([pace.pauseMs("a"), pace.pauseMs("b")]).toEqual([ms, 0]);
  clock.advance(ms / 2);
  expect(pace.pauseMs("a")).toBe(ms / 2);
  clock.advance(ms / 2);
  expect(pace.pauseMs("a")).toBe(0);
});

test("an object that is gone is not waited for", () => {
  const pace = new Pace(fakeClock());
  pace.wrote("a", 1_000_000);
  pace.forget("a");
  expect(pace.pauseMs("a")).toBe(0);
});
