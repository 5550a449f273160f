import { describe, expect, test } from "vitest";
import { HostLedger } from "../../../../src/controllers/hub/ledger.ts";
import type { HostKey } from "../../../../src/model/entry.ts";
import type { Problem } from "../../../../src/model/problems.ts";
import type { ApplyFailure } from "../../../../src/status/hub-status.ts";
import { fakeClock } from "../../../support/fake-clock.ts";

const [a, b, c] = ["ns/a", "ns/b", "ns/c"] as const;
const problem: Problem = { at: "a", code: "BadPort", detail: "port 0", severity: "warning" };
const failure: ApplyFailure = { reason: "Forbidden", detail: "no right", nextStep: "Grant it." };

/** A ledger, how often it told of a change since the last question, and which hosts it called back. */
function open() {
  const clock = fakeClock();
  const calledBack: (readonly HostKey[])[] = [];
  let changes = 0;
  const ledger = new HostLedger(
    clock,
    () => changes++,
    (waiting) => calledBack.push([...waiting]),
  );
  const news = (): number => {
    const before = changes;
    changes = 0;
    return before;
  };
  const plan = (...hosts: readonly HostKey[]) => {
    for (const host of hosts) ledger.recordPlan(host, 0, []);
  };
  return { clock, ledger, news, plan, calledBack };
}

describe("a host that was listed", () => {
  test("waits for its plan and its write, which tells how long that took", () => {
    const { clock, ledger, plan } = open();
    ledger.markPending([a], "listing");
    clock.advance(30);
    expect([ledger.isUnwritten(a), ledger.isUnwritten(b), ledger.unwrittenForMs]).toEqual([true, false, 30]);
    plan(a);
    clock.advance(10);
    expect(ledger.markApplied(a)).toBe(40);
    expect([ledger.isUnwritten(a), ledger.unwrittenForMs, ledger.markApplied(a)]).toEqual([
      false,
      undefined,
      undefined,
    ]);
  });

  test("is not late when nothing is made of it, and what it should replace waits until something is", () => {
    const { ledger, plan, calledBack } = open();
    ledger.markPending([a], "listing");
    plan(a);
    ledger.markRejected(a);
    expect([ledger.isUnwritten(a), ledger.unwrittenForMs]).toEqual([true, undefined]);
    ledger.awaitWrite(a, b);
    ledger.markRejected(a);
    expect(calledBack).toEqual([]);
    ledger.markApplied(a);
    expect([ledger.isUnwritten(a), calledBack]).toEqual([false, [[b]]]);
  });

  test("waits on when it changes between its plan and the end of the write, since the first change", () => {
    const { clock, ledger, plan } = open();
    ledger.markPending([a], "listing");
    plan(a);
    clock.advance(10);
    ledger.markPending([a], "listing");
    expect([ledger.markApplied(a), ledger.isUnwritten(a)]).toEqual([undefined, true]);
    clock.advance(10);
    plan(a);
    expect([ledger.markApplied(a), ledger.isUnwritten(a)]).toEqual([20, false]);
  });

  test("is not late while it is paced, and takes as long as it took", () => {
    const { clock, ledger, plan } = open();
    ledger.markPaced(a, 1_000); // nobody asked for it
    ledger.markPending([a], "listing");
    plan(a);
    ledger.markPaced(a, 5_000);
    clock.advance(3_000);
    ledger.markPending([a], "listing");
    plan(a);
    expect([ledger.isUnwritten(a), ledger.unwrittenForMs]).toEqual([true, 0]);
    clock.advance(4_000);
    expect(ledger.unwrittenForMs).toBe(2_000);
    expect([ledger.markApplied(a), ledger.unwrittenForMs]).toEqual([7_000, undefined]);
    ledger.markPending([a], "listing");
    clock.advance(1_000);
    expect(ledger.unwrittenForMs).toBe(1_000);
  });

  test("is as old as the oldest that waits", () => {
    const { clock, ledger, plan } = open();
    ledger.markPending([a], "listing");
    clock.advance(5);
    ledger.markPending([b], "listing");
    clock.advance(5);
    expect(ledger.unwrittenForMs).toBe(10);
    plan(a);
    ledger.markApplied(a);
    expect(ledger.unwrittenForMs).toBe(5);
  });

  test.each([
    ["before", ["decision", "listing"]],
    ["after", ["listing", "decision"]],
  ] as const)("says nothing of the registry's speed if something was decided about it %s", (_, asked) => {
    const { ledger, plan } = open();
    for (const by of asked) ledger.markPending([a], by);
    expect(ledger.isCarryingOut).toBe(true);
    plan(a);
    expect([ledger.markApplied(a), ledger.isCarryingOut]).toEqual([undefined, false]);
  });
});

test("the status hears when the last decision is carried out, and when nothing waits any more", () => {
  const { ledger, news, plan } = open();
  ledger.markPending([a, b], "decision");
  ledger.markPending([c, "ns/d"], "listing");
  plan(a, b, c, "ns/d");
  const told = [a, c, b, "ns/d"].map((host) => {
    ledger.markApplied(host);
    return news();
  });
  expect(told).toEqual([0, 0, 1, 1]);
});

test("what a plan withholds, and its problems, are news when they come and when they go", () => {
  const { ledger, news } = open();
  const record = (withheld: number, problems: readonly Problem[] = []): number => {
    ledger.recordPlan(a, withheld, problems);
    return news();
  };
  expect([record(0), record(2), record(3)]).toEqual([0, 1, 0]);
  ledger.recordPlan(b, 4, []);
  expect([ledger.withheld, [...ledger.withheldHosts()]]).toEqual([{ services: 2, endpoints: 7 }, [a, b]]);
  expect([record(3, [problem]), ledger.problems]).toEqual([2, [problem]]);
  expect([record(3, [problem, problem]), ledger.problems]).toEqual([0, [problem, problem]]);
  expect([record(3), ledger.problems]).toEqual([1, []]);
  expect([record(0), ledger.withheld]).toEqual([1, { services: 1, endpoints: 4 }]);
});

test("a write that failed is told, and the host waits until it is applied", () => {
  const { ledger, news } = open();
  ledger.markFailed(a, failure);
  expect([news(), ledger.failures, ledger.isUnwritten(a)]).toEqual([1, [failure], true]);
  ledger.markApplied(a);
  expect([news(), ledger.failures, ledger.isUnwritten(a)]).toEqual([1, [], false]);
  ledger.markApplied(a);
  expect(news()).toBe(0);
});

describe("a host that waits for another one", () => {
  test("is called back once, when that one is written", () => {
    const { ledger, plan, calledBack } = open();
    ledger.markPending([a], "listing");
    for (const waiting of [b, c, b]) ledger.awaitWrite(a, waiting);
    ledger.markApplied(a); // nobody has planned it
    expect(calledBack).toEqual([]);
    plan(a);
    ledger.markApplied(a);
    ledger.markApplied(a);
    expect(calledBack).toEqual([[b, c]]);
  });

  test("waits for the next try of one that failed", () => {
    const { ledger, plan, calledBack } = open();
    ledger.markPending([a], "listing");
    plan(a);
    ledger.markFailed(a, failure);
    ledger.awaitWrite(a, b);
    expect(calledBack).toEqual([]);
    ledger.markApplied(a);
    expect(calledBack).toEqual([[b]]);
  });
});

describe("what the operator would do", () => {
  test("is counted, and news only if it is something else", () => {
    const { ledger, news } = open();
    expect(ledger.recordDryRun(a, undefined)).toBe(false);
    expect(ledger.recordDryRun(a, "create")).toBe(true);
    expect(ledger.recordDryRun(a, "create")).toBe(false);
    for (const host of [b, c]) ledger.recordDryRun(host, "remove");
    expect([news(), ledger.plan]).toEqual([3, { create: 1, change: 0, remove: 2 }]);
    expect(ledger.recordDryRun(a, "change")).toBe(true);
    expect(ledger.recordDryRun(b, undefined)).toBe(true);
    expect([news(), ledger.plan]).toEqual([2, { create: 0, change: 1, remove: 1 }]);
  });

  test("is forgotten as a whole", () => {
    const { ledger } = open();
    ledger.recordDryRun(a, "create");
    ledger.forgetDryRuns();
    expect([ledger.plan, [...ledger.hosts()]]).toEqual([{ create: 0, change: 0, remove: 0 }, []]);
  });
});

test("every host with a record is known, listed or not", () => {
  const { ledger } = open();
  ledger.markPending(["ns/pending"], "listing");
  ledger.markFailed("ns/failed", failure);
  ledger.recordPlan("ns/withheld", 1, []);
  ledger.recordPlan("ns/odd", 0, [problem]);
  ledger.recordDryRun("ns/dry", "create");
  const all = ["ns/dry", "ns/failed", "ns/odd", "ns/pending", "ns/withheld"];
  expect([...ledger.hosts()].sort()).toEqual(all);
});
