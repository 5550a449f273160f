import { describe, expect, test } from "vitest";
import { parseManifests } from "../../../../src/kube/manifests.ts";
import { entryVisibility, rootNamespaceOf } from "../../../../src/translate/read-back/mesh-config.ts";

const labels = { "kubernetes.io/metadata.name": "shop", team: "orders" };
const meshOf = (yaml: string): unknown => parseManifests(yaml)[0];
const visibilityOf = (yaml: string): string => {
  const { visibility, appliesToSidecars } = entryVisibility(meshOf(yaml), labels);
  return `${visibility}${appliesToSidecars ? " for sidecars too" : ""}`;
};

test.each([
  ["says nothing of it", "rootNamespace: istio-system", "PUBLIC"],
  ["has it empty", "serviceEntryVisibility: {}", "PUBLIC"],
  ["has a default", "serviceEntryVisibility: { defaultVisibility: NAMESPACE }", "NAMESPACE"],
  ["gives the enum's number", "serviceEntryVisibility: { defaultVisibility: 1 }", "NONE"],
  ["gives an unknown value", "serviceEntryVisibility: { defaultVisibility: SOME }", "PUBLIC"],
  [
    "binds sidecars",
    "serviceEntryVisibility: { defaultVisibility: NONE, applyToSidecars: true }",
    "NONE for sidecars too",
  ],
  [
    "spells fields as the .proto does",
    "service_entry_visibility: { default_visibility: NONE, apply_to_sidecars: true }",
    "NONE for sidecars too",
  ],
  ["is no object", "serviceEntryVisibility: [NONE]", "PUBLIC"],
])("a mesh that %s", (_, yaml, expected) => {
  expect(visibilityOf(yaml)).toBe(expected);
});

describe("the policies of a mesh whose default is NAMESPACE", () => {
  const having = (policies: string): string =>
    visibilityOf(`serviceEntryVisibility: { defaultVisibility: NAMESPACE, policies: ${policies} }`);
  const publicFor = (selector: string): string =>
    having(`[{ visibility: PUBLIC, matchingRules: [{ namespaceSelector: ${selector} }] }]`);

  test.each([
    ["the namespace's name", "{ matchLabels: { kubernetes.io/metadata.name: shop } }", "PUBLIC"],
    ["another name", "{ matchLabels: { kubernetes.io/metadata.name: other } }", "NAMESPACE"],
    ["only one of two labels", "{ matchLabels: { team: orders, tier: gold } }", "NAMESPACE"],
    ["nothing", "{}", "PUBLIC"],
    ["In", "{ matchExpressions: [{ key: team, operator: In, values: [a, orders] }] }", "PUBLIC"],
    ["NotIn", "{ matchExpressions: [{ key: team, operator: NotIn, values: [orders] }] }", "NAMESPACE"],
    [
      "NotIn of a label that it has not",
      "{ matchExpressions: [{ key: x, operator: NotIn, values: [y] }] }",
      "PUBLIC",
    ],
    ["Exists", "{ matchExpressions: [{ key: team, operator: Exists }] }", "PUBLIC"],
    ["DoesNotExist", "{ matchExpressions: [{ key: team, operator: DoesNotExist }] }", "NAMESPACE"],
    ["an operator that there is not", "{ matchExpressions: [{ key: team, operator: Like }] }", "NAMESPACE"],
    ["no key", "{ matchExpressions: [{ operator: Exists }] }", "NAMESPACE"],
  ])("PUBLIC for a selector of %s", (_, selector, expected) => {
    expect(publicFor(selector)).toBe(expected);
  });

  test.each([
    ["the first that matches decides", "[{ visibility: NONE }, { visibility: PUBLIC }]", "NONE"],
    ["one without rules matches everything", "[{ visibility: PUBLIC, matchingRules: [] }]", "PUBLIC"],
    ["one without a visibility is public", "[{ matchingRules: [] }]", "PUBLIC"],
    [
      "a rule of another kind never matches",
      "[{ visibility: PUBLIC, matchingRules: [{ hostSuffix: x }] }]",
      "NAMESPACE",
    ],
    [
      "all rules have to match",
      "[{ visibility: PUBLIC, matchingRules: [{ namespaceSelector: {} }, { namespaceSelector: { matchLabels: { a: b } } }] }]",
      "NAMESPACE",
    ],
  ])("%s", (_, policies, expected) => {
    expect(having(policies)).toBe(expected);
  });
});

test.each([
  ["rootNamespace: mesh-root", "mesh-root"],
  ['rootNamespace: "mesh-root" # ours', "mesh-root"],
  ["root_namespace: mesh-root", "mesh-root"],
  ["defaultConfig: { rootNamespace: no }", "istio-system"],
  ["rootNamespace: 7", "istio-system"],
])("the root namespace of %s is %s", (yaml, expected) => {
  expect(rootNamespaceOf(meshOf(yaml))).toBe(expected);
});
