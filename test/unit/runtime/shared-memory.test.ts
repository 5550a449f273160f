import * as fc from "fast-check";
import { expect, test } from "vitest";
import { SharedMemory } from "../../../src/runtime/shared-memory.ts";

const never = new AbortController().signal;
const owner = (): object => ({});

/** Which of the turns have begun, after everything that is due has happened. */
async function begun(turns: readonly Promise<unknown>[]): Promise<readonly boolean[]> {
  const states = turns.map(() => false);
  turns.forEach((turn, at) => {
    turn.then(
      () => (states[at] = true),
      () => undefined,
    );
  });
  await new Promise((resolve) => setImmediate(resolve));
  return states;
}

test("whoever fits begins; the others have their turn, in their order, as memory is given back", async () => {
  const memory = new SharedMemory(100);
  const turns = [60, 60, 30, 30].map((bytes) => memory.take(owner(), bytes, never));
  expect(await begun(turns)).toEqual([true, false, false, false]); // the small ones do not overtake
  (await turns[0])?.();
  expect(await begun(turns)).toEqual([true, true, true, false]);
  (await turns[2])?.();
  expect(await begun(turns)).toEqual([true, true, true, true]);
});

test("an owner has half at most, and what it waits for holds up nobody else", async () => {
  const memory = new SharedMemory(100);
  const greedy = owner();
  const turns = [
    ...[25, 25, 25].map((bytes) => memory.take(greedy, bytes, never)),
    memory.take(owner(), 50, never),
  ];
  expect(await begun(turns)).toEqual([true, true, false, true]);
  (await turns[3])?.();
  expect(await begun(turns)).toEqual([true, true, false, true]);
  (await turns[0])?.();
  expect(await begun(turns)).toEqual([true, true, true, true]);
});

test("more than there is has its turn alone", async () => {
  const memory = new SharedMemory(100);
  const first = memory.take(owner(), 1, never);
  const large = memory.take(owner(), 1_000, never);
  expect(await begun([first, large])).toEqual([true, false]);
  (await first)();
  expect(await begun([large])).toEqual([true]);
});

test("whoever gives up waiting fails with the signal's reason, and makes room for those behind", async () => {
  const memory = new SharedMemory(100);
  const stop = new AbortController();
  const held = await memory.take(owner(), 60, never);
  const large = memory.take(owner(), 60, stop.signal);
  const small = memory.take(owner(), 30, never);
  expect(memory.isAwaitedBy(stop.signal)).toBe(true);
  stop.abort(new Error("time is up"));
  await expect(large).rejects.toThrow("time is up");
  expect(memory.isAwaitedBy(stop.signal)).toBe(false);
  expect(await begun([small])).toEqual([true]);
  held();
  await expect(memory.take(owner(), 1, stop.signal)).rejects.toThrow("time is up");
});

test("law: whatever is asked for and given up, everybody has a turn, and never more is held than there is", async () => {
  const asks = fc.array(
    fc.record({ owner: fc.nat(3), bytes: fc.integer({ min: 1, max: 100 }), givesUp: fc.boolean() }),
    { maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(asks, async (all) => {
      const memory = new SharedMemory(100);
      const owners = [owner(), owner(), owner(), owner()];
      let held = 0;
      let most = 0;
      const turns = all.map(async ({ owner: who, bytes, givesUp }) => {
        const stop = new AbortController();
        if (givesUp) setImmediate(() => stop.abort());
        const free = await memory.take(owners[who] ?? {}, bytes, stop.signal).catch(() => undefined);
        if (free === undefined) return;
        held += bytes;
        most = Math.max(most, held);
        await new Promise((resolve) => setImmediate(resolve));
        held -= bytes;
        free();
        free();
      });
      await Promise.all(turns);
      expect(most).toBeLessThanOrEqual(100);
      expect(held).toBe(0);
    }),
    { numRuns: 100 },
  );
});
