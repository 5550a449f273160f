import { describe, expect, test } from "vitest";
import type { InboundPorts, MtlsMode, PeerPolicy } from "../../../src/model/mesh-pod.ts";
import { peerPoliciesOf, speaksMtls } from "../../../src/plan/sidecar-mtls.ts";

const root = "istio-system";
const everything: InboundPorts = { excluded: [] };

const policy = (namespace: string, mode: MtlsMode, more: Partial<PeerPolicy> = {}): PeerPolicy => ({
  metadata: { namespace, name: "p" },
  namespace,
  precedence: "2026-01-01T00:00:00Z p",
  selector: {},
  mode,
  portModes: new Map(),
  ...more,
});

const speaks = (policies: readonly PeerPolicy[], inbound = everything, namespace = "shop"): boolean =>
  speaksMtls(
    { namespace, labels: { app: "cart", tier: "web" }, inbound },
    20_880,
    peerPoliciesOf(policies),
    root,
  );

const cart = { selector: { app: "cart" } };

describe("policies", () => {
  test.each<readonly [string, readonly PeerPolicy[], boolean]>([
    ["none", [], true],
    ["STRICT for the mesh", [policy(root, "STRICT")], true],
    ["PERMISSIVE for the mesh", [policy(root, "PERMISSIVE")], true],
    ["DISABLE for the mesh", [policy(root, "DISABLE")], false],
    ["DISABLE for its namespace", [policy("shop", "DISABLE")], false],
    ["DISABLE for another namespace", [policy("web", "DISABLE")], true],
    ["its namespace over the mesh", [policy(root, "DISABLE"), policy("shop", "PERMISSIVE")], true],
    ["a namespace that leaves it to the mesh", [policy(root, "DISABLE"), policy("shop", undefined)], false],
    ["DISABLE for the workload", [policy("shop", "DISABLE", cart)], false],
    ["DISABLE for other workloads", [policy("shop", "DISABLE", { selector: { app: "till" } })], true],
    [
      "a selector of which one label differs",
      [policy("shop", "DISABLE", { selector: { app: "cart", tier: "db" } })],
      true,
    ],
    ["the workload over its namespace", [policy("shop", "DISABLE"), policy("shop", "STRICT", cart)], true],
    [
      "DISABLE for the port",
      [policy("shop", "STRICT", { ...cart, portModes: new Map([[20_880, "DISABLE"]]) })],
      false,
    ],
    [
      "DISABLE for another port",
      [policy("shop", "STRICT", { ...cart, portModes: new Map([[22_222, "DISABLE"]]) })],
      true,
    ],
    [
      "a port that leaves it to its workload",
      [policy("shop", "DISABLE", { ...cart, portModes: new Map([[20_880, undefined]]) })],
      false,
    ],
    ["a selector in the root namespace, which Istio ignores", [policy(root, "DISABLE", cart)], true],
  ])("%s", (_, policies, expected) => {
    expect(speaks(policies)).toBe(expected);
    expect(speaks(policies.toReversed())).toBe(expected);
  });

  test.each([
    ["the older of two counts", ["2026-01-01T00:00:00Z b", "2026-02-01T00:00:00Z a"]],
    ["of equal age the first by name", ["2026-01-01T00:00:00Z a", "2026-01-01T00:00:00Z b"]],
  ])("%s", (_, [first, second]) => {
    const two = [
      policy("shop", "DISABLE", { precedence: `${first}` }),
      policy("shop", "STRICT", { precedence: `${second}` }),
    ];
    expect(speaks(two)).toBe(false);
    expect(speaks(two.toReversed())).toBe(false);
  });

  test("of the root namespace are those of the mesh for its own pods", () => {
    expect(speaks([policy(root, "DISABLE")], everything, root)).toBe(false);
    expect(speaks([policy(root, "DISABLE", cart)], everything, root)).toBe(true);
  });
});

test.each<readonly [string, InboundPorts, boolean]>([
  ["all ports", { excluded: [] }, true],
  ["all but others", { excluded: [22_222] }, true],
  ["all but this one", { excluded: [20_880] }, false],
  ["only this one", { included: [20_880], excluded: [] }, true],
  ["only others", { included: [22_222], excluded: [] }, false],
  ["none", { included: [], excluded: [] }, false],
  [
    "only this one, and exclusions, which then do not count",
    { included: [20_880], excluded: [20_880] },
    true,
  ],
])("a sidecar that takes %s", (_, inbound, expected) => {
  expect(speaks([], inbound)).toBe(expected);
});
