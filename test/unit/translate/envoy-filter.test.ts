import { describe, expect, test } from "vitest";
import {
  type DubboRoute,
  inboundFilter,
  outboundFilter,
  portFilter,
  rulesFilter,
} from "../../../src/translate/envoy-filter.ts";
import { hash } from "../../../src/translate/names.ts";
import { greeting } from "../../support/model.ts";

const route: DubboRoute = {
  serviceEntry: "dubbozk/aeraki-x",
  host: "a.b-1.0.0.dubbozk",
  vip: "240.241.1.1",
  port: 20_880,
  interface: greeting,
  outlierDetection: true,
};

describe("the outbound filter", () => {
  const filter = outboundFilter(route, "servicemesh");

  test("is named and owned so that it is found from its entry", () => {
    expect(filter.metadata).toMatchObject({
      name: "aeraki-outbound-a.b-1.0.0.dubbozk-240.241.1.1-20880",
      namespace: "servicemesh",
      labels: {
        "app.kubernetes.io/managed-by": "dubbo-controller",
        [`serviceentry.ecns.easystack.cn/${hash("dubbozk/aeraki-x")}`]: "",
      },
      annotations: { "ecns.easystack.cn/serviceentry": "dubbozk/aeraki-x" },
    });
    expect(filter.metadata.annotations?.["ecns.easystack.cn/last-applied"]).toMatch(/^[0-9a-f]{16}$/);
  });

  test("names no method of the provider", () => {
    expect(JSON.stringify(filter)).toContain('{"safe_regex":{"regex":".*"}}');
    expect(JSON.stringify(filter)).not.toContain("exact");
  });

  test("a name longer than 253 is cut and hashed", () => {
    const { metadata } = outboundFilter({ ...route, host: `${"a.".repeat(126)}a` }, "servicemesh");
    expect(metadata.name).toMatch(/^aeraki-outbound-[-a-z0-9.]*[a-z0-9]-[0-9a-f]{8}$/);
    expect(metadata.name.length).toBeLessThanOrEqual(253);
  });

  test.each<[keyof DubboRoute, string | number]>([
    ["host", "c.d"],
    ["vip", "240.241.1.2"],
    ["port", 20_881],
    ["interface", "a.B"],
  ])("another %s is another content", (field, value) => {
    const other = outboundFilter({ ...route, [field]: value }, "servicemesh");
    const hashOf = (one: typeof other): string | undefined =>
      one.metadata.annotations?.["ecns.easystack.cn/last-applied"];
    expect(hashOf(other)).not.toBe(hashOf(filter));
  });
});

test("the inbound filter takes every interface, for they share the chain of their port", () => {
  const filter = inboundFilter(route, "servicemesh");
  expect(filter.metadata.name).toBe("aeraki-inbound-a.b-1.0.0.dubbozk-20880");
  expect(filter.spec.configPatches).toMatchObject([
    {
      match: {
        context: "SIDECAR_INBOUND",
        listener: { name: "virtualInbound", filterChain: { destinationPort: 20_880 } },
      },
      patch: { value: { typed_config: { multiple_route_config: { route_config: [{ interface: "*" }] } } } },
    },
  ]);
  expect(JSON.stringify(filter.spec)).toContain('"cluster":"inbound|20880||"');
});

test("the filter of a port belongs to no entry", () => {
  expect(portFilter(20_880, false, "servicemesh")).toMatchObject({
    metadata: {
      name: "aeraki-outbound-buffer-20880",
      labels: { "app.kubernetes.io/managed-by": "dubbo-controller" },
    },
    spec: {
      priority: 10,
      configPatches: [
        {
          applyTo: "CLUSTER",
          match: { context: "SIDECAR_OUTBOUND", cluster: { portNumber: 20_880 } },
          patch: {
            operation: "MERGE",
            value: {
              per_connection_buffer_limit_bytes: 16_793_600,
              least_request_lb_config: {
                active_request_bias: { default_value: 0, runtime_key: "registryhub.least_request_bias" },
              },
            },
          },
        },
      ],
    },
  });
});

test("it ejects for local failures alone, because a business exception is a 5xx to Envoy, and where it is wanted", () => {
  const merged = (ejects: boolean): Record<string, unknown> => {
    const [patch] = portFilter(20_880, ejects, "servicemesh").spec.configPatches as readonly {
      readonly patch: { readonly value: Record<string, unknown> };
    }[];
    return patch?.patch.value ?? {};
  };
  expect(merged(true)).toMatchObject({
    connect_timeout: "1.5s",
    outlier_detection: {
      split_external_local_origin_errors: true,
      consecutive_local_origin_failure: 3,
      enforcing_consecutive_local_origin_failure: 100,
      enforcing_consecutive_5xx: 0,
      enforcing_consecutive_gateway_failure: 0,
      max_ejection_percent: 100,
    },
  });
  expect(Object.keys(merged(false))).toEqual([
    "per_connection_buffer_limit_bytes",
    "least_request_lb_config",
  ]);
});

describe("a service with rules", () => {
  const proxy = "type.googleapis.com/envoy.extensions.filters.network.dubbo_proxy.v3.DubboProxy";
  const cluster = "outbound|20880||a.b-1.0.0.dubbozk";
  const any = { match: { method: { name: { safe_regex: { regex: ".*" } } } }, route: { cluster } };
  const listener = { applyNow: "", vanished: "" };
  const followed = { subsets: ["gray"], listener };
  const config = (routes: readonly unknown[], name = cluster) => ({
    "@type": proxy,
    stat_prefix: cluster,
    protocol_type: "Dubbo",
    serialization_type: "Hessian2",
    multiple_route_config: {
      name,
      route_config: [
        { name: cluster, interface: greeting, routes },
        { name: `${cluster}|any`, interface: "*", routes },
      ],
    },
  });

  test("has a listener that refers to them, and without them does what it does now", () => {
    expect(outboundFilter(route, "servicemesh", "servicemesh", listener).spec).toEqual({
      priority: 10,
      configPatches: [
        {
          applyTo: "NETWORK_FILTER",
          match: {
            context: "SIDECAR_OUTBOUND",
            listener: {
              name: "240.241.1.1_20880",
              filterChain: { filter: { name: "envoy.filters.network.tcp_proxy" } },
            },
          },
          patch: {
            operation: "REPLACE",
            value: {
              name: "dubbo|a.b-1.0.0.dubbozk",
              config_discovery: {
                config_source: { ads: {}, initial_fetch_timeout: "0s", resource_api_version: "V3" },
                type_urls: [proxy],
                apply_default_config_without_warming: true,
                default_config: config([any]),
              },
            },
          },
        },
      ],
    });
  });

  test("has another listener, of the same name, for another text of apply-rules-now", () => {
    const [now, later] = ["", "0a1b2c3d"].map((applyNow) =>
      outboundFilter(route, "servicemesh", "servicemesh", { applyNow, vanished: "" }),
    );
    expect(later?.metadata.name).toBe(now?.metadata.name);
    expect(JSON.stringify(later?.spec)).toContain(JSON.stringify(config([any], `${cluster}|0a1b2c3d`)));
  });

  test("has an object for them, which says what they were made of", () => {
    const match = { method: { name: { exact: "sayHello" } } };
    const to = [
      { subset: "gray", weight: 1 },
      { subset: undefined, weight: 9 },
    ];
    const rules = [
      { match, to: [{ subset: "blue", weight: 1 }] },
      { match, to },
    ];
    const http = [{ route: [] }];
    expect(
      rulesFilter(route, rules, { virtualService: "dubbozk/a", http }, followed, "team-a", "servicemesh"),
    ).toEqual({
      apiVersion: "networking.istio.io/v1alpha3",
      kind: "EnvoyFilter",
      metadata: {
        name: "aeraki-rules-a.b-1.0.0.dubbozk",
        namespace: "team-a",
        labels: {
          "app.kubernetes.io/managed-by": "dubbo-controller",
          [`serviceentry.ecns.easystack.cn/${hash("dubbozk/aeraki-x")}`]: "",
        },
        annotations: {
          "ecns.easystack.cn/serviceentry": "dubbozk/aeraki-x",
          "ecns.easystack.cn/root-namespace": "servicemesh",
          "ecns.easystack.cn/rules": JSON.stringify({ virtualService: "dubbozk/a", http, followed }),
          "ecns.easystack.cn/last-applied": expect.stringMatching(/^[0-9a-f]{16}$/),
        },
      },
      spec: {
        priority: 10,
        configPatches: [
          {
            applyTo: "EXTENSION_CONFIG",
            match: { context: "SIDECAR_OUTBOUND" },
            patch: {
              operation: "ADD",
              value: {
                name: "dubbo|a.b-1.0.0.dubbozk",
                typed_config: config([
                  { match, route: { cluster: "outbound|20880|blue|a.b-1.0.0.dubbozk" } },
                  {
                    match,
                    route: {
                      weighted_clusters: {
                        clusters: [
                          { name: "outbound|20880|gray|a.b-1.0.0.dubbozk", weight: 1 },
                          { name: cluster, weight: 9 },
                        ],
                      },
                    },
                  },
                  any,
                ]),
              },
            },
          },
        ],
      },
    });
  });

  test("whose host is long has a name that is cut and hashed", () => {
    const long = { ...route, host: `${"a.".repeat(126)}a` };
    const { name } = rulesFilter(
      long,
      [],
      { virtualService: "", http: [] },
      followed,
      "servicemesh",
    ).metadata;
    expect(name).toMatch(/^aeraki-rules-[-a-z0-9.]*[a-z0-9]-[0-9a-f]{8}$/);
    expect(name.length).toBeLessThanOrEqual(253);
  });
});
