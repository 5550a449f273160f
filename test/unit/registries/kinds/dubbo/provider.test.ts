import { describe, expect, test } from "vitest";
import { readProvider, weighted } from "../../../../../src/registries/kinds/dubbo/provider.ts";
import { decodeSegment, parseProviderUrl } from "../../../../../src/registries/kinds/dubbo/provider-url.ts";

/** What a provider URL amounts to, filed under the interface `a.B`. */
function provider(url: string) {
  const parsed = parseProviderUrl(url);
  if (parsed === undefined) throw new Error(`${url} is no URL`);
  return readProvider(parsed, "a.B");
}

const instance = (url: string) => provider(url).instance;

describe("a Dubbo URL in its parts", () => {
  test.each([
    ["dubbo://10.0.0.1:20880/a.B?x=1", { scheme: "dubbo", host: "10.0.0.1", port: "20880" }],
    ["dubbo://[2001:db8::1]:20880/a.B", { scheme: "dubbo", host: "2001:db8::1", port: "20880" }],
    ["dubbo://[fe80::1%eth0]:20880/a.B", { scheme: "dubbo", host: "fe80::1%eth0", port: "20880" }],
    ["dubbo://user:pass@10.0.0.1:20880/a.B", { scheme: "dubbo", host: "10.0.0.1", port: "20880" }],
    ["dubbo://user@host@10.0.0.1:20880", { scheme: "dubbo", host: "10.0.0.1", port: "20880" }],
    ["tri://provider-0.dubbo.svc:50052", { scheme: "tri", host: "provider-0.dubbo.svc", port: "50052" }],
    ["rest://10.0.0.1?x=1", { scheme: "rest", host: "10.0.0.1", port: "" }],
    ["dubbo://10.0.0.1:-1/a.B", { scheme: "dubbo", host: "10.0.0.1", port: "-1" }],
  ])("%s", (url, parts) => {
    expect(parseProviderUrl(url)).toMatchObject(parts);
  });

  test.each([
    "",
    "garbage",
    "10.0.0.1:20880",
    "://10.0.0.1",
    "dubbo://",
    "dubbo:///a.B",
    "dubbo://[::1/a.B",
    "dubbo://:1/a.B",
    "1dubbo://h:1/a.B",
  ])("%j is none", (text) => {
    expect(parseProviderUrl(text)).toBeUndefined();
  });

  test("values keep what a URL parser would split or change", () => {
    const url =
      "dubbo://10.0.0.1:1/a.B?desc=hello world&k=a=b&service.name=ServiceBean:g/a.B:2.0.0&methods=a,b&q=?&flag&=x&k2=";
    expect(Object.fromEntries(parseProviderUrl(url)?.parameters ?? [])).toEqual({
      desc: "hello world",
      k: "a=b",
      "service.name": "ServiceBean:g/a.B:2.0.0",
      methods: "a,b",
      q: "?",
      flag: "",
      k2: "",
    });
  });

  test("a segment is decoded once, with + as a space", () => {
    expect(decodeSegment("a%2Bb+c%2520d%24e")).toBe("a+b c%20d$e");
    expect(decodeSegment("a%ZZ")).toBeUndefined();
    expect(decodeSegment("%E4")).toBeUndefined();
  });
});

describe("which provider counts", () => {
  test("a 3.3 provider with everything", () => {
    const url =
      "dubbo://192.168.1.10:20880/a.B?application=demo&deprecated=false&dubbo=2.0.2&dynamic=true&generic=false&interface=a.B" +
      "&methods=sayHello,sayBye&pid=12345&prefer.serialization=hessian2,fastjson2&release=3.3.1&revision=1.0.0" +
      "&service-name-mapping=true&side=provider&timestamp=1730000000000&version=1.0.0&group=g1&aeraki_meta_x=y";
    expect(provider(url)).toEqual({
      instance: {
        address: "192.168.1.10",
        port: 20_880,
        protocol: "dubbo",
        version: "1.0.0",
        group: "g1",
        metadata: {
          application: "demo",
          deprecated: "false",
          dubbo: "2.0.2",
          dynamic: "true",
          generic: "false",
          group: "g1",
          interface: "a.B",
          methods: "sayHello,sayBye",
          release: "3.3.1",
          revision: "1.0.0",
          "service-name-mapping": "true",
          side: "provider",
          version: "1.0.0",
        },
      },
    });
  });

  test("a simplified URL takes the interface from its directory", () => {
    const simplified = instance("dubbo://10.0.0.1:20880/ctx/a.B?application=x&release=2.7.23&side=provider");
    expect(simplified?.metadata).toEqual({
      application: "x",
      interface: "a.B",
      release: "2.7.23",
      side: "provider",
    });
  });

  test("version 0.0.0 is no version", () => {
    expect(instance("dubbo://10.0.0.1:1/a.B?version=0.0.0")?.version).toBe("");
    expect(instance("dubbo://10.0.0.1:1/a.B")).toMatchObject({ version: "", group: "" });
  });

  test.each([
    ["dubbo", "dubbo"],
    ["tri", "grpc"],
    ["grpc", "grpc"],
    ["rest", "http"],
    ["http", "http"],
  ])("%s is called as %s", (scheme, protocol) => {
    expect(instance(`${scheme}://10.0.0.1:1/a.B`)?.protocol).toBe(protocol);
  });

  test.each(["hessian", "thrift", "rmi", "grpcs", "https", "toString", "__proto__"])(
    "%s is rejected",
    (scheme) => {
      const problem = { at: "a.B 10.0.0.1:20880", code: "UnsupportedProtocol", severity: "rejected" };
      const parts = { scheme, host: "10.0.0.1", port: "20880", parameters: new Map() };
      expect(readProvider(parts, "a.B")).toMatchObject({ problem });
    },
  );

  test.each([
    "disabled=true",
    "enabled=false",
    "weight=0",
    "weight=-1",
    "side=consumer",
    "category=consumers",
    "category=configurators",
  ])("%s takes no traffic and is no error", (parameter) => {
    expect(provider(`dubbo://10.0.0.1:20880/a.B?${parameter}`)).toEqual({});
  });

  test.each([
    "",
    "disabled=false",
    "enabled=true",
    "weight=100",
    "weight=0&release=dubbo-golang-3.3.1",
    "weight=",
    "weight=x",
    "side=",
    "category=providers",
  ])("%j takes traffic", (parameter) => {
    expect(instance(`dubbo://10.0.0.1:20880/a.B?${parameter}`)).toBeDefined();
  });

  test.each([
    ["", undefined],
    ["weight=100", undefined],
    ["weight=200", 2],
    ["weight= 50 ", 0.5],
    ["weight=1", 0.01],
    ["weight=x", undefined],
    ["weight=Infinity", undefined],
    ["weight=0&release=dubbo-golang-3.3.1", undefined],
    ["weight=300&release=dubbo-golang-3.3.1", 3],
  ])("%j is this share of the usual one: %s", (parameter, weight) => {
    expect(instance(`dubbo://10.0.0.1:20880/a.B?${parameter}`)?.weight).toBe(weight);
  });

  test("a registry's own weight multiplies it", () => {
    const shares = ["weight=50", ""].map((parameter) => provider(`dubbo://10.0.0.1:1/a.B?${parameter}`));
    expect(shares.map((one) => weighted(one, 3).instance?.weight)).toEqual([1.5, 3]);
    expect(shares.map((one) => weighted(one, 1))).toEqual(shares);
    expect(weighted({}, 3)).toEqual({});
  });

  test.each(["override", "route", "consumer", "empty", "condition", "absent"])(
    "%s: is a control URL",
    (scheme) => {
      expect(provider(`${scheme}://0.0.0.0/a.B?category=providers`)).toEqual({});
    },
  );

  test.each(["0", "70000", "-1", "65536"])("port %s is passed on as it is", (port) => {
    expect(instance(`dubbo://10.0.0.1:${port}/a.B`)?.port).toBe(Number(port));
  });

  test.each([
    ["dubbo://10.0.0.1:http/a.B?token=s3cret", "a.B 10.0.0.1:http", 'port "http" is not a number'],
    ["dubbo://2001:db8::1:20880/a.B", "a.B 2001:db8::1:20880", 'port "db8::1:20880" is not a number'],
    ["dubbo://[2001:db8::1]/a.B?token=s3cret", "a.B [2001:db8::1]:", "the URL has no port"],
  ])("%s has no port", (url, at, detail) => {
    expect(provider(url)).toEqual({ problem: { at, code: "BadPort", detail, severity: "rejected" } });
  });

  test("a token is told of once per interface, and kept nowhere", () => {
    const { instance: kept, problem } = provider("dubbo://10.0.0.1:20880/a.B?token=s3cret");
    expect(problem).toMatchObject({ at: "a.B", code: "TokenRequired", severity: "warning" });
    expect(JSON.stringify([kept, problem])).not.toContain("s3cret");
    expect(kept).toBeDefined();
  });
});

test.each([
  ["tag=gray", "gray"],
  ["dubbo.tag=gray", "gray"],
  ["tag=blue&dubbo.tag=gray", "gray"],
  ["tag=blue&dubbo.tag=", "blue"],
])("?%s is the tag", (query, tag) => {
  expect(instance(`dubbo://10.0.0.1:20880/a.B?${query}`)?.metadata).toEqual({ interface: "a.B", tag });
});
