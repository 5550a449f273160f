import { describe, expect, test } from "vitest";
import { brake, hasRecovered, type Trust, unlistedVerdict } from "../../../src/plan/trust.ts";

const now = 1_000;
const trusted: Trust = { synced: true, settledAt: 0, heldUntil: 0, resetUntil: 0 };

describe("a hub's silence about an endpoint means", () => {
  test.each<[string, Partial<Trust>, boolean, boolean, "gone" | "unknown"]>([
    ["gone, of a synced and settled hub", {}, false, false, "gone"],
    ["gone at the moment it has settled", { settledAt: now }, false, false, "gone"],
    ["nothing before it has settled", { settledAt: now + 1 }, false, true, "unknown"],
    ["nothing of a hub that is not synced", { synced: false }, false, true, "unknown"],
    ["nothing after a reset", { resetUntil: now + 1 }, false, true, "unknown"],
    ["nothing of the last instance while the brake holds", { heldUntil: now + 1 }, false, false, "unknown"],
    ["gone of one of several while the brake holds", { heldUntil: now + 1 }, false, true, "gone"],
    ["gone when the hold ends", { heldUntil: now, resetUntil: now }, false, false, "gone"],
    ["nothing under upsert-only", {}, true, true, "unknown"],
  ])("%s", (_, trust, upsertOnly, listsAny, rest) => {
    expect(unlistedVerdict(upsertOnly, { ...trusted, ...trust }, listsAny, now)).toBe(rest);
  });
});

describe("the brake holds when more than max(3, 20 %) are lost, or all of several", () => {
  test.each([
    [1, 0, false],
    [1, 1, false],
    [2, 1, false],
    [2, 2, true],
    [3, 2, false],
    [3, 3, true],
    [10, 3, false],
    [10, 4, true],
    [15, 3, false],
    [16, 4, true],
    [20, 4, false],
    [20, 5, true],
    [25, 5, false],
    [100, 20, false],
    [100, 21, true],
  ])("had %d, lost %d: %s", (had, lost, isHeld) => {
    expect(brake(trusted, had, lost, 300, now).heldUntil).toBe(isHeld ? now + 300 : 0);
  });

  test("a hold is never prolonged and ends when nothing is lost", () => {
    const held = { ...trusted, heldUntil: now + 10 };
    expect(brake(held, 10, 10, 300, now)).toEqual(held);
    expect(brake(held, 10, 1, 300, now)).toEqual(held);
    expect(brake(held, 10, 0, 300, now)).toEqual(trusted);
  });
});

test.each([
  [8, 10, true],
  [7, 10, false],
  [0, 0, true],
  [0, 1, false],
  [4, 5, true],
])("%d endpoints of %d are enough: %s", (listed, had, isEnough) => {
  expect(hasRecovered(listed, had)).toBe(isEnough);
});
