import { expect, test } from "vitest";
import { labelsOf } from "../../../src/translate/endpoint-labels.ts";

test("legal labels pass, sorted", () => {
  const metadata = { version: "1.0.0", application: "demo", "example.com/team": "a_b.c" };
  expect(Object.entries(labelsOf(metadata))).toEqual([
    ["application", "demo"],
    ["example.com/team", "a_b.c"],
    ["version", "1.0.0"],
  ]);
});

test.each([
  ["sayHello,sayBye", "sayHello-sayBye"],
  ["", ""],
  ["a,", "a"],
  ["a".repeat(64), "a".repeat(63)],
  [`${"a".repeat(60)},${"b".repeat(9)}`, `${"a".repeat(60)}-bb`],
  [`${"a".repeat(62)},b`, "a".repeat(62)],
])("the value %j becomes %j", (value, legal) => {
  expect(labelsOf({ key: value })).toEqual({ key: legal });
});

test.each(["*", "a b", "-a", ",a", "ServiceBean:/a.B:1.0.0", "größe", "a\nb"])(
  "the value %j cannot be made legal and is left out",
  (value) => {
    expect(labelsOf({ key: value })).toEqual({});
  },
);

test.each([
  "token",
  "istio-locality",
  "registryName",
  "security.istio.io/tlsMode",
  "topology.istio.io/network",
  "networking.istio.io/tunnel",
  "service.istio.io/canonical-name",
  "sidecar.istio.io/inject",
  "istio.io/rev",
  "anything.istio.io/x",
  "topology.k8s.io/zone",
  "k8s.io/x",
  "topology.kubernetes.io/zone",
  "ecns.easystack.cn/by",
  "hub.ecns.easystack.cn/ddf6610a",
])("%s steers something and is never taken from a provider", (key) => {
  expect(labelsOf({ [key]: "x" })).toEqual({});
});

test.each([
  "",
  "a b",
  "-a",
  "a-",
  "/a",
  "a/",
  "A.com/x",
  "a..b/x",
  "a-.b/x",
  "a/b/c",
  "x".repeat(64),
  "__proto__",
])("%j is no key", (key) => {
  expect(labelsOf(Object.fromEntries([[key, "x"]]))).toEqual({});
});

test("a domain ends at its dots: myistio.io steers nothing", () => {
  expect(labelsOf({ "myistio.io/x": "1" })).toEqual({ "myistio.io/x": "1" });
});
