import { expect, test } from "vitest";
import type { Change } from "../support/cluster-recorder.ts";
import { losses, removedAt } from "./truth.ts";

const host = "a.ns";
const filter = "aeraki-outbound-a.ns-240.241.0.1-20880";

function entry(at: number, ...addresses: readonly string[]): Change {
  const endpoints = addresses.map((address) => ({ address, ports: { p: 1 } }));
  const spec = { hosts: [host], endpoints };
  return {
    at,
    kind: "serviceentries",
    name: "a",
    object: { metadata: { name: "a" }, spec } as Change["object"],
  };
}
const deleted = (at: number, kind: Change["kind"], name: string): Change => ({
  at,
  kind,
  name,
  object: undefined,
});
const created = (at: number, name: string): Change => ({
  at,
  kind: "envoyfilters",
  name,
  object: { metadata: { name } },
});

const x = { host, hostPort: "x:1" };

test.each<[string, readonly Change[], number]>([
  ["an endpoint that stays", [entry(1, "x"), entry(5, "x", "y"), entry(6, "x")], 0],
  ["an endpoint that is away for a moment", [entry(1, "x"), entry(5, "y"), entry(5, "x", "y")], 1],
  ["an entry that is deleted", [entry(1, "x"), deleted(5, "serviceentries", "a")], 1],
  [
    "what goes after the end of its life",
    [entry(1, "x"), entry(9, "y"), deleted(10, "serviceentries", "a")],
    0,
  ],
  ["what comes before its life begins", [entry(1), entry(2, "x")], 0],
  [
    "a filter that is replaced without a gap",
    [created(1, filter), created(5, `${filter}1`), deleted(6, "envoyfilters", filter)],
    0,
  ],
  [
    "a filter that is deleted and created",
    [created(1, filter), deleted(5, "envoyfilters", filter), created(6, filter)],
    1,
  ],
])("losses: %s", (_, changes, count) => {
  expect(losses(changes, [{ ...x, from: 3, to: 9 }])).toHaveLength(count);
});

test("removedAt is the first removal that is not earlier than asked for", () => {
  const changes = [entry(1, "x"), entry(2), entry(3, "x"), entry(4, "y"), deleted(5, "serviceentries", "a")];
  expect([0, 3, 5].map((since) => removedAt(changes, x, since))).toEqual([2, 4, undefined]);
});
