import { describe, expect, test } from "vitest";
import { labelsOf as choiceOf } from "../../../src/translate/endpoint-labels.ts";

const labelsOf = (metadata: Readonly<Record<string, string>>) => choiceOf(metadata).labels;

test("legal labels pass, sorted", () => {
  const metadata = { version: "1.0.0", application: "demo", "example.com/team": "a_b.c" };
  expect(Object.entries(labelsOf(metadata))).toEqual([
    ["application", "demo"],
    ["example.com/team", "a_b.c"],
    ["version", "1.0.0"],
  ]);
});

test.each(["a.b/x", `${"a.".repeat(126)}a/x`])("the key %s is legal", (key) => {
  expect(labelsOf({ [key]: "1" })).toEqual({ [key]: "1" });
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
  "-a.b/x",
  `${"a.".repeat(126)}aa/x`,
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

test.each([
  "token",
  "accessToken",
  "ACCESS_TOKEN",
  "jwt.tokens",
  "user.password",
  "userPassword",
  "db-passwd",
  "PWD",
  "pass",
  "dbPass",
  "db_pass",
  "passphrase",
  "client_secret",
  "secretKey",
  "AWS_SECRET_ACCESS_KEY",
  "credentials",
  "example.com/credential",
  "api-key",
  "apiKey",
  "API_KEY",
  "api.key",
  "x-apikey",
  "private-key",
  "privateKey",
  "PRIVATE.KEY",
  "pass.word",
])("%s looks like a secret's and is never a label", (key) => {
  expect(labelsOf({ [key]: "hunter2" })).toEqual({});
});

test.each(["compass", "bypass", "passenger", "keyboard", "application", "private", "api", "primary-key"])(
  "%s is no secret",
  (key) => {
    expect(labelsOf({ [key]: "x" })).toEqual({ [key]: "x" });
  },
);

describe("an endpoint has room for 32 labels and 2 kB", () => {
  const metadata = (count: number, length = 1) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, at) => [`k${String(at).padStart(3, "0")}`, "v".repeat(length)]),
    );

  test("two of them the operator's own, and the first of the others by key", () => {
    expect(choiceOf(metadata(30))).toEqual({ labels: metadata(30) });
    expect(choiceOf(metadata(300))).toEqual({ labels: metadata(30), leftOut: "k030" });
  });

  test("those that people count on come first, and all of them are sorted", () => {
    const { labels } = choiceOf({ ...metadata(300), version: "1", eurekaName: "PAY", tag: "gray" });
    expect(Object.keys(labels)).toEqual(["eurekaName", ...Object.keys(metadata(27)), "tag", "version"]);
  });

  test("long ones fill it sooner", () => {
    const { labels, leftOut } = choiceOf(metadata(30, 63));
    const bytes = Object.entries(labels).flat().join("").length;
    const own = "registryName".length + 63 + "ecns.easystack.cn/by".length + 62;
    expect(bytes + own).toBeLessThanOrEqual(2_000);
    expect(bytes + own + 4 + 63).toBeGreaterThan(2_000);
    expect(leftOut).toBe(Object.keys(metadata(30))[Object.keys(labels).length]);
  });

  test("the order of the metadata does not matter", () => {
    const many = metadata(40);
    const backwards = Object.fromEntries(Object.entries(many).reverse());
    expect(JSON.stringify(choiceOf(backwards))).toBe(JSON.stringify(choiceOf(many)));
  });
});
