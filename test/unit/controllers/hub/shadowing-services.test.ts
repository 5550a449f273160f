import { expect, test } from "vitest";
import {
  hostOfService,
  type Services,
  shadowsOf,
} from "../../../../src/controllers/hub/shadowing-services.ts";
import { KubeError } from "../../../../src/kube/errors.ts";

const service = { metadata: { name: "order", namespace: "shop" } };
const known: Services = {
  objects: new Map(["shop/order", "shop/stock", "other/order"].map((key) => [key, service])),
  status: { state: "synced" },
};
const refused = (status: number): KubeError => new KubeError({ status, reason: "x", text: "x" });
const hosts = new Set(["shop/order.shop", "shop/payment.shop", "shop/a.order.shop", "other/order.other"]);
const warning = {
  at: "order.shop",
  code: "ShadowsService",
  detail:
    "Service shop/order has the same name in the mesh, so callers reach one of the two at random; rename the Service, or use another spec.generate_to",
  severity: "warning",
} as const;

test("a Service answers to the host of its name and namespace, and to no other", () => {
  expect(hostOfService("shop/order")).toBe("shop/order.shop");
  expect(shadowsOf("shop", (host) => hosts.has(host), known, undefined)).toEqual([warning]);
});

const { at, code, detail, severity } = warning;
const previous = {
  problems: [
    { at, problem: `${code}: ${detail}`, severity },
    { at, problem: "HostConflict: x", severity: "rejected" },
  ],
};
const nothing = new Map<string, typeof service>();

test.each<[string, Services, readonly (typeof warning)[]]>([
  [
    "have not been listed yet: what the status says",
    { objects: nothing, status: { state: "pending" } },
    [warning],
  ],
  [
    "cannot be listed now: what the status says",
    { objects: nothing, status: { state: "pending", error: refused(503) } },
    [warning],
  ],
  ["may not be listed: none", { objects: nothing, status: { state: "pending", error: refused(403) } }, []],
  ["are known, and there is none: none", { objects: nothing, status: { state: "synced" } }, []],
  ["were known: what was known", { ...known, status: { state: "stale", error: refused(0) } }, [warning]],
  ["may not be listed any more: none", { ...known, status: { state: "stale", error: refused(403) } }, []],
])("the Services %s", (_, services, expected) => {
  expect(shadowsOf("shop", (host) => hosts.has(host), services, previous)).toEqual(expected);
});
