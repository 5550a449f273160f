import { expect, test } from "vitest";
import { parseServiceName } from "../../../../src/registries/nacos/service-name.ts";

const dubbo = (name: string, version = "", group = "") => ({ kind: "dubbo", name, version, group });

test.each([
  ["providers:a.B:1.0.0:g1", dubbo("a.B", "1.0.0", "g1")],
  ["providers:a.B:1.0.0:", dubbo("a.B", "1.0.0")],
  ["providers:a.B::g1", dubbo("a.B", "", "g1")],
  ["providers:a.B::", dubbo("a.B")],
  ["providers:a.B", dubbo("a.B")],
  ["providers:a.B:x", dubbo("a.B")], // a version or a group: the instances tell
  ["providers:a.B___C::", dubbo("a.B$C")],
  ["consumers:a.B:1.0.0:", { kind: "none" }],
  ["routers:a.B::", { kind: "none" }],
  ["configurators:a.B", { kind: "none" }],
  ["providers:", { kind: "spring", name: "providers:" }],
  ["providers", { kind: "spring", name: "providers" }],
  ["order-service", { kind: "spring", name: "order-service" }],
  ["a:b", { kind: "spring", name: "a:b" }],
])("%s", (name, expected) => {
  expect(parseServiceName(name)).toEqual(expected);
});
