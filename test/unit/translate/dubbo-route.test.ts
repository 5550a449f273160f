import { describe, expect, test } from "vitest";
import type { ServiceEntry } from "../../../src/model/istio.ts";
import { type RouteRules, routeOf } from "../../../src/translate/dubbo-route.ts";
import { greeting, pool } from "../../support/model.ts";

const host = "a.b-1.0.0.dubbozk";
const ours = { manager: "aeraki", registry: "dubbo2istio", "app.kubernetes.io/managed-by": "registryhub" };
const route = {
  verdict: "route",
  route: {
    serviceEntry: "dubbozk/x",
    host,
    vip: "240.241.1.1",
    port: 20_880,
    interface: greeting,
    outlierDetection: true,
  },
};

interface Overrides {
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly spec?: ServiceEntry["spec"];
}

function entry({ labels = ours, annotations, spec }: Overrides = {}): ServiceEntry {
  return {
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: {
      name: "x",
      namespace: "dubbozk",
      labels,
      annotations: { interface: greeting, ...annotations },
    },
    spec: {
      hosts: [host],
      addresses: ["240.241.1.1"],
      ports: [{ name: "tcp-metaprotocol-dubbo", number: 20_880, protocol: "tcp" }],
      ...spec,
    },
  };
}

const rules: RouteRules = {
  foreign: false,
  accepts: (vip) => pool.accepts(vip),
  isCopy: () => false,
  isTaken: () => false,
};
const foreign: RouteRules = { ...rules, foreign: true };
const theirs = { labels: { manager: "aeraki", registry: "dubbo2istio" } };

describe("entries of ours", () => {
  test("that speak Dubbo get a route", () => {
    expect(routeOf(entry(), rules)).toEqual(route);
  });

  test.each<[string, Overrides]>([
    ["took its ports away", { spec: { ports: [] } }],
    ["renamed its port", { spec: { ports: [{ name: "tcp-dubbo", number: 20_880, protocol: "tcp" }] } }],
  ])("where somebody %s are about to be repaired, so nothing follows", (_, overrides) => {
    expect(routeOf(entry(overrides), rules)).toEqual({ verdict: "unclear" });
  });

  test.each<[string, Overrides]>([
    ["a copy of one", {}],
    ["a copy of one that has no filters", { annotations: { "ecns.easystack.cn/l7": "false" } }],
  ])("decide nothing as %s", (_, overrides) => {
    expect(routeOf(entry(overrides), { ...rules, isCopy: () => true })).toEqual({ verdict: "unclear" });
  });

  test("with the address of an older entry get no route: a label alone must not take over a listener", () => {
    expect(routeOf(entry(), { ...rules, isTaken: () => true })).toEqual({ verdict: "unclear" });
  });

  test("say whether they want endpoints ejected", () => {
    const annotations = { "ecns.easystack.cn/outlier-detection": "false" };
    expect(routeOf(entry({ annotations }), rules)).toMatchObject({ route: { outlierDetection: false } });
  });

  test.each<[string, Overrides]>([
    ["no Dubbo port", { spec: { ports: [{ name: "grpc-tri", number: 50_052, protocol: "grpc" }] } }],
    ["l7: false", { annotations: { "ecns.easystack.cn/l7": "false" } }],
  ])("that have %s say that there is none", (_, overrides) => {
    expect(routeOf(entry(overrides), rules)).toEqual({ verdict: "none" });
  });

  test.each<[string, Overrides]>([
    ["no host", { spec: { hosts: [] } }],
    ["a host that is no name", { spec: { hosts: ["*.dubbozk"] } }],
    ["a host that ends as no name does", { spec: { hosts: ["demo.dubbozk-"] } }],
    ["no address", { spec: { addresses: [] } }],
    ["two addresses", { spec: { addresses: ["240.241.1.1", "240.241.1.2"] } }],
    ["an address outside of what is believed", { spec: { addresses: ["10.0.0.1"] } }],
    ["a network for an address", { spec: { addresses: ["240.241.1.0/24"] } }],
    ["an interface that is none", { annotations: { interface: "a b" } }],
    ["an interface with a wildcard", { annotations: { interface: "*" } }],
  ])("that have %s leave everything as it is", (_, overrides) => {
    expect(routeOf(entry(overrides), rules)).toEqual({ verdict: "unclear" });
  });

  test.each([
    "a.B$Inner",
    "a.b_c.D1",
    "GreetingService",
    "服务.A",
    "com.foo.Bar-v2",
    "greet/Service",
    "com.foo.Bar:1",
    "-1",
    '"',
  ])("%s is an interface", (iface) => {
    expect(routeOf(entry({ annotations: { interface: iface } }), rules).verdict).toBe("route");
  });
});

describe("entries of others", () => {
  test("count only when the operator says so", () => {
    expect(routeOf(entry(theirs), rules)).toEqual({ verdict: "unclear" });
    expect(routeOf(entry(theirs), foreign)).toEqual(route);
    const numbered = entry({ ...theirs, annotations: { interface: "a.B$2" } });
    expect(routeOf(numbered, foreign).verdict).toBe("route");
  });

  test.each<[string, Overrides, RouteRules]>([
    ["no mark of the old product", { labels: {} }, foreign],
    ["an address that an older entry uses", theirs, { ...foreign, isTaken: () => true }],
    ["an IPv6 address", { ...theirs, spec: { addresses: ["2001:db8::1"] } }, foreign],
    ["a network for an address", { ...theirs, spec: { addresses: ["10.0.0.0/8"] } }, foreign],
    ["two addresses", { ...theirs, spec: { addresses: ["10.0.0.1", "10.0.0.2"] } }, foreign],
    ["an illegal interface", { ...theirs, annotations: { interface: '"*"' } }, foreign],
    ["a path for an interface", { ...theirs, annotations: { interface: "greet/Service" } }, foreign],
    ["something before the interface", { ...theirs, annotations: { interface: '"a.B' } }, foreign],
    ["something after the interface", { ...theirs, annotations: { interface: 'a.B"' } }, foreign],
    ["a wildcard host", { ...theirs, spec: { hosts: ["*.com"] } }, foreign],
  ])("with %s never count", (_, overrides, under) => {
    expect(routeOf(entry(overrides), under)).toEqual({ verdict: "unclear" });
  });
});
