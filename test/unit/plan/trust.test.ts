import { describe, expect, test } from "vitest";
import { rfc3339 } from "../../../src/model/time.ts";
import { unlistedVerdict } from "../../../src/plan/claims.ts";
import { holdOf } from "../../../src/plan/hold.ts";
import type { RememberedTrust } from "../../../src/status/memory.ts";
import {
  held,
  hosts,
  hour,
  limits,
  minute,
  Story,
  second,
  settledStory,
  start,
} from "../../support/trust-story.ts";

const at = (ms: number): string => rfc3339(start + ms);

describe("settling", () => {
  test("nothing is believed before the first listing, nor until a settle time after it", () => {
    const story = new Story(undefined, hosts(3));
    expect([story.phase, story.gone]).toEqual(["unsynced", []]);
    story.list(hosts(2));
    story.pass(minute - 1);
    expect([story.phase, story.gone, story.held?.reason]).toEqual(["settling", [], "Settling"]);
    story.pass(1);
    expect([story.phase, story.gone, story.held]).toEqual(["trusted", hosts(1, 2), undefined]);
  });

  test("its beginning and its end change what is said of every host, and nothing else does", () => {
    const story = settledStory(2);
    expect(story.steps.map(({ changed }) => changed)).toEqual(["everything", "everything"]);
    story.list(hosts(3));
    story.lose();
    expect(story.steps).toHaveLength(2);
  });

  test("every watch settles; a later listing of one does not", () => {
    const story = settledStory(2);
    story.list(hosts(3));
    expect(story.phase).toBe("trusted");
    story.lose();
    expect(story.phase).toBe("unsynced");
    story.pass(hour).list(hosts(3));
    expect(story.phase).toBe("settling");
    story.pass(minute);
    expect(story.phase).toBe("trusted");
  });

  test("what the cluster has and the first listing lacks is judged when it has settled", () => {
    const story = new Story(undefined, hosts(10));
    expect(story.list(hosts(6))).toBeUndefined();
    story.pass(minute);
    expect([story.phase, story.gone, story.steps.at(-1)?.began]).toEqual(["braking", [], "Shrunk"]);
  });

  test("what comes back while it settles was never lost", () => {
    const story = new Story(undefined, hosts(10));
    story.list(hosts(6));
    story.list(hosts(10));
    story.pass(minute);
    expect(story.phase).toBe("trusted");
  });

  test("is longer after a loss of data, also where that hold is released", () => {
    const story = settledStory(10, "o1");
    story.lose(true).list(hosts(6), "o2");
    story.release(story.until);
    story.pass(limits.settleMs);
    expect(story.phase).toBe("settling");
    expect(story.gone).toEqual([]);
    story.pass(limits.settleAfterLossMs - limits.settleMs);
    expect([story.phase, story.gone]).toEqual(["trusted", hosts(4, 6)]);
  });

  test("an owner may end it; the brake is judged all the same", () => {
    const story = new Story(undefined, hosts(10));
    story.list(hosts(6));
    story.release(story.until);
    expect([story.phase, story.gone, story.steps.at(-1)?.began]).toEqual(["braking", [], "Shrunk"]);
  });

  test("a listing that comes before its late timer ends it, and everything is planned (H2)", () => {
    const story = new Story(undefined, hosts(10), false);
    story.list(hosts(9));
    story.pass(minute + 1).list(hosts(9));
    expect([story.phase, story.gone]).toEqual(["trusted", hosts(1, 9)]);
    expect(story.steps.at(-1)).toEqual({ changed: "everything", began: undefined });
  });
});

describe("the brake", () => {
  test.each([
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
    [100, 100, true],
  ])("had %d, %d list nothing any more: held %s", (had, lost, isHeld) => {
    const story = settledStory(had);
    expect(story.list(hosts(had - lost))).toBe(isHeld ? "Shrunk" : undefined);
    expect([story.phase, story.gone.length]).toEqual(isHeld ? ["braking", 0] : ["trusted", lost]);
  });

  test("that ends late, with a listing that lacks many more, begins again", () => {
    const story = new Story(undefined, [], false);
    story.list(hosts(10));
    story.pass(minute).timer();
    expect(story.list(hosts(6))).toBe("Shrunk");
    story.pass(limits.shrinkHoldMs + second);
    expect(story.list(hosts(1))).toBe("Shrunk");
    expect(story.gone).toEqual(hosts(4, 6));
  });

  test("a service that lists one instance is believed of the others", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    expect(unlistedVerdict(story.state, "ns/h9", true)).toBe("gone");
    expect(unlistedVerdict(story.state, "ns/h9", false)).toBe("unknown");
  });

  test("a trickle within the hold's length adds up, emptied or not", () => {
    const story = settledStory(10);
    for (const left of [9, 8, 7]) {
      expect(story.list(hosts(left))).toBeUndefined();
      story.remove();
      story.pass(minute);
    }
    expect(story.list(hosts(6))).toBe("Shrunk");
    expect(story.held?.hold).toEqual({
      since: at(4 * minute),
      until: at(9 * minute),
      services: 1,
      endpoints: 1,
    });
  });

  test("a trickle that adds up is held as far as it is still in the cluster", () => {
    const story = settledStory(10);
    for (const left of [9, 8, 7]) story.list(hosts(left));
    expect(story.gone).toEqual(hosts(3, 7));
    story.list(hosts(6));
    expect(story.gone).toEqual([]);
  });

  test("a trickle that is slower does not", () => {
    const story = settledStory(10);
    for (const left of [9, 8, 7, 6, 5, 4]) {
      expect(story.list(hosts(left))).toBeUndefined();
      story.pass(100 * second);
    }
    expect(story.phase).toBe("trusted");
  });

  test("holds each service until its own loss and a hold's length, then believes it (H11)", () => {
    const story = settledStory(100);
    story.list(hosts(79));
    story.pass(5 * minute - 2 * second);
    expect(story.list([])).toBeUndefined(); // no other hold: this one holds more
    expect(story.held?.hold).toMatchObject({
      since: at(minute),
      until: at(11 * minute - 2 * second),
      services: 100,
    });
    story.pass(2 * second);
    expect([story.phase, story.gone]).toEqual(["braking", hosts(21, 79)]);
    expect(story.steps.at(-1)?.changed).toEqual(new Set(hosts(21, 79)));
    story.pass(5 * minute - 2 * second - 1);
    expect(story.gone).toHaveLength(21);
    story.pass(1);
    expect([story.phase, story.gone.length]).toEqual(["trusted", 100]);
  });

  test("is never prolonged for what is lost already", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    story.pass(4 * minute).list(hosts(6));
    story.pass(minute);
    expect([story.phase, story.gone]).toEqual(["trusted", hosts(4, 6)]);
    expect(story.list(hosts(6))).toBeUndefined();
  });

  test("believes what it has held, so that a few more are no mass", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    story.pass(5 * minute);
    expect(story.list(hosts(5))).toBeUndefined();
    expect(story.gone).toEqual(hosts(5, 5));
  });

  test("holds what is lost while a hold is on, however few", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    story.pass(minute);
    story.list(hosts(5));
    expect(story.gone).toEqual([]);
    expect(story.steps.at(-1)).toEqual({ changed: new Set(hosts(1, 5)), began: undefined });
  });

  test("holds also one that is lost when nearly all others are back", () => {
    const story = settledStory(100);
    story.list(hosts(70));
    story.list(hosts(99));
    story.list(hosts(98));
    expect([story.gone, story.held?.hold.services]).toEqual([[], 2]);
  });

  test("lets go of what is back, and ends with the last one", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    story.list(hosts(9));
    expect([story.phase, story.held?.hold.services]).toEqual(["braking", 1]);
    story.list(hosts(10));
    expect([story.phase, story.held]).toEqual(["trusted", undefined]);
  });

  test("is over on time though no timer fires", () => {
    const story = new Story(undefined, [], false);
    story.list(hosts(10));
    story.pass(minute).list(hosts(6));
    story.pass(minute).list(hosts(1));
    story.pass(4 * minute).list(hosts(1));
    expect(story.gone).toEqual(hosts(4, 6));
    story.pass(minute).timer();
    expect([story.phase, story.gone]).toEqual(["trusted", hosts(9, 1)]);
  });

  test("that began and ended while a timer was late tells nobody of a hold", () => {
    const story = new Story(undefined, hosts(10), false);
    story.list(hosts(6));
    story.pass(hour).timer();
    expect(story.steps.at(-1)).toEqual({ changed: "everything", began: undefined });
  });

  test("is no hold of what the cluster does not have", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    for (const host of hosts(4, 6)) story.forget(host);
    expect([story.phase, story.held]).toEqual(["braking", undefined]);
  });
});

describe("the owner's annotation", () => {
  test("releases the hold that the status tells, and no later one", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    const { until } = story;
    for (const other of ["", "soon", at(-hour), rfc3339(Date.parse(until) - second)]) story.release(other);
    expect([story.phase, story.gone]).toEqual(["braking", []]);
    story.release(until);
    expect([story.gone, story.steps.at(-1)?.changed]).toEqual([hosts(4, 6), new Set(hosts(4, 6))]);
    story.pass(second);
    expect(story.list([])).toBe("Shrunk");
    expect(story.release(until).phase).toBe("braking");
  });

  test("releases each service whose hold ends by then", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    const { until } = story;
    story.pass(minute).list(hosts(4));
    story.release(until);
    expect([story.gone, story.held?.hold.services]).toEqual([hosts(4, 6), 2]);
    story.release(story.until);
    expect(story.gone).toEqual(hosts(6, 4));
  });

  test("is a time, however it is written, in whole seconds", () => {
    const story = settledStory(10);
    story.pass(300).list(hosts(6));
    const zoned = story.until.replace("T03:", "T11:").replace("Z", ".000+08:00");
    expect(story.release(zoned).gone).toEqual(hosts(4, 6));
  });
});

describe("a registry that goes away", () => {
  test("keeps its hold in the status, and nothing else", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    const before = story.held;
    story.lose();
    expect([story.phase, story.held]).toEqual(["unsynced", before]);
    story.pass(minute).list(hosts(6));
    story.pass(minute);
    expect([story.phase, story.held]).toEqual(["braking", before]);
  });

  test("and returns poorer is judged on its own, though the hold ran out meanwhile", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    story.lose().pass(10 * minute);
    expect(story.held).toBeUndefined();
    story.list(hosts(2));
    story.pass(minute);
    expect([story.gone, story.steps.at(-1)?.began]).toEqual([[], "Shrunk"]);
    story.pass(5 * minute);
    expect(story.gone).toEqual(hosts(8, 2));
  });

  test("and returns poorer is judged on its own, though the hold ran out while it settled", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    story.pass(4 * minute).lose();
    story.pass(30 * second).list(hosts(2));
    story.pass(minute);
    expect([story.gone, story.steps.at(-1)?.began]).toEqual([hosts(4, 6), "Shrunk"]);
  });

  test("for long before it has settled: what it lacked before is judged all the same", () => {
    const story = new Story(undefined, hosts(10));
    story.list(hosts(6));
    story.lose().pass(10 * minute);
    story.list(hosts(6));
    story.pass(minute);
    expect(story.phase).toBe("braking");
  });

  test("shortly after a service was believed, and has it still in the cluster, is judged once more", () => {
    const story = settledStory(10);
    story.list(hosts(9));
    story.lose().list(hosts(5));
    story.pass(minute);
    expect([story.phase, story.gone]).toEqual(["braking", []]);
  });
});

describe("a registry that lost its data", () => {
  const memory = { origin: "o1", held: undefined };

  test.each<[string, (story: Story) => unknown]>([
    ["shows another origin", (story) => story.list(hosts(7), "o2")],
    ["has no root any more", (story) => story.list([])],
    ["has proved it by its counters", (story) => story.lose(true).list(hosts(7), "o1")],
  ])("holds all removals when it %s", (_, happens) => {
    const story = new Story(memory, hosts(10));
    happens(story);
    expect(story.steps.some(({ began }) => began === "RegistryReset")).toBe(true);
    story.pass(2 * minute);
    expect([story.phase, story.held?.reason, story.held?.hold.endpoints]).toEqual([
      "reset",
      "RegistryReset",
      10,
    ]);
    expect(unlistedVerdict(story.state, "ns/h0", true)).toBe("unknown");
    story.pass(24 * hour);
    expect([story.phase, story.gone.length > 0]).toEqual(["trusted", true]);
  });

  test("is held from the moment that it shows it, so that the status knows (H25)", () => {
    const story = settledStory(10, "o1");
    story.lose(true);
    expect(story.steps.at(-1)).toEqual({ changed: new Set(), began: "RegistryReset" });
    const { hold } = story.held ?? {};
    expect(hold).toMatchObject({ endpoints: 10, until: at(minute + 24 * hour) });
    story.pass(minute).list(hosts(2), "o2");
    expect(story.held).toMatchObject({ reason: "RegistryReset", hold: { until: hold?.until, services: 8 } });
  });

  test.each([
    ["the same origin", "o1", 0],
    ["a first origin", "", 0],
    ["another origin and 80 % of what it had", "o9", 8],
  ])("%s is no loss", (_, before, listed) => {
    const story = new Story({ origin: before, held: undefined }, hosts(10));
    expect(story.list(hosts(listed), "o1")).toBeUndefined();
    expect(story.phase).toBe("settling");
  });

  test.each([
    [7, "reset"],
    [8, "settling"],
  ])("lists %d endpoints of 10 again: %s", (count, phase) => {
    const story = new Story(memory, hosts(10));
    story.list([], "o2");
    story.list(hosts(count), "o2");
    expect(story.phase).toBe(phase);
  });

  test("settles at 80 % of what it had, because others may be late, and then the brake decides about the rest", () => {
    const story = new Story(memory, hosts(100));
    story.list(hosts(50), "o2");
    story.pass(hour).list(hosts(79), "o2");
    expect(story.phase).toBe("reset");
    expect(story.list(hosts(80), "o2")).toBeUndefined();
    story.pass(2 * minute - second).list(hosts(90), "o2");
    expect([story.phase, story.gone]).toEqual(["settling", []]);
    story.pass(second);
    expect([story.phase, story.gone]).toEqual(["trusted", hosts(10, 90)]);
  });

  test("and has 80 % of its endpoints again, but lacks many services, is braked", () => {
    const story = new Story(memory, hosts(100));
    story.list(hosts(50), "o2");
    story.pass(hour);
    story.list(hosts(75), "o2", 80);
    expect(story.pass(2 * minute).steps.at(-1)?.began).toBe("Shrunk");
    story.pass(5 * minute);
    expect(story.gone).toEqual(hosts(25, 75));
  });

  test("keeps the old origin while it has no root, and takes the new one with the data", () => {
    const story = new Story(memory, hosts(10));
    story.list([]);
    expect(story.state.origin).toBe("o1");
    story.list(hosts(1), "o2");
    expect([story.state.origin, story.phase]).toEqual(["o2", "reset"]);
  });

  test("and has the very same data after all, has lost nothing", () => {
    const story = new Story(memory, hosts(10));
    story.list([]);
    story.pass(2 * minute).release(story.until);
    expect(story.list(hosts(2), "o1")).toBeUndefined();
  });

  test("may be released by its owner", () => {
    const story = new Story(memory, hosts(10));
    story.list(hosts(2), "o2");
    story.pass(minute);
    story.release(rfc3339(Date.parse(story.until) - second));
    expect(story.phase).toBe("reset");
    story.release(story.until);
    expect([story.phase, story.gone]).toEqual(["trusted", hosts(8, 2)]);
  });

  test("that was released does not count what it held as lost", () => {
    const story = new Story(memory, hosts(100));
    story.list(hosts(50), "o2");
    story.pass(minute).release(story.until);
    expect(story.list(hosts(45), "o2")).toBeUndefined();
    expect(story.gone).toEqual(hosts(55, 45));
  });

  test("takes over what the brake holds", () => {
    const story = settledStory(10, "o1");
    story.list(hosts(6), "o1");
    story.lose(true).list(hosts(6), "o2");
    story.pass(hour).list(hosts(6), "o2");
    expect([story.phase, story.held?.hold.services]).toEqual(["reset", 4]);
    story.list(hosts(8), "o2");
    expect(story.pass(2 * minute).gone).toEqual(hosts(2, 8));
  });

  test("and of which the brake held much is braked again when it has recovered", () => {
    const story = settledStory(100, "o1");
    story.list(hosts(70), "o1");
    story.lose(true).list(hosts(70), "o2");
    story.pass(hour);
    story.list(hosts(75), "o2", 80);
    expect([story.pass(2 * minute).steps.at(-1)?.began, story.gone]).toEqual(["Shrunk", []]);
  });

  test("settles for longer than one that was lost out of reach", () => {
    const story = new Story(undefined, hosts(2));
    const settlesFor = () => {
      const { settling } = story.state;
      return settling && settling.until.monotonic - settling.since.monotonic;
    };
    story.list(hosts(2));
    expect(settlesFor()).toBe(minute);
    story.lose(true).list(hosts(2));
    expect(settlesFor()).toBe(2 * minute);
    story.lose().list(hosts(2));
    expect(settlesFor()).toBe(minute);
  });
});

describe("after a restart", () => {
  test.each<[string, "Shrunk" | "RegistryReset", number, number]>([
    ["what is left", "Shrunk", 2 * minute, 2 * minute],
    ["at most its length, for the clock may be wrong", "Shrunk", hour, 5 * minute],
    ["what is left of a day", "RegistryReset", 20 * hour, 20 * hour],
    ["at most a day", "RegistryReset", 100 * hour, 24 * hour],
  ])("a hold goes on for %s", (_, reason, leftMs, expectedMs) => {
    const story = new Story(held(reason, at(leftMs)), hosts(10));
    expect(story.list(hosts(6), "o1")).toBeUndefined();
    story.pass(expectedMs - 1);
    expect([story.held?.reason, story.gone]).toEqual([reason, []]);
    story.pass(1);
    expect([story.held?.reason, story.gone]).toEqual([undefined, hosts(4, 6)]);
  });

  test("the status says what it said until the registry is listed (H6)", () => {
    const memory = held("Shrunk", at(minute));
    const story = new Story(memory, hosts(10));
    expect(story.held).toMatchObject(memory.held ?? {});
    story.pass(2 * minute);
    expect(story.held).toMatchObject(memory.held ?? {});
    story.list(hosts(6), "o1");
    expect(story.held?.reason).toBe("Settling");
  });

  test("the hold is told while the registry settles, so that a second restart knows of it", () => {
    const story = new Story(held("Shrunk", at(2 * minute)), hosts(10));
    story.list(hosts(6), "o1");
    const expected = { since: "2024-02-04T02:00:00Z", until: at(2 * minute), services: 4, endpoints: 4 };
    expect([story.phase, story.held]).toEqual(["settling", { reason: "Shrunk", hold: expected }]);
  });

  test.each(["Shrunk", "RegistryReset"] as const)(
    "a %s hold that is over is over, and does not begin again for as many services",
    (reason) => {
      const story = new Story(held(reason, at(-hour)), hosts(10));
      story.list(hosts(6), "o1");
      story.pass(minute);
      expect([story.phase, story.gone]).toEqual(["trusted", hosts(4, 6)]);
    },
  );

  test("a reset hold that is over does not begin again while the root is still missing", () => {
    const story = new Story(held("RegistryReset", at(-hour), { services: 10 }), hosts(10));
    story.list([]);
    story.pass(minute);
    expect([story.phase, story.gone]).toEqual(["trusted", hosts(10)]);
  });

  test.each([
    ["o1", "o3", "RegistryReset"], // another loss of data
    ["", "o3", undefined], // nothing is known of the data before
  ])("a reset hold that is over, of origin '%s': data of origin '%s' begin %s", (origin, seen, began) => {
    const story = new Story({ ...held("RegistryReset", at(-hour)), origin }, hosts(10));
    expect(story.list(hosts(6), seen)).toBe(began);
  });

  test("a hold that runs out while the registry settles does not begin again", () => {
    const story = new Story(held("Shrunk", at(30 * second)), hosts(10));
    story.list(hosts(6), "o1");
    story.pass(minute - 1);
    expect(story.gone).toEqual([]);
    story.pass(1);
    expect([story.phase, story.gone]).toEqual(["trusted", hosts(4, 6)]);
  });

  test.each([
    ["over", -hour, "Shrunk"],
    ["on", 30 * second, undefined],
  ])("all are held in full when more are missing than a hold was about that is %s", (_, leftMs, began) => {
    const story = new Story(held("Shrunk", at(leftMs)), hosts(100));
    expect(story.list(hosts(95), "o1")).toBe(began);
    expect(story.held?.hold).toMatchObject({ until: at(6 * minute), services: 5 });
    story.pass(6 * minute - 1);
    expect(story.gone).toEqual([]);
    story.pass(1);
    expect(story.gone).toEqual(hosts(5, 95));
  });

  test("a crash loop prolongs nothing", () => {
    let memory = held("Shrunk", at(4 * minute));
    for (let restart = 0; restart < 3; restart++) {
      const story = new Story(memory, hosts(10));
      story.list(hosts(6), "o1");
      memory = { origin: "o1", held: story.held as typeof memory.held };
    }
    expect(memory.held?.hold).toMatchObject({ until: at(4 * minute), services: 4 });
  });

  test("a reset hold knows how many endpoints there were", () => {
    const story = new Story(held("RegistryReset", at(hour)), hosts(3));
    story.list(hosts(7), "o1");
    expect(story.phase).toBe("reset");
    story.list(hosts(8), "o1");
    expect(story.phase).toBe("settling");
  });

  test("a registry that shows a loss of data before it is listed is held for that", () => {
    const story = new Story(held("Shrunk", at(minute)), hosts(10));
    story.lose(true);
    expect(story.held).toMatchObject({ reason: "RegistryReset", hold: { endpoints: 10 } });
    story.list(hosts(6), "o1");
    story.pass(hour);
    expect([story.held?.reason, story.gone]).toEqual(["RegistryReset", []]);
  });

  test.each(["Shrunk", "RegistryReset"] as const)(
    "a %s hold may be released before the first listing",
    (reason) => {
      const story = new Story(held(reason, at(4 * minute)), hosts(10));
      story.release(at(4 * minute));
      expect(story.held).toBeUndefined();
      story.list(hosts(6), "o1");
      story.pass(minute);
      expect(story.gone).toEqual(hosts(4, 6));
    },
  );

  test.each(["Shrunk", "RegistryReset"] as const)(
    "a %s hold whose end is out of reach may be released by what the status says",
    (reason) => {
      const story = new Story(held(reason, at(100 * hour)), hosts(10));
      story.release(story.until);
      expect(story.held).toBeUndefined();
      story.list(hosts(6), "o1");
      story.pass(minute);
      expect(story.gone).toEqual(hosts(4, 6));
    },
  );

  test.each(["Shrunk", "RegistryReset"] as const)("of a %s hold only its own time releases it", (reason) => {
    const story = new Story(held(reason, at(4 * minute)), hosts(10));
    story.release(at(4 * minute - second));
    expect(story.held?.reason).toBe(reason);
    story.release(at(5 * minute)); // later: the brake's hold is over by then, a loss of data has one end only
    expect(story.held?.reason).toBe(reason === "Shrunk" ? undefined : reason);
  });

  test.each<[string, RememberedTrust, (story: Story) => unknown]>([
    ["a reset hold went on", held("RegistryReset", at(20 * hour), { services: 30, endpoints: 100 }), () => 0],
    [
      "more was missing than a reset hold was about",
      held("RegistryReset", at(20 * hour), { endpoints: 100 }),
      () => 0,
    ],
    [
      "the brake held them before",
      held("Shrunk", at(4 * minute), { services: 30 }),
      (story) => story.lose(true),
    ],
  ])("what is missing when a registry has recovered is braked, though %s", (_, memory, happens) => {
    const story = new Story(memory, hosts(100));
    happens(story);
    story.list(hosts(70), "o1");
    story.pass(hour);
    expect(story.phase).toBe("reset");
    story.list(hosts(75), "o1", 80);
    expect([story.pass(2 * minute).steps.at(-1)?.began, story.gone]).toEqual(["Shrunk", []]);
    story.pass(5 * minute);
    expect(story.gone).toEqual(hosts(25, 75));
  });

  test("a time that is none is over", () => {
    const story = new Story(held("Shrunk", "soon", { since: "then" }), hosts(10));
    story.list(hosts(6), "o1");
    story.pass(minute);
    expect(story.gone).toEqual(hosts(4, 6));
  });
});

describe("an edit", () => {
  test("to another registry forgets the origin and every hold, and leaves no deadline", () => {
    const story = settledStory(10, "o1");
    story.list(hosts(6), "o1");
    story.move();
    expect([story.phase, story.state.origin, story.held]).toEqual(["unsynced", "", undefined]);
    expect(story.list(hosts(3), "elsewhere")).toBeUndefined();
  });

  test("that widens what may be removed settles, and the brake judges what is missing (H12)", () => {
    const story = settledStory(10);
    story.edit(hosts(5));
    expect([story.phase, story.gone]).toEqual(["settling", []]);
    story.pass(minute);
    expect([story.phase, story.gone, story.steps.at(-1)?.began]).toEqual(["braking", [], "Shrunk"]);
    story.pass(5 * minute);
    expect(story.gone).toEqual(hosts(5, 5));
  });

  test("judges once more what was believed when nobody removed it (H12)", () => {
    const story = settledStory(30);
    story.list(hosts(1));
    story.pass(6 * minute);
    expect(story.gone).toHaveLength(29);
    story.edit();
    expect(story.gone).toEqual([]);
    story.pass(minute);
    expect([story.phase, story.gone]).toEqual(["braking", []]);
  });

  test("judges once more what was believed a moment ago", () => {
    const story = settledStory(10);
    story.list(hosts(9));
    story.pass(4 * minute).edit(hosts(5));
    story.pass(minute);
    expect([story.phase, story.gone]).toEqual(["braking", []]);
  });

  test("ends no hold before its time", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    story.edit();
    story.pass(5 * minute - 1);
    expect(story.gone).toEqual([]);
    story.pass(1);
    expect(story.gone).toEqual(hosts(4, 6));
  });

  test("of a hub whose registry is away waits for it", () => {
    const story = settledStory(10).lose().edit(hosts(5));
    story.pass(hour);
    expect([story.phase, story.gone]).toEqual(["unsynced", []]);
  });

  test("finds what means something again", () => {
    const story = settledStory(10);
    story.list(hosts(6));
    story.edit(hosts(10));
    story.pass(minute);
    expect(story.phase).toBe("trusted");
  });
});

describe("what the status tells", () => {
  const facts = { withheld: { services: 0, endpoints: 0 }, missing: () => 0, endpointsOf: () => 0 };

  test("is no settling when nothing is withheld", () => {
    const story = new Story(undefined, hosts(10));
    story.list(hosts(10));
    expect([story.phase, story.held]).toEqual(["settling", undefined]);
  });

  test.each([
    [5, 3, 5],
    [0, 3, 3],
  ])("of a loss of data: %d services withheld, %d missing: %d", (services, missing, expected) => {
    const story = new Story({ origin: "o1", held: undefined }, hosts(10));
    story.list([], "o2");
    const withheld = { services, endpoints: services };
    const { hold } = holdOf(story.state, { ...facts, withheld, missing: () => missing }) ?? {};
    expect(hold).toMatchObject({ services: expected, endpoints: 10 });
  });
});

test("periods without length end where they begin", () => {
  const story = new Story(undefined, hosts(10), true, { ...limits, settleMs: 0, shrinkHoldMs: 0 });
  expect(story.list(hosts(5))).toBeUndefined();
  expect([story.phase, story.gone]).toEqual(["trusted", hosts(5, 5)]);
});

describe("of several holds at once", () => {
  test("the brake's is told from the earliest loss to the latest end, in whatever order they came", () => {
    const moment = (ms: number) => ({ monotonic: ms, wall: start + ms });
    const loss = (since: number, until: number) =>
      ({ verdict: "braked", since: moment(since), until: moment(until) }) as const;
    const losses = new Map([
      ["ns/h0", loss(2 * second, 9 * second)],
      ["ns/h1", loss(second, 8 * second)],
      ["ns/h2", loss(3 * second, 7 * second)],
    ]);
    const facts = { withheld: { services: 3, endpoints: 3 }, missing: () => 3, endpointsOf: () => 1 };
    const hold = { since: at(second), until: at(9 * second), services: 3, endpoints: 3 };
    expect(holdOf({ ...settledStory(4).state, losses }, facts)).toEqual({ reason: "Shrunk", hold });
  });

  test("a loss of data that an earlier process told is told as it was", () => {
    const story = new Story(held("RegistryReset", at(hour)), hosts(10));
    expect(story.held).toMatchObject({ reason: "RegistryReset", hold: { services: 4, endpoints: 10 } });
  });

  test("a brake that is released before the first listing leaves a loss of data on", () => {
    const story = new Story(held("Shrunk", at(4 * minute)), hosts(10));
    story.lose(true).release(at(4 * minute));
    expect(story.held?.reason).toBe("RegistryReset");
    story.list([]);
    expect([story.phase, story.gone]).toEqual(["reset", []]);
  });
});
