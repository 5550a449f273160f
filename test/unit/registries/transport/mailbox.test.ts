import { expect, test } from "vitest";
import { createLatest } from "../../../../src/registries/transport/mailbox.ts";

/** Everything an iteration yields until it ends. */
async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of source) values.push(value);
  return values;
}

test("a slow reader sees the newest value only", async () => {
  const stop = new AbortController();
  const latest = createLatest<number>(stop.signal);
  const values = latest[Symbol.asyncIterator]();
  for (let at = 1; at <= 100; at++) latest.set(at);
  expect((await values.next()).value).toBe(100);
  latest.set(101);
  expect((await values.next()).value).toBe(101);
});

test("a waiting reader is woken by every later value, an equal one too", async () => {
  const stop = new AbortController();
  const latest = createLatest<string>(stop.signal);
  const values = latest[Symbol.asyncIterator]();
  for (let round = 0; round < 3; round++) {
    const next = values.next();
    latest.set("changed");
    expect((await next).value).toBe("changed");
  }
});

test("a failure comes after the last value, and is the first of several", async () => {
  const latest = createLatest<number>(new AbortController().signal);
  latest.set(1);
  latest.fail(new Error("first"));
  latest.fail(new Error("second"));
  const values = latest[Symbol.asyncIterator]();
  expect((await values.next()).value).toBe(1);
  await expect(values.next()).rejects.toThrow("first");
});

test("an abort ends the iteration without a value, waiting or not", async () => {
  const stop = new AbortController();
  const waiting = collect(createLatest<number>(stop.signal));
  const full = createLatest<number>(stop.signal);
  full.set(1);
  stop.abort();
  expect(await waiting).toEqual([]);
  expect(await collect(full)).toEqual([]);
});
