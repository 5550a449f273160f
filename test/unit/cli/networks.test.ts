import { describe, expect, test } from "vitest";
import { contains, overlap } from "../../../src/cli/doctor/networks.ts";

describe("one network contains another", () => {
  test.each([
    ["10.0.0.0/8", "10.42.0.0/16", true],
    ["10.42.0.0/16", "10.0.0.0/8", false],
    ["10.42.7.9/16", "10.42.1.1", true], // bits of the host do not count
    ["10.42.0.0/16", "10.43.0.0", false],
    ["0.0.0.0/0", "255.255.255.255", true],
    ["240.241.0.0/16", "240.241.0.0/16", true],
    ["10.0.0.1", "10.0.0.1", true],
    ["10.0.0.0/33", "10.0.0.0/8", false],
    ["10.0.0.0/", "10.0.0.0", false],
    ["*", "10.0.0.1", false],
    ["::/0", "10.0.0.1", false],
    ["::ffff:10.0.0.0/104", "10.0.0.1", false],
  ])("%s, %s: %s", (outer, inner, expected) => {
    expect(contains(outer, inner)).toBe(expected);
  });
});

test.each([
  ["10.42.0.0/16", "10.0.0.0/8", true],
  ["10.0.0.0/8", "10.42.0.0/16", true],
  ["10.0.0.0/9", "10.128.0.0/9", false],
  ["any", "10.0.0.0/8", false],
])("%s and %s have an address in common: %s", (one, other, expected) => {
  expect(overlap(one, other)).toBe(expected);
});
