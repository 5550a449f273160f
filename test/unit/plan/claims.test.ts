import { describe, expect, test } from "vitest";
import type { Entry } from "../../../src/model/entry.ts";
import { type ClaimInputs, claimsOn, mayTakeOver, mayWrite } from "../../../src/plan/claims.ts";
import { planHost } from "../../../src/plan/host.ts";
import { hubIdOf } from "../../../src/translate/names.ts";
import { claimOf, endpointOf, hubOf, inputOf, springEndpointOf, trusted } from "../../support/model.ts";

const [x, y] = [endpointOf("10.0.0.1:20880"), endpointOf("10.0.0.2:20880")];

const host = inputOf().host;
/** Of one moment only: nobody asks how long. */
const now = { monotonic: 0, wall: 0 };
const period = { since: now, until: now };

/** Of a hub that exists, writes, and whose registry is listed and trusted; it lists nothing unless told otherwise. */
function inputsOf(name: string, overrides: Partial<ClaimInputs> = {}): ClaimInputs {
  const hub = hubOf({}, { name });
  return {
    id: hubIdOf(hub.key),
    hub,
    mayWrite: true,
    isPending: false,
    trust: trusted,
    listed: [],
    isUnreadable: false,
    ...overrides,
  };
}

/** The entry of hubs `a` and `b`: one endpoint by both, one by `b`. */
const entry = ((): Entry => {
  const hubs = [inputsOf("a", { listed: [x] }), inputsOf("b", { listed: [x, y] })];
  const { claims } = claimsOn(host, undefined, hubs, () => undefined);
  const { step } = planHost(inputOf({ claims }));
  if (step.op !== "apply") throw new Error(`planned ${step.op}`);
  return step.entry;
})();
const empty: Entry = { ...entry, endpoints: new Map() };
const adoptable: Entry = {
  ...entry,
  ours: false,
  hubs: new Map(),
  registryName: "a",
  endpoints: new Map(
    [...entry.endpoints].map(([hostPort, one]) => [hostPort, { ...one, by: new Set(), registryName: "b" }]),
  ),
};

const never = (): undefined => undefined;
const nameOf = (claim: { readonly name: string }): string => claim.name;
const only = (actual: Entry | undefined, overrides: Partial<ClaimInputs>) =>
  claimsOn(host, actual, [inputsOf("c", overrides)], () => 0).claims.get(hubIdOf("dubbozk/c"));

describe("a hub has a say", () => {
  test("when it lists the host", () => {
    expect(only(undefined, { listed: [x] })).toMatchObject({ key: "dubbozk/c", name: "c", listed: [x] });
    expect(only(undefined, {})).toBeUndefined();
  });

  test("when the entry has its label, or one of the endpoints names it", () => {
    const b = inputsOf("b");
    expect(claimsOn(host, empty, [b], () => 0).claims.get(b.id)?.name).toBe("b");
    const unlabelled = { ...entry, hubs: new Map() };
    const hubs = [inputsOf("a"), b];
    const { claims } = claimsOn(host, unlabelled, hubs, () => 0);
    expect([...claims.values()].map(nameOf)).toEqual(["a", "b"]);
    expect(only(entry, {})).toBeUndefined();
  });

  test("in an entry of the old product that names it, until its registry is listed", () => {
    const say = (name: string, isPending: boolean) =>
      [...claimsOn(host, adoptable, [inputsOf(name, { isPending })], never).claims.values()].map(nameOf);
    expect([say("a", true), say("b", true), say("c", true)]).toEqual([["a"], ["b"], []]);
    expect([say("a", false), say("b", false)]).toEqual([[], []]);
  });
});

describe("of what it does not list a hub says", () => {
  const braking = { ...trusted, losses: new Map([[host, { verdict: "braked" as const, ...period }]]) };
  test.each<[string, "gone" | "unknown", Partial<ClaimInputs>]>([
    ["gone, when it is trusted", "gone", {}],
    ["unknown, before it has settled", "unknown", { trust: { ...trusted, settling: period } }],
    ["unknown, when its registry is lost", "unknown", { trust: { ...trusted, isSynced: false } }],
    ["unknown, in a reset hold", "unknown", { trust: { ...trusted, reset: { ...period, endpoints: 1 } } }],
    ["gone, in the brake's hold, while it lists one", "gone", { trust: braking }],
    ["unknown, when the service could not be read", "unknown", { isUnreadable: true }],
    ["unknown, when it only adds", "unknown", { hub: hubOf({ policy: "upsert-only" }) }],
  ])("%s", (_, unlisted, overrides) => {
    expect(only(undefined, { listed: [x], ...overrides })).toMatchObject({ listed: [x], unlisted });
  });

  test("unknown, in the brake's hold, of the last instance", () => {
    const b = inputsOf("b", { trust: braking });
    const unlisted = (at: string) => claimsOn(at, entry, [b], never).claims.get(b.id)?.unlisted;
    expect([unlisted(host), unlisted("dubbozk/other.dubbozk")]).toEqual(["unknown", "gone"]);
  });

  test("unknown, while it may not write, and lists nothing", () => {
    const b = inputsOf("b", { mayWrite: false, listed: [x] });
    const silent = { mayWrite: false, listed: [], unlisted: "unknown" };
    expect(claimsOn(host, entry, [b], never).claims.get(b.id)).toMatchObject(silent);
    expect(only(undefined, { mayWrite: false, listed: [x] })).toBeUndefined();
  });
});

test("a hub that is suspended or observes does not write", () => {
  const specs = [{}, { policy: "upsert-only" }, { policy: "observe" }, { suspend: true }] as const;
  expect(specs.map((spec) => mayWrite(hubOf(spec)))).toEqual([true, true, false, false]);
});

describe("an owner that does not exist", () => {
  const goneIn: Readonly<Record<string, number>> = { "dubbozk/a": 20, "dubbozk/b": 30 };
  const silent = { mayWrite: false, listed: [], unlisted: "unknown" };

  test("says unknown until it is gone, and the first that may be gone is waited for", () => {
    const { claims, wakeInMs } = claimsOn(host, entry, [], (key) => goneIn[key]);
    expect([...claims.values()]).toMatchObject([
      { name: "a", ...silent },
      { name: "b", ...silent },
    ]);
    expect(wakeInMs).toBe(20);
  });

  test("has no claim when it is gone", () => {
    const { claims, wakeInMs } = claimsOn(host, entry, [], (key) => (key === "dubbozk/a" ? 0 : 20));
    expect([[...claims.values()].map(nameOf), wakeInMs]).toEqual([["b"], 20]);
  });

  test("says unknown for ever where it cannot be told whether it is gone, and where nobody knows its name", () => {
    const nameless = { ...entry, hubs: new Map([...entry.hubs.keys()].map((id) => [id, ""])) };
    const { claims, wakeInMs } = claimsOn(host, nameless, [], () => 0);
    expect([...claims.values()]).toMatchObject([
      { key: "", ...silent },
      { key: "", ...silent },
    ]);
    expect(wakeInMs).toBeUndefined();
    const unlabelled = { ...entry, hubs: new Map() };
    const byEndpoints = claimsOn(host, unlabelled, [], () => 0).claims;
    expect([...byEndpoints.values()]).toMatchObject([
      { key: "", ...silent },
      { key: "", ...silent },
    ]);
    expect(claimsOn(host, entry, [], never)).toMatchObject({ claims: { size: 2 }, wakeInMs: undefined });
  });

  test("comes after those that exist, and keeps the entry without an EnvoyFilter if it has none", () => {
    const plain = { ...entry, l7: false };
    const { claims } = claimsOn(host, plain, [inputsOf("c", { listed: [x] })], () => 20);
    expect([...claims.values()].map(({ name, l7 }) => [name, l7])).toEqual([
      ["c", true],
      ["a", false],
      ["b", false],
    ]);
  });
});

describe("the host's ServiceEntry may be written", () => {
  const claims = new Map([["c", claimOf("dubbozk/c", { listed: [x] })]]);
  const spring = (registryName: string): Entry => ({
    ...adoptable,
    shape: { ...adoptable.shape, service: springEndpointOf(x.hostPort).service },
    registryName,
  });
  test.each([
    ["ours", { ownership: "ours", entry }, true],
    ["ours, though it has no port", { ownership: "ours", entry: undefined }, true],
    ["the old product's of a Dubbo service", { ownership: "adoptable", entry: adoptable }, true],
    ["the old product's that names the hub", { ownership: "adoptable", entry: spring("c") }, true],
    ["the old product's that names another hub", { ownership: "adoptable", entry: spring("d") }, false],
    ["the old product's, unreadable", { ownership: "adoptable", entry: undefined }, false],
    ["somebody else's", { ownership: "foreign", entry: adoptable }, false],
    ["somebody else's, unreadable", { ownership: "foreign", entry: undefined }, false],
  ] as const)("%s: %s", (_, existing, may) => {
    expect(mayTakeOver(existing, claims)).toBe(may);
  });
});
