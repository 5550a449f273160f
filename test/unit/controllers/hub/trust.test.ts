import { expect, test } from "vitest";
import { HubTrust, type TrustChange } from "../../../../src/controllers/hub/trust.ts";
import { trustPhaseOf, untrusted } from "../../../../src/plan/trust-state.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { hosts, limits, minute } from "../../../support/trust-story.ts";

const counts = { listedHosts: 6, listedEndpoints: 6, origin: undefined, endpointsInCluster: () => 10 };
const listing = { type: "listed", lost: hosts(4, 6), found: [], ...counts } as const;

function running() {
  const clock = fakeClock();
  const changes: TrustChange[] = [];
  const trust = new HubTrust(clock, untrusted(limits), (change) => changes.push(change));
  return { clock, changes, trust };
}

test("one timer, for the next deadline, and what it brings about is told", () => {
  const { clock, changes, trust } = running();
  expect(trust.take(listing)).toEqual({ changed: "everything", began: undefined });
  trust.take(listing); // the deadline is the same, and so is its timer
  expect([trustPhaseOf(trust.state), clock.pending]).toEqual(["settling", 1]);
  clock.advance(minute);
  expect([trustPhaseOf(trust.state), clock.pending]).toEqual(["braking", 1]);
  clock.advance(5 * minute);
  expect([trustPhaseOf(trust.state), clock.pending]).toEqual(["trusted", 0]);
  expect(changes).toEqual([
    { changed: "everything", began: "Shrunk" },
    { changed: new Set(hosts(4, 6)), began: undefined },
  ]);
});

test("a deadline that it begins with has its timer", () => {
  const clock = fakeClock();
  const now = { monotonic: clock.monotonic(), wall: clock.now() };
  const until = { monotonic: now.monotonic + minute, wall: now.wall + minute };
  const state = { ...untrusted(limits), reset: { since: now, until, endpoints: 1 } };
  const trust = new HubTrust(clock, state, () => undefined);
  clock.advance(minute);
  expect(trust.state.reset).toBeUndefined();
});

test("a closed one leaves no timer", () => {
  const { clock, trust } = running();
  trust.take(listing);
  trust.close();
  expect(clock.pending).toBe(0);
});
