import { describe, expect, test } from "vitest";
import type { Claim, Endpoint } from "../../../src/model/entry.ts";
import { planHost } from "../../../src/plan/host.ts";
import { withoutVirtualAddresses } from "../../../src/plan/virtual-addresses.ts";
import { claimOf, endpointOf, inputOf } from "../../support/model.ts";

const real = endpointOf("10.0.0.1:20880");
const [virtual, other] = [endpointOf("240.241.0.1:20880"), endpointOf("240.241.0.2:20880")];
const isVirtual = (address: string): boolean => address.startsWith("240.241.");

const claimsOf = (lists: Readonly<Record<string, readonly Endpoint[]>>): ReadonlyMap<string, Claim> =>
  new Map(Object.entries(lists).map(([name, listed]) => [name, claimOf(`dubbozk/${name}`, { listed })]));
const listedOf = (claims: ReadonlyMap<string, Claim>) =>
  Object.fromEntries([...claims].map(([name, { listed }]) => [name, listed.map(({ hostPort }) => hostPort)]));
const entryWith = (...listed: readonly Endpoint[]) => {
  const { step } = planHost(inputOf({ claims: claimsOf({ a: listed }), isVirtual: () => false }));
  if (step.op !== "apply") throw new Error(`planned ${step.op}`);
  return step.entry;
};

describe("an instance in the range of virtual IPs", () => {
  test("is not added, whatever else the hub lists, and the other hubs list what they did", () => {
    const before = claimsOf({ a: [virtual, real], b: [real], c: [other] });
    const { claims, problems } = withoutVirtualAddresses(before, entryWith(real), isVirtual);
    expect(listedOf(claims)).toEqual({ a: [real.hostPort], b: [real.hostPort], c: [] });
    expect(claims.get("a")).toEqual({ ...before.get("a"), listed: [real] });
    expect([...problems.keys()]).toEqual(["a", "c"]);
    expect(problems.get("a")).toEqual([
      {
        at: `${virtual.service.name} 240.241.0.1:20880`,
        code: "BadAddress",
        detail:
          "240.241.0.1 is in --vip-cidr, the range of virtual IPs; have the provider register a routable address",
        severity: "rejected",
      },
    ]);
  });

  test("is not added to a host that has no entry", () => {
    const { claims, problems } = withoutVirtualAddresses(claimsOf({ a: [virtual] }), undefined, isVirtual);
    expect(listedOf(claims)).toEqual({ a: [] });
    expect(problems.get("a")).toMatchObject([{ severity: "rejected" }]);
  });

  test("stays where the entry has it, with a warning, and no other comes", () => {
    const actual = entryWith(virtual);
    const { claims, problems } = withoutVirtualAddresses(
      claimsOf({ a: [other, virtual] }),
      actual,
      isVirtual,
    );
    expect(listedOf(claims)).toEqual({ a: [virtual.hostPort] });
    expect(problems.get("a")).toMatchObject([
      { detail: expect.stringContaining("240.241.0.2 "), severity: "rejected" },
      {
        detail:
          "240.241.0.1 is in --vip-cidr, the range of virtual IPs, and stays while it is registered; take another range",
        severity: "warning",
      },
    ]);
  });

  test("is told by the plan of its host, also where that makes nothing", () => {
    const told = (listed: readonly Endpoint[]) => {
      const { step, problems } = planHost(inputOf({ claims: claimsOf({ a: listed }), isVirtual }));
      return [step.op, problems.get("a")?.map(({ code, at }) => `${code} ${at}`)];
    };
    const problem = `BadAddress ${virtual.service.name} 240.241.0.1:20880`;
    expect(told([virtual])).toEqual(["none", [problem]]);
    expect(told([virtual, real])).toEqual(["apply", [problem]]);
  });
});

test("where no address is virtual nothing changes and nothing is told", () => {
  const claims = claimsOf({ a: [real], b: [] });
  expect(withoutVirtualAddresses(claims, entryWith(real), isVirtual)).toEqual({
    claims,
    problems: new Map(),
  });
});
