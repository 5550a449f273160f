import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { systemClock } from "../../../src/runtime/clock.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const day = 86_400_000;

test("a timer may be longer than Node's own can be", () => {
  const run = vi.fn<() => void>();
  systemClock.after(30 * day, run);
  vi.advanceTimersByTime(30 * day - 1);
  expect(run).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(run).toHaveBeenCalledOnce();
});

test("a timer that is due already runs soon", () => {
  const run = vi.fn<() => void>();
  const arm = vi.spyOn(globalThis, "setTimeout");
  systemClock.after(-5_000, run);
  expect(arm).toHaveBeenCalledWith(expect.anything(), 0); // Node warns of less
  vi.advanceTimersByTime(1);
  expect(run).toHaveBeenCalledOnce();
});

test("a timer that was stopped never runs, however long it was", () => {
  const run = vi.fn<() => void>();
  const stop = systemClock.after(60 * day, run);
  vi.advanceTimersByTime(40 * day);
  stop();
  vi.advanceTimersByTime(40 * day);
  expect([run.mock.calls, vi.getTimerCount()]).toEqual([[], 0]);
});

test("a sleep ends in time, or with the signal's reason and without a timer", async () => {
  const controller = new AbortController();
  const slept = systemClock.sleep(1_000, controller.signal);
  vi.advanceTimersByTime(1_000);
  await slept;
  const broken = systemClock.sleep(1_000, controller.signal);
  controller.abort(new Error("enough"));
  await expect(broken).rejects.toThrow("enough");
  await expect(systemClock.sleep(1_000, controller.signal)).rejects.toThrow("enough");
  expect(vi.getTimerCount()).toBe(0);
});

test("a timer never fires before the monotonic clock says that its time has come", () => {
  const now = vi.spyOn(performance, "now").mockReturnValue(0.9);
  const run = vi.fn<() => void>();
  systemClock.after(1_000, run);
  now.mockReturnValue(1_000.8); // Node's timers count in whole milliseconds of a clock of their own
  vi.advanceTimersByTime(1_000);
  expect(run).not.toHaveBeenCalled();
  now.mockReturnValue(1_001);
  vi.advanceTimersByTime(1);
  expect(run).toHaveBeenCalledOnce();
});
