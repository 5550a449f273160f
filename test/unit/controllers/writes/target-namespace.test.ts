import { describe, expect, test } from "vitest";
import {
  isWatched,
  type TargetRules,
  targetProblem,
} from "../../../../src/controllers/writes/target-namespace.ts";
import type { KubeObject } from "../../../../src/model/kubernetes.ts";
import { hubOf } from "../../../support/model.ts";

const namespaces = (...list: readonly KubeObject["metadata"][]): ReadonlyMap<string, KubeObject> =>
  new Map(list.map((metadata) => [metadata.name, { metadata }]));
const open: TargetRules = { allowCrossNamespace: true, watchNamespaces: [], denyTargets: [] };
const closed: TargetRules = { ...open, allowCrossNamespace: false };
const optIn = (value: string) => ({
  name: "other",
  annotations: { "ecns.easystack.cn/allow-registryhubs-from": value },
});
const abroad = hubOf({ generate_to: "other" });

describe("a target", () => {
  test.each<[string, KubeObject["metadata"] | undefined, TargetRules, string | undefined]>([
    ["that exists", { name: "other" }, open, undefined],
    ["that is missing", undefined, open, "NamespaceMissing"],
    [
      "that is terminating",
      { name: "other", deletionTimestamp: "2024-02-04T03:00:00Z" },
      open,
      "NamespaceMissing",
    ],
    ["of another namespace, unasked", { name: "other" }, closed, "NamespaceNotAllowed"],
    ["that lets this namespace in", optIn("x, dubbozk"), closed, undefined],
    ["that lets all in", optIn("*"), closed, undefined],
    ["that lets others in", optIn("dubbo,zk"), closed, "NamespaceNotAllowed"],
    ["that says nothing", optIn(""), closed, "NamespaceNotAllowed"],
    [
      "that is not watched",
      { name: "other" },
      { ...open, watchNamespaces: ["dubbozk"] },
      "NamespaceNotAllowed",
    ],
  ])("%s", (_, metadata, rules, reason) => {
    expect(targetProblem(abroad, namespaces(...(metadata ? [metadata] : [])), rules)?.reason).toBe(reason);
  });

  test("the hub's own namespace needs no leave", () => {
    expect(targetProblem(hubOf(), namespaces({ name: "dubbozk" }), closed)).toBeUndefined();
  });

  test("the message says what to write where", () => {
    expect(targetProblem(abroad, namespaces({ name: "other" }), closed)).toMatchObject({
      detail: "namespace other does not accept entries from hubs in dubbozk",
      nextStep: 'Annotate the namespace with ecns.easystack.cn/allow-registryhubs-from: "dubbozk".',
    });
  });
});

test.each([
  [[], true],
  [["a", "b"], true],
  [["b"], false],
])("namespace a among %j is watched: %s", (watchNamespaces, watched) => {
  expect(isWatched("a", { watchNamespaces })).toBe(watched);
});
