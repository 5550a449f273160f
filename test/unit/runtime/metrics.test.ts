import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { createDubboMetrics } from "../../../src/runtime/metrics.ts";
import { eventually } from "../../support/eventually.ts";

/** The value of one series; undefined = there is none. */
async function seriesIn(
  { render }: ReturnType<typeof createDubboMetrics>,
  series: string,
): Promise<number | undefined> {
  const line = (await render()).split("\n").find((one) => one.startsWith(`registryhub_${series} `));
  return line === undefined ? undefined : Number(line.split(" ")[1]);
}

/** Holds the event loop. */
function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

test("the longest slice of each loop is told once, as processor time", async () => {
  const metrics = createDubboMetrics();
  const ends = metrics.sliceBegins("filters");
  const before = process.threadCpuUsage();
  while (process.threadCpuUsage(before).user < 20_000);
  ends();
  metrics.sliceBegins("filters")();
  await delay(150); // until Node has told of collections in it
  expect(await seriesIn(metrics, 'longest_slice_seconds{loop="filters"}')).toBeGreaterThanOrEqual(0.02);
  expect(await seriesIn(metrics, 'longest_slice_seconds{loop="filters"}')).toBe(0);
});

test("timers that were late are told, and nothing is told of their own pause", async () => {
  const metrics = createDubboMetrics();
  const longest = () => seriesIn(metrics, 'event_loop_delay_seconds{quantile="1"}');
  expect(await longest()).toBe(0);
  const blocking = setInterval(() => block(200), 250);
  await eventually(async () => expect(await longest()).toBeGreaterThan(0.1), 10_000, 600);
  clearInterval(blocking);
  await eventually(async () => expect(await longest()).toBeLessThan(0.05), 15_000, 200);
  expect(await metrics.render()).not.toContain("nodejs_eventloop_");
});
