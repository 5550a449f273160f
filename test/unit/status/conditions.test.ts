import { describe, expect, test } from "vitest";
import type { ConditionStatus } from "../../../src/model/reasons.ts";
import type { Condition } from "../../../src/model/registryhub.ts";
import { conditionOf, type Finding, phaseOf } from "../../../src/status/conditions.ts";

const [early, late] = ["2024-02-04T03:00:00Z", "2024-02-04T04:00:00Z"] as const;
const synced: Finding = { type: "RegistrySynced", status: "True", reason: "Synced", message: "m" };
const lost: Finding = {
  type: "RegistrySynced",
  status: "False",
  reason: "RegistryUnreachable",
  message: "m",
};

describe("lastTransitionTime", () => {
  const before = conditionOf(synced, undefined, 1, early);

  test.each<[string, Finding, Condition | undefined, string]>([
    ["is now for a first condition", synced, undefined, late],
    ["stays while the status stays", { ...synced, message: "other" }, before, early],
    ["moves with the status", lost, before, late],
  ])("%s", (_, finding, previous, time) => {
    expect(conditionOf(finding, previous, 2, late)).toMatchObject({
      lastTransitionTime: time,
      observedGeneration: 2,
    });
  });

  test("stays while only the reason changes", () => {
    const other: Finding = { ...lost, reason: "RegistryUnauthorized" };
    expect(conditionOf(other, conditionOf(lost, undefined, 1, early), 1, late).lastTransitionTime).toBe(
      early,
    );
  });
});

describe("phase", () => {
  test.each<[ConditionStatus, ConditionStatus, string]>([
    ["True", "True", "success"],
    ["True", "Unknown", "success"],
    ["True", "False", "failed"],
    ["False", "True", "failed"],
    ["False", "Unknown", "failed"],
    ["False", "False", "failed"],
    ["Unknown", "True", "pending"],
    ["Unknown", "Unknown", "pending"],
    ["Unknown", "False", "failed"],
  ])("RegistrySynced %s, Applied %s: %s", (registry, applied, phase) => {
    const reason = "Any";
    const conditions = [
      { type: "RegistrySynced", status: registry, reason },
      { type: "Applied", status: applied, reason },
      { type: "DeletionHeld", status: "True", reason },
    ] as const;
    expect(phaseOf(conditions)).toBe(phase);
    expect(phaseOf([...conditions, { type: "Ready", status: "True", reason: "Suspended" }])).toBe("success");
  });
});
