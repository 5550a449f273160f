import { beforeEach, describe, expect, test } from "vitest";
import {
  failedBy,
  type Outcome,
  type QueueHooks,
  WorkQueue,
} from "../../../../src/controllers/writes/queue.ts";
import { KubeError } from "../../../../src/kube/errors.ts";
import type { Deps } from "../../../../src/runtime/deps.ts";
import { untilFree } from "../../../../src/runtime/slices.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { silentLogger } from "../../../support/model.ts";

/** A running queue whose work is finished by hand. Keys of one letter all belong to one namespace. */
function running(concurrency = 4, hooks: QueueHooks = {}) {
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
  const queue = new WorkQueue(work, concurrency, deps, hooks);
  const aborted = new AbortController();
  const ended = queue.run(aborted.signal);
  const add = async (...keys: string[]): Promise<void> => {
    for (const key of keys) queue.add(key, "changed");
    await settled();
  };
  const look = async (...keys: string[]): Promise<void> => {
    for (const key of keys) queue.add(key, "look");
    await settled();
  };
  const finish = async (key: string, outcome?: Outcome): Promise<void> => {
    open.get(key)?.resolve(outcome);
    await settled();
  };
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await settled();
  };
  return { clock, queue, started, open, add, look, finish, pass, ended, abort: () => aborted.abort() };
}

/** Lets everything run that waits for no timer. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const failed = { failed: true } as const;
const refused = { failed: true, refused: true } as const;

describe("keys", () => {
  test("as many at once as there are workers for their namespace, the others wait", async () => {
    const { queue, started, add, finish } = running(4);
    await add("a", "b", "c", "c");
    expect([started, queue.depth]).toEqual([["a", "b"], 1]);
    await finish("a");
    expect([started, queue.depth]).toEqual([["a", "b", "c"], 0]);
  });

  test("one that is added while it is worked on is worked on once more, afterwards", async () => {
    const { started, add, finish } = running();
    await add("a", "a");
    await add("a");
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
    queue.add("a", "changed");
    await settled();
    expect(seen).toEqual([]);
    const aborted = new AbortController();
    const ended = queue.run(aborted.signal);
    await settled();
    aborted.abort();
    await ended;
    expect(seen).toEqual(["a"]);
  });

  test("are not worked on before whoever adds them has finished what it does (H15)", async () => {
    const { queue, started } = running();
    queue.add("a", "changed");
    queue.add("b", "look");
    expect(started).toEqual([]);
    await Promise.resolve();
    expect(started).toEqual(["a", "b"]);
  });

  test("tells how long the oldest run takes", async () => {
    const { queue, add, pass, finish } = running();
    expect(queue.longestRunMs).toBe(0);
    await add("a");
    await pass(500);
    await add("b");
    expect(queue.longestRunMs).toBe(500);
    await finish("a");
    expect(queue.longestRunMs).toBe(0);
  });
});

describe("fairness", () => {
  test("a namespace has half of the workers, the next one half of the rest, and one is left for a third (I3)", async () => {
    const { started, add } = running(8);
    await add(...Array.from({ length: 20 }, (_, index) => `slow/${index}`));
    await add(...Array.from({ length: 20 }, (_, index) => `slower/${index}`));
    await add("quick/0");
    const count = (namespace: string) => started.filter((key) => key.startsWith(`${namespace}/`)).length;
    expect([count("slow"), count("slower"), count("quick")]).toEqual([4, 2, 1]);
  });

  test("one that changes faster than it is written has an eighth beside another one, until no change waits", async () => {
    const { started, open, add, look, finish, pass } = running(16);
    const inFlight = () => started.length - finished.size;
    const finished = new Set<string>();
    const finishOldest = async (): Promise<void> => {
      const oldest = [...open.keys()].find((key) => !finished.has(key)) ?? "";
      finished.add(oldest);
      await finish(oldest);
    };
    const finishAll = async (): Promise<void> => {
      while (inFlight() > 0) await finishOldest();
    };
    const changes = (name: string) => Array.from({ length: 30 }, (_, at) => `restless/${name}-${at}`);
    await look(...Array.from({ length: 30 }, (_, at) => `calm/${at}`));
    await pass(10_000);
    expect(inFlight()).toBe(8); // looks may wait for as long as they like
    await finishAll();
    await add(...changes("alone"));
    await pass(10_000);
    await finishOldest();
    expect(inFlight()).toBe(8); // nobody is in its way
    await finishAll();
    await add("quiet/1");
    await finishAll();
    await add(...changes("first"));
    await pass(1_999);
    await finishOldest();
    expect(inFlight()).toBe(8);
    await pass(1);
    for (let at = 0; at < 6; at++) await finishOldest();
    expect(inFlight()).toBe(2);
    while (!started.includes("restless/first-29")) await finishOldest();
    expect(inFlight()).toBe(2);
    await add(...changes("next"));
    expect(inFlight()).toBe(8);
    await pass(57_999);
    await finishOldest();
    expect(inFlight()).toBe(7);
    await pass(1);
    await finishOldest();
    expect(inFlight()).toBe(8); // the other one has not changed for a minute
  });

  test.each([1, 2, 3])("with %i workers every namespace still has its turn", async (concurrency) => {
    const { started, add, finish } = running(concurrency);
    await add("a/1", "a/2", "a/3", "a/4", "b/1");
    for (const key of ["a/1", "a/2"]) await finish(key);
    expect(started).toContain("b/1");
  });

  test("namespaces have their turns one after the other, however many keys each has", async () => {
    const { started, add, finish } = running(1);
    await add("a/1", "a/2", "a/3", "b/1", "c/1", "c/2");
    for (let turn = 0; turn < 6; turn++) await finish(started.at(-1) ?? "");
    expect(started).toEqual(["a/1", "b/1", "c/1", "a/2", "c/2", "a/3"]);
  });

  test("changes come before looks, and a look that becomes a change moves up", async () => {
    const { started, add, look, finish } = running(1);
    await look("a", "b", "c", "d");
    await add("x", "d");
    await look("x");
    for (const key of ["a", "x", "d", "b"]) await finish(key);
    expect(started).toEqual(["a", "x", "d", "b", "c"]);
  });

  test("after eight changes in a row a look has its turn", async () => {
    const { started, add, look, finish } = running(1);
    await add("a/0");
    await look("a/look");
    for (let turn = 1; turn <= 10; turn++) {
      await add(`a/${turn}`);
      await finish(started.at(-1) ?? "");
    }
    expect(started.indexOf("a/look")).toBe(9);
  });

  test("what has to be done again is as urgent as it was", async () => {
    const { started, add, look, pass, finish } = running(1);
    await look("a/look");
    await finish("a/look", { againInMs: 100 });
    await add("a/change");
    await finish("a/change", { againInMs: 100 });
    await add("a/other");
    await pass(100);
    for (const key of ["a/other", "a/change"]) await finish(key);
    expect(started.slice(3)).toEqual(["a/change", "a/look"]);
  });

  test("tells what a namespace waits for", async () => {
    const { queue, add, finish } = running(2);
    expect(queue.waitsFor("a")).toBe("nothing");
    queue.add("a/1", "changed");
    queue.add("a/2", "changed");
    expect(queue.waitsFor("a")).toBe("slice");
    await add();
    expect(queue.waitsFor("a")).toBe("worker");
    await finish("a/1");
    expect(queue.waitsFor("a")).toBe("nothing");
  });
});

describe("slices", () => {
  beforeEach(async () => {
    for (let turn = 0; turn < 2; turn++) await settled(); // the clocks of other tests have no part in its turns
  });

  /** A queue whose keys cost 2 ms each and wait for nothing. */
  function busy(hooks: QueueHooks = {}) {
    const clock = fakeClock();
    const seen: string[] = [];
    const work = async (key: string): Promise<Outcome> => {
      clock.advance(2);
      seen.push(key);
      return undefined;
    };
    const queue = new WorkQueue(work, 4, { clock, logger: silentLogger, random: Math.random }, hooks);
    const aborted = new AbortController();
    void queue.run(aborted.signal);
    for (let key = 0; key < 12; key++) queue.add(`a/${key}`, "look");
    return { clock, queue, seen };
  }

  test("the event loop has its turn after 5 ms, and only then the next keys (I5)", async () => {
    const { queue, seen, clock } = busy();
    for (let step = 0; step < 100; step++) await Promise.resolve();
    expect([seen.length, queue.depth, queue.waitsFor("a")]).toEqual([3, 9, "slice"]);
    await settled();
    expect(seen.length).toBe(6);
    await settled();
    await settled();
    expect([seen.length, queue.depth, clock.pending]).toEqual([12, 0, 0]);
  });

  test("none begins in a turn of the event loop that others have had (I5)", async () => {
    const { clock, queue, started } = running();
    await untilFree(clock); // whoever asks takes of the turn
    clock.advance(5);
    queue.add("a", "changed");
    await Promise.resolve();
    expect(started).toEqual([]);
    await settled();
    await settled();
    expect(started).toEqual(["a"]);
  });

  test("each is told when it begins and when its turn of the event loop is over", async () => {
    const told: string[] = [];
    const { seen } = busy({
      sliceBegins: () => {
        told.push(`begins at ${seen.length}`);
        return () => told.push(`ends at ${seen.length}`);
      },
    });
    for (let turn = 0; turn < 5; turn++) await settled();
    expect(told).toEqual([0, 3, 6, 9].flatMap((at) => [`begins at ${at}`, `ends at ${at + 3}`]));
  });
});

describe("later", () => {
  test("of several times the earliest counts, and adding makes it now", async () => {
    const { queue, started, add, pass, finish } = running();
    queue.addAfter("a", 300);
    queue.addAfter("a", 100);
    queue.addAfter("a", 200);
    await pass(99);
    expect(started).toEqual([]);
    await pass(1);
    expect(started).toEqual(["a"]);
    await finish("a");
    queue.addAfter("a", 100);
    await add("a");
    await finish("a");
    await pass(1_000);
    expect(started).toEqual(["a", "a"]);
  });

  test("a fraction of a millisecond counts as a whole one, so nothing is done before it is due", async () => {
    const { queue, started, pass } = running();
    queue.addAfter("a", 0.4);
    await pass(0.9);
    expect(started).toEqual([]);
    await pass(0.1);
    expect(started).toEqual(["a"]);
  });

  test("work may ask to be done again", async () => {
    const { started, add, pass, finish } = running();
    await add("a");
    await finish("a", { againInMs: 50 });
    await pass(50);
    expect(started).toEqual(["a", "a"]);
  });
});

describe("failures", () => {
  test("the backoff doubles up to a minute, per key, and a success ends it", async () => {
    const { started, add, pass, finish } = running();
    await add("a");
    for (const ms of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
      await finish("a", failed);
      started.length = 0;
      await pass(ms - 1);
      expect(started).toEqual([]);
      await pass(1);
      expect(started).toEqual(["a"]);
    }
    await add("b");
    expect(started).toEqual(["a", "b"]);
    await finish("a");
    await add("a");
    await finish("a", failed);
    await pass(1_000);
    expect(started).toEqual(["a", "b", "a", "a"]);
  });

  test.each([
    ["add", (queue: WorkQueue) => queue.add("a", "changed")],
    ["addAfter", (queue: WorkQueue) => queue.addAfter("a", 10)],
  ])("%s does not shorten a backoff", async (_, touch) => {
    const { queue, started, add, pass, finish } = running();
    await add("a");
    await finish("a", { failed: true, atLeastMs: 5_000 });
    touch(queue);
    await pass(4_999);
    expect(started).toEqual(["a"]);
    await pass(1);
    expect(started).toEqual(["a", "a"]);
  });

  test("a wish for later that came during the work does not shorten it either", async () => {
    const { queue, started, add, pass, finish } = running();
    await add("a");
    queue.addAfter("a", 10);
    await finish("a", failed);
    await pass(999);
    expect(started).toEqual(["a"]);
  });

  test("retryAll forgets every backoff", async () => {
    const { queue, started, add, finish } = running();
    await add("a");
    await finish("a", failed);
    queue.retryAll();
    await settled();
    expect(started).toEqual(["a", "a"]);
  });

  test("are told apart by what a retry can heal", () => {
    const error = (status: number, retryAfterMs?: number) =>
      failedBy(new KubeError({ status, reason: "", text: "", retryAfterMs }));
    expect(failedBy(undefined)).toBeUndefined();
    expect([403, 404, 422].map((status) => error(status))).toEqual([refused, refused, refused]);
    expect(error(409)).toEqual({ failed: true, atLeastMs: 0 });
    expect(error(429, 5_000)).toEqual({ failed: true, atLeastMs: 5_000 });
  });
});

describe("refusals", () => {
  /** A queue whose key has been refused so many times. */
  async function refusedTimes(times: number) {
    const run = running();
    await run.add("a/1");
    for (let time = 1; time < times; time++) {
      await run.finish("a/1", refused);
      await run.pass(600_000);
    }
    await run.finish("a/1", refused);
    run.started.length = 0;
    return run;
  }

  test("are tried again after up to ten minutes (H21)", async () => {
    const { started, pass } = await refusedTimes(12);
    await pass(599_999);
    expect(started).toEqual([]);
    await pass(1);
    expect(started).toEqual(["a/1"]);
  });

  test("a change shortens that to what another failure would have waited, a look does not", async () => {
    const { started, add, look, pass } = await refusedTimes(12);
    await look("a/1");
    await pass(30_000);
    await add("a/1");
    await pass(29_999);
    expect(started).toEqual([]);
    await pass(1);
    expect(started).toEqual(["a/1"]);
  });

  test("a change that came while it was being refused counts too", async () => {
    const { started, add, pass, finish } = await refusedTimes(12);
    await pass(600_000);
    await add("a/1");
    await finish("a/1", refused);
    await pass(60_000);
    expect(started).toEqual(["a/1", "a/1"]);
  });

  test("are called back at once, by namespace or all; what failed otherwise is not", async () => {
    const { queue, started, add, finish } = await refusedTimes(3);
    await add("b/1", "b/2");
    await finish("b/1", refused);
    await finish("b/2", failed);
    started.length = 0;
    queue.recall("b");
    await settled();
    expect(started).toEqual(["b/1"]);
    queue.recall();
    await settled();
    expect(started).toEqual(["b/1", "a/1"]);
  });
});

describe("bugs", () => {
  test("end the queue with whatever the work throws", async () => {
    const { add, open, ended } = running();
    await add("a");
    open.get("a")?.reject(new Error("bug"));
    await expect(ended).rejects.toThrow("bug");
  });

  test("cost one key its outcome where somebody says what it is", async () => {
    const bug = new Error("bug");
    const told: unknown[] = [];
    const { started, add, open, pass, finish } = running(4, {
      onBug: (key, error) => {
        told.push([key, error]);
        return failed;
      },
    });
    await add("a", "b");
    open.get("a")?.reject(bug);
    await finish("b");
    expect(told).toEqual([["a", bug]]);
    await pass(1_000);
    expect(started).toEqual(["a", "b", "a"]);
  });

  test("are nobody's concern after the signal: the work was given up", async () => {
    const told: unknown[] = [];
    const { add, open, ended, abort } = running(4, { onBug: (key) => void told.push(key) });
    await add("a");
    abort();
    open.get("a")?.reject(new Error("aborted"));
    await ended;
    await settled();
    expect(told).toEqual([]);
  });
});

test("the end comes with the signal and leaves no timer, not even of work that was under way", async () => {
  const { queue, clock, add, finish, ended, abort } = running();
  queue.addAfter("b", 1_000);
  await add("a");
  abort();
  await ended;
  await finish("a", { againInMs: 1_000 });
  expect(clock.pending).toBe(0);
});
