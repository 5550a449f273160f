import { describe, expect, test } from "vitest";
import { wants } from "../../../src/model/hub.ts";
import { readStatus } from "../../../src/translate/read-back/hub-status.ts";
import { hubOf } from "../../support/model.ts";

test("the defaults of a hub", () => {
  expect(hubOf()).toEqual({
    id: "ddf6610a",
    key: "dubbozk/registryhub-sample",
    namespace: "dubbozk",
    name: "registryhub-sample",
    uid: "u1",
    createdAt: "2024-02-04T02:50:00Z",
    generation: 1,
    target: "dubbozk",
    protocol: "tcp",
    l7: true,
    identity: "auto",
    policy: "sync",
    suspend: false,
    instances: { selector: { requirements: [] }, labels: [], weights: true, shares: [] },
    filter: { include: ["*"], exclude: [] },
    registry: {
      type: "zookeeper",
      address: "zookeeper.dubbozk:2181",
      tls: { enabled: false, insecureSkipVerify: false },
      root: "/dubbo",
    },
    releaseHold: "",
  });
});

test.each([
  ["nacos", { namespace: "", groups: [] }],
  ["eureka", { pollIntervalMs: 5_000 }],
  ["consul", { datacenter: "", tags: [], includeWarning: false }],
] as const)("the defaults of %s", (type, block) => {
  expect(hubOf({ type }).registry).toMatchObject({ type, ...block });
});

test("what a hub says for itself", () => {
  const hub = hubOf(
    { l7: false, policy: "observe", suspend: true, secretRef: { name: "zk" }, zookeeper: { root: "/my" } },
    { annotations: { "ecns.easystack.cn/release-hold": "2024-02-04T03:00:00Z" } },
  );
  expect(hub).toMatchObject({ l7: false, policy: "observe", suspend: true, secretName: "zk" });
  expect(hub).toMatchObject({ registry: { root: "/my" }, releaseHold: "2024-02-04T03:00:00Z" });
});

describe("globs", () => {
  test.each([
    ["*", "", true],
    ["*", "a.b.C", true],
    ["a.*", "a.b.C", true],
    ["a.*", "ab.C", false],
    ["*.C", "a.b.C", true],
    ["a*C", "aC", true],
    ["ab*bc", "abc", false],
    ["a*b*c", "a.b.b.c", true],
    ["a*b*c", "a.c.b", false],
    ["**", "x", true],
    ["*b*b*", "ab", false],
    ["a.B", "a.B", true],
    ["a.B", "A.b", true],
    ["*-management", "ORDER-MANAGEMENT", true],
    ["ORDER-*", "order-service", true],
    ["a.B", "axB", false],
    ["a?", "ab", false],
  ])("%s and %j: %s", (glob, name, isWanted) => {
    expect(wants({ include: [glob], exclude: [] }, name)).toBe(isWanted);
  });

  test("exclude wins, and no include is nothing", () => {
    expect(wants({ include: ["a.*", "b.*"], exclude: ["*.Internal*"] }, "b.InternalX")).toBe(false);
    expect(wants({ include: ["a.*", "b.*"], exclude: ["*.Internal*"] }, "b.X")).toBe(true);
    expect(wants({ include: [], exclude: [] }, "b.X")).toBe(false);
  });
});

test("the old product's status, which has no conditions or none with a type, is made to be relied on", () => {
  const old = { phase: "success", serviceentries: { a: "2024-02-04T03:04:20Z" } };
  const failed = { ...old, conditions: [{ failed_reason: "x" }] };
  const relied = { conditions: [], problems: [], origin: "", serviceentries: { a: "2024-02-04T03:04:20Z" } };
  expect([readStatus(old), readStatus(failed)]).toMatchObject([relied, relied]);
  expect(readStatus(undefined)).toBeUndefined();
});
