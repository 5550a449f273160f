import { describe, expect, test } from "vitest";
import type { Entry, EntryEndpoint } from "../../../src/model/entry.ts";
import { maxEndpoints, roomFor } from "../../../src/plan/room.ts";
import { endpointOf } from "../../support/model.ts";

type Labels = Readonly<Record<string, string>>;
const expected: Labels = { version: "1", tag: "gray" };
const both: Labels = { ...expected, zone: "z" };

const many = (from: number, to: number, labels: Labels = both): ReadonlyMap<string, EntryEndpoint> => {
  const endpoints = Array.from({ length: to - from }, (_, at) => {
    const number = from + at;
    const one = endpointOf(`10.0.${number >> 8}.${number & 255}:20880`, { labels });
    return [one.hostPort, { ...one, by: new Set(["ddf6610a"]), registryName: "hub" }] as const;
  });
  return new Map(endpoints);
};
/** Only what decides: the endpoints. */
const entryOf = (endpoints: ReadonlyMap<string, EntryEndpoint>): Entry =>
  ({ endpoints }) as Partial<Entry> as Entry;

/** An endpoint takes so many bytes, and so many for each label. */
const bytes = (each: number, perLabel: number) => (endpoint: EntryEndpoint) =>
  each + perLabel * Object.keys(endpoint.labels).length;

const shown = (kept: ReadonlyMap<string, EntryEndpoint>) => ({
  count: kept.size,
  labels: [...new Set([...kept.values()].map(({ labels }) => Object.keys(labels).join()))],
});

describe("the number of endpoints", () => {
  test("is limited for new ones only", () => {
    const small = bytes(100, 0);
    expect(roomFor(many(0, 3_000), undefined, small).kept.size).toBe(maxEndpoints);
    const stored = entryOf(many(0, 2_500));
    expect([...roomFor(many(0, 3_000), stored, small).kept.keys()].sort()).toEqual(
      [...stored.endpoints.keys()].sort(),
    );
    expect(roomFor(many(400, 3_000), stored, small).kept.size).toBe(2_100);
    expect(roomFor(many(600, 3_000), stored, small).kept.size).toBe(2_000);
  });

  test("does not decide their order, which is that of the addresses", () => {
    const { kept } = roomFor(many(0, 300), entryOf(many(100, 200)), bytes(100, 0));
    expect([...kept.keys()]).toEqual([...many(0, 300).keys()].sort());
  });
});

describe("the bytes of an entry", () => {
  const size = bytes(600, 200); // 1,200 with all three labels, 1,000 with those that people count on

  test("that have room change nothing", () => {
    const { kept, hasLostLabels } = roomFor(many(0, 980), undefined, size);
    expect([shown(kept), hasLostLabels]).toEqual([{ count: 980, labels: ["version,tag,zone"] }, false]);
  });

  test("may be as many as there is room for, to the last one", () => {
    const hasLost = (each: number, before: Labels) =>
      roomFor(many(0, 1_000), entryOf(many(0, 1, before)), bytes(each, 0)).hasLostLabels;
    expect([hasLost(1_180, both), hasLost(1_181, both)]).toEqual([false, true]);
    expect([hasLost(940, expected), hasLost(941, expected)]).toEqual([false, true]);
  });

  test("cost the labels that nobody counts on first", () => {
    const { kept, hasLostLabels } = roomFor(many(0, 1_000), undefined, size);
    expect([shown(kept), hasLostLabels]).toEqual([{ count: 1_000, labels: ["version,tag"] }, true]);
    expect(new Set([...kept.values()].map(({ labels }) => labels)).size).toBe(1); // shared, as before
  });

  test("cost none where an entry that was empty has room for all", () => {
    const { kept } = roomFor(many(0, 980), entryOf(new Map()), size);
    expect(shown(kept)).toEqual({ count: 980, labels: ["version,tag,zone"] });
  });

  test("then refuse new endpoints, the last by address", () => {
    const { kept } = roomFor(many(0, 1_500), undefined, size);
    expect(shown(kept)).toEqual({ count: 1_180, labels: ["version,tag"] });
    expect([...kept.keys()]).toEqual([...many(0, 1_500).keys()].sort().slice(0, 1_180));
  });

  test("refuse none that the cluster has", () => {
    const stored = entryOf(many(200, 1_500, expected));
    const { kept } = roomFor(many(0, 1_500), stored, size);
    expect(shown(kept)).toEqual({ count: 1_300, labels: ["version,tag"] });
    expect([...kept.keys()].sort()).toEqual([...stored.endpoints.keys()].sort());
  });

  test("cost every label where what stays is more than the API server takes", () => {
    const { kept, hasLostLabels } = roomFor(many(0, 1_500), entryOf(many(0, 1_500)), size);
    expect([shown(kept), hasLostLabels]).toEqual([{ count: 1_500, labels: [""] }, true]);
  });

  test("that are few enough again give the labels back, but not at the edge", () => {
    const labelsAfter = (count: number, before: Labels) =>
      shown(roomFor(many(0, count), entryOf(many(0, 500, before)), size).kept).labels;
    expect([labelsAfter(980, both), labelsAfter(980, expected)]).toEqual([
      ["version,tag,zone"],
      ["version,tag"],
    ]);
    expect([labelsAfter(783, expected), labelsAfter(784, expected)]).toEqual([
      ["version,tag,zone"],
      ["version,tag"],
    ]);
  });

  test("do not change what has been decided: a second look keeps what the first one kept", () => {
    for (const count of [900, 1_000, 1_180, 1_181, 1_500, 3_000])
      for (const before of [undefined, entryOf(many(0, 400)), entryOf(many(0, 1_500, expected))]) {
        const { kept } = roomFor(many(0, count), before, size);
        expect(shown(roomFor(many(0, count), entryOf(kept), size).kept)).toEqual(shown(kept));
      }
  });
});
