import { describe, expect, test } from "vitest";
import { HubTrust } from "../../../../src/controllers/hub/trust.ts";
import type { HubStatus } from "../../../../src/model/hub.ts";
import { rfc3339 } from "../../../../src/model/time.ts";
import { unlistedVerdict } from "../../../../src/plan/trust.ts";
import { type FakeClock, fakeClock } from "../../../support/fake-clock.ts";

const [second, minute, hour] = [1_000, 60_000, 3_600_000] as const;
const limits = {
  settleMs: minute,
  settleAfterLossMs: 2 * minute,
  shrinkHoldMs: 5 * minute,
  resetHoldMs: 24 * hour,
};

/** A hub's trust, driven by the listings of an imagined registry; one endpoint per host. */
class Story {
  readonly clock: FakeClock;
  readonly trust: HubTrust;
  /** Every call of `flipped`, with the hold that began. */
  readonly flips: (string | undefined)[] = [];
  #listed = new Set<string>();
  #inCluster: number;
  #isFirst = true;

  constructor(
    options: {
      readonly restored?: Partial<HubStatus>;
      readonly inCluster?: number;
      readonly clock?: FakeClock;
    } = {},
  ) {
    this.clock = options.clock ?? fakeClock();
    this.#inCluster = options.inCluster ?? 0;
    this.trust = new HubTrust(
      this.clock,
      limits,
      (began) => this.flips.push(began),
      options.restored as HubStatus,
    );
  }

  /** The registry lists these hosts. `missing`, of a first listing: what the cluster has and it lacks. */
  list(hosts: Iterable<string>, origin?: string, missing: Iterable<string> = []) {
    const next = new Set(hosts);
    const lost = [...this.#listed.difference(next), ...missing];
    const found = [...next.difference(this.#listed)];
    const counts = {
      listedHosts: next.size,
      listedEndpoints: next.size,
      endpointsInCluster: () => this.#inCluster,
    };
    const hold = this.trust.listed({ first: this.#isFirst, origin, counts }, lost, found);
    this.#isFirst = false;
    this.#listed = next;
    return hold;
  }

  /** The registry goes away; the next listing is a first one again. */
  lose(dataWasLost = false): this {
    this.trust.lose(dataWasLost);
    this.#isFirst = true;
    return this;
  }

  pass(ms: number): void {
    this.clock.advance(ms);
  }

  /** Whether a host that lists nothing is believed to be gone. */
  get believesGone(): boolean {
    return unlistedVerdict(false, this.trust.trust, false, this.clock.monotonic()) === "gone";
  }

  get reason(): string | undefined {
    return this.trust.held(1, 1)?.reason;
  }
}

const hosts = (count: number, from = 0): readonly string[] =>
  Array.from({ length: count }, (_, i) => `ns/h${from + i}`);

/** A story whose hub lists so many hosts and has settled. */
function settledStory(count: number, origin?: string): Story {
  const story = new Story();
  story.list(hosts(count), origin);
  story.pass(minute);
  return story;
}

const heldStatus = (
  reason: "Shrunk" | "RegistryReset" | "Settling",
  until: string,
  overrides: Partial<HubStatus> = {},
): Partial<HubStatus> => ({
  origin: "o1",
  hold: { since: "2024-02-04T02:00:00Z", until, services: 4, endpoints: 10 },
  conditions: [
    {
      type: "DeletionHeld",
      status: "True",
      reason,
      message: "",
      lastTransitionTime: "",
      observedGeneration: 1,
    },
  ],
  ...overrides,
});

describe("settling", () => {
  test("nothing is believed before the first listing, nor until a settle time after it", () => {
    const story = new Story();
    expect(story.believesGone).toBe(false);
    story.list(hosts(2));
    story.pass(minute - 1);
    expect([story.believesGone, story.reason, story.flips]).toEqual([false, "Settling", []]);
    story.pass(1);
    expect([story.believesGone, story.reason, story.flips]).toEqual([true, undefined, [undefined]]);
  });

  test("every watch settles anew; a later listing of one does not", () => {
    const story = settledStory(2);
    story.list(hosts(3));
    expect(story.believesGone).toBe(true);
    story.lose();
    expect(story.believesGone).toBe(false);
    story.list(hosts(3));
    expect(story.believesGone).toBe(false);
    story.pass(minute);
    expect(story.believesGone).toBe(true);
  });

  test("what the cluster has and the first listing lacks is judged when it has settled", () => {
    const story = new Story();
    expect(story.list(hosts(6), undefined, hosts(4, 6))).toBeUndefined();
    story.pass(minute);
    expect([story.believesGone, story.reason, story.flips]).toEqual([false, "Shrunk", ["Shrunk"]]);
  });

  test("what comes back while it settles was never lost", () => {
    const story = new Story();
    story.list(hosts(6), undefined, hosts(4, 6));
    story.list(hosts(10));
    story.pass(minute);
    expect([story.believesGone, story.reason]).toEqual([true, undefined]);
  });

  test("an owner may end it; the brake is judged all the same", () => {
    const story = new Story();
    story.list(hosts(6), undefined, hosts(4, 6));
    expect(story.trust.release(story.trust.held(4, 4)?.hold.until ?? "")).toBe(true);
    expect([story.believesGone, story.reason, story.flips]).toEqual([false, "Shrunk", ["Shrunk"]]);
  });
});

describe("the brake", () => {
  test.each([
    [1, 1, false],
    [2, 2, true],
    [3, 2, false],
    [3, 3, true],
    [10, 3, false],
    [10, 4, true],
    [100, 20, false],
    [100, 21, true],
    [100, 100, true],
  ])("had %d, %d list nothing any more: held %s", (had, lost, isHeld) => {
    const story = settledStory(had);
    expect(story.list(hosts(had - lost))).toBe(isHeld ? "Shrunk" : undefined);
    expect([story.believesGone, story.reason]).toEqual([!isHeld, isHeld ? "Shrunk" : undefined]);
  });

  test("a trickle within the hold's length adds up, emptied or not", () => {
    const story = settledStory(10);
    for (const left of [9, 8, 7]) {
      expect(story.list(hosts(left))).toBeUndefined();
      story.pass(minute);
    }
    expect(story.list(hosts(6))).toBe("Shrunk");
  });

  test("a trickle that is slower does not", () => {
    const story = settledStory(10);
    for (const left of [9, 8, 7, 6, 5, 4]) {
      expect(story.list(hosts(left))).toBeUndefined();
      story.pass(100 * second);
    }
    expect(story.believesGone).toBe(true);
  });

  test("a hold ends on time, is believed once, and is never prolonged", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    story.pass(4 * minute);
    expect(story.list(hosts(2))).toBeUndefined();
    story.pass(minute - 1);
    expect(story.believesGone).toBe(false);
    story.pass(1);
    expect([story.believesGone, story.reason]).toEqual([true, undefined]);
    expect(story.list(hosts(2))).toBeUndefined();
    expect(story.believesGone).toBe(true);
  });

  test("a timer that is late prolongs nothing", () => {
    const clock = fakeClock();
    const late: FakeClock = { ...clock, after: () => () => undefined }; // never runs a timer
    const story = new Story({ clock: late });
    story.list(hosts(10));
    clock.advance(minute);
    story.list(hosts(6));
    clock.advance(minute);
    story.list(hosts(1));
    clock.advance(4 * minute);
    expect(story.list(hosts(1))).toBeUndefined();
    expect(story.believesGone).toBe(true);
  });

  test("it ends as soon as nothing is lost any more", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    story.list(hosts(9));
    expect(story.reason).toBe("Shrunk");
    story.list(hosts(10));
    expect([story.reason, story.believesGone]).toEqual([undefined, true]);
  });

  test("the owner's annotation releases that one hold and no other", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    const until = story.trust.held(4, 4)?.hold.until ?? "";
    expect([story.trust.release(""), story.trust.release("2024-02-04T00:00:00Z")]).toEqual([false, false]);
    expect(story.believesGone).toBe(false);
    expect(story.trust.release(until)).toBe(true);
    expect(story.believesGone).toBe(true);
    story.pass(second);
    expect(story.list([])).toBe("Shrunk");
    expect(story.trust.release(until)).toBe(false);
  });

  test("nothing withheld is nothing held", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    expect(story.trust.held(0, 0)).toBeUndefined();
    story.lose();
    expect(story.trust.held(4, 4)).toBeUndefined();
  });
});

describe("a registry that goes away", () => {
  test("and returns poorer is judged on its own, though the hold ran out meanwhile", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    story.lose();
    story.pass(10 * minute);
    story.list(hosts(2), undefined, hosts(8, 2));
    story.pass(minute);
    expect([story.believesGone, story.reason, story.flips.at(-1)]).toEqual([false, "Shrunk", "Shrunk"]);
    story.pass(5 * minute);
    expect(story.believesGone).toBe(true);
  });

  test("and returns poorer is judged on its own, though the hold ran out while it settled", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    story.pass(4 * minute);
    story.lose();
    story.pass(30 * second);
    story.list(hosts(2), undefined, hosts(8, 2));
    story.pass(minute);
    expect([story.believesGone, story.reason]).toEqual([false, "Shrunk"]);
  });

  test("for long before it has settled: what it lacked before is judged all the same", () => {
    const story = new Story();
    story.list(hosts(6), undefined, hosts(4, 6));
    story.lose();
    story.pass(10 * minute);
    story.list(hosts(6), undefined, hosts(4, 6));
    story.pass(minute);
    expect(story.reason).toBe("Shrunk");
  });

  test("shortly comes back to the same hold", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    const before = story.trust.held(4, 4);
    story.lose();
    story.pass(minute);
    story.list(hosts(6), undefined, hosts(4, 6));
    story.pass(minute);
    expect(story.trust.held(4, 4)).toEqual(before);
  });
});

describe("a registry that lost its data", () => {
  test.each<[string, (story: Story) => unknown]>([
    ["shows another origin", (story) => story.list(hosts(7), "o2")],
    ["has no root any more", (story) => story.list([])],
    ["proved it by its counters", (story) => story.lose(true).list(hosts(7), "o1")],
  ])("holds all removals when it %s", (_, happens) => {
    const story = new Story({ inCluster: 10, restored: { origin: "o1", conditions: [] } });
    expect(happens(story)).toBe("RegistryReset");
    story.pass(minute);
    expect([story.reason, story.believesGone]).toEqual(["RegistryReset", false]);
    expect(unlistedVerdict(false, story.trust.trust, true, story.clock.monotonic())).toBe("unknown");
    expect(story.trust.held(0, 0)?.hold.endpoints).toBe(10);
    story.pass(24 * hour);
    expect(story.believesGone).toBe(true);
  });

  test.each([
    ["the same origin", "o1", 0],
    ["a first origin", "", 0],
    ["another origin and 80 % of what it had", "o9", 8],
  ])("%s is no loss", (_, before, listed) => {
    const story = new Story({ inCluster: 10, restored: { origin: before, conditions: [] } });
    expect(story.list(hosts(listed), "o1")).toBeUndefined();
    expect(story.reason).toBe("Settling");
  });

  test("is believed again at 80 % of what it had, then the brake decides", () => {
    const story = new Story({ inCluster: 10, restored: { origin: "o1", conditions: [] } });
    story.list(hosts(5), "o2", hosts(5, 5));
    story.pass(hour);
    story.list(hosts(7), "o2");
    expect(story.reason).toBe("RegistryReset");
    story.list(hosts(8), "o2");
    expect([story.reason, story.believesGone]).toEqual([undefined, true]);
  });

  test("keeps the old origin while it has no root, and takes the new one with the data", () => {
    const story = new Story({ inCluster: 10, restored: { origin: "o1", conditions: [] } });
    story.list([]);
    expect(story.trust.origin).toBe("o1");
    story.list(hosts(1), "o2");
    expect([story.trust.origin, story.reason]).toEqual(["o2", "RegistryReset"]);
  });

  test("may be released by its owner", () => {
    const story = new Story({ inCluster: 10, restored: { origin: "o1", conditions: [] } });
    story.list(hosts(2), "o2", hosts(8, 2));
    story.pass(minute);
    expect(story.trust.release(story.trust.held(8, 8)?.hold.until ?? "")).toBe(true);
    expect(story.believesGone).toBe(true);
  });
});

describe("after a restart", () => {
  const now = fakeClock().now();

  test.each<[string, "Shrunk" | "RegistryReset", number, number]>([
    ["what is left", "Shrunk", 2 * minute, 2 * minute],
    ["at most its length, for the clock may be wrong", "Shrunk", hour, 5 * minute],
    ["what is left of a day", "RegistryReset", 20 * hour, 20 * hour],
    ["at most a day", "RegistryReset", 100 * hour, 24 * hour],
  ])("a hold goes on for %s", (_, reason, leftMs, expectedMs) => {
    const story = new Story({ restored: heldStatus(reason, rfc3339(now + leftMs)), inCluster: 10 });
    story.list(hosts(6), "o1", hosts(4, 6));
    story.pass(minute);
    expect(story.reason).toBe(reason);
    story.pass(expectedMs - minute - 1);
    expect(story.reason).toBe(reason);
    story.pass(1);
    expect(story.reason).toBeUndefined();
  });

  test.each(["Shrunk", "RegistryReset"] as const)(
    "a %s hold that is over is over, and is not begun anew",
    (reason) => {
      const story = new Story({ restored: heldStatus(reason, rfc3339(now - hour)), inCluster: 10 });
      story.list(hosts(6), "o1", hosts(4, 6));
      story.pass(minute);
      expect([story.reason, story.believesGone]).toEqual([undefined, true]);
    },
  );

  test("a hold that runs out while the registry settles is not begun anew", () => {
    const story = new Story({ restored: heldStatus("Shrunk", rfc3339(now + 30 * second)), inCluster: 10 });
    story.list(hosts(6), "o1", hosts(4, 6));
    story.pass(minute - 1);
    expect(story.believesGone).toBe(false);
    story.pass(1);
    expect([story.reason, story.believesGone]).toEqual([undefined, true]);
  });

  test.each([-hour, 30 * second])(
    "a listing that lacks more than the hold was about is judged on its own",
    (leftMs) => {
      const story = new Story({ restored: heldStatus("Shrunk", rfc3339(now + leftMs)), inCluster: 10 });
      story.list(hosts(5), "o1", hosts(5, 5));
      story.pass(minute);
      expect([story.reason, story.believesGone]).toEqual(["Shrunk", false]);
    },
  );

  test("a reset hold knows how many endpoints there were", () => {
    const story = new Story({ restored: heldStatus("RegistryReset", rfc3339(now + hour)), inCluster: 3 });
    story.list(hosts(7), "o1");
    expect(story.reason).toBe("RegistryReset");
    story.list(hosts(8), "o1");
    expect(story.reason).toBe("Settling");
  });

  test.each<[string, Partial<HubStatus>]>([
    ["settling is no hold", heldStatus("Settling", rfc3339(now + hour))],
    ["a hold that no condition names is none", heldStatus("Shrunk", rfc3339(now + hour), { conditions: [] })],
    ["a time that is none is over", heldStatus("Shrunk", "soon")],
  ])("%s", (_, restored) => {
    const story = new Story({ restored });
    story.list(hosts(10), "o1");
    story.pass(minute);
    expect(story.believesGone).toBe(true);
  });
});

describe("an edit", () => {
  test("of the address forgets the origin and every hold, and leaves no timer", () => {
    const story = settledStory(10, "o1");
    story.list(hosts(6), "o1");
    story.trust.forget(limits);
    expect([story.trust.origin, story.believesGone, story.clock.pending]).toEqual(["", false, 0]);
    expect(story.list(hosts(3), "elsewhere")).toBeUndefined();
  });

  test("of what the hub asks for settles anew and suspects nothing of what it no longer asks for", () => {
    const story = settledStory(10);
    story.trust.resettle();
    expect(story.believesGone).toBe(false);
    story.pass(minute);
    expect([story.believesGone, story.reason]).toEqual([true, undefined]);
  });

  test("a closed hub leaves no timer", () => {
    const story = settledStory(10);
    story.list([]);
    story.trust.close();
    expect(story.clock.pending).toBe(0);
  });
});

test("after a loss of data a registry that lists everything again settles for longer than after a lost connection", () => {
  const story = new Story({ inCluster: 2 });
  const settlesFor = () => story.trust.trust.settledAt - story.clock.monotonic();
  story.list(["a", "b"]);
  expect(settlesFor()).toBe(minute);
  story.lose(true).list(["a", "b"]);
  expect(settlesFor()).toBe(2 * minute);
  story.lose().list(["a", "b"]);
  expect(settlesFor()).toBe(minute);
});
