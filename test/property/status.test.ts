import fc from "fast-check";
import { expect, test } from "vitest";
import { problemCodes } from "../../src/model/problems.ts";
import { reasons } from "../../src/model/reasons.ts";
import type { HubStatus } from "../../src/model/registryhub.ts";
import { phaseOf } from "../../src/status/conditions.ts";
import { type HubView, hubStatusOf, type RegistryView, statusChange } from "../../src/status/hub-status.ts";
import { hubOf, writtenEntries } from "../support/model.ts";

const [first, second] = ["2024-02-04T03:00:00Z", "2024-02-04T04:00:00Z"] as const;
const text = fc.string({ unit: "binary", maxLength: 600 });
const keysOf = <T extends object>(table: T) =>
  fc.constantFrom(...(Object.keys(table) as (keyof T & string)[]));

const registry: fc.Arbitrary<RegistryView> = fc.oneof(
  fc.constant({ state: "synced" } as const),
  fc.constant({ state: "connecting" } as const),
  fc.record({
    state: fc.constant("failed" as const),
    code: keysOf(reasons.RegistrySynced.False),
    detail: text,
    nextStep: text,
  }),
);
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const hold = fc.constant({ since: first, until: second, services: 1, endpoints: 2 });

const views: fc.Arbitrary<HubView> = fc.record({
  hub: fc
    .record({ suspend: fc.boolean(), policy: fc.constantFrom("sync", "upsert-only", "observe") })
    .map((spec) => hubOf(spec)),
  previous: fc.constant(undefined),
  registry,
  progress: fc.record({
    isListed: fc.boolean(),
    hasAnswered: fc.boolean(),
    hasMoved: fc.boolean(),
    isFresh: fc.boolean(),
  }),
  failure: optional(fc.record({ reason: keysOf(reasons.Applied.False), detail: text, nextStep: text })),
  syncing: fc.constantFrom("no", "briefly", "long"),
  held: optional(fc.record({ reason: keysOf(reasons.DeletionHeld.True), hold })),
  entries: fc
    .dictionary(fc.domain(), fc.constant(first), { maxKeys: 3 })
    .map((names) => writtenEntries(Object.entries(names).map(([name, writtenAt]) => ({ name, writtenAt })))),
  services: fc.nat(9),
  endpoints: fc.nat(9),
  excluded: fc.nat(9),
  problems: fc.array(
    fc.record({
      at: text,
      code: keysOf(problemCodes),
      detail: text,
      severity: fc.constantFrom("rejected", "warning"),
    }),
    { maxLength: 30 },
  ),
  plan: fc.constant(undefined),
  origin: fc.constantFrom("", "o1"),
});

/** Two looks at a hub, one after the other. */
const pairs = fc.tuple(views, views).map(([before, after]): readonly [HubStatus, HubStatus, HubView] => {
  const previous = hubStatusOf(before, first);
  return [previous, hubStatusOf({ ...after, previous }, second), { ...after, previous }];
});
const conditionsByType = (status: HubStatus) => new Map(status.conditions.map((one) => [one.type, one]));
/** Every law holds for whatever was said before and whatever the world looks like now. */
const law = (holds: (before: HubStatus, after: HubStatus, view: HubView) => void): void =>
  fc.assert(
    fc.property(pairs, (pair) => holds(...pair)),
    { numRuns: 300 },
  );

test("phase is a function of the conditions", () =>
  law((_, { phase, conditions }) => {
    expect(phase).toBe(phaseOf(conditions));
  }));

test("a suspended hub is as asked, whatever was the matter before", () =>
  law((before, after, { hub }) => {
    if (after === before) return; // at a start the earlier status stays for a moment, as it is
    const ready = conditionsByType(after).get("Ready");
    const isAsAsked = ready?.status === "True" && after.phase === "success";
    expect([ready?.reason === "Suspended", isAsAsked || !hub.suspend]).toEqual([hub.suspend, true]);
  }));

test("lastTransitionTime moves if and only if the status moves", () =>
  law((before, after) => {
    for (const [type, condition] of conditionsByType(after)) {
      const previous = conditionsByType(before).get(type);
      expect(condition.lastTransitionTime).toBe(condition.status === previous?.status ? first : second);
    }
  }));

test("the same view twice is nothing to write", () =>
  law((_, after, view) => {
    expect(statusChange(after, hubStatusOf({ ...view, previous: after }, second))).toBe("none");
  }));

test("every reason is one of its closed set", () =>
  law((_, { conditions }) => {
    const every = Object.values(reasons.RegistrySynced).flatMap(Object.keys);
    const applied = Object.values(reasons.Applied).flatMap(Object.keys);
    for (const { type, status, reason } of conditions) {
      const own: readonly string[] = Object.keys(reasons[type][status]);
      expect(type === "Ready" ? [...own, ...every, ...applied] : own).toContain(reason);
    }
  }));

test("failed_reason and record_time stand on Ready, while the phase is failed", () =>
  law((_, { phase, conditions }) => {
    for (const { type, ...rest } of conditions) {
      const has = ["failed_reason", "record_time"].map((field) => field in rest);
      const should = type === "Ready" && phase === "failed";
      expect(has).toEqual([should, should]);
    }
  }));

test("what is written is what the API server hands back", () =>
  law((_, after) => {
    const sent = Buffer.from(JSON.stringify(after.problems)).toString();
    expect(JSON.parse(sent)).toEqual(after.problems);
    expect(JSON.stringify(after.problems).isWellFormed()).toBe(true);
    expect(after.problems.every(({ at, problem }) => at.isWellFormed() && problem.isWellFormed())).toBe(true);
  }));
