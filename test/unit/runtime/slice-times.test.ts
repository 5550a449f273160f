import { setTimeout as delay } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { beforeAll, expect, test } from "vitest";
import { SliceTimes } from "../../../src/runtime/slice-times.ts";

/** Node has told of a collection then. */
const TOLD_MS = 150;

let collect: () => void;
let objects: readonly object[];
beforeAll(() => {
  setFlagsFromString("--expose-gc");
  collect = runInNewContext("gc") as () => void;
  objects = Array.from({ length: 300_000 }, (_, index) => ({ index })); // so that a collection takes some time
  return () => {
    objects = [];
  };
});

function work(ms: number): void {
  const before = process.threadCpuUsage();
  while (process.threadCpuUsage(before).user < 1_000 * ms);
}

test("a slice is as long as the thread has worked, told once", async () => {
  const times = new SliceTimes();
  const ends = times.begins("hosts");
  work(20);
  ends();
  times.begins("hosts")();
  await delay(TOLD_MS);
  expect(times.longestMs().get("hosts")).toBeGreaterThanOrEqual(15);
  expect(times.longestMs()).toEqual(new Map([["hosts", 0]]));
});

test("what has just ended is told at the next look, when its collections are known", async () => {
  const times = new SliceTimes();
  const ends = times.begins("hosts");
  work(20);
  ends();
  expect(times.longestMs()).toEqual(new Map());
  await delay(TOLD_MS);
  expect(times.longestMs().get("hosts")).toBeGreaterThanOrEqual(15);
});

test("collections of garbage are no part of it, and told by themselves", async () => {
  const times = new SliceTimes();
  for (let count = 0; count < 20; count++) {
    const ends = times.begins("hosts");
    work(2);
    ends();
  }
  const before = process.threadCpuUsage();
  const ends = times.begins("status");
  while (process.threadCpuUsage(before).user < 200_000) collect();
  work(10);
  ends();
  await delay(TOLD_MS);
  const own = times.longestMs().get("status");
  expect(own).toBeGreaterThanOrEqual(8);
  expect(own).toBeLessThan(100);
  expect(times.longestCollectionMs()).toBeGreaterThan(1);
  expect(objects).toHaveLength(300_000);
});

test("of thousands of slices the longest is known", async () => {
  const times = new SliceTimes();
  for (let count = 0; count < 5_000; count++) {
    const ends = times.begins("listings");
    if (count === 40) work(20);
    ends();
  }
  await delay(TOLD_MS);
  expect(times.longestMs().get("listings")).toBeGreaterThanOrEqual(15);
});
