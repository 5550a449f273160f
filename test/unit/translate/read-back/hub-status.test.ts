import { describe, expect, test } from "vitest";
import { readStatus } from "../../../../src/translate/read-back/hub-status.ts";

const condition = {
  type: "Ready",
  status: "True",
  reason: "Ready",
  message: "m",
  lastTransitionTime: "2024-02-04T03:00:00Z",
  observedGeneration: 1,
};
const status = {
  address: "zk:2181",
  type: "zookeeper",
  generate_to: "dubbozk",
  phase: "success",
  serviceentries: { a: "2024-02-04T03:04:20Z" },
  conditions: [condition],
  observedGeneration: 2,
  services: 1,
  endpoints: 3,
  rejected: 1,
  problems: [{ at: "a", problem: "BadPort: port 0", severity: "rejected" }],
  hold: { since: "s", until: "u", services: 1, endpoints: 2 },
  plan: { create: 1, change: 2, remove: 3 },
  origin: "0x2/1",
  truncated: 0,
};

describe("what an earlier process wrote", () => {
  test("is read as it is", () => {
    expect(readStatus(status)).toEqual(status);
  });

  test("may be nothing", () => {
    expect([undefined, null, "none", 7, []].map(readStatus)).toEqual(Array(5).fill(undefined));
  });
});

describe("of what others left behind", () => {
  test.each([
    ["no time", { lastTransitionTime: undefined }],
    ["a time that is none", { lastTransitionTime: "yesterday" }],
    ["no type", { type: undefined }],
    ["a type that this version does not know", { type: "Healthy" }],
    ["a status that is none", { status: "Maybe" }],
    ["no reason", { reason: "" }],
  ])("a condition with %s is none: the API server would refuse it again", (_, odd) => {
    expect(readStatus({ conditions: [{ ...condition, ...odd }, null, "x"] })?.conditions).toEqual([]);
  });

  test("problems, times and holds that are none are left out, and counts that are none are 0", () => {
    const read = readStatus({
      phase: "great",
      serviceentries: { a: 7, b: "2024-02-04T03:04:20Z" },
      problems: [null, { at: "a", problem: "p", severity: "fatal" }, { at: 1 }],
      hold: { since: 1, until: "u" },
      services: "many",
      origin: null,
    });
    expect(read).toMatchObject({ phase: "pending", serviceentries: { b: "2024-02-04T03:04:20Z" } });
    expect(read).toMatchObject({ problems: [], services: 0, origin: "" });
    expect(read).not.toHaveProperty("hold");
  });
});
