import { describe, expect, test } from "vitest";
import { atOnce, inSlices, type Steps, untilFree } from "../../../src/runtime/slices.ts";
import { fakeClock } from "../../support/fake-clock.ts";

const count = 12;

/** Twelve steps of 2 ms. */
function* steps(done: number[], advance: (ms: number) => void): Steps<string> {
  for (let at = 0; at < count; at++) {
    advance(2);
    done.push(at);
    yield;
  }
  return "all";
}

test("after 5 ms the event loop has its turn, and every step is done in the end", async () => {
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

describe("several at once", () => {
  /** Does each task in slices, all from the same turn of the event loop on; how long each turn took. */
  async function turnsOf(tasks: number, stepsEach: number): Promise<readonly number[]> {
    const clock = fakeClock();
    const turns: number[] = [];
    let [left, before] = [tasks, clock.monotonic()];
    const look = (): void => {
      turns.push(clock.monotonic() - before);
      before = clock.monotonic();
      if (left > 0) setImmediate(look);
    };
    setImmediate(look);
    function* task(): Steps<void> {
      for (let step = 0; step < stepsEach; step++) {
        clock.advance(1);
        yield;
      }
      left--;
    }
    await Promise.all(Array.from({ length: tasks }, () => inSlices(task(), clock)));
    return turns;
  }

  test("hold the event loop no longer than one, and take no longer in all", async () => {
    const turns = await turnsOf(5, 40);
    expect(Math.max(...turns)).toBeLessThanOrEqual(5 + 5); // each makes a step
    expect(turns.length).toBeLessThanOrEqual(45);
  });

  test("nor do many small ones", async () => {
    expect(Math.max(...(await turnsOf(10, 3)))).toBeLessThanOrEqual(5 + 10);
  });
});

test("what arrives all at once is worked on in the turns after, in its order", async () => {
  const clock = fakeClock();
  const [inTurns, order]: [number[], number[]] = [[], []];
  let inTurn = 0;
  const look = (): void => {
    inTurns.push(inTurn);
    inTurn = 0;
    if (order.length < 16) setImmediate(look);
  };
  setImmediate(look);
  const pieces = Array.from({ length: 16 }, async (_, at) => {
    await new Promise((arrived) => setImmediate(arrived));
    await untilFree(clock);
    clock.advance(2);
    inTurn++;
    order.push(at);
  });
  await Promise.all(pieces);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  expect(Math.max(...inTurns)).toBe(3);
});

test("is begun with in one of the next turns while others work in slices, however long those take", async () => {
  const clock = fakeClock();
  let left = 200;
  function* long(): Steps<void> {
    for (; left > 0; left--) {
      clock.advance(5);
      yield;
    }
  }
  const slices = inSlices(long(), clock);
  for (let piece = 1; piece <= 3; piece++) {
    await new Promise((arrived) => setImmediate(arrived));
    await untilFree(clock);
    expect(left).toBeGreaterThan(200 - 5 * piece);
  }
  await slices;
});

test("all at once nobody else has a turn", () => {
  const done: number[] = [];
  expect(atOnce(steps(done, () => undefined))).toBe("all");
  expect(done).toHaveLength(count);
});
