import { describe, expect, test } from "vitest";
import type { Claim, Endpoint, Entry, ServiceIdentity } from "../../../src/model/entry.ts";
import { planHost } from "../../../src/plan/host.ts";
import { hubIdOf } from "../../../src/translate/names.ts";
import { claimOf, endpointOf, greeting, inputOf, springEndpointOf } from "../../support/model.ts";

const key = "dubbozk/a";
const id = hubIdOf(key);
const exact = `gray/${greeting}`;
const of = (service: Partial<ServiceIdentity>, ...at: readonly number[]): readonly Endpoint[] =>
  at.map((last) => {
    const endpoint = endpointOf(`10.0.0.${last}:20880`);
    return { ...endpoint, service: { ...endpoint.service, ...service } };
  });
const plan = (actual: Entry | undefined, claim: Partial<Claim>, rest: Parameters<typeof inputOf>[0] = {}) =>
  planHost(inputOf({ actual, claims: new Map([[id, claimOf(key, claim)]]), ...rest }));
function entryAfter(...args: Parameters<typeof plan>): Entry {
  const { step } = plan(...args);
  if (step.op !== "apply") throw new Error(`planned ${step.op}`);
  return step.entry;
}
const away = { listed: [], unlisted: "unknown" } as const;

describe("what somebody removed from an entry", () => {
  const whole = entryAfter(undefined, { listed: of({ serviceKey: exact }, 1) });
  const without = (removed: Partial<ServiceIdentity>): Entry => {
    const service = { ...whole.shape.service, ...removed };
    const endpoints = new Map([...whole.endpoints].map(([at, one]) => [at, { ...one, service }]));
    return { ...whole, shape: { ...whole.shape, service }, endpoints };
  };

  test.each([
    ["its interface", { name: "" }],
    ["its exact service", { serviceKey: "" }],
    ["both", { name: "", serviceKey: "" }],
  ])("is as it was last seen, while no registry tells: %s", (_, removed) => {
    expect(entryAfter(without(removed), away, { remembered: whole }).shape).toEqual(whole.shape);
  });

  test("is nothing where the entry tells another service than the one that was seen", () => {
    const other = without({ name: "demo.B", serviceKey: "demo.B" });
    expect(entryAfter(other, away, { remembered: whole }).shape).toEqual(other.shape);
  });

  test("is nothing where what was seen was of another kind", () => {
    const spring = entryAfter(undefined, { listed: [springEndpointOf("10.0.0.1:9000")] });
    const nameless = without({ name: "", serviceKey: "" });
    expect(entryAfter(nameless, away, { remembered: spring }).shape).toEqual(nameless.shape);
  });
});

describe("an entry that does not tell its exact service", () => {
  const untold = entryAfter(undefined, { listed: of({}, 1, 2, 3) });
  const toldBy = (listed: readonly Endpoint[], actual = untold) =>
    entryAfter(actual, { listed, unlisted: "unknown" }).shape.service.serviceKey;

  test("tells it once most of what it has is read", () => {
    expect(toldBy(of({ serviceKey: exact }, 1, 2))).toBe(exact);
    expect(toldBy(of({ serviceKey: exact }, 1))).toBe("");
  });

  test("does not count what it has not got yet", () => {
    const two = entryAfter(undefined, { listed: of({}, 1, 2) });
    expect(toldBy(of({ serviceKey: exact }, 1, 9), two)).toBe("");
  });
});

test("the incumbent keeps its host against the same interface in another group", () => {
  const [first, other] = [of({ serviceKey: exact }, 1), of({ serviceKey: `red/${greeting}` }, 2)];
  const incumbent = entryAfter(undefined, { listed: first });
  const detail = `service ${exact} already owns this host, and this is red/${greeting}; give one of the two another group or version`;
  const { problems } = plan(incumbent, { listed: [...other, ...first] });
  expect(problems.get(id)).toMatchObject([{ code: "HostConflict", severity: "rejected", detail }]);
});
