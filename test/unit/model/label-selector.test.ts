import { describe, expect, test } from "vitest";
import { parseLabelSelector, selectsLabels } from "../../../src/model/label-selector.ts";

const objects: Readonly<Record<string, Readonly<Record<string, string>> | undefined>> = {
  gold: { lane: "gold", "example.org/team": "shop" },
  silver: { lane: "silver" },
  empty: { lane: "" },
  bare: {},
  none: undefined,
};

const selectedBy = (text: string): string => {
  const selector = parseLabelSelector(text);
  return Object.keys(objects)
    .filter((name) => selectsLabels(selector, objects[name]))
    .join(" ");
};

describe("a label selector", () => {
  test.each([
    ["", "gold silver empty bare none"],
    ["  ", "gold silver empty bare none"],
    ["lane=gold", "gold"],
    ["lane==gold", "gold"],
    [" lane = gold ", "gold"],
    ["lane!=gold", "silver empty bare none"],
    ["lane=", "empty"],
    ["lane!=", "gold silver bare none"],
    ["lane", "gold silver empty"],
    ["!lane", "bare none"],
    ["! lane", "bare none"],
    ["constructor", ""],
    ["!constructor", "gold silver empty bare none"],
    ["lane in (gold,silver)", "gold silver"],
    ["lane in (gold, silver )", "gold silver"],
    ["lane in(gold)", "gold"],
    ["lane in (gold,)", "gold empty"],
    ["lane notin (gold,silver)", "empty bare none"],
    ["example.org/team=shop", "gold"],
    ["lane in (gold,silver),!example.org/team", "silver"],
    ["lane,lane!=silver,example.org/team in (shop,none)", "gold"],
  ])("%j selects %j", (text, expected) => {
    expect(selectedBy(text)).toBe(expected);
  });

  test.each([
    ["lane=gold,", '"" is no condition'],
    ["lane=gold=silver", '"lane=gold=silver" is no condition'],
    ["lane in gold", '"lane in gold" is no condition'],
    ["lane in ()", '"lane in ()" is no condition'],
    ["lane in (gold", '"lane in (gold" is no condition'],
    ["lane within (gold)", '"lane within (gold)" is no condition'],
    ["lane gold", '"lane gold" is no condition'],
    ["!lane=gold", '"!lane=gold" is no condition'],
    ["lane>1", '"lane>1" is not the key of a label'],
    ["=gold", '"=gold" is no condition'],
    ["lane=-gold", '"-gold" is not the value of a label'],
    [`lane=${"g".repeat(64)}`, "is not the value of a label"],
    ["a/b/c=gold", '"a/b/c" is not the key of a label'],
    ["/lane", '"/lane" is not the key of a label'],
    ["Example.org/lane", '"Example.org/lane" is not the key of a label'],
  ])("%j is refused in words", (text, words) => {
    expect(() => parseLabelSelector(text)).toThrow(words);
  });
});
