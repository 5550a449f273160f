import { describe, expect, test } from "vitest";
import { parseServiceInfo } from "../../../../src/registries/nacos/service-info.ts";

/** As 2.3.2 pushes it. */
const pushed =
  '{"name":"order","groupName":"DEFAULT_GROUP","clusters":"","cacheMillis":10000,"hosts":[{"instanceId":"10.0.0.1#8080#DEFAULT#DEFAULT_GROUP@@order","ip":"10.0.0.1","port":8080,"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"DEFAULT","serviceName":"DEFAULT_GROUP@@order","metadata":{"a":"b"},"instanceHeartBeatInterval":5000}],"lastRefTime":1795254000374,"checksum":"","allIPs":false,"reachProtectionThreshold":false,"valid":true}';

const host = {
  ip: "10.0.0.1",
  port: 8080,
  weight: 1,
  healthy: true,
  enabled: true,
  metadata: {},
};

describe("a ServiceInfo", () => {
  test("as pushed", () => {
    expect(parseServiceInfo(JSON.parse(pushed))).toEqual({
      hosts: [{ ...host, metadata: { a: "b" } }],
      malformed: [],
      reachProtectionThreshold: false,
    });
  });

  test("what a host does not say has its default", () => {
    const bare = { ip: "10.0.0.1", port: 8080 };
    const nulls = { ...bare, weight: null, healthy: null, metadata: null, clusterName: null, extra: 1 };
    expect(parseServiceInfo({ hosts: [bare, nulls] })?.hosts).toEqual([host, host]);
  });

  test("metadata is text", () => {
    const metadata = { a: 1, b: true, c: null, d: "x" };
    const [one] = parseServiceInfo({ hosts: [{ ip: "10.0.0.1", port: 1, metadata }] })?.hosts ?? [];
    expect(one?.metadata).toEqual({ a: "1", b: "true", d: "x" });
  });

  test("of more hosts than any service has is none, whatever they are", () => {
    const hosts = (count: number) => ({ hosts: Array.from({ length: count }, () => ({})) });
    expect(parseServiceInfo(hosts(20_000))?.malformed).toHaveLength(21);
    expect(parseServiceInfo(hosts(20_001))).toBeUndefined();
  });

  test("a malformed host costs nobody else anything", () => {
    const hosts = [
      { ip: "10.0.0.1", port: 8080 },
      { ip: "10.0.0.2", port: "x".repeat(1_000) },
      { ip: "10.0.0.3", port: 1.5 },
      { ip: "10.0.0.4", port: 1, metadata: { token: ["s3cret"] } },
      "s3cret",
      null,
    ];
    const info = parseServiceInfo({ hosts });
    expect(info?.hosts).toEqual([host]);
    expect(info?.malformed.map(({ address }) => `${address}:`)).toEqual([
      `10.0.0.2:${"x".repeat(60)}:`,
      "10.0.0.3:1.5:",
      "10.0.0.4:1:",
      "?:?:",
      "?:?:",
    ]);
    expect(JSON.stringify(info?.malformed)).not.toContain("s3cret");
  });

  test.each([
    ["an error", { status: 500 }],
    ["hosts that are none", { name: "order", hosts: 7 }],
    ["null", null],
  ])("%s is none", (_, input) => {
    expect(parseServiceInfo(input)).toBeUndefined();
  });
});
