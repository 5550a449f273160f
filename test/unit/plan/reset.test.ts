import { expect, test } from "vitest";
import { type Loss, later, periodFrom } from "../../../src/plan/losses.ts";
import { withOrigin, withReset } from "../../../src/plan/reset.ts";
import { dueOf, noData, type TrustState, untrusted } from "../../../src/plan/trust-state.ts";
import { limits, minute } from "../../support/trust-story.ts";

const now = { monotonic: 1_000, wall: 1_700_000_000_000 };
const fresh = untrusted(limits);
const [gone, braked] = (["gone", "braked"] as const).map((verdict) => ({
  verdict,
  ...periodFrom(now, limits.shrinkHoldMs),
})) as [Loss, Loss];
const losing = (losses: Record<string, Loss>, lengths = limits): TrustState => ({
  ...fresh,
  limits: lengths,
  losses: new Map(Object.entries(losses)),
});
/** Of ten endpoints so many are listed. */
const listing = (origin: string | undefined, listedEndpoints: number) => ({
  origin,
  listedEndpoints,
  endpointsInCluster: () => 10,
});

test("a registry of which nothing is known, without a root, has lost nothing when it gets one", () => {
  const rootless = withOrigin(fresh, listing(undefined, 0), now);
  expect(rootless).toMatchObject({ origin: "", judgedOrigin: "", reset: undefined });
  expect(withOrigin(rootless, listing("o1", 0), now)).toMatchObject({ origin: "o1", reset: undefined });
});

test("a registry that had a root and has none has lost its data", () => {
  const known = withOrigin(fresh, listing("o1", 10), now);
  expect(withOrigin(known, listing(undefined, 0), now)).toMatchObject({
    origin: "o1",
    judgedOrigin: noData,
    reset: { endpoints: 10 },
  });
});

test("a second loss of data does not prolong the hold", () => {
  const first = withReset(fresh, 0, 10, now);
  expect(withReset(first, 0, 20, later(now, minute))).toBe(first);
});

test("the hold takes over what the brake holds, and nothing that counts as gone", () => {
  const { losses, reset } = withReset(losing({ "ns/a": braked, "ns/b": gone }), 0, 10, now);
  expect(losses.get("ns/a")).toMatchObject({ verdict: "reset", until: reset?.until });
  expect(losses.get("ns/b")).toEqual(gone);
});

test.each([
  ["longer than", 1],
  ["as long as", 0],
])("the hold leaves to the brake what that holds %s it", (_, more) => {
  const lengths = { ...limits, resetHoldMs: limits.shrinkHoldMs - more };
  expect(withReset(losing({ "ns/a": braked }, lengths), 0, 10, now).losses.get("ns/a")).toEqual(braked);
});

test("the end of the hold leaves to the judges only what the hold has held", () => {
  const held: Loss = { ...periodFrom(now, limits.resetHoldMs), verdict: "reset" };
  const state = { ...losing({ "ns/a": held, "ns/b": gone }), judgedOrigin: "o1", origin: "o1" };
  const reset = { ...periodFrom(now, limits.resetHoldMs), endpoints: 10 };
  const { losses } = withOrigin({ ...state, reset }, listing("o1", 8), now);
  expect(losses.get("ns/a")).toEqual({ verdict: "unjudged" });
  expect(losses.get("ns/b")).toEqual(gone);
});

test("where no period runs, none is due", () => {
  expect(dueOf(fresh)).toBeUndefined();
});
