import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rulesOf, rulesOfHttp, subsetsIn, withSubsets } from "../../src/translate/dubbo-rules.ts";
import { clusterOf, outboundFilter, rulesFilter } from "../../src/translate/envoy-filter.ts";
import { filterFactsOf, followedOf, rulesInForceOf } from "../../src/translate/read-back/envoy-filter.ts";
import { isSubsetEmpty, subsetFactsOf, subsetsOnly } from "../../src/translate/read-back/subsets.ts";
import { applyNowOf, hostNamesOf, ruleOnly } from "../../src/translate/read-back/virtual-service.ts";
import { anyJson } from "./schemas.ts";

const route = {
  serviceEntry: "demo/aeraki-a",
  host: "demo.a.demo",
  vip: "240.241.0.1",
  port: 20_880,
  interface: "demo.A",
  outlierDetection: true,
};
const { host } = route;

/** Mostly what it should be, now and then anything. */
const oddly = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 30, arbitrary: value }, { weight: 1, arbitrary: anyJson });
const texts = fc.oneof(
  fc.constantFrom("", "a", "(", ".*", "a{99}", "dubbo.tag", "\u0000", "\ud800"),
  fc.string(),
);
const matcher = oddly(
  fc.oneof(
    texts.map((exact) => ({ exact })),
    texts.map((prefix) => ({ prefix })),
    texts.map((regex) => ({ regex })),
    fc.constant({}),
  ),
);
const match = oddly(
  fc.record(
    { method: matcher, headers: fc.dictionary(texts, matcher, { maxKeys: 2 }) },
    { requiredKeys: [] },
  ),
);
const destination = oddly(
  fc.record(
    { host: fc.constant(host), subset: fc.constantFrom("gray", "blue", "green", "") },
    { requiredKeys: ["host"] },
  ),
);
const weighted = oddly(
  fc.record({ destination, weight: fc.nat({ max: 100 }) }, { requiredKeys: ["destination"] }),
);
const http = oddly(
  fc.array(
    oddly(
      fc.record(
        {
          match: fc.array(match, { maxLength: 3 }),
          route: fc.array(weighted, { minLength: 1, maxLength: 3 }),
        },
        { requiredKeys: ["route"] },
      ),
    ),
    { maxLength: 4 },
  ),
);
const specs = oddly(fc.record({ hosts: fc.constant([host]), http }));

interface EnvoyRoute {
  readonly match: { readonly method?: unknown };
  readonly route: {
    readonly cluster?: string;
    readonly weighted_clusters?: { readonly clusters: readonly { name: string; weight: number }[] };
  };
}

const routesIn = (filter: ReturnType<typeof rulesFilter>): readonly (readonly EnvoyRoute[])[] => {
  const [patch] = filter.spec.configPatches as readonly {
    patch: {
      value: { typed_config: { multiple_route_config: { route_config: { routes: EnvoyRoute[] }[] } } };
    };
  }[];
  return (patch?.patch.value.typed_config.multiple_route_config.route_config ?? []).map(
    ({ routes }) => routes,
  );
};

/** An empty prefix or regular expression, which Envoy refuses, stands nowhere. */
const isValid = (value: unknown): boolean =>
  typeof value !== "object" ||
  value === null ||
  Object.entries(value).every(
    ([name, inner]) => !((name === "prefix" || name === "regex") && inner === "") && isValid(inner),
  );

describe("any VirtualService", () => {
  test("is refused with a field, or becomes routes that Envoy takes, the last of which is for every call", () => {
    let accepted = 0;
    fc.assert(
      fc.property(specs, fc.subarray(["gray", "blue", "green"]), (spec, there) => {
        const verdict = rulesOf(spec, route);
        const asked = "rules" in verdict ? verdict.rules : [];
        expect("refusal" in verdict ? verdict.refusal.field : "spec").toMatch(/^spec/);
        if (asked.length > 0) accepted++;
        const rules = withSubsets(asked, (subset) => there.includes(subset));
        expect(there).toEqual(expect.arrayContaining([...subsetsIn(rules)]));
        const http = "rules" in verdict ? ((spec as { http?: unknown }).http ?? []) : [];
        const inForce = { virtualService: "demo/a", http };
        const followed = { subsets: there, listener: { applyNow: "", vanished: "0a1b2c3d" } };
        const filter = rulesFilter(route, rules, inForce, followed, "servicemesh");
        const allowed = ["", ...there].map((subset) => clusterOf(route, subset));
        for (const routes of routesIn(filter)) {
          expect(routes.at(-1)).toEqual({
            match: { method: { name: { safe_regex: { regex: ".*" } } } },
            route: { cluster: clusterOf(route) },
          });
          for (const one of routes) {
            expect(one.match.method).toBeDefined();
            expect(one).toSatisfy(isValid);
            const clusters = one.route.weighted_clusters?.clusters ?? [];
            expect([one.route.cluster ?? "", ...clusters.map(({ name }) => name)].filter(Boolean)).toSatisfy(
              (names: string[]) => names.length > 0 && names.every((name) => allowed.includes(name)),
            );
            expect(clusters.every(({ weight }) => weight > 0)).toBe(true);
          }
        }
        // What is kept of it in the cluster says the same again.
        const kept = rulesInForceOf(JSON.parse(JSON.stringify(filter)));
        expect(kept?.virtualService).toBe("demo/a");
        expect(rulesOfHttp(kept?.http, route)).toEqual({ rules: asked });
        expect(followedOf(JSON.parse(JSON.stringify(filter)))).toEqual(followed);
      }),
      { numRuns: 2_000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  test("is read without a throw, and so is any DestinationRule", () => {
    const metadata = { namespace: "demo", name: "a" };
    fc.assert(
      fc.property(anyJson, anyJson, fc.string(), (spec, odd, note) => {
        const types = { apiVersion: "networking.istio.io/v1beta1" } as const;
        const annotations = { "ecns.easystack.cn/apply-rules-now": note };
        for (const one of [spec, { hosts: spec, gateways: odd }, { hosts: [spec] }]) {
          const object = {
            ...types,
            kind: "VirtualService",
            metadata: { ...metadata, annotations },
            spec: one,
          } as const;
          expect(hostNamesOf(ruleOnly(object))).toEqual(hostNamesOf(object));
          expect(applyNowOf(ruleOnly(object))).toMatch(/^[0-9a-f]{8}$/);
        }
        for (const one of [
          spec,
          { host: spec, subsets: odd },
          { host, subsets: [{ name: spec, labels: odd }] },
        ]) {
          const object = { ...types, kind: "DestinationRule", metadata, spec: one } as const;
          expect(subsetFactsOf(subsetsOnly(object))).toEqual(subsetFactsOf(object));
        }
        const filterType = { apiVersion: "networking.istio.io/v1alpha3", kind: "EnvoyFilter" } as const;
        for (const text of [note, JSON.stringify(spec)]) {
          const filter = {
            ...filterType,
            metadata: { ...metadata, annotations: { "ecns.easystack.cn/rules": text } },
            spec,
          };
          expect(rulesOfHttp(rulesInForceOf(filter)?.http, route)).toBeDefined();
          expect(followedOf(filter).subsets).toBeDefined();
        }
        isSubsetEmpty({ tag: "gray" }, { metadata, spec });
      }),
    );
  });
});

test("the listener says why it last changed", () => {
  const mark = fc.stringMatching(/^([0-9a-f]{8})?$/);
  fc.assert(
    fc.property(mark, mark, (applyNow, vanished) => {
      const named = { applyNow, vanished };
      const filter = outboundFilter(route, "servicemesh", "servicemesh", named);
      expect(filterFactsOf(filter)).toMatchObject({ named, slot: "outbound 20880" });
    }),
  );
});
