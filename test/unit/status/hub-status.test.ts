import { describe, expect, test } from "vitest";
import type { Problem } from "../../../src/model/problems.ts";
import type { HubStatus } from "../../../src/model/registryhub.ts";
import { type HubView, hubStatusOf, statusChange } from "../../../src/status/hub-status.ts";
import { hubOf, hubView, writtenEntries } from "../../support/model.ts";

const [now, later] = ["2024-02-04T02:53:25Z", "2024-02-04T02:59:00Z"] as const;
const unreachable = {
  state: "failed",
  code: "RegistryUnreachable",
  detail: "lookup zookeeper1.default: no such host",
  nextStep: "Check spec.address.",
} as const;
const noNamespace = {
  reason: "NamespaceMissing",
  detail: "namespace x does not exist",
  nextStep: "Create it.",
} as const;
const connecting = { state: "connecting" } as const;
const listed = { isListed: true, hasAnswered: true, hasMoved: false, isFresh: false } as const;
/** A process that waits for the registry: for a moment, or for longer. */
const waiting = { isListed: false, hasAnswered: false, hasMoved: false, isFresh: false } as const;
const fresh = { ...waiting, isFresh: true } as const;

const status = (overrides: Partial<HubView> = {}, at: string = now): HubStatus =>
  hubStatusOf(hubView(overrides), at);
const condition = (of: HubStatus, type: string) => of.conditions.find((one) => one.type === type);
const verdict = (of: HubStatus): readonly string[] => [
  of.phase,
  ...["RegistrySynced", "Applied", "Ready"].map(
    (type) => `${condition(of, type)?.status} ${condition(of, type)?.reason}`,
  ),
];

describe("conditions and phase", () => {
  test.each<[string, Partial<HubView>, readonly string[]]>([
    ["all is well", {}, ["success", "True Synced", "True Applied", "True Ready"]],
    [
      "writes are on their way",
      { syncing: "long" },
      ["success", "True Synced", "Unknown Syncing", "Unknown Syncing"],
    ],
    [
      "the first listing is awaited",
      { registry: connecting, progress: waiting },
      ["pending", "Unknown Connecting", "Unknown Syncing", "Unknown Connecting"],
    ],
    [
      "the registry is away",
      { registry: unreachable },
      ["failed", "False RegistryUnreachable", "True Applied", "False RegistryUnreachable"],
    ],
    [
      "the target is missing",
      { failure: noNamespace },
      ["failed", "True Synced", "False NamespaceMissing", "False NamespaceMissing"],
    ],
    [
      "both",
      { registry: unreachable, failure: noNamespace },
      ["failed", "False RegistryUnreachable", "False NamespaceMissing", "False RegistryUnreachable"],
    ],
    [
      "it only observes",
      { hub: hubOf({ policy: "observe" }) },
      ["success", "True Synced", "True Observing", "True Observing"],
    ],
    [
      "it is suspended from the start",
      { hub: hubOf({ suspend: true }), registry: connecting, progress: waiting },
      ["success", "Unknown Connecting", "Unknown Syncing", "True Suspended"],
    ],
  ])("%s", (_, overrides, expected) => {
    const told = status(overrides);
    expect(verdict(told)).toEqual(expected);
    for (const { message } of told.conditions) expect(message).toMatch(/^\S.*\.$/);
  });

  test("each has a time of its own", () => {
    const times = (of: HubStatus) => of.conditions.map((one) => one.lastTransitionTime);
    expect(times(status({ previous: status(), failure: noNamespace }, later))).toEqual([
      now,
      later,
      now,
      later,
    ]);
  });

  test("while suspended the registry and the writes keep what was known", () => {
    const failed = status({ registry: unreachable });
    const suspended = status(
      { hub: hubOf({ suspend: true }), previous: failed, registry: connecting },
      later,
    );
    expect(verdict(suspended)).toEqual([
      "success",
      "False RegistryUnreachable",
      "True Applied",
      "True Suspended",
    ]);
    expect(condition(suspended, "RegistrySynced")?.message).toBe(
      condition(failed, "RegistrySynced")?.message,
    );
    expect(condition(suspended, "Ready")).not.toHaveProperty("failed_reason");
    const targetless = { hub: hubOf({ suspend: true }), previous: status(), failure: noNamespace };
    expect(verdict(status(targetless, later))[2]).toBe("True Applied");
  });

  test("writes that are quick are not told, for what was said is not contradicted", () => {
    const brief = (overrides: Partial<HubView>) =>
      verdict(status({ previous: status(), syncing: "briefly", ...overrides }))[2];
    expect(brief({})).toBe("True Applied");
    expect(brief({ failure: noNamespace })).toBe("False NamespaceMissing");
    expect(brief({ previous: status({ failure: noNamespace }) })).toBe("Unknown Syncing");
    expect(brief({ hub: hubOf({ l7: false }, { generation: 2 }) })).toBe("Unknown Syncing");
    expect(brief({ hub: hubOf({ generate_to: "elsewhere" }) })).toBe("Unknown Syncing");
  });
});

describe("a status of an earlier process", () => {
  const problem = { at: "x", code: "BadPort", detail: "port 0", severity: "rejected" } as const;
  const hold = { since: now, until: later, services: 7, endpoints: 31 };
  const before = status({ problems: [problem], held: { reason: "Settling", hold } });
  const next = (overrides: Partial<HubView>) =>
    status({ previous: before, registry: connecting, progress: waiting, ...overrides }, later);

  test("stays as it is while nothing has happened yet", () => {
    expect(next({ progress: fresh, failure: noNamespace })).toEqual(before);
    const edited = { hub: hubOf({ l7: false }, { generation: 2 }) };
    expect(next({ ...edited, progress: fresh })).toEqual(before); // and does not claim to have seen the edit
  });

  test.each<[string, Partial<HubView>]>([
    ["the registry stays silent", {}],
    ["it answers with an error", { registry: unreachable, progress: { ...fresh, hasAnswered: true } }],
  ])(
    "keeps what it says of the writes when %s, and no hold that this process does not know",
    (_, overrides) => {
      const kept = next(overrides);
      expect(verdict(kept)[2]).toBe("True Applied");
      expect(kept).toMatchObject({ rejected: 1, problems: before.problems });
      expect(condition(kept, "DeletionHeld")?.reason).toBe("NothingHeld");
      expect(kept.phase).toBe(overrides.registry === undefined ? "pending" : "failed");
    },
  );

  test("keeps the plan of a hub that observes (H6)", () => {
    const hub = hubOf({ policy: "observe" });
    const [plan, none] = [
      { create: 3, change: 0, remove: 1 },
      { create: 0, change: 0, remove: 0 },
    ];
    const previous = status({ hub, plan });
    expect(next({ hub, previous, plan: none }).plan).toEqual(plan);
    expect(next({ hub, previous, plan: none, progress: listed, syncing: "briefly" }).plan).toEqual(plan);
    expect(next({ hub, previous, plan: none, progress: listed }).plan).toEqual(none);
    expect(next({ previous })).not.toHaveProperty("plan");
  });

  test("does not keep a failed write that is over (H16)", () => {
    const previous = status({ failure: noNamespace });
    expect(verdict(next({ previous }))[2]).toBe("Unknown Syncing");
    expect(verdict(next({ previous, failure: noNamespace }))[2]).toBe("False NamespaceMissing");
  });

  test.each<[string, Partial<HubView>]>([
    ["of another address", { hub: hubOf({ address: "other:2181" }) }],
    ["of another type", { hub: hubOf({ type: "nacos" }) }],
    ["of another target", { hub: hubOf({ generate_to: "elsewhere" }) }],
    ["of another root, as this process has seen", { progress: { ...fresh, hasMoved: true } }],
    ["of the old product", { previous: { ...before, conditions: [] } }],
  ])("is not kept %s (H16)", (_, overrides) => {
    const after = next({ progress: fresh, ...overrides });
    expect(verdict(after)).toEqual([
      "pending",
      "Unknown Connecting",
      "Unknown Syncing",
      "Unknown Connecting",
    ]);
    expect(after).toMatchObject({ rejected: 0, problems: [] });
  });

  test("does not stand for another spec, once the registry is silent for long", () => {
    expect(verdict(next({ hub: hubOf({ l7: false }, { generation: 2 }) }))[2]).toBe("Unknown Syncing");
  });

  test("of a suspended hub keeps registry, writes and problems, but not those of another registry", () => {
    const hub = hubOf({ suspend: true }, { generation: 2 });
    const suspended = next({ hub });
    expect(verdict(suspended).slice(1, 3)).toEqual(["True Synced", "True Applied"]);
    expect(suspended.problems).toEqual(before.problems);
    const moved = next({ hub: { ...hub, target: "elsewhere" } });
    expect(verdict(moved).slice(1, 3)).toEqual(["Unknown Connecting", "Unknown Syncing"]);
    const other = next({ hub, progress: { ...waiting, hasMoved: true } });
    expect(verdict(other).slice(1, 3)).toEqual(["Unknown Connecting", "Unknown Syncing"]);
    const invalid = status({ registry: { ...unreachable, code: "InvalidSpec" } });
    expect(verdict(next({ hub, previous: invalid }))[1]).toBe("Unknown Connecting"); // the edit is another try
    const conditions = before.conditions.filter(({ type }) => type === "RegistrySynced");
    const partial = next({ hub, previous: { ...before, conditions } });
    expect(verdict(partial).slice(1, 3)).toEqual(["True Synced", "Unknown Syncing"]);
  });
});

describe("the manual's fields", () => {
  const failing = (): HubStatus => status({ registry: unreachable });

  test("stand on Ready while the phase is failed", () => {
    const failed = failing();
    expect(condition(failed, "Ready")).toEqual({
      type: "Ready",
      status: "False",
      reason: "RegistryUnreachable",
      message: `${unreachable.detail}. Check spec.address; the operator retries by itself.`,
      failed_reason: unreachable.detail,
      record_time: now,
      lastTransitionTime: now,
      observedGeneration: 1,
    });
    const invalid = status({ registry: { ...unreachable, code: "InvalidSpec" } });
    expect(condition(invalid, "Ready")?.message).toBe(`${unreachable.detail}. Check spec.address.`);
    expect(condition(failed, "RegistrySynced")?.failed_reason).toBeUndefined();
    expect(condition(status({ previous: failed }), "Ready")).not.toHaveProperty("failed_reason");
  });

  test("record_time is when this reason first appeared", () => {
    const failed = failing();
    const again = status({ previous: failed, registry: { ...unreachable, detail: "another" } }, later);
    expect(condition(again, "Ready")).toMatchObject({ record_time: now, failed_reason: "another" });
    const other = status(
      { previous: failed, registry: { ...unreachable, code: "RegistryUnauthorized" } },
      later,
    );
    expect(condition(other, "Ready")).toMatchObject({ record_time: later, lastTransitionTime: now });
  });

  test("failed_reason is that of the failure that is left", () => {
    const both = status({ registry: unreachable, failure: noNamespace });
    const left = status({ previous: both, failure: noNamespace }, later);
    expect(condition(left, "Ready")).toMatchObject({
      reason: "NamespaceMissing",
      failed_reason: noNamespace.detail,
    });
  });

  test("entries are named with the time of our last write, at most 200 of them", () => {
    expect(status().serviceentries).toEqual({ "aeraki-x": "2024-02-04T03:04:20Z" });
    const names = Array.from({ length: 205 }, (_, i) => `n${String(i).padStart(3, "0")}`);
    const many = status({ entries: writtenEntries(names.map((name) => ({ name, writtenAt: now }))) });
    expect(Object.keys(many.serviceentries)).toEqual(names.slice(0, 200));
    expect(many.truncated).toBe(5);
  });
});

describe("held removals", () => {
  const hold = { since: now, until: later, services: 7, endpoints: 31 };

  test.each(["Settling", "Shrunk", "RegistryReset"] as const)("%s is told, and no failure", (reason) => {
    const held = status({ held: { reason, hold } });
    expect(condition(held, "DeletionHeld")).toMatchObject({ status: "True", reason });
    expect(held).toMatchObject({ hold, phase: "success" });
    expect(condition(held, "Ready")?.status).toBe("True");
  });

  test("nothing is held: no hold", () => {
    expect(condition(status(), "DeletionHeld")).toMatchObject({ status: "False", reason: "NothingHeld" });
    expect(status()).not.toHaveProperty("hold");
  });
});

describe("problems", () => {
  const problem = (at: string, severity: Problem["severity"] = "rejected"): Problem => ({
    at,
    code: "BadPort",
    detail: "port 0 is not 1..65535",
    severity,
  });

  test("the first 20, sorted, rejections first; all rejections are counted", () => {
    const many = Array.from({ length: 30 }, (_, i) => problem(`n${String(29 - i).padStart(2, "0")}`));
    const { problems, rejected } = status({ problems: [problem("warned", "warning"), ...many] });
    expect(rejected).toBe(30);
    expect(problems).toHaveLength(20);
    expect(problems[0]).toEqual({
      at: "n00",
      problem: "BadPort: port 0 is not 1..65535",
      severity: "rejected",
    });
  });

  test("in what order they come makes no difference", () => {
    const ats = ["c", "a", "b", "d"];
    const told = (list: readonly string[]) =>
      status({ problems: list.map((at) => problem(at)) }).problems.map(({ at }) => at);
    for (const list of [ats, ats.toReversed()]) expect(told(list)).toEqual(["a", "b", "c", "d"]);
  });

  test("a long text is cut, and never inside of a character", () => {
    const told = (at: string) => status({ problems: [problem(at)] }).problems[0]?.at;
    expect(told("a".repeat(512))).toBe("a".repeat(512));
    expect(told(`${"a".repeat(512)}b`)).toBe(`${"a".repeat(512)}…`);
    expect(told(`${"a".repeat(511)}😀😀`)).toBe(`${"a".repeat(511)}\u{FFFD}…`);
  });

  test("control characters of a registry are replaced, those of a terminal's commands as well (I18)", () => {
    const one = { ...problem("a\u001b]0;x\u0007b"), detail: "c\u001b[2Jd\u009b2J\n\te\u007f" };
    expect(status({ problems: [one] }).problems[0]).toMatchObject({
      at: "a\uFFFD]0;x\uFFFDb",
      problem: "BadPort: c\uFFFD[2Jd\uFFFD2J e\uFFFD",
    });
  });

  test("the largest status stays below 256 kB", () => {
    const long = "ü".repeat(5_000);
    const names = Array.from({ length: 500 }, (_, i) => `${i}-${"n".repeat(245)}`);
    const largest = status({
      problems: Array.from({ length: 50 }, () => problem(long)),
      entries: writtenEntries(names.map((name) => ({ name, writtenAt: now }))),
    });
    expect(Buffer.byteLength(JSON.stringify(largest))).toBeLessThan(256 * 1024);
  });

  test("the origin and the plan are told", () => {
    const plan = { create: 3, change: 0, remove: 1 };
    const hub = hubOf({ policy: "observe" });
    expect(status({ hub, plan })).toMatchObject({ origin: "0x2/1692673338277", plan });
    expect(status()).not.toHaveProperty("plan");
  });
});

describe("what is worth a write", () => {
  const before = status();
  test.each<[string, Partial<HubView>, ReturnType<typeof statusChange>]>([
    ["only times", { entries: writtenEntries([{ name: "aeraki-x", writtenAt: later }]) }, "none"],
    ["a count", { endpoints: 3 }, "counts"],
    ["another entry", { entries: writtenEntries([{ name: "aeraki-y", writtenAt: now }]) }, "counts"],
    ["a problem", { problems: [{ at: "x", code: "BadPort", detail: "d", severity: "rejected" }] }, "counts"],
    ["a warning", { problems: [{ at: "x", code: "BadPort", detail: "d", severity: "warning" }] }, "counts"],
    ["a condition", { syncing: "long" }, "conditions"],
    ["the origin", { origin: "other" }, "conditions"],
    ["a generation", { hub: hubOf({}, { generation: 2 }) }, "conditions"],
    ["an address", { hub: hubOf({ address: "other:2181" }) }, "conditions"],
  ])("%s: %s", (_, overrides, change) => {
    expect(statusChange(before, status({ previous: before, ...overrides }, later))).toBe(change);
  });

  test("what is held, and what would be written", () => {
    const hub = hubOf({ policy: "observe" });
    const plan = { create: 3, change: 0, remove: 1 };
    const hold = { since: now, until: later, services: 7, endpoints: 31 };
    const told = (overrides: object, held: object = {}) =>
      status({
        hub,
        plan: { ...plan, ...overrides },
        held: { reason: "Shrunk", hold: { ...hold, ...held } },
      });
    expect(statusChange(told({}), told({}))).toBe("none");
    for (const other of [{ create: 4 }, { change: 1 }, { remove: 0 }])
      expect(statusChange(told({}), told(other))).toBe("counts");
    for (const other of [{ services: 8 }, { endpoints: 30 }])
      expect(statusChange(told({}), told({}, other))).toBe("counts");
    expect(statusChange(told({}), told({}, { until: now }))).toBe("conditions");
  });

  test("the first status", () => {
    expect(statusChange(undefined, before)).toBe("conditions");
  });

  test("another problem in the place of one", () => {
    const warned = (detail: string) =>
      status({ problems: [{ at: "x", code: "BadPort", detail, severity: "warning" }] });
    expect(statusChange(warned("one"), warned("another"))).toBe("counts");
    expect(statusChange(warned("one"), warned("one"))).toBe("none");
  });

  test("not the order in which the API server gives the names of entries", () => {
    const named = (...names: string[]): HubStatus => ({
      ...before,
      serviceentries: Object.fromEntries(names.map((name) => [name, now])),
    });
    expect(statusChange(named("b", "a"), named("a", "b"))).toBe("none");
  });
});
