import { describe, expect, test } from "vitest";
import * as serviceCap from "../../../../src/controllers/hub/service-cap.ts";
import { atOnce } from "../../../../src/runtime/slices.ts";

const none: ReadonlySet<string> = new Set();
const listing = (...hosts: readonly string[]): ReadonlyMap<string, unknown> =>
  new Map(hosts.map((host) => [host, undefined]));

const beyondCap = (...given: Parameters<typeof serviceCap.beyondCap>): ReadonlySet<string> =>
  atOnce(serviceCap.beyondCap(...given));

/** A cap of so many, and what the cluster has of the hub. */
const capOf = (most: number, ...owned: readonly string[]) => ({
  most,
  ownedAtMost: () => owned.length,
  owned: () => owned,
});

describe("the hosts beyond the cap", () => {
  test("are the last by name of those that are new", () => {
    const beyond = beyondCap(
      capOf(3, "d/x"),
      listing("d/x", "d/c", "d/a", "d/b"),
      ["d/c", "d/a", "d/b"],
      none,
    );
    expect([...beyond]).toEqual(["d/c"]);
  });

  test("stay beyond it while there is no room, and come in when there is", () => {
    const before = new Set(["d/b", "d/c"]);
    const listed = listing("d/a", "d/b", "d/c");
    expect([...beyondCap(capOf(1, "d/a"), listed, [], before)]).toEqual(["d/b", "d/c"]);
    expect([...beyondCap(capOf(2, "d/a"), listed, [], before)]).toEqual(["d/c"]);
    expect([...beyondCap(capOf(3, "d/a"), listed, [], before)]).toEqual([]);
    expect([...beyondCap(capOf(2, "d/a"), listing("d/a", "d/c"), [], before)]).toEqual([]);
  });

  test("are none that the cluster has, however many those are", () => {
    const owned = ["d/a", "d/b", "d/c"];
    expect([...beyondCap(capOf(1, ...owned), listing(...owned, "d/0"), [...owned, "d/0"], none)]).toEqual([
      "d/0",
    ]);
  });
});

test.each([
  ["a change brings no host", 1, []],
  ["all that there is fits, to the last one", 3, ["d/b"]],
])("the hosts that the cluster has are not counted one by one where %s", (_, most, found) => {
  const counts = () => {
    throw new Error("counted one by one");
  };
  const cap = { ...capOf(most, "d/x"), owned: counts };
  expect(beyondCap(cap, listing("d/a", "d/b"), found, none).size).toBe(0);
});
