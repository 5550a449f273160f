import { expect, test } from "vitest";
import { type EditEffect, editEffects, isSameRegistry } from "../../../../src/controllers/hub/edits.ts";
import { hubOf } from "../../../support/model.ts";

type Spec = Parameters<typeof hubOf>[0];
const gray = (percent: number) => ({ name: "gray", percent, selector: { matchLabels: { tag: "gray" } } });

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
  ["a share's selector", { instances: { shares: [gray(5)] } }, ["ask", "redose", "reopen"]],
  ["l7", { l7: false }, ["expect"]],
  ["exportTo", { exportTo: ["shop"] }, ["expect"]],
  ["outlierDetection", { outlierDetection: false }, ["expect"]],
  ["identity", { identity: "none" }, ["expect"]],
  ["subjectAltNames", { subjectAltNames: ["spiffe://cluster.local/ns/a/sa/b"] }, ["expect"]],
  ["protocol", { protocol: "http" }, ["expect"]],
  ["policy and suspend", { policy: "observe", suspend: true }, ["expect", "reopen", "resettle"]],
])("an edit of %s", (_, spec, effects) => {
  for (const [before, after] of [
    [hubOf(), hubOf(spec)],
    [hubOf(spec), hubOf()],
  ] as const)
    expect([...editEffects(before, after)].sort()).toEqual(effects);
});

test("an edit of a share's percent asks the registry for nothing", () => {
  const with5 = hubOf({ instances: { shares: [gray(5)] } });
  const with50 = hubOf({ instances: { shares: [gray(50)] } });
  expect([...editEffects(with5, with50)]).toEqual(["redose"]);
});

test("a registry is its address, type and type block", () => {
  const isSame = (spec: Spec): boolean => isSameRegistry(hubOf(), hubOf(spec));
  expect([isSame({ l7: false, generate_to: "x" }), isSame({ zookeeper: { root: "/x" } })]).toEqual([
    true,
    false,
  ]);
});
