import fc from "fast-check";
import { expect, test } from "vitest";
import { type Outcome, WorkQueue } from "../../src/controllers/writes/queue.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { silentLogger } from "../support/model.ts";

const keys = fc.constantFrom("a", "b", "c", "d");
const outcomes: fc.Arbitrary<Outcome> = fc.constantFrom<Outcome[]>(
  undefined,
  { againInMs: 500 },
  { failed: true },
  { failed: true, atLeastMs: 5_000 },
);
const actions = fc.oneof(
  fc.record({ what: fc.constant("add" as const), key: keys }),
  fc.record({ what: fc.constant("addAfter" as const), key: keys, ms: fc.constantFrom(0, 100, 2_000) }),
  fc.record({ what: fc.constant("finish" as const), key: keys, outcome: outcomes }),
  fc.record({ what: fc.constant("pass" as const), ms: fc.constantFrom(50, 1_500, 60_000) }),
  fc.record({ what: fc.constant("retryAll" as const) }),
);
const microtasks = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A queue whose runs end when the test says so, and that notices when a key runs twice at once. */
function watchedQueue(concurrency: number) {
  const clock = fakeClock();
  const running = new Map<string, PromiseWithResolvers<Outcome>>();
  const lastStart = new Map<string, number>();
  let moment = 0;
  const work = (key: string): Promise<Outcome> => {
    expect(running.has(key), `${key} runs twice at once`).toBe(false);
    expect(running.size).toBeLessThan(concurrency);
    const run = Promise.withResolvers<Outcome>();
    running.set(key, run);
    lastStart.set(key, ++moment);
    return run.promise;
  };
  const queue = new WorkQueue(work, concurrency, { clock, logger: silentLogger, random: () => 0.5 });
  const finish = async (key: string, outcome: Outcome): Promise<void> => {
    const run = running.get(key);
    running.delete(key);
    run?.resolve(outcome);
    await microtasks();
  };
  return { clock, queue, running, lastStart, finish, now: () => ++moment };
}

test("over any interleaving no key runs twice at once, and none that was added is lost", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(actions, { maxLength: 40 }),
      fc.integer({ min: 1, max: 3 }),
      async (script, concurrency) => {
        const { clock, queue, running, lastStart, finish, now } = watchedQueue(concurrency);
        const stop = new AbortController();
        const ended = queue.run(stop.signal);
        const lastAdd = new Map<string, number>();
        for (const action of script) {
          if (action.what === "add" || action.what === "addAfter") lastAdd.set(action.key, now());
          if (action.what === "add") queue.add(action.key);
          else if (action.what === "addAfter") queue.addAfter(action.key, action.ms);
          else if (action.what === "finish") await finish(action.key, action.outcome);
          else if (action.what === "retryAll") queue.retryAll();
          else clock.advance(action.ms);
        }
        while (running.size > 0 || clock.pending > 0) {
          for (const key of running.keys()) await finish(key, undefined);
          clock.advance(100_000);
        }
        for (const [key, added] of lastAdd)
          expect(lastStart.get(key), `${key} is lost`).toBeGreaterThan(added);
        stop.abort();
        await ended;
      },
    ),
    { numRuns: 200 },
  );
});
