import { describe, expect, test } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import { playStory } from "./story.ts";

/**
 * Every value below is typed by hand from the documented contract and the manual, and from nowhere else, also not from
 * test/e2e/happy-path.test.ts, which has nearly the same of a real provider: two readings on purpose.
 */
const name = "aeraki-org-apache-dubbo-samples-api-greetingservice-1-0-0-dubbozk";
const host = "org.apache.dubbo.samples.api.greetingservice-1.0.0.dubbozk";
const route = "outbound|20880||org.apache.dubbo.samples.api.greetingservice-1.0.0.dubbozk";
const hash = expect.stringMatching(/^[0-9a-f]{16}$/);
const anyMethod = [
  { match: { method: { name: { safe_regex: { regex: ".*" } } } }, route: { cluster: route } },
];

const [first] = await playStory("manual-greeting-service");

describe("the manual's GreetingService", () => {
  test("is this ServiceEntry", () => {
    expect(first?.serviceEntries).toEqual([
      {
        apiVersion: "networking.istio.io/v1beta1",
        kind: "ServiceEntry",
        metadata: {
          name,
          namespace: "dubbozk",
          labels: {
            manager: "aeraki",
            registry: "dubbo2istio",
            "app.kubernetes.io/managed-by": "registryhub",
            "hub.ecns.easystack.cn/ddf6610a": "",
          },
          annotations: {
            interface: "org.apache.dubbo.samples.api.GreetingService",
            workloadSelector: "",
            "ecns.easystack.cn/hubs": "dubbozk/registryhub-sample",
            "ecns.easystack.cn/service": "org.apache.dubbo.samples.api.GreetingService:1.0.0",
            "ecns.easystack.cn/last-applied": hash,
          },
        },
        spec: {
          hosts: [host],
          addresses: ["240.241.184.190"],
          location: "MESH_INTERNAL",
          resolution: "STATIC",
          ports: [{ name: "tcp-metaprotocol-dubbo", number: 20880, protocol: "tcp", targetPort: 20880 }],
          endpoints: [
            {
              address: "10.42.0.57",
              ports: { "tcp-metaprotocol-dubbo": 20880 },
              labels: {
                registryName: "registryhub-sample",
                "ecns.easystack.cn/by": "ddf6610a",
                interface: "org.apache.dubbo.samples.api.GreetingService",
                version: "1.0.0",
                application: "zookeeper-demo-provider",
                anyhost: "true",
                deprecated: "false",
                dubbo: "2.0.2",
                dynamic: "true",
                generic: "false",
                methods: "sayHello",
                release: "2.7.23",
                revision: "1.0.0",
                side: "provider",
              },
            },
          ],
        },
      },
    ]);
  });

  test("has this EnvoyFilter, and one for its port", () => {
    expect(first?.envoyFilters).toEqual([
      {
        apiVersion: "networking.istio.io/v1alpha3",
        kind: "EnvoyFilter",
        metadata: {
          name: `aeraki-outbound-${host}-240.241.184.190-20880`,
          namespace: "servicemesh",
          labels: {
            "app.kubernetes.io/managed-by": "dubbo-controller",
            "serviceentry.ecns.easystack.cn/fb3a8fc8": "",
          },
          annotations: {
            "ecns.easystack.cn/serviceentry": `dubbozk/${name}`,
            "ecns.easystack.cn/last-applied": hash,
          },
        },
        spec: {
          priority: 10,
          configPatches: [
            {
              applyTo: "NETWORK_FILTER",
              match: {
                context: "SIDECAR_OUTBOUND",
                listener: {
                  name: "240.241.184.190_20880",
                  filterChain: { filter: { name: "envoy.filters.network.tcp_proxy" } },
                },
              },
              patch: {
                operation: "REPLACE",
                value: {
                  name: "envoy.filters.network.dubbo_proxy",
                  typed_config: {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.dubbo_proxy.v3.DubboProxy",
                    stat_prefix: route,
                    protocol_type: "Dubbo",
                    serialization_type: "Hessian2",
                    multiple_route_config: {
                      name: route,
                      route_config: [
                        {
                          name: route,
                          interface: "org.apache.dubbo.samples.api.GreetingService",
                          routes: anyMethod,
                        },
                        { name: `${route}|any`, interface: "*", routes: anyMethod },
                      ],
                    },
                  },
                },
              },
            },
          ],
        },
      },
      {
        apiVersion: "networking.istio.io/v1alpha3",
        kind: "EnvoyFilter",
        metadata: {
          name: "aeraki-outbound-buffer-20880",
          namespace: "servicemesh",
          labels: { "app.kubernetes.io/managed-by": "dubbo-controller" },
          annotations: { "ecns.easystack.cn/last-applied": hash },
        },
        spec: {
          priority: 10,
          configPatches: [
            {
              applyTo: "CLUSTER",
              match: { context: "SIDECAR_OUTBOUND", cluster: { portNumber: 20880 } },
              patch: {
                operation: "MERGE",
                value: {
                  per_connection_buffer_limit_bytes: 16793600,
                  least_request_lb_config: {
                    active_request_bias: { default_value: 0, runtime_key: "registryhub.least_request_bias" },
                  },
                  connect_timeout: "1.5s",
                  outlier_detection: {
                    split_external_local_origin_errors: true,
                    consecutive_local_origin_failure: 3,
                    enforcing_consecutive_local_origin_failure: 100,
                    enforcing_consecutive_5xx: 0,
                    enforcing_consecutive_gateway_failure: 0,
                    enforcing_success_rate: 0,
                    enforcing_local_origin_success_rate: 0,
                    enforcing_failure_percentage: 0,
                    interval: "5s",
                    base_ejection_time: "10s",
                    max_ejection_time: "30s",
                    max_ejection_percent: 100,
                  },
                },
              },
            },
          ],
        },
      },
    ]);
  });
});

test("the manual's GreetingService is the same through Nacos", async () => {
  const [nacos] = await playStory("nacos-greeting-service");
  expect(nacos?.envoyFilters).toEqual(first?.envoyFilters);
  expect(nacos?.serviceEntries.map(comparable)).toEqual(first?.serviceEntries.map(comparable));
});

/** Without what only Nacos has, its groups, and what differs because the two providers were built from different files. */
function comparable({ metadata, spec }: ServiceEntry) {
  const {
    "ecns.easystack.cn/last-applied": _hash,
    "ecns.easystack.cn/registry-group": _group,
    ...annotations
  } = metadata.annotations ?? {};
  const endpoints = spec.endpoints?.map(({ labels, ...rest }) => ({
    ...rest,
    labels: { ...labels, revision: "" },
  }));
  return { metadata: { ...metadata, annotations }, spec: { ...spec, endpoints } };
}

test("the manual's Spring service has the manual's shape", async () => {
  const [step] = await playStory("eureka-spring-service");
  const entry = step?.serviceEntries.find((one) => one.metadata.namespace === "springnacos");
  expect(entry).toMatchObject({
    metadata: {
      name: "eureka-provider.springnacos",
      annotations: { manager: "encs", registry: "eureka" },
      labels: { "registry-name": "registryhub-sample" },
    },
    spec: {
      hosts: ["eureka-provider.springnacos"],
      addresses: ["240.241.84.46"],
      location: "MESH_INTERNAL",
      resolution: "STATIC",
      ports: [{ name: "9000", number: 9000, protocol: "tcp", targetPort: 9000 }],
      endpoints: [
        {
          address: "10.42.0.59",
          ports: { "9000": 9000 },
          labels: { eurekaName: "EUREKA-PROVIDER", registryName: "registryhub-sample" },
        },
      ],
    },
  });
});
