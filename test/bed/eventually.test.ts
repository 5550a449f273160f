import { expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";

test("eventually returns the value of the first attempt that does not throw", async () => {
  let attempts = 0;
  const third = () => {
    attempts++;
    if (attempts < 3) throw new Error("too early");
    return attempts;
  };
  expect(await eventually(third, 5_000, 1)).toBe(3);
});

test("eventually fails with the last error once the deadline has passed", async () => {
  const never = () => Promise.reject(new Error("still nothing"));
  await expect(eventually(never, 30, 5)).rejects.toThrow(
    /^not within 30 ms \(tried for \d+ ms\): still nothing$/,
  );
});

test("eventually does not count the time in which this process stands still", async () => {
  let comes = false;
  setTimeout(() => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300); // and all that is due is late
    setTimeout(() => (comes = true), 5);
  }, 20);
  await eventually(() => expect(comes).toBe(true), 200, 10);
});
