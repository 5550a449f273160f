import { describe, expect, test } from "vitest";
import { dubboServiceName, hash, hostOf, hubIdOf, objectName } from "../../../src/translate/names.ts";

test("a hub's id is the first 8 hex digits of sha256 of its namespace and name", () => {
  expect(hubIdOf("dubbozk/registryhub-sample")).toBe("ddf6610a");
});

test.each([
  [["a.B", "", ""], "a.B"],
  [["a.B", "", "1.0.0"], "a.B-1.0.0"],
  [["a.B", "g1", ""], "a.B-g1"],
  [["a.B", "g1", "1.0.0"], "a.B-g1-1.0.0"],
  [["a.B", "", "0.0.0"], "a.B"],
  [["a.B", "g1", "0.0.0"], "a.B-g1"],
] as const)("interface, group, version %j are %s", ([iface, group, version], name) => {
  expect(dubboServiceName(iface, group, version)).toBe(name);
});

describe("hosts", () => {
  test.each([
    [
      "org.apache.dubbo.samples.api.GreetingService-1.0.0",
      "org.apache.dubbo.samples.api.greetingservice-1.0.0",
    ],
    ["EUREKA-PROVIDER", "eureka-provider"],
    ["a.b2.C", "a.b2.c"],
  ])("%s is only lower-cased", (name, host) => {
    expect(hostOf(name, "ns")).toEqual({ host: `${host}.ns`, altered: false });
  });

  test.each([
    ["a.B$Inner", `a.b-inner-${hash("B$Inner")}`],
    ["my_pkg.Foo", `my-pkg-${hash("my_pkg")}.foo`],
    ["a.Foo-g_1-1.0.0", `a.foo-g-1-1-${hash("Foo-g_1-1")}.0.0`],
    ["a.-B", `a.b-${hash("-B")}`],
    ["a.B-", `a.b-${hash("B-")}`],
    ["a..b", `a.x-${hash("")}.b`],
    ["服务", `x-${hash("服务")}`],
    ["a.服B", `a.b-${hash("服B")}`],
  ])("%s: a label with an illegal character ends in the hash of what it was", (name, host) => {
    expect(hostOf(name, "ns")).toEqual({ host: `${host}.ns`, altered: true });
  });

  test("a label of 63 characters stays, one of 64 is cut to 63 with its hash", () => {
    const label = "b".repeat(64);
    expect(hostOf(`a.${label.slice(1)}`, "ns")).toEqual({ host: `a.${label.slice(1)}.ns`, altered: false });
    const host = `a.${"b".repeat(54)}-${hash(label)}.ns`;
    expect(hostOf(`a.${label}`, "ns")).toEqual({ host, altered: true });
  });

  test("253 characters are a host, 254 are none", () => {
    const name = (length: number): string => `${"a.".repeat(200).slice(0, length - 4)}a`;
    expect(hostOf(name(253), "ns")?.host).toHaveLength(253);
    expect(hostOf(`${name(253)}a`, "ns")).toBeUndefined();
  });
});

describe("object names", () => {
  const host = "org.apache.dubbo.samples.api.greetingservice-1.0.0.dubbozk";

  test("Dubbo: the manual's name; Spring: the host", () => {
    const name = "aeraki-org-apache-dubbo-samples-api-greetingservice-1-0-0-dubbozk";
    expect(objectName("dubbo", host, () => false)).toBe(name);
    expect(objectName("spring", "eureka-provider.springnacos", () => false)).toBe(
      "eureka-provider.springnacos",
    );
  });

  test("a name that another host has gets the hash of the host", () => {
    expect(objectName("dubbo", "a-b.ns", (name) => name === "aeraki-a-b-ns")).toBe(
      `aeraki-a-b-ns-${hash("a-b.ns")}`,
    );
  });

  test("longer than 253: cut, with the hash of the host", () => {
    const long = `${"a.".repeat(124)}a.ns`;
    const name = objectName("dubbo", long, () => false);
    expect(long.length).toBeLessThanOrEqual(253);
    expect(name.length).toBeLessThanOrEqual(253);
    expect(name.endsWith(`-${hash(long)}`)).toBe(true);
    expect(name).toMatch(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
  });
});
