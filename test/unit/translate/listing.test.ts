import { describe, expect, test } from "vitest";
import type { ServiceInstance } from "../../../src/model/service.ts";
import { listingOf } from "../../../src/translate/listing.ts";
import { hash } from "../../../src/translate/names.ts";
import { codesOf, greeting, hubOf, instanceOf, serviceOf } from "../../support/model.ts";

const host = "dubbozk/org.apache.dubbo.samples.api.greetingservice-1.0.0.dubbozk";

describe("a Dubbo service", () => {
  test("each version and group is a host of its own", () => {
    const instances = [
      instanceOf({ version: "1.0.0" }),
      instanceOf({ version: "2.0.0", port: 20_881 }),
      instanceOf({ version: "1.0.0", group: "g1", port: 20_882 }),
      instanceOf({ version: "", port: 20_883 }),
    ];
    const { byHost, problems } = listingOf(serviceOf({ name: "a.B", instances }), hubOf());
    expect([...byHost.keys()].sort()).toEqual([
      "dubbozk/a.b-1.0.0.dubbozk",
      "dubbozk/a.b-2.0.0.dubbozk",
      "dubbozk/a.b-g1-1.0.0.dubbozk",
      "dubbozk/a.b.dubbozk",
    ]);
    expect(problems).toEqual([]);
  });

  test("two spellings of one IPv6 address are one endpoint, whatever the order; its other protocol is another", () => {
    const at = (address: string, more: object = {}) => instanceOf({ version: "1.0.0", address, ...more });
    const instances = [
      at("2001:db8::1"),
      at("2001:DB8:0::1"),
      at("2001:db8::1", { port: 20_881 }),
      at("2001:0db8::1", { protocol: "grpc" }),
    ];
    const { byHost, problems } = listingOf(serviceOf({ instances }), hubOf());
    expect(byHost.get(host)).toMatchObject([
      { hostPort: "[2001:db8::1]:20880", protocol: "dubbo" },
      { hostPort: "[2001:db8::1]:20880", protocol: "grpc" },
      { hostPort: "[2001:db8::1]:20881", protocol: "dubbo" },
    ]);
    expect(listingOf(serviceOf({ instances: instances.toReversed() }), hubOf()).byHost).toEqual(byHost);
    expect(problems).toEqual([]);
  });

  test("what the selector does not select is neither endpoint nor problem, and counted", () => {
    const at = (address: string, facts?: Readonly<Record<string, string>>) =>
      instanceOf({ version: "1.0.0", address, ...(facts && { facts }) });
    const service = serviceOf({
      instances: [
        at("10.42.0.1", { env: "gray" }),
        at("10.42.0.2", { env: "blue" }),
        at("10.42.0.3"),
        at("127.0.0.1", { env: "blue" }),
      ],
    });
    const listing = (matchLabels: Readonly<Record<string, string>>) =>
      listingOf(service, hubOf({ instances: { selector: { matchLabels } } }));
    expect(listing({ env: "gray" }).byHost.get(host)).toMatchObject([{ address: "10.42.0.1" }]);
    expect(listing({ env: "gray" })).toMatchObject({ excluded: 3, problems: [] });
    expect(listing({})).toMatchObject({ excluded: 0, problems: [{ code: "BadAddress" }] });
    const selector = {
      matchExpressions: [{ key: "env", operator: "NotIn", values: ["gray"] }],
    } as const;
    const others = listingOf(service, hubOf({ instances: { selector } })).byHost.get(host);
    expect(others?.map(({ address }) => address)).toEqual(["10.42.0.2", "10.42.0.3"]);
  });

  test("shares dose the endpoints of one Dubbo service, whatever else is on its host", () => {
    const at = (address: string, more: Partial<ServiceInstance> = {}) =>
      instanceOf({ version: "1.0.0", address, ...more });
    const service = serviceOf({
      instances: [
        at("10.42.0.1", { facts: { tag: "gray" } }),
        at("10.42.0.2", { weight: 3 }),
        at("10.42.0.3", { protocol: "grpc", facts: { tag: "gray" } }),
      ],
    });
    const selector = { matchLabels: { tag: "gray" } };
    const listing = (percent: number) =>
      listingOf(service, hubOf({ instances: { shares: [{ name: "canary", selector, percent }] } }));
    const weights = (percent: number) =>
      listing(percent)
        .byHost.get(host)
        ?.map(({ weight }) => weight);
    expect(weights(50)).toEqual([2, 2, 1]);
    expect(listing(50)).toMatchObject({ excluded: 0, problems: [] });
    expect(weights(0)).toEqual([4, undefined]); // of Triple there is nobody else
    expect(listing(0)).toMatchObject({ excluded: 1, problems: [{ code: "ShareIgnored" }] });
  });

  test("what is asked for becomes a label, made legal, before what nobody asked for", () => {
    const metadata = Object.fromEntries(
      Array.from({ length: 40 }, (_, at) => [`a${String(at).padStart(2, "0")}`, "x"]),
    );
    const instances = [{ "gray,blue": "1", zone: "z 1", env: "x,y", token: "secret" }, { env: "other" }].map(
      (facts, at) => instanceOf({ version: "1.0.0", address: `10.42.0.${at + 1}`, metadata, facts }),
    );
    const hub = hubOf({ instances: { labels: ["env", "gray,blue", "zone", "token"] } });
    const labels = listingOf(serviceOf({ instances }), hub)
      .byHost.get(host)
      ?.map((one) => one.labels);
    expect(labels?.[0]).toMatchObject({ env: "x-y", "gray-blue": "1", a00: "x" });
    expect(labels?.[1]).toMatchObject({ env: "other", a00: "x" });
    for (const key of ["zone", "token", "a39"]) expect(labels?.[0]).not.toHaveProperty(key);
    expect(labels?.map((one) => Object.keys(one).length)).toEqual([30, 30]);
  });

  test("an endpoint has its instance's weight, unless the hub's weights do not count", () => {
    const service = serviceOf({ instances: [instanceOf({ version: "1.0.0", weight: 0.5 })] });
    expect(listingOf(service, hubOf()).byHost.get(host)).toMatchObject([{ weight: 0.5 }]);
    const [endpoint] = listingOf(service, hubOf({ instances: { weights: false } })).byHost.get(host) ?? [];
    expect(endpoint).not.toHaveProperty("weight");
  });

  test("an endpoint has the interface's exact spelling", () => {
    const instance = instanceOf({
      locality: "r/z",
      metadata: { application: "x", token: "s3cret" },
    });
    const { byHost } = listingOf(serviceOf({ instances: [instance] }), hubOf());
    expect(byHost.get(host)).toEqual([
      {
        hostPort: "10.42.0.57:20880",
        address: "10.42.0.57",
        port: 20_880,
        protocol: "dubbo",
        service: {
          kind: "dubbo",
          name: greeting,
          serviceKey: `${greeting}:1.0.0`,
          originalName: "",
          registry: "",
          registryGroup: "",
        },
        locality: "r/z",
        labels: { application: "x" },
      },
    ]);
  });

  test("the name that a host was made from is kept where it took more than lower-casing", () => {
    const service = serviceOf({ name: "a.B$C", instances: [instanceOf({ version: "1.0" })] });
    const [[key, endpoints] = []] = listingOf(service, hubOf()).byHost;
    expect(key).toBe(`dubbozk/a.b-c-1-${hash("B$C-1")}.0.dubbozk`);
    expect(endpoints?.[0]?.service).toMatchObject({ name: "a.B$C", originalName: "a.B$C-1.0" });
  });

  test("what cannot be called is rejected by name, the rest stays", () => {
    const instances = [
      instanceOf(),
      instanceOf({ address: "provider.svc" }),
      instanceOf({ address: "127.0.0.1" }),
      instanceOf({ port: 0 }),
    ];
    const { byHost, problems } = listingOf(serviceOf({ name: "a.B", instances }), hubOf());
    expect(byHost.get("dubbozk/a.b-1.0.0.dubbozk")).toHaveLength(1);
    expect(problems.map(({ at, code, severity }) => [at, code, severity])).toEqual([
      ["a.B provider.svc:20880", "BadAddress", "rejected"],
      ["a.B 127.0.0.1:20880", "BadAddress", "rejected"],
      ["a.B 10.42.0.57:0", "BadPort", "rejected"],
    ]);
  });

  test("a host longer than 253 is rejected once, not once per instance", () => {
    const name = "a.".repeat(150);
    const instances = [instanceOf(), instanceOf({ port: 2 }), instanceOf({ port: 3 })];
    const { byHost, problems } = listingOf(serviceOf({ name, instances }), hubOf());
    expect([...byHost]).toEqual([]);
    expect(codesOf(problems)).toEqual(["NameTooLong"]);
  });

  test("a name that would fill the annotations is too long, though its host is cut", () => {
    const [longest, longer] = ["x".repeat(1_000 - "-1.0.0".length), "x".repeat(1_001 - "-1.0.0".length)];
    expect(codesOf(listingOf(serviceOf({ name: longest }), hubOf()).problems)).toEqual([]);
    const { byHost, problems } = listingOf(serviceOf({ name: longer }), hubOf());
    expect([...byHost]).toEqual([]);
    expect(problems).toMatchObject([
      { code: "NameTooLong", detail: expect.stringContaining("longer than 1000 characters") },
    ]);
  });

  test("an address that is a URL is told without its login and query", () => {
    const instances = [instanceOf({ address: "http://me:s3cret@h/?token=s3cret" })];
    const { problems } = listingOf(serviceOf({ name: "a.B", instances }), hubOf());
    expect(problems).toMatchObject([{ code: "BadAddress", at: expect.stringContaining("a.B h/") }]);
    expect(JSON.stringify(problems)).not.toContain("s3cret");
  });

  test("what the registry's reader found wrong is passed on; unknown lists nothing", () => {
    const problem = { at: "a.B", code: "Unreadable", detail: "no right", severity: "warning" } as const;
    const listing = listingOf(serviceOf({ instances: "unknown", problems: [problem] }), hubOf());
    expect([...listing.byHost]).toEqual([]);
    expect(listing.problems).toEqual([problem]);
  });
});

describe("a Spring service", () => {
  const hub = hubOf({
    type: "eureka",
    generate_to: "springnacos",
    address: "http://eureka.springnacos:8761/eureka",
  });
  const service = serviceOf({
    name: "EUREKA-PROVIDER",
    kind: "spring",
    instances: [
      instanceOf({
        address: "10.42.0.59",
        port: 9000,
        protocol: "tcp",
        version: "",
        weight: 3,
        metadata: { zone: "z" },
      }),
    ],
  });

  test("is called by its lower-case name, whatever the versions", () => {
    expect([...listingOf(service, hub).byHost.keys()]).toEqual(["springnacos/eureka-provider.springnacos"]);
  });

  test("carries weight and the registry's name for it; what it speaks is not its own to say", () => {
    const [[endpoint] = []] = listingOf(service, hub).byHost.values();
    expect(endpoint).toMatchObject({
      weight: 3,
      service: { kind: "spring", registry: "eureka" },
      labels: { eurekaName: "EUREKA-PROVIDER", zone: "z" },
    });
    const http = hubOf({ type: "consul", protocol: "http" });
    const [[other] = []] = listingOf(service, http).byHost.values();
    expect(other).toMatchObject({ protocol: "tcp", labels: { consulName: "EUREKA-PROVIDER" } });
  });
});

describe("a Spring service with much metadata", () => {
  const many = (prefix: string) =>
    Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`${prefix}${at}`, "x"]));
  const listing = listingOf(
    serviceOf({
      name: "PAY",
      kind: "spring",
      instances: [
        instanceOf({ address: "10.42.0.1", metadata: many("b") }),
        instanceOf({ address: "10.42.0.2", metadata: many("a") }),
        instanceOf({ address: "10.42.0.3", locality: "r/".padEnd(201, "z") }),
        instanceOf({ address: "10.42.0.4", locality: "r/".padEnd(200, "z") }),
      ],
    }),
    hubOf({ type: "consul" }),
  );
  const [endpoints = []] = listing.byHost.values();

  test("has an endpoint for each instance, and as many labels as there is room for", () => {
    expect(endpoints.map(({ labels }) => Object.keys(labels).length)).toEqual([30, 30, 1, 1]);
    expect(endpoints.map(({ labels }) => labels.consulName)).toEqual(["PAY", "PAY", "PAY", "PAY"]);
  });

  test("has no locality that is too long", () => {
    expect(endpoints.map(({ locality = "" }) => locality.length)).toEqual([0, 0, 0, 200]);
  });

  test("is told so once, with the first key that is left out", () => {
    expect(listing.problems).toMatchObject([
      { at: "PAY 10.42.0.3:20880", code: "BadInstance", severity: "warning" },
      { at: "PAY", code: "TooManyLabels", severity: "warning", detail: expect.stringContaining("so a124 ") },
    ]);
  });
});

describe("one Spring service in several registries", () => {
  const place = (type: "eureka" | "consul" | "nacos", name: string): readonly unknown[] => {
    const service = serviceOf({ name, kind: "spring", instances: [instanceOf({ port: 9000 })] });
    const [[host, endpoints] = []] = listingOf(service, hubOf({ type, generate_to: "ns" })).byHost;
    return [host, endpoints?.[0]?.service.originalName, endpoints?.[0]?.labels];
  };

  test("has one host, however they spell it, and endpoints say which registry calls them what", () => {
    expect(place("eureka", "ORDER-SERVICE")).toEqual([
      "ns/order-service.ns",
      "",
      { eurekaName: "ORDER-SERVICE" },
    ]);
    expect(place("consul", "order-service")).toEqual([
      "ns/order-service.ns",
      "",
      { consulName: "order-service" },
    ]);
    expect(place("nacos", "Order-Service")).toEqual([
      "ns/order-service.ns",
      "",
      { nacosName: "Order-Service" },
    ]);
  });

  test("with a name that DNS does not have, each spelling is a host of its own, and none is order-service", () => {
    const hosts = ["Order_Service", "ORDER_SERVICE", "order_service"].map((name) => place("consul", name));
    expect(hosts).toEqual(
      ["Order_Service", "ORDER_SERVICE", "order_service"].map((name) => [
        `ns/order-service-${hash(name)}.ns`,
        name,
        { consulName: name },
      ]),
    );
  });
});
