import { describe, expect, test } from "vitest";
import { type Outcome, WorkQueue } from "../../../../src/controllers/writes/queue.ts";
import type { Deps } from "../../../../src/runtime/deps.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { silentLogger } from "../../../support/model.ts";

/** A running queue whose work is finished by hand. */
function running(concurrency = 2) {
  const clock = fakeClock();
  const deps: Deps = { clock, logger: silentLogger, random: () => 0.5 }; // 0.5 = backoff without jitter
  const started: string[] = [];
  const open = new Map<string, PromiseWithResolvers<Outcome>>();
  const work = (key: string): Promise<Outcome> => {
    started.push(key);
    const pending = Promise.withResolvers<Outcome>();
    open.set(key, pending);
    return pending.promise;
  };
  const queue = new WorkQueue(work, concurrency, deps);
  const aborted = new AbortController();
  const ended = queue.run(aborted.signal);
  const finish = async (key: string, outcome?: Outcome): Promise<void> => {
    open.get(key)?.resolve(outcome);
    await settled();
  };
  return { clock, queue, started, open, finish, ended, abort: () => aborted.abort() };
}

/** Lets everything run that waits for no timer. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const failed = { failed: true } as const;

describe("keys", () => {
  test("as many at once as there are workers, the others wait", async () => {
    const { queue, started, finish } = running(2);
    for (const key of ["a", "b", "c", "c"]) queue.add(key);
    expect([started, queue.depth]).toEqual([["a", "b"], 1]);
    await finish("a");
    expect([started, queue.depth]).toEqual([["a", "b", "c"], 0]);
  });

  test("one that is added while it is worked on is worked on once more, afterwards", async () => {
    const { queue, started, finish } = running();
    queue.add("a");
    queue.add("a");
    queue.add("a");
    expect(started).toEqual(["a"]);
    await finish("a");
    expect(started).toEqual(["a", "a"]);
    await finish("a");
    expect(started).toEqual(["a", "a"]);
  });

  test("what is added before the start is kept", async () => {
    const seen: string[] = [];
    const deps: Deps = { clock: fakeClock(), logger: silentLogger, random: Math.random };
    const queue = new WorkQueue(async (key) => void seen.push(key), 1, deps);
    queue.add("a");
    expect(seen).toEqual([]);
    const aborted = new AbortController();
    const ended = queue.run(aborted.signal);
    await settled();
    aborted.abort();
    await ended;
    expect(seen).toEqual(["a"]);
  });

  test("tells how long the oldest run takes", async () => {
    const { queue, clock, finish } = running();
    expect(queue.longestRunMs).toBe(0);
    queue.add("a");
    clock.advance(500);
    queue.add("b");
    expect(queue.longestRunMs).toBe(500);
    await finish("a");
    expect(queue.longestRunMs).toBe(0);
  });
});

describe("later", () => {
  test("of several times the earliest counts, and adding makes it now", async () => {
    const { queue, clock, started, finish } = running();
    queue.addAfter("a", 300);
    queue.addAfter("a", 100);
    queue.addAfter("a", 200);
    clock.advance(99);
    expect(started).toEqual([]);
    clock.advance(1);
    expect(started).toEqual(["a"]);
    await finish("a");
    queue.addAfter("a", 100);
    queue.add("a");
    await finish("a");
    clock.advance(1_000);
    expect(started).toEqual(["a", "a"]);
  });

  test("work may ask to be done again", async () => {
    const { queue, clock, started, finish } = running();
    queue.add("a");
    await finish("a", { againInMs: 50 });
    clock.advance(50);
    expect(started).toEqual(["a", "a"]);
  });
});

describe("failures", () => {
  test("the backoff doubles up to a minute, per key, and a success ends it", async () => {
    const { queue, clock, started, finish } = running();
    queue.add("a");
    for (const ms of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
      await finish("a", failed);
      started.length = 0;
      clock.advance(ms - 1);
      expect(started).toEqual([]);
      clock.advance(1);
      expect(started).toEqual(["a"]);
    }
    queue.add("b");
    expect(started).toEqual(["a", "b"]);
    await finish("a");
    queue.add("a");
    await finish("a", failed);
    clock.advance(1_000);
    expect(started).toEqual(["a", "b", "a", "a"]);
  });

  test.each([
    ["add", (queue: WorkQueue) => queue.add("a")],
    ["addAfter", (queue: WorkQueue) => queue.addAfter("a", 10)],
  ])("%s does not shorten a backoff", async (_, touch) => {
    const { queue, clock, started, finish } = running();
    queue.add("a");
    await finish("a", { failed: true, atLeastMs: 5_000 });
    touch(queue);
    clock.advance(4_999);
    expect(started).toEqual(["a"]);
    clock.advance(1);
    expect(started).toEqual(["a", "a"]);
  });

  test("a wish for later that came during the work does not shorten it either", async () => {
    const { queue, clock, started, finish } = running();
    queue.add("a");
    queue.addAfter("a", 10);
    await finish("a", failed);
    clock.advance(999);
    expect(started).toEqual(["a"]);
  });

  test("retryAll forgets every backoff", async () => {
    const { queue, started, finish } = running();
    queue.add("a");
    await finish("a", failed);
    queue.retryAll();
    expect(started).toEqual(["a", "a"]);
  });
});

describe("the end", () => {
  test("comes with the signal and leaves no timer, not even of work that was under way", async () => {
    const { queue, clock, finish, ended, abort } = running();
    queue.addAfter("b", 1_000);
    queue.add("a");
    abort();
    await ended;
    await finish("a", { againInMs: 1_000 });
    expect(clock.pending).toBe(0);
  });

  test("comes with whatever the work throws: that is a bug", async () => {
    const { queue, open, ended } = running();
    queue.add("a");
    open.get("a")?.reject(new Error("bug"));
    await expect(ended).rejects.toThrow("bug");
  });
});
