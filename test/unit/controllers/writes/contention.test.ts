import { expect, test } from "vitest";
import { Contention } from "../../../../src/controllers/writes/contention.ts";
import { fakeClock } from "../../../support/fake-clock.ts";

test("the first repair is at once, each further one waits twice as long, up to 5 min", () => {
  const clock = fakeClock();
  const contention = new Contention(clock);
  const pauses = Array.from({ length: 13 }, () => {
    const pause = contention.pauseMs("a", "h");
    clock.advance(pause);
    contention.wrote("a", "h");
    return pause / 1_000;
  });
  expect(pauses).toEqual([0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
});

test("a repair late enough waits for what is left only", () => {
  const clock = fakeClock();
  const contention = new Contention(clock);
  for (let i = 0; i < 4; i++) contention.wrote("a", "h");
  clock.advance(3_000);
  expect(contention.pauseMs("a", "h")).toBe(1_000);
});

test("counts repairs in a row; other content, other keys and 10 quiet minutes are no fight", () => {
  const clock = fakeClock();
  const contention = new Contention(clock);
  expect([1, 2, 3].map(() => contention.wrote("a", "h"))).toEqual([0, 1, 2]);
  expect(contention.pauseMs("a", "news")).toBe(0);
  expect(contention.pauseMs("b", "h")).toBe(0);
  clock.advance(600_000);
  expect(contention.pauseMs("a", "h")).toBe(0);
  expect(contention.wrote("a", "h")).toBe(0);
});

test("forgets", () => {
  const contention = new Contention(fakeClock());
  for (let i = 0; i < 4; i++) contention.wrote("a", "h");
  contention.forget("a");
  expect(contention.pauseMs("a", "h")).toBe(0);
});
