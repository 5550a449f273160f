import { describe, expect, test } from "vitest";
import {
  type Checks,
  changedBetween,
  decodeService,
  type Health,
  isAbout,
  readChecks,
  readHealth,
  readNames,
  type Selection,
} from "../../../../src/registries/consul/decode.ts";
import { NotJsonError } from "../../../../src/runtime/json-cursor.ts";
import { readJsonOf } from "../../../support/read-json.ts";

const all: Selection = { tags: [], includeWarning: false };

/** As Consul 1.22.3 answers. */
function entry(service: object = {}, checks: readonly string[] = ["passing"], node: object = {}): unknown {
  return {
    Node: { Node: "n1", Address: "10.42.0.9", Datacenter: "dc1", TaggedAddresses: null, Meta: null, ...node },
    Service: {
      ID: "order-1",
      Service: "order",
      Tags: null,
      Address: "10.42.0.1",
      Meta: null,
      Port: 80,
      Weights: { Passing: 1, Warning: 1 },
      ...service,
    },
    Checks: checks.map((Status) => ({ CheckID: "c", Status, ServiceID: "order-1" })),
  };
}

const healthOf = (entries: readonly unknown[], selection = all): Health => {
  const health = readJsonOf((json) => readHealth(json, selection), entries);
  if (health === undefined) throw new Error("no list");
  return health;
};
const decode = (entries: readonly unknown[], selection = all) =>
  decodeService("order", healthOf(entries, selection));

describe("an instance", () => {
  test.each([
    ["no checks", [], { instances: 1 }],
    ["all checks passing, its node's too", ["passing", "passing"], { instances: 1 }],
    ["a warning", ["passing", "warning"], { instances: 0 }],
    ["one critical check, as in maintenance", ["passing", "critical"], { instances: 0 }],
    ["a status that nobody knows", ["sleepy"], { instances: 0 }],
  ])("with %s", (_, checks, { instances }) => {
    expect(decode([entry({}, checks)]).instances).toHaveLength(instances);
  });

  test("with a warning counts where that is asked for, by its weight for it; a weight of 0 takes no calls", () => {
    const selection = { tags: [], includeWarning: true };
    const weighted = (Warning: number) => entry({ Weights: { Passing: 9, Warning } }, ["warning"]);
    expect(decode([weighted(2)], selection).instances).toMatchObject([{ weight: 2 }]);
    expect(decode([weighted(0)], selection).instances).toEqual([]);
    expect(decode([entry({}, ["warning", "critical"])], selection).instances).toEqual([]);
  });

  test("has its node's address where it has none, an IPv6 one without brackets, and no port if it says none", () => {
    const entries = [entry({ Address: "" }), entry({ Address: "[2001:db8::1]", Port: 0 })];
    expect(decode(entries).instances).toMatchObject([
      { address: "10.42.0.9", port: 80 },
      { address: "2001:db8::1", port: 0 },
    ]);
  });

  test.each([
    [{ zone: "a" }, "dc1/a"],
    [{ zone: "r/z/s" }, "r/z/s"],
    [{}, undefined],
  ])("with the metadata %j has the locality %s", (Meta, locality) => {
    const [instance] = decode([entry({ Meta })]).instances as readonly { readonly locality?: string }[];
    expect(instance?.locality).toBe(locality);
  });

  test("that came twice counts once, whatever the order", () => {
    const [a, b] = [entry({ Meta: { v: "1" } }), entry({ Meta: { v: "2" } })];
    expect(decode([a, b])).toEqual(decode([b, a]));
    expect(decode([a, b]).instances).toHaveLength(1);
  });

  test("of Consul's own mesh is no endpoint, and one that lacks a tag is not asked for", () => {
    expect(decode([entry({ Kind: "connect-proxy" })]).instances).toEqual([]);
    const selection = { tags: ["a", "b"], includeWarning: false };
    expect(
      decode([entry({ Tags: ["b"] }), entry({ Port: 81, Tags: ["b", "c", "a"] })], selection),
    ).toMatchObject({
      instances: [{ port: 81 }],
    });
  });
});

test.each([
  [null, "order ?:?"],
  [{ Service: { Address: "10.42.0.1", Port: 80 } }, "order 10.42.0.1:80"],
  [entry({ Port: "80" }), "order 10.42.0.1:80"],
  [entry({ Port: 80.5 }), "order 10.42.0.1:80.5"],
  [entry({ Meta: { a: 1 } }), "order 10.42.0.1:80"],
])("an entry that is none is a problem, and costs the others nothing: %j", (bad, at) => {
  const { instances, problems } = decode([bad, entry()]);
  expect(instances).toHaveLength(1);
  expect(problems).toMatchObject([{ at, code: "BadInstance", severity: "rejected" }]);
});

test("of malformed entries 20 are told, and the rest are counted", () => {
  const { instances, problems } = decode([
    ...Array.from({ length: 1_000 }, () => entry({ Port: "80" })),
    entry(),
  ]);
  expect(instances).toHaveLength(1);
  expect(problems).toHaveLength(21);
  expect(problems.at(-1)).toMatchObject({ at: "order others", detail: "980 more are malformed" });
});

test("problems come in one order, whatever that of the entries", () => {
  const bad = (Port: unknown) => entry({ Port });
  const [some, other] = [bad("81"), bad("80")];
  expect(decode([some, other])).toEqual(decode([other, some]));
});

test("what is shown of a malformed entry holds no query and no login", () => {
  const bad = (Address: string) => entry({ Address, Port: "80" });
  expect(decode([bad("http://u:pw@h/?token=s3cret")]).problems).toMatchObject([{ at: "order h/" }]);
});

test("entries of another service are noticed, in any case but by another name", () => {
  expect(isAbout("ORDER", healthOf([entry(), entry()]))).toBe(true);
  expect(isAbout("order", healthOf([]))).toBe(true);
  expect(isAbout("order", healthOf([null, {}, entry()]))).toBe(true);
  expect(isAbout("order", healthOf([entry(), entry({ Service: "pay" })]))).toBe(false);
});

test("the nodes of entries are those that they name", () => {
  const { nodes, length } = healthOf([entry(), entry({}, [], { Node: "n2" }), null, { Node: 7 }]);
  expect(nodes).toEqual(new Set(["n1", "n2"]));
  expect(length).toBe(4);
});

const checksIn = (said: readonly unknown[]): Checks => {
  const checks = readJsonOf(readChecks, said);
  if (typeof checks !== "object") throw new Error("no list of use");
  return checks;
};

test("checks that came and went name their services; a node's own names its node; the rest is none of ours", () => {
  const check = (CheckID: string, ServiceName?: string | null) => ({
    Node: "n",
    CheckID,
    ServiceName,
    Output: CheckID,
  });
  const before = [check("1", "a"), check("2", "b"), { odd: true }];
  const changed = (old: readonly unknown[], young: readonly unknown[]) => {
    const { services, nodes } = changedBetween(checksIn(old), checksIn(young));
    return { services: [...services].toSorted(), nodes: [...nodes] };
  };
  expect(changed(before, before)).toEqual({ services: [], nodes: [] });
  expect(changed(before, [check("2", "b"), check("3", "c")])).toEqual({ services: ["a", "c"], nodes: [] });
  expect(changed([], [check("serf", "")])).toEqual({ services: [], nodes: ["n"] });
});

test("a list of checks that is too long is read no further than that shows", () => {
  const check = { Node: "n", CheckID: "1", ServiceName: "a" };
  const text = JSON.stringify(Array.from({ length: 10_001 }, () => check));
  expect(readJsonOf(readChecks, text)).toBe("too many");
  expect(readJsonOf(readChecks, text.replace(/.$/, ", and then nothing like JSON"))).toBe("too many");
  expect(readJsonOf(readChecks, JSON.stringify(Array.from({ length: 10_000 }, () => check)))).toHaveProperty(
    "size",
    1,
  );
});

test("the names of all services are those of the members, also of one that is no ordinary name", () => {
  expect(readJsonOf(readNames, '{"a":["x"],"__proto__":[],"":null,"a":[]}')).toEqual(["a", "__proto__", ""]);
  expect(readJsonOf(readNames, "[]")).toBeUndefined();
  expect(() => readJsonOf(readNames, '{"a":[]')).toThrow(NotJsonError);
});
