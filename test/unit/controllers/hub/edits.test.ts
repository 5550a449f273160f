import { expect, test } from "vitest";
import { type EditEffect, editEffects, isSameRegistry } from "../../../../src/controllers/hub/edits.ts";
import { hubOf } from "../../../support/model.ts";

type Spec = Parameters<typeof hubOf>[0];

test.each<[string, Spec, readonly EditEffect[]]>([
  ["nothing", {}, []],
  ["the address", { address: "elsewhere:2181" }, ["forget", "relist", "reopen"]],
  ["the type", { type: "nacos" }, ["forget", "relist", "reopen"]],
  ["the type's block", { zookeeper: { root: "/other" } }, ["forget", "relist", "reopen"]],
  ["another type's block", { consul: { tags: ["x"] } }, []],
  ["the target", { generate_to: "elsewhere" }, ["expect", "relist", "resettle"]],
  ["the filter", { services: { exclude: ["*-management"] } }, ["ask", "reopen"]],
  ["the policy", { policy: "observe" }, ["expect", "resettle"]],
  ["suspend", { suspend: true }, ["expect", "reopen"]],
  ["the Secret", { secretRef: { name: "login" } }, ["reopen"]],
  ["tls", { tls: { enabled: true } }, ["reopen"]],
  ["weights", { instances: { weights: false } }, ["ask", "reopen"]],
  ["the selector", { instances: { selector: { matchLabels: { env: "gray" } } } }, ["ask", "reopen"]],
  ["labels", { instances: { labels: ["env"] } }, ["ask", "reopen"]],
  ["l7", { l7: false }, ["expect"]],
  ["protocol", { protocol: "http" }, ["expect"]],
  ["policy and suspend", { policy: "observe", suspend: true }, ["expect", "reopen", "resettle"]],
])("an edit of %s", (_, spec, effects) => {
  for (const [before, after] of [
    [hubOf(), hubOf(spec)],
    [hubOf(spec), hubOf()],
  ] as const)
    expect([...editEffects(before, after)].sort()).toEqual(effects);
});

test("a registry is its address, type and type block", () => {
  const isSame = (spec: Spec): boolean => isSameRegistry(hubOf(), hubOf(spec));
  expect([isSame({ l7: false, generate_to: "x" }), isSame({ zookeeper: { root: "/x" } })]).toEqual([
    true,
    false,
  ]);
});
