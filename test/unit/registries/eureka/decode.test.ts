import { describe, expect, test } from "vitest";
import type { Service } from "../../../../src/model/service.ts";
import { readServices } from "../../../../src/registries/eureka/decode.ts";
import { parseStatus } from "../../../../src/registries/eureka/server-status.ts";
import { NotJsonError } from "../../../../src/runtime/json-cursor.ts";
import { readJsonOf } from "../../../support/read-json.ts";

/** As Spring Cloud 2025.0 lists it. */
const recorded = {
  instanceId: "192.0.2.2:order-service:18081",
  hostName: "10.42.0.7",
  app: "ORDERS",
  ipAddr: "10.42.0.7",
  status: "UP",
  overriddenStatus: "UNKNOWN",
  port: { $: 8080, "@enabled": "true" },
  securePort: { $: 443, "@enabled": "false" },
  countryId: 1,
  dataCenterInfo: { "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", name: "MyOwn" },
  leaseInfo: { renewalIntervalInSecs: 30, durationInSecs: 90, lastRenewalTimestamp: 1_795_251_268_724 },
  metadata: { "management.port": "8080" },
  lastUpdatedTimestamp: "1795251268724",
  actionType: "ADDED",
};

const parse = (said: unknown, known: readonly string[] = []) =>
  readJsonOf(
    (json) => readServices(json, { wants: () => true, known: () => known }, new Map<string, Service>()),
    said,
  );

/** The services of a list; `known` = the names that the cluster has. */
const listOf = (application: unknown, known: readonly string[] = []): readonly Service[] => [
  ...(parse(
    { applications: { versions__delta: "1", apps__hashcode: "UP_1_", application } },
    known,
  )?.services.values() ?? []),
];

/** The service that an application with these instances is. */
function serviceOf(instance: unknown) {
  const [service] = listOf([{ name: "ORDERS", instance }]);
  if (service === undefined || service.instances === "unknown") throw new Error("no readable application");
  return { ...service, instances: service.instances };
}

const readInstance = (fields: object) => serviceOf([{ ...recorded, ...fields }]);

test("an application is a service with its instances", () => {
  expect(serviceOf([recorded])).toEqual({
    id: "ORDERS",
    kind: "spring",
    name: "ORDERS",
    instances: [
      {
        address: "10.42.0.7",
        port: 8080,
        protocol: "tcp",
        version: "",
        group: "",
        metadata: { "management.port": "8080" },
      },
    ],
    problems: [],
  });
});

describe("a list", () => {
  test.each<[string, unknown, readonly string[]]>([
    ["is an array", [{ name: "A", instance: [] }, { name: "B" }], ["A", "B"]],
    ["of one may be that one", { name: "A", instance: recorded }, ["A"]],
    ["of none may be missing", undefined, []],
    ["of none may be null", null, []],
    ["of none may be empty text", "", []],
  ])("%s", (_, application, names) => {
    expect(listOf(application).map(({ name }) => name)).toEqual(names);
  });

  test.each([
    ["an array", [recorded], 1],
    ["the only one", recorded, 1],
    ["missing", undefined, 0],
    ["null", null, 0],
    ["empty text", "", 0],
  ])("of instances: %s", (_, instance, count) => {
    expect(serviceOf(instance).instances).toHaveLength(count);
  });

  test.each(["<applications/>", "", "{", '{"applications":{"application":[{"name":"A"}]}', "{} {}"])(
    "%s is no JSON",
    (text) => {
      expect(() => parse(text)).toThrow(NotJsonError);
    },
  );

  test.each(["[]", "{}", "null", '{"applications":7}', '{"applications":{"application":"s3cret"}}'])(
    "%s is none",
    (text) => {
      expect(parse(text)).toBeUndefined();
    },
  );

  test("may have an application twice, whose instances are then all there", () => {
    const other = { ...recorded, ipAddr: "10.42.0.8" };
    const twice = [
      { name: "ORDERS", instance: [recorded] },
      { name: "ORDERS", instance: [other] },
    ];
    expect(listOf(twice)).toMatchObject([
      { instances: [{ address: "10.42.0.7" }, { address: "10.42.0.8" }] },
    ]);
    expect(listOf(twice.toReversed())).toEqual(listOf(twice));
  });

  test("with an application that cannot be read knows the others, and that one in part", () => {
    const services = listOf([
      { name: "ORDERS", instance: 7 },
      { name: "STOCK", instance: [recorded] },
    ]);
    expect(services).toMatchObject([
      { id: "ORDERS", instances: [], isPartial: true, problems: [{ at: "ORDERS", code: "Unreadable" }] },
      { id: "STOCK", instances: [{ address: "10.42.0.7" }], problems: [] },
    ]);
    expect(services[1]).not.toHaveProperty("isPartial");
  });

  test("with a nameless application concludes nothing about what the cluster has and is not listed", () => {
    const nameless = [{ name: "STOCK", instance: [recorded] }, { instance: [recorded] }, 7];
    expect(listOf(nameless, ["orders", "Stock"])).toMatchObject([
      { id: "STOCK", instances: [{ address: "10.42.0.7" }] },
      { id: "ORDERS", instances: "unknown", problems: [{ code: "Unreadable" }] },
    ]);
    expect(listOf(nameless.slice(0, 1), ["orders"])).toHaveLength(1);
  });
});

test("of malformed instances 20 are told, whatever applications they are of, and the rest are counted", () => {
  const bad = (count: number) => Array.from({ length: count }, () => ({ ...recorded, port: { $: "http" } }));
  const services = listOf([
    { name: "ORDERS", instance: [...bad(15), recorded] },
    { name: "STOCK", instance: [...bad(15), recorded] },
    { name: "FINE", instance: [recorded] },
  ]);
  expect(services.map(({ problems }) => problems.length)).toEqual([15, 6, 0]);
  expect(services[1]?.problems.at(-1)).toEqual({
    at: "STOCK others",
    code: "BadInstance",
    detail: "10 more are malformed",
    severity: "rejected",
  });
  expect(services.map(({ instances }) => instances.length)).toEqual([1, 1, 1]);
});

test("an instance that is longer than a megabyte is malformed, and costs nobody else anything", () => {
  const long = { ...recorded, metadata: { text: "x".repeat(1_100_000) } };
  expect(serviceOf([long, recorded])).toMatchObject({
    instances: [{ address: "10.42.0.7" }],
    problems: [{ at: "ORDERS ?", detail: "it is longer than 1 MiB" }],
  });
});

test("more than any registry lists is refused as a whole", () => {
  expect(() => parse(`{"applications":{"application":[${"{},".repeat(200_000)}{}]}}`)).toThrow(
    "it lists more than 200000 entries",
  );
  const metadata = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`k${at}`, ""]));
  const instance = Array.from({ length: 101 }, () => ({ ...recorded, metadata }));
  expect(() => listOf([{ name: "ORDERS", instance }])).toThrow(
    "it lists more than 1000000 pairs of metadata",
  );
});

describe("an instance", () => {
  test.each(["DOWN", "STARTING", "OUT_OF_SERVICE", "UNKNOWN", "SOMETHING"])(
    "that is %s takes no calls, and is no problem",
    (status) => {
      expect(readInstance({ status })).toMatchObject({ name: "ORDERS", instances: [], problems: [] });
    },
  );

  test.each<[string, object, number]>([
    ["as text", { port: { $: "8081", "@enabled": "true" } }, 8081],
    ["enabled in another case", { port: { $: "8081", "@enabled": "True" } }, 8081],
    ["enabled as a boolean", { port: { $: 8081, "@enabled": true } }, 8081],
    ["enabled without a word", { port: { $: 8081 } }, 8081],
    ["a mere number", { port: 8081 }, 8081],
    ["the plain one before the secure one", { securePort: { $: 8443, "@enabled": "true" } }, 8080],
    [
      "the secure one alone",
      { port: { $: 8080, "@enabled": "false" }, securePort: { $: 8443, "@enabled": "true" } },
      8443,
    ],
    ["an illegal one, which translate refuses", { port: { $: 0, "@enabled": "true" } }, 0],
  ])("'s port: %s", (_, fields, port) => {
    expect(readInstance(fields)).toMatchObject({ instances: [{ port }], problems: [] });
  });

  test.each<[string, object, string]>([
    ["an address", { ipAddr: "10.42.0.9", hostName: "order-7f" }, "10.42.0.9"],
    ["IPv6", { ipAddr: "2001:db8::1" }, "2001:db8::1"],
    ["IPv6 in brackets", { ipAddr: "[2001:db8::1]", hostName: "order-7f" }, "2001:db8::1"],
    ["a name where an address should be", { ipAddr: "unknown", hostName: "10.42.0.8" }, "10.42.0.8"],
    ["no address", { ipAddr: null, hostName: "order.example" }, "order.example"],
    ["nothing", { ipAddr: "", hostName: "" }, ""],
  ])("'s address: %s", (_, fields, address) => {
    expect(readInstance(fields)).toMatchObject({ instances: [{ address }] });
  });

  test.each<[string, object, object]>([
    ["weight", { metadata: { weight: "3" } }, { weight: 3 }],
    ["a weight that is a number", { metadata: { weight: 5 } }, { weight: 5, metadata: { weight: "5" } }],
    [
      "a zone that is a number",
      { metadata: { zone: 1, nested: {} } },
      { locality: "/1", metadata: { zone: "1" } },
    ],
    ["a weight with decimals", { metadata: { weight: "0.5" } }, { weight: 0.5 }],
    ["a zone and its region", { metadata: { zone: "b", region: "eu" } }, { locality: "eu/b" }],
    ["a zone as Istio writes it", { metadata: { zone: "eu/b/rack-1" } }, { locality: "eu/b/rack-1" }],
    ["a zone of a region that nobody knows", { metadata: { zone: "b" } }, { locality: "/b" }],
    ["a zone of AWS", { metadata: { zone: "us-east-1c" } }, { locality: "us-east-1/us-east-1c" }],
    [
      "the zone that AWS itself says",
      { dataCenterInfo: { name: "Amazon", metadata: { "availability-zone": "ap-northeast-2a" } } },
      { locality: "ap-northeast-2/ap-northeast-2a" },
    ],
    [
      "what its clients are told",
      { metadata: { version: "v1", "@class": "x" } },
      { metadata: { version: "v1" } },
    ],
    ["no metadata", { metadata: { "@class": "java.util.Collections$EmptyMap" } }, { metadata: {} }],
    ["no metadata at all", { metadata: null }, { metadata: {} }],
    [
      "nothing that a restart changes",
      { metadata: { startup: "1795251268", a: "b" } },
      { metadata: { a: "b" } },
    ],
  ])("carries %s", (_, fields, expected) => {
    expect(readInstance(fields).instances).toEqual([expect.objectContaining(expected)]);
  });

  test.each(["1", "0", "-1", "Infinity", "heavy", ""])("has no weight of its own: %j", (weight) => {
    const [one] = readInstance({ metadata: { weight } }).instances;
    expect(one).not.toHaveProperty("weight");
  });

  test("that is registered twice counts once, whatever the order", () => {
    const again = { ...recorded, instanceId: "other", metadata: { started: "later" } };
    const { instances } = serviceOf([recorded, again]);
    expect(instances).toHaveLength(1);
    expect(serviceOf([again, recorded]).instances).toEqual(instances);
  });

  test.each<[string, unknown, string]>([
    [
      "has its ports disabled",
      { ...recorded, port: { $: 8080, "@enabled": "false" } },
      "both its port and its secure port are disabled",
    ],
    [
      "has no port",
      { ...recorded, port: null, securePort: null },
      "both its port and its secure port are disabled",
    ],
    ["has a port that is none", { ...recorded, port: { $: "http" } }, "port: Invalid input"],
    [
      "has no status",
      { ...recorded, status: undefined },
      "status: Invalid input: expected string, received undefined",
    ],
  ])("that %s is a problem, and costs nobody else anything", (_, instance, detail) => {
    const other = { ...recorded, ipAddr: "10.42.0.8" };
    expect(serviceOf([instance, other])).toMatchObject({
      instances: [{ address: "10.42.0.8" }],
      problems: [{ at: "ORDERS 10.42.0.7", code: "BadInstance", detail, severity: "rejected" }],
    });
  });

  test("that is none at all is a problem without any of its values", () => {
    expect(serviceOf(["s3cret"]).problems).toMatchObject([{ at: "ORDERS ?", severity: "rejected" }]);
    expect(JSON.stringify(serviceOf(["s3cret"]))).not.toContain("s3cret");
  });
});

describe("what a server says of itself", () => {
  const status = (uptime: string, rest = "<lastUpdatedTimestamp>1795284785583</lastUpdatedTimestamp>") =>
    `<com.netflix.eureka.util.StatusInfo><generalStats><server-uptime>${uptime}</server-uptime></generalStats>
      <instanceInfo><instanceId>192.0.2.2:8761</instanceId>${rest}</instanceInfo></com.netflix.eureka.util.StatusInfo>`;

  test.each([
    ["00:00", 0],
    ["00:59", 59],
    ["03:07", 187],
    ["1 day 00:01", 1441],
    ["12 days 03:07", 17_467],
  ])("%s", (uptime, uptimeMinutes) => {
    expect(parseStatus(status(uptime))).toEqual({ process: "192.0.2.2:8761 1795284785583", uptimeMinutes });
  });

  test.each(["", "<html>404</html>", '{"status":"UP"}', status("soon"), status("00:01", "")])(
    "may be nothing: %s",
    (text) => {
      expect(parseStatus(text)).toBeUndefined();
    },
  );
});
