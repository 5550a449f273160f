import { describe, expect, test } from "vitest";
import type { Sight } from "../../../../src/registries/consul/api.ts";
import { decodeService, type Health, readHealth } from "../../../../src/registries/consul/decode.ts";
import {
  type Case,
  freshness,
  judge,
  type Known,
  nothingKnown,
  rightsToProve,
} from "../../../../src/registries/consul/judge.ts";
import { readJsonOf } from "../../../support/read-json.ts";

const entryOn = (node: string) => ({
  Node: { Node: node, Address: node },
  Service: { Service: "order", Port: 80 },
  Checks: [],
});
const healthOn = (nodes: readonly string[]): Health => {
  const selection = { tags: [], includeWarning: false };
  const health = readJsonOf((json) => readHealth(json, selection), nodes.map(entryOn));
  if (health === undefined) throw new Error("no list");
  return health;
};
const found = (nodes: readonly string[]) => decodeService("order", healthOn(nodes));
const knownOn = (...nodes: readonly string[]): Known => ({
  service: found(nodes),
  nodes: new Set(nodes),
  index: 7,
  isEmpty: false,
});

/** An answer with an entry on each of these nodes. */
function caseOf(
  nodes: readonly string[],
  of: { readonly sight?: Sight; readonly known?: Known; readonly isListed?: boolean } = {},
): Case {
  const { sight = "whole", known = nothingKnown, isListed = true } = of;
  return {
    answer: { body: healthOn(nodes), index: 9, sight },
    found: found(nodes),
    known,
    isListed,
  };
}

/** What a verdict comes to: addresses, "unknown" or nothing; "+?" = and perhaps more. */
function told(verdict: Known | "gone"): string {
  if (verdict === "gone") return "gone";
  const { service, isEmpty } = verdict;
  const instances = service?.instances ?? [];
  const addresses = instances === "unknown" ? instances : instances.map(({ address }) => address).join(" ");
  return `${addresses}${service?.isPartial ? " +?" : ""}${isEmpty ? " empty" : ""}`;
}

test.each([
  [9, { before: 7, now: 7 }, "new"],
  [7, { before: 7, now: 7 }, "new"],
  [7, { before: 7, now: 9 }, "older"],
  [8, { before: 7, now: 9 }, "older"],
  [6, { before: 7, now: 7 }, "started over"],
  [6, { before: 7, now: 9 }, "started over"],
  [1, { before: 0, now: 9 }, "older"],
])("an answer with the index %d, when %j was seen, is %s", (index, seen, is) => {
  expect(freshness(index, seen)).toBe(is);
});

describe("the rights that prove an absence", () => {
  const both = knownOn("a", "b");
  const onB = [{ resource: "node", name: "b" }];
  const service = { resource: "service", name: "order" };
  test.each([
    ["none where nobody is denied anything", caseOf([], { known: both, isListed: false }), []],
    [
      "none where the server says that it hides something",
      caseOf(["a"], { sight: "filtered", known: both }),
      [],
    ],
    ["none where nothing is missing", caseOf(["a", "b", "c"], { sight: "unproven", known: both }), []],
    ["none at the first sight", caseOf(["a"], { sight: "silent" }), []],
    ["those to the nodes that are missing", caseOf(["a"], { sight: "unproven", known: both }), onB],
    ["the same without a token", caseOf(["a"], { sight: "silent", known: both }), onB],
    [
      "none for a listed service without entries: its nodes decide",
      caseOf([], { sight: "unproven", known: both }),
      [],
    ],
    [
      "that to the service too, if the catalog has it no more",
      caseOf([], { sight: "unproven", known: knownOn("b"), isListed: false }),
      [service, ...onB],
    ],
    [
      "that to the service alone, if only the cluster has it",
      caseOf([], { sight: "silent", isListed: false }),
      [service],
    ],
  ])("are %s", (_, about, rights) => {
    expect(rightsToProve("order", about)).toEqual(rights);
  });
});

describe("the verdict on", () => {
  const known = knownOn("a", "b");
  const unproven = { sight: "unproven", known } as const;
  const empty = { ...known, isEmpty: true };
  test.each([
    ["entries", caseOf(["a", "c"], { known }), true, "a c"],
    ["fewer entries with the right to the others", caseOf(["a"], unproven), true, "a"],
    ["fewer entries without it", caseOf(["a"], unproven), false, "a +?"],
    ["entries that the server says are not all", caseOf(["a"], { sight: "filtered", known }), true, "a +?"],
    ["no entry of a listed service", caseOf([], { known }), true, "a b empty"],
    ["no entry of one that was never read", caseOf([]), true, "unknown"],
    ["no entry of it again", caseOf([], { known: empty }), true, "unknown"],
    [
      "no entry of it, which the server says is not all",
      caseOf([], { sight: "filtered", known }),
      true,
      "unknown",
    ],
    ["entries after none", caseOf(["a"], { known: empty }), true, "a"],
    ["no entry of a service that is not listed", caseOf([], { known, isListed: false }), true, "gone"],
    ["the same without the right to it", caseOf([], { ...unproven, isListed: false }), false, "unknown"],
    ["the same, filtered", caseOf([], { sight: "filtered", known, isListed: false }), true, "unknown"],
    ["entries of a service that is listed no more", caseOf(["a"], { known, isListed: false }), true, "a"],
  ])("%s", (_, about, mayRead, is) => {
    const verdict = judge(about, mayRead);
    expect(told(verdict)).toBe(is);
    expect(verdict === "gone" ? 9 : verdict.index).toBe(9);
  });

  test("a partial answer remembers the nodes that it lacks, so that their rights are asked for again", () => {
    const verdict = judge(caseOf(["a"], unproven), false) as Known;
    expect(rightsToProve("order", caseOf(["a"], { sight: "unproven", known: verdict }))).toEqual([
      { resource: "node", name: "b" },
    ]);
    expect(verdict.service?.problems).toMatchObject([{ code: "Unreadable", at: "order" }]);
  });
});
