import { expect, test } from "vitest";
import { inSlices } from "../../../src/runtime/slices.ts";
import { fakeClock } from "../../support/fake-clock.ts";

test("after 20 ms the event loop has its turn, and every item is done in the end", async () => {
  const clock = fakeClock();
  const done: number[] = [];
  const seen: number[] = [];
  const look = (): void => {
    seen.push(done.length);
    if (done.length < 12) setImmediate(look);
  };
  setImmediate(look);
  const items = Array.from({ length: 12 }, (_, at) => at);
  await inSlices(items, clock, (item) => {
    clock.advance(4);
    done.push(item);
  });
  expect(done).toEqual(items);
  expect(seen.slice(0, 2)).toEqual([5, 10]);
});
