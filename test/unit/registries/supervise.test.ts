import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RegistryError } from "../../../src/model/errors.ts";
import type { Snapshot } from "../../../src/model/service.ts";
import type { RegistryAdapter } from "../../../src/registries/adapter.ts";
import { type RegistryState, supervise } from "../../../src/registries/supervise.ts";
import type { Deps } from "../../../src/runtime/deps.ts";
import { countingDeps } from "../../contract/counting-deps.ts";

/** What a watch does before it ends: yields a snapshot, or throws. */
type Act = Snapshot | Error;

const snapshot = (position?: number): Snapshot => ({
  services: new Map(),
  problems: [],
  ...(position !== undefined && { position }),
});
const unreachable = (): RegistryError => new RegistryError("RegistryUnreachable", "gone", "Wait.");

/** An adapter that plays one watch. */
function player(acts: readonly Act[]): RegistryAdapter {
  return {
    async *watch() {
      for (const act of acts) {
        if (act instanceof Error) throw act;
        yield act;
      }
    },
  };
}

/** Plays one script per watch, then aborts. Returns all states, and the pauses in ms that were asked for. */
async function play(scripts: readonly (readonly Act[])[], last?: Snapshot) {
  const stop = new AbortController();
  const pauses: number[] = [];
  const base = countingDeps();
  const sleep: Deps["clock"]["sleep"] = async (ms) => void pauses.push(ms);
  const deps: Deps = { ...base, clock: { ...base.clock, sleep } };
  const left = [...scripts];
  const open = async (): Promise<RegistryAdapter> => {
    const script = left.shift();
    if (script === undefined) stop.abort();
    return player(script ?? []);
  };
  const states: RegistryState[] = [];
  for await (const state of supervise(open, deps, stop.signal, last)) states.push(state);
  return { states, pauses };
}

describe("supervise", () => {
  test("fail, list, fail, list", async () => {
    const [one, two] = [snapshot(), snapshot()];
    const { states } = await play([[unreachable()], [one, unreachable()], [two]]);
    expect(states).toMatchObject([
      { state: "pending", error: { code: "RegistryUnreachable" } },
      { state: "synced", snapshot: one, first: true },
      { state: "stale", snapshot: one, error: { code: "RegistryUnreachable" } },
      { state: "synced", snapshot: two, first: true },
      { state: "stale", snapshot: two, error: { detail: "the registry ended the watch" } },
    ]);
  });

  test("only the first snapshot of a watch starts settling", async () => {
    const { states } = await play([[snapshot(), snapshot(), unreachable()]]);
    expect(states).toMatchObject([{ first: true }, { first: false }, { state: "stale" }]);
  });

  test("pauses double from 1 s to 30 s, jittered by a quarter here, and start again after a listing", async () => {
    const failing = Array.from({ length: 7 }, () => [unreachable()]);
    const { pauses } = await play([...failing, [snapshot(), unreachable()], [unreachable()]]);
    expect(pauses).toEqual([750, 1_500, 3_000, 6_000, 12_000, 22_500, 22_500, 750, 1_500]);
  });

  test("what was read earlier is stale, not pending", async () => {
    const earlier = snapshot();
    expect((await play([[unreachable()]], earlier)).states).toMatchObject([
      { state: "stale", snapshot: earlier },
    ]);
  });

  test("a position that went back is a reset, once, and what was known before is kept for it", async () => {
    const before = snapshot(7);
    const after = snapshot(3);
    const { states } = await play([[before, unreachable()], [after], [after, snapshot(4)]]);
    expect(states.slice(2)).toMatchObject([
      { state: "stale", snapshot: before, error: { code: "RegistryBadResponse", reset: true } },
      { state: "synced", snapshot: after, first: true },
      { state: "synced", first: false },
      { state: "stale", error: { reset: false } },
    ]);
  });

  test("the position is remembered from an earlier supervisor", async () => {
    const { states } = await play([[snapshot(3)]], snapshot(7));
    expect(states).toMatchObject([{ state: "stale", error: { reset: true } }]);
  });

  test("a bug is not a state", async () => {
    await expect(play([[new TypeError("we are wrong")]])).rejects.toThrow("we are wrong");
  });

  test("an abort ends a watch that waits", async () => {
    const stop = new AbortController();
    const listed = snapshot();
    const adapter: RegistryAdapter = {
      async *watch(signal) {
        yield listed;
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      },
    };
    const states = supervise(async () => adapter, countingDeps(), stop.signal);
    expect((await states.next()).value).toMatchObject({ state: "synced", snapshot: listed });
    const next = states.next();
    stop.abort();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  test("law: never back to pending, never without the last snapshot, one state per act", async () => {
    const act = fc.oneof(
      fc.constant(null).map(() => snapshot()),
      fc.constant(null).map(unreachable),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(act, { maxLength: 4 }), { maxLength: 6 }), async (scripts) => {
        const { states } = await play(scripts);
        let known: Snapshot | undefined;
        for (const state of states) {
          const kept = state.state === "pending" ? undefined : state.snapshot;
          if (state.state === "synced") known = kept;
          expect(kept).toBe(known);
        }
        expect(states.filter((one) => one.state !== "synced")).toHaveLength(scripts.length);
      }),
    );
  });
});
