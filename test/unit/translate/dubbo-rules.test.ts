import { describe, expect, test } from "vitest";
import { rulesOf, subsetsIn, withSubsets } from "../../../src/translate/dubbo-rules.ts";

const target = { host: "demo.a.demo", port: 20_880 };
const { host } = target;
const any = { method: { name: { safe_regex: { regex: ".*" } } } };
const gray = [{ destination: { host, subset: "gray" } }];

const read = (spec: object) => rulesOf({ hosts: [host], ...spec }, target);
/** What the rules are, and nothing if they are refused. */
const rules = (http: unknown) => {
  const verdict = read({ http });
  return "rules" in verdict ? verdict.rules : [];
};
/** "<reason> <field>" of a refusal; undefined = it is accepted. */
const refusal = (spec: object): string | undefined => {
  const verdict = read(spec);
  return "refusal" in verdict ? `${verdict.refusal.reason} ${verdict.refusal.field}` : undefined;
};
const matched = (match: object) => rules([{ match: [match], route: gray }]).map((rule) => rule.match);

describe("a match", () => {
  test.each<[object, object]>([
    [{ method: { exact: "sayHello" } }, { method: { name: { exact: "sayHello" } } }],
    [{ method: { prefix: "say" } }, { method: { name: { prefix: "say" } } }],
    [{ method: { regex: "say.+" } }, { method: { name: { safe_regex: { regex: "say.+" } } } }],
    [
      { headers: { "dubbo.tag": { exact: "" } } },
      { ...any, headers: [{ name: "dubbo.tag", string_match: { exact: "" } }] },
    ],
    [
      { headers: { a: { prefix: "x" } } },
      { ...any, headers: [{ name: "a", string_match: { prefix: "x" } }] },
    ],
    [
      { headers: { a: { regex: "x|y" } } },
      { ...any, headers: [{ name: "a", string_match: { safe_regex: { regex: "x|y" } } }] },
    ],
    [{ headers: { a: {} } }, { ...any, headers: [{ name: "a", present_match: true }] }],
    [
      { name: "both", headers: { b: {}, a: { exact: "1" } }, method: { exact: "m" } },
      {
        method: { name: { exact: "m" } },
        headers: [
          { name: "a", string_match: { exact: "1" } },
          { name: "b", present_match: true },
        ],
      },
    ],
    [{}, any],
    [{ headers: {} }, any],
  ])("%j is %j: there is always a method", (match, expected) => {
    expect(matched(match)).toEqual([expected]);
  });

  test("of several each is a rule of its own, in order", () => {
    const match = [{ method: { exact: "a" } }, { method: { exact: "b" } }];
    const http = [{ name: "first", match, route: gray }, { route: gray }];
    expect(rules(http).map((rule) => rule.match)).toEqual([
      { method: { name: { exact: "a" } } },
      { method: { name: { exact: "b" } } },
      any,
    ]);
  });

  test.each([
    "uri",
    "scheme",
    "authority",
    "port",
    "sourceLabels",
    "sourceNamespace",
    "withoutHeaders",
    "queryParams",
    "gateways",
    "ignoreUriCase",
    "statPrefix",
  ])("by %s is refused", (field) => {
    expect(refusal({ http: [{ match: [{ [field]: {} }], route: gray }] })).toBe(
      `UnsupportedField spec.http[0].match[0].${field}`,
    );
  });

  test.each<[unknown, string]>([
    [{ method: {} }, "InvalidValue spec.http[0].match[0].method"],
    [{ method: { exact: "a", prefix: "b" } }, "InvalidValue spec.http[0].match[0].method"],
    [{ method: { exact: 1 } }, "InvalidValue spec.http[0].match[0].method"],
    [{ method: "a" }, "InvalidValue spec.http[0].match[0].method"],
    [{ method: { suffix: "a" } }, "UnsupportedField spec.http[0].match[0].method.suffix"],
    [{ method: { prefix: "" } }, "InvalidValue spec.http[0].match[0].method.prefix"],
    [{ headers: { a: { prefix: "" } } }, "InvalidValue spec.http[0].match[0].headers[a].prefix"],
    [{ headers: { "": {} } }, "InvalidValue spec.http[0].match[0].headers[]"],
    [{ headers: { "a\nb": {} } }, "InvalidValue spec.http[0].match[0].headers[a\nb]"],
    [{ headers: { a: null } }, "InvalidValue spec.http[0].match[0].headers[a]"],
    [{ headers: [] }, "InvalidValue spec.http[0].match[0].headers"],
    [{ method: { exact: "\ud800" } }, "InvalidValue spec.http[0].match[0].method.exact"],
    [null, "InvalidValue spec.http[0].match[0]"],
  ])("%j is refused", (match, expected) => {
    expect(refusal({ http: [{ match: [match], route: gray }] })).toBe(expected);
  });

  test.each([
    "",
    "(",
    "(?=a)",
    "(?<=a)b",
    String.raw`(a)\1`,
    "a{101}",
    "[x]?".repeat(76),
    "((a{100}){100}){100}",
    String.raw`\pL+`,
  ])("by the regular expression %j, which Envoy would refuse, is refused", (regex) => {
    expect(refusal({ http: [{ match: [{ method: { regex } }], route: gray }] })).toBe(
      "InvalidValue spec.http[0].match[0].method.regex",
    );
  });

  test.each([".*", "^say(Hello|Bye)$", "(?i)say.+", "[^/]+", String.raw`[a-z]+\d{3}`])(
    "may have the regular expression %j",
    (regex) => {
      expect(refusal({ http: [{ match: [{ method: { regex } }], route: gray }] })).toBeUndefined();
    },
  );
});

describe("a route", () => {
  const sent = (...route: object[]) => rules([{ route }]).map(({ to }) => to);
  const to = (subset: string | undefined, weight?: unknown) => ({
    destination: { host, ...(subset !== undefined && { subset }) },
    ...(weight !== undefined && { weight }),
  });

  test("has weights where it has several destinations; the only one gets all, whatever its weight", () => {
    expect(sent(to("gray"))).toEqual([[{ subset: "gray", weight: 1 }]]);
    expect(sent(to("gray", 0))).toEqual([[{ subset: "gray", weight: 1 }]]);
    expect(sent(to("gray", 900), to("blue", 1))).toEqual([
      [
        { subset: "gray", weight: 900 },
        { subset: "blue", weight: 1 },
      ],
    ]);
  });

  test("names no destination without weight, and each once", () => {
    expect(sent(to("gray", 2), to("blue"), to("gray", 3), to(""))).toEqual([[{ subset: "gray", weight: 5 }]]);
  });

  test.each<[unknown, string]>([
    [undefined, "InvalidValue spec.http[0].route"],
    [[], "InvalidValue spec.http[0].route"],
    ["x", "InvalidValue spec.http[0].route"],
    [[{ weight: 1 }], "InvalidValue spec.http[0].route[0].destination"],
    [[{ destination: { host: "demo.b.demo" } }], "UnsupportedHost spec.http[0].route[0].destination.host"],
    [[{ destination: { host: "demo.a" } }], "UnsupportedHost spec.http[0].route[0].destination.host"],
    [
      [{ destination: { host, port: { number: 1 } } }],
      "UnsupportedField spec.http[0].route[0].destination.port",
    ],
    [[{ destination: { host, subset: 1 } }], "InvalidValue spec.http[0].route[0].destination.subset"],
    [[{ destination: { host }, headers: {} }], "UnsupportedField spec.http[0].route[0].headers"],
    [[to("a", 0), to("b", 0)], "InvalidValue spec.http[0].route"],
    [[to("a", 2 ** 31), to("b", 2 ** 31)], "InvalidValue spec.http[0].route"],
    [[to("a", -1), to("b", 2)], "InvalidValue spec.http[0].route[0].weight"],
    [[to("a", 1.5), to("b", 2)], "InvalidValue spec.http[0].route[0].weight"],
  ])("to %j is refused", (route, expected) => {
    expect(refusal({ http: [{ route }] })).toBe(expected);
  });

  test("may say the service's own port", () => {
    const route = [{ destination: { host, subset: "gray", port: { number: 20_880 } } }];
    expect(refusal({ http: [{ route }] })).toBeUndefined();
  });

  test.each([
    "redirect",
    "directResponse",
    "delegate",
    "rewrite",
    "timeout",
    "retries",
    "fault",
    "mirror",
    "mirrors",
    "mirrorPercent",
    "mirrorPercentage",
    "corsPolicy",
    "headers",
  ])("with %s is refused", (field) => {
    expect(refusal({ http: [{ route: gray, [field]: {} }] })).toBe(`UnsupportedField spec.http[0].${field}`);
  });
});

describe("the whole", () => {
  test.each<[object, string]>([
    [{ tcp: [] }, "UnsupportedField spec.tcp"],
    [{ tls: [] }, "UnsupportedField spec.tls"],
    [{ hosts: [] }, "UnsupportedHost spec.hosts"],
    [{ hosts: [host, host] }, "UnsupportedHost spec.hosts"],
    [{ hosts: "x" }, "UnsupportedHost spec.hosts"],
    [{ gateways: ["mesh", "edge"] }, "UnsupportedField spec.gateways"],
    [{ exportTo: ["demo"] }, "UnsupportedField spec.exportTo"],
    [{ http: {} }, "InvalidValue spec.http"],
    [{ http: ["x"] }, "InvalidValue spec.http[0]"],
    [{ http: [{ route: gray, match: {} }] }, "InvalidValue spec.http[0].match"],
  ])("%j is refused", (spec, expected) => {
    expect(refusal(spec)).toBe(expected);
  });

  test.each<[string, unknown]>([
    ["bytes", [{ match: [{ method: { exact: "a".repeat(70_000) } }], route: gray }]],
    ["regular expressions", [{ match: Array(51).fill({ method: { regex: "a" } }), route: gray }]],
    ["matches times destinations", [{ match: Array(101).fill({}), route: Array(10).fill(gray[0]) }]],
  ])("with too many %s is refused", (_, http) => {
    expect(refusal({ http })).toBe("TooLarge spec.http");
  });

  test.each<[string, unknown]>([
    ["nothing", undefined],
    ["an empty list", []],
    [
      "only the service itself",
      [{ match: [{ method: { exact: "a" } }], route: [{ destination: { host } }] }],
    ],
    [
      "the service itself first",
      [{ route: [{ destination: { host } }] }, { match: [{ method: { exact: "a" } }], route: gray }],
    ],
  ])("that says %s is no rule", (_, http) => {
    expect(read({ http })).toEqual({ rules: [] });
  });
});

describe("without a subset", () => {
  const http = [
    {
      route: [
        { ...gray[0], weight: 1 },
        { destination: { host, subset: "blue" }, weight: 2 },
      ],
    },
  ];

  test("calls go to all endpoints", () => {
    expect([...subsetsIn(rules(http))]).toEqual(["gray", "blue"]);
    expect(withSubsets(rules(http), (subset) => subset === "blue").map(({ to }) => to)).toEqual([
      [
        { subset: undefined, weight: 1 },
        { subset: "blue", weight: 2 },
      ],
    ]);
  });

  test("rules that come to nothing are none", () => {
    expect(withSubsets(rules(http), () => false)).toEqual([]);
  });
});
