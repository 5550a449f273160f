import { describe, expect, test } from "vitest";
import type { Entry } from "../../../src/model/entry.ts";
import type { RegistryHubSpec } from "../../../src/model/registryhub.ts";
import { type ClaimInputs, claimsOn, mayTakeOver, mayWrite } from "../../../src/plan/claims.ts";
import { planHost } from "../../../src/plan/host.ts";
import type { TrustState } from "../../../src/plan/trust-state.ts";
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
    hub,
    mayWrite: true,
    trust: trusted,
    listed: [],
    isUnknown: false,
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

  test("when the entry names it", () => {
    const b = inputsOf("b");
    expect(claimsOn(host, empty, [b], () => 0).claims.get(b.hub.id)?.name).toBe("b");
    expect(only(entry, {})).toBeUndefined();
  });

  test("in an entry of the old product that names it, until it has settled", () => {
    const say = (name: string, trust: Partial<TrustState>) =>
      [
        ...claimsOn(
          host,
          adoptable,
          [inputsOf(name, { trust: { ...trusted, ...trust } })],
          never,
        ).claims.values(),
      ].map(nameOf);
    for (const trust of [{ isSynced: false }, { settling: period }])
      expect([say("a", trust), say("b", trust), say("c", trust)]).toEqual([["a"], ["b"], []]);
    expect([say("a", {}), say("b", {})]).toEqual([[], []]);
  });
});

describe("an id counts only with the name behind it", () => {
  const b = inputsOf("b");
  /** Its id is the one of `b`. */
  const namesake = (spec: Partial<RegistryHubSpec> = {}, overrides: Partial<ClaimInputs> = {}) => ({
    ...b,
    hub: { ...hubOf(spec, { name: "n", namespace: "evil" }), id: b.hub.id },
    ...overrides,
  });
  const said = (actual: Entry | undefined, ...hubs: readonly ClaimInputs[]) =>
    claimsOn(host, actual, hubs, never).claims.get(b.hub.id);
  const nameless = { ...entry, hubs: new Map([[b.hub.id, ""]]) };

  test("of two hubs with one id the one that the entry names is heard, whatever the other lists", () => {
    for (const hubs of [
      [b, namesake({}, { listed: [x] })],
      [namesake({}, { listed: [x] }), b],
    ])
      expect(said(entry, ...hubs)).toMatchObject({ key: "dubbozk/b", listed: [], unlisted: "gone" });
  });

  test("where nothing names either, the older one is heard", () => {
    const listing = namesake({}, { listed: [x] });
    expect(said(undefined, listing, { ...b, listed: [x] })?.key).toBe("evil/n");
    expect(said(undefined, { ...b, listed: [x] }, listing)?.key).toBe("dubbozk/b");
  });

  test("where there is neither entry nor hub, nobody is heard", () => {
    expect(claimsOn(host, undefined, [], never).claims.size).toBe(0);
  });

  test("a hub is not heard about an entry that names another, which is missing", () => {
    const missing = { key: "dubbozk/b", mayWrite: false, unlisted: "unknown" };
    expect(said(entry, namesake())).toMatchObject(missing);
    expect(claimsOn(host, entry, [namesake()], () => 0).claims.size).toBe(0);
  });

  test("without a name it counts in the hub's target", () => {
    expect(said(nameless, b)).toMatchObject({ key: "dubbozk/b", unlisted: "gone" });
    expect(said(nameless, namesake({ generate_to: "evil" }))).toMatchObject({ key: "", unlisted: "unknown" });
  });

  test("with the name it counts outside the target, for hosts of their own namespace", () => {
    const moved = inputsOf("b", { hub: hubOf({ generate_to: "elsewhere" }, { name: "b" }) });
    expect(said(entry, moved)).toMatchObject({ key: "dubbozk/b", unlisted: "gone" });
    const odd = claimsOn("dubbozk/demo.other", entry, [moved], () => 0);
    expect(odd.claims.get(b.hub.id)).toMatchObject({ mayWrite: false, unlisted: "unknown" });
    expect(odd.isUnexplained).toBe(true);
  });
});

describe("nobody explains an entry", () => {
  const explained = (actual: Entry | undefined, ...hubs: readonly ClaimInputs[]) =>
    !claimsOn(host, actual, hubs, () => 0).isUnexplained;
  const nobody: Entry = { ...entry, hubs: new Map() };

  test("that names no hub, unless one lists it or it is not ours", () => {
    expect(explained(nobody)).toBe(false);
    expect(explained(nobody, inputsOf("a", { listed: [x] }))).toBe(true);
    expect(explained({ ...nobody, ours: false })).toBe(true);
    expect(explained(undefined)).toBe(true);
  });

  test("that names a hub whose name is lost, unless that hub exists", () => {
    const nameless = { ...entry, hubs: new Map([...entry.hubs.keys()].map((id) => [id, ""])) };
    expect(explained(nameless, inputsOf("a"))).toBe(false);
    expect(explained(nameless, inputsOf("a"), inputsOf("b"))).toBe(true);
    expect(explained(entry)).toBe(true);
  });

  test("of which one endpoint names nobody, but not the hub that has not settled and that it names for people", () => {
    const endpoints = new Map([[x.hostPort, { ...x, by: new Set<string>(), registryName: "c" }]]);
    const stripped: Entry = { ...nobody, registryName: "d", endpoints };
    const trust = { ...trusted, isSynced: false };
    const elsewhere = hubOf({ generate_to: "elsewhere" }, { name: "c" });
    expect(explained(stripped, inputsOf("c", { trust }))).toBe(true);
    expect(explained(stripped, inputsOf("c"), inputsOf("d", { trust }))).toBe(false);
    expect(explained(stripped, inputsOf("c", { trust, hub: elsewhere }))).toBe(false);
    const byOther = { ...x, by: new Set([hubIdOf("dubbozk/b")]), registryName: "c" };
    const named: Entry = { ...stripped, endpoints: new Map([[x.hostPort, byOther]]) };
    expect(explained(named, inputsOf("c", { trust }))).toBe(false);
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
    ["unknown, when the service could not be read", "unknown", { isUnknown: true }],
    ["unknown, when it only adds", "unknown", { hub: hubOf({ policy: "upsert-only" }, { name: "c" }) }],
  ])("%s", (_, unlisted, overrides) => {
    expect(only(undefined, { listed: [x], ...overrides })).toMatchObject({ listed: [x], unlisted });
  });

  test("unknown, in the brake's hold, of the last instance", () => {
    const b = inputsOf("b", { trust: braking });
    const unlisted = (at: string) => claimsOn(at, entry, [b], never).claims.get(b.hub.id)?.unlisted;
    expect([unlisted(host), unlisted("dubbozk/other.dubbozk")]).toEqual(["unknown", "gone"]);
  });

  test("unknown, while it may not write, and lists nothing", () => {
    const b = inputsOf("b", { mayWrite: false, listed: [x] });
    const silent = { mayWrite: false, listed: [], unlisted: "unknown" };
    expect(claimsOn(host, entry, [b], never).claims.get(b.hub.id)).toMatchObject(silent);
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
    const { claims, wakeInMs, isUnexplained } = claimsOn(host, entry, [], (key) => goneIn[key]);
    expect([...claims.values()]).toMatchObject([
      { name: "a", ...silent },
      { name: "b", ...silent },
    ]);
    expect([wakeInMs, isUnexplained]).toEqual([20, false]);
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
    expect(claimsOn(host, entry, [], never)).toMatchObject({ claims: { size: 2 }, wakeInMs: undefined });
  });

  test("comes after those that exist, and keeps the entry without an EnvoyFilter if it has none, and without ejection", () => {
    const said = { exportTo: ["shop"], subjectAltNames: ["spiffe://c/ns/a/sa/b"] };
    const plain = { ...entry, l7: false, outlierDetection: false, ...said };
    const { claims } = claimsOn(host, plain, [inputsOf("c", { listed: [x] })], () => 20);
    expect([...claims.values()].map(({ exportTo }) => exportTo)).toEqual([undefined, ["shop"], ["shop"]]);
    expect([...claims.values()].map(({ identity }) => identity)).toEqual(["auto", undefined, undefined]);
    expect([...claims.values()].slice(1)).toMatchObject([said, said]);
    expect(
      [...claims.values()].map(({ name, l7, outlierDetection }) => [name, l7, outlierDetection]),
    ).toEqual([
      ["c", true, undefined],
      ["a", false, false],
      ["b", false, false],
    ]);
  });
});

describe("the host's ServiceEntry may be written", () => {
  const claims = new Map(["b", "c"].map((name) => [name, claimOf(`dubbozk/${name}`, { listed: [x] })]));
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
