import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { type RefreshHooks, refreshes } from "../../../../src/registries/transport/refreshes.ts";
import { fakeClock } from "../../../support/fake-clock.ts";

/** A reader whose value is the number of its refreshes, and what the loop over it has yielded so far. */
function reading(read: (count: number) => number | undefined | Promise<number> = (count) => count) {
  const clock = fakeClock();
  const stop = new AbortController();
  const yielded: number[] = [];
  let count = 0;
  let hooks: RefreshHooks | undefined;
  let ending: AbortSignal | undefined;
  const open = async (given: RefreshHooks, signal: AbortSignal) => {
    hooks = given;
    ending = signal;
    return async () => read(++count);
  };
  const ended = (async () => {
    for await (const value of refreshes(open, clock, stop.signal)) yielded.push(value);
  })();
  return {
    yielded,
    stop,
    ended,
    hooks: () => hooks as RefreshHooks,
    isClosed: () => ending?.aborted,
    async pass(ms: number): Promise<void> {
      await turn();
      clock.advance(ms);
      await turn();
    },
  };
}

test("yields at first, and after each change", async () => {
  const one = reading();
  await one.pass(30);
  expect(one.yielded).toEqual([1]);
  for (let round = 2; round <= 4; round++) {
    await one.pass(1_000);
    one.hooks().changed();
    await one.pass(30);
    expect(one.yielded).toHaveLength(round);
  }
  one.stop.abort();
  await one.ended;
});

test("the first of a burst goes out at once, and the rest in one", async () => {
  const one = reading();
  await one.pass(30);
  one.hooks().changed();
  await one.pass(0);
  expect(one.yielded).toEqual([1, 2]);
  for (let at = 0; at < 100; at++) {
    one.hooks().changed();
    await one.pass(at < 29 ? 1 : 0);
  }
  expect(one.yielded).toEqual([1, 2]);
  await one.pass(1);
  expect(one.yielded).toEqual([1, 2, 3]);
  await one.pass(1_000);
  expect(one.yielded).toEqual([1, 2, 3]);
  one.stop.abort();
  await one.ended;
});

test("what changes during a refresh is another one", async () => {
  const one = reading((count) => {
    if (count === 2) one.hooks().changed();
    return count;
  });
  await one.pass(30);
  one.hooks().changed();
  await one.pass(30);
  await one.pass(1_000);
  expect(one.yielded).toEqual([1, 2, 3]);
  one.stop.abort();
  await one.ended;
});

test("a loss is told at the latest 30 ms later, however fast changes come, and no value after it", async () => {
  const one = reading();
  await one.pass(30);
  one.hooks().changed();
  await one.pass(0);
  one.hooks().onLost(new Error("lost"));
  const changing = async (): Promise<void> => {
    for (let at = 0; at < 30; at++) {
      one.hooks().changed();
      await one.pass(1);
    }
  };
  await Promise.all([expect(one.ended).rejects.toThrow("lost"), changing()]);
  expect(one.yielded).toEqual([1, 2]);
});

test("a loss ends it also while a refresh hangs", async () => {
  const one = reading((count) => (count === 1 ? 1 : new Promise<number>(() => undefined)));
  await one.pass(30);
  one.hooks().changed();
  await one.pass(30);
  one.hooks().onLost(new Error("gone"));
  await expect(one.ended).rejects.toThrow("gone");
  expect(one.yielded).toEqual([1]);
  expect(one.isClosed()).toBe(true);
});

test("what is read while the reader is lost is not told", async () => {
  const one = reading((count) => {
    if (count === 2) one.hooks().onLost(new Error("lost meanwhile"));
    return count;
  });
  await one.pass(30);
  one.hooks().changed();
  await Promise.all([expect(one.ended).rejects.toThrow("lost meanwhile"), one.pass(30)]);
  expect(one.yielded).toEqual([1]);
});

test("a refresh without a relevant change yields nothing", async () => {
  const one = reading((count) => (count === 2 ? undefined : count));
  await one.pass(30);
  one.hooks().changed();
  await one.pass(30);
  one.hooks().changed();
  await one.pass(30);
  expect(one.yielded).toEqual([1, 3]);
  one.stop.abort();
  await one.ended;
});

test("a loss ends it with the first error, and closes the reader", async () => {
  const one = reading();
  await one.pass(30);
  one.hooks().onLost(new Error("first"));
  one.hooks().onLost(new Error("second"));
  await expect(one.ended).rejects.toThrow("first");
  expect(one.isClosed()).toBe(true);
});

test("what a refresh throws ends it", async () => {
  const one = reading(() => {
    throw new Error("cut short");
  });
  await Promise.all([expect(one.ended).rejects.toThrow("cut short"), one.pass(30)]);
  expect(one.isClosed()).toBe(true);
});

test.each(["waiting", "merging"])("an abort ends it without another value while it is %s", async (when) => {
  const one = reading();
  await one.pass(when === "waiting" ? 30 : 29);
  one.hooks().changed();
  one.stop.abort();
  await one.ended;
  expect(one.yielded).toEqual([1]);
});

test("no value is kept but the last", async () => {
  const clock = fakeClock();
  const stop = new AbortController();
  const yielded: WeakRef<object>[] = [];
  let changed: () => void = () => undefined;
  const open = async (hooks: RefreshHooks) => {
    changed = hooks.changed;
    return async () => ({ number: yielded.length });
  };
  const ended = (async () => {
    for await (const value of refreshes(open, clock, stop.signal)) yielded.push(new WeakRef(value));
  })();
  for (let at = 0; at < 20; at++) {
    await turn();
    clock.advance(30);
    await turn();
    changed();
  }
  await turn();
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  expect(yielded.length).toBeGreaterThan(10);
  expect(yielded.filter((one) => one.deref() !== undefined).length).toBeLessThanOrEqual(2);
  stop.abort();
  await ended;
});
