import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { startDubboProvider } from "../bed/dubbo-provider.ts";
import { eventually } from "../support/eventually.ts";
import { SOON_MS, useWorld } from "./world.ts";

const HOST = "org.apache.dubbo.samples.api.greetingservice-1.0.0.dubbozk";
const ENTRY = "aeraki-org-apache-dubbo-samples-api-greetingservice-1-0-0-dubbozk";
const VIP = "240.241.184.190"; // a function of the host

const world = useWorld({ hub: [] }); // the times as they are shipped

test("the manual's story: a Dubbo provider, the sample hub, kubectl", async () => {
  const { api, cluster, zooKeeper } = world;
  await using _provider = await startDubboProvider({
    registry: `zookeeper://${zooKeeper.address}`,
    version: "1.0.0",
    port: 20880,
  });
  await api.kubectl(["create", "namespace", "dubbozk"]);
  const sample = await readFile("config/samples/zookeeper.yaml", "utf8");
  await api.kubectl(["apply", "-f", "-"], {
    input: sample.replace("address: zookeeper.dubbozk:2181", `address: ${zooKeeper.address}`),
  });
  const ready = "--for=condition=Ready";
  await api.kubectl(["wait", ready, "rh/registryhub-sample", "-n", "dubbozk", "--timeout=15s"]);

  const [hubLine] = (await api.kubectl(["get", "rh", "-n", "dubbozk", "--no-headers"])).split("\n");
  expect(hubLine).toMatch(/^registryhub-sample +zookeeper +dubbozk +success +1 +1 +Ready +\d+s$/);
  expect(await api.kubectl(["explain", "registryhub.spec.address"])).toContain(
    "The address of the registry.",
  );

  const [entry, ...otherEntries] = await cluster.serviceEntries("dubbozk");
  expect(otherEntries).toEqual([]);
  expect(entry).toMatchObject(expectedEntry);
  expect(entry?.spec).not.toHaveProperty("endpoints.0.serviceAccount");
  for (const volatile of ["pid", "timestamp"])
    expect(entry?.spec.endpoints?.[0]?.labels).not.toHaveProperty(volatile);

  const filters = await eventually(async () => {
    const found = await cluster.envoyFilters("servicemesh");
    expect(found.map(({ metadata }) => metadata.name)).toEqual([
      "aeraki-outbound-buffer-20880",
      `aeraki-outbound-${HOST}-${VIP}-20880`,
    ]);
    return found;
  }, SOON_MS);
  expect(filters[0]).toMatchObject(expectedBufferFilter);
  expect(filters[1]).toMatchObject(expectedFilter);

  const hub = await cluster.hub("dubbozk", "registryhub-sample");
  expect(hub.status).toMatchObject({
    address: zooKeeper.address,
    type: "zookeeper",
    generate_to: "dubbozk",
    phase: "success",
    serviceentries: { [ENTRY]: entry?.metadata.managedFields?.[0]?.time },
    services: 1,
    endpoints: 1,
    rejected: 0,
    problems: [],
  });
});

test("the controllers tell how they are, and their logs are JSON", async () => {
  for (const controller of [world.controllers.hub, world.controllers.dubbo]) {
    expect(await controller.get("/healthz")).toEqual({ status: 200, body: "ok\n" });
    expect(await controller.get("/readyz")).toEqual({ status: 200, body: "ok\n" });
    expect(controller.log().map(({ msg }) => msg)).toEqual(expect.arrayContaining(["starting", "serving"]));
  }
  // A count follows the answer to a write, and the cluster has the object before that.
  await eventually(async () => {
    const dubbo = (await world.controllers.dubbo.get("/metrics")).body;
    expect(dubbo).toContain("registryhub_envoyfilters 2");
  }, SOON_MS);
  const hub = (await world.controllers.hub.get("/metrics")).body;
  expect(hub).toContain('registryhub_registry_up{hub="dubbozk/registryhub-sample",type="zookeeper"} 1');
  expect(hub).toContain('registryhub_services{hub="dubbozk/registryhub-sample"} 1');
  expect(hub).toMatch(/registryhub_writes_total\{kind="ServiceEntry",verb="apply",result="ok"\} \d+/);
  expect(hub).toMatch(/registryhub_propagation_seconds_count [1-9]/);
});

test("SIGTERM ends both in time, and a start on an unchanged world writes nothing", async () => {
  const { hub, dubbo } = world.controllers;
  for (const controller of [hub, dubbo]) {
    const { exitCode, tookMs } = await controller.terminate();
    expect(exitCode).toBe(0);
    expect(tookMs).toBeLessThan(5_000);
  }
  const since = new Date();
  await world.controllers.restart();
  await eventually(() => {
    expect(hub.log().filter(({ msg }) => msg === "registry listed")).toHaveLength(2);
  }, SOON_MS);
  await eventually(async () => {
    expect((await hub.get("/metrics")).body).toContain('registryhub_queue_depth{queue="hosts"} 0');
    expect((await dubbo.get("/metrics")).body).toContain("registryhub_envoyfilters 2");
  }, SOON_MS);
  expect(await world.api.writes({ since, userAgent: "registryhub-" })).toEqual([]);
});

/**
 * From here on typed by hand from the manual. test/golden/contract.test.ts has nearly the same of a recorded provider: two
 * readings on purpose, so that a mistake would have to be made twice.
 */
const expectedEntry = {
  metadata: {
    name: ENTRY,
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
      "ecns.easystack.cn/last-applied": expect.stringMatching(/^[0-9a-f]{16}$/),
    },
  },
  spec: {
    hosts: [HOST],
    addresses: [VIP],
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
          application: "demo-provider",
        },
      },
    ],
  },
};

const CLUSTER = `outbound|20880||${HOST}`;
const anyMethod = [
  { match: { method: { name: { safe_regex: { regex: ".*" } } } }, route: { cluster: CLUSTER } },
];

const expectedFilter = {
  metadata: {
    labels: {
      "app.kubernetes.io/managed-by": "dubbo-controller",
      "serviceentry.ecns.easystack.cn/fb3a8fc8": "",
    },
    annotations: { "ecns.easystack.cn/serviceentry": `dubbozk/${ENTRY}` },
  },
  spec: {
    priority: 10,
    configPatches: [
      {
        applyTo: "NETWORK_FILTER",
        match: {
          context: "SIDECAR_OUTBOUND",
          listener: {
            name: `${VIP}_20880`,
            filterChain: { filter: { name: "envoy.filters.network.tcp_proxy" } },
          },
        },
        patch: {
          operation: "REPLACE",
          value: {
            name: "envoy.filters.network.dubbo_proxy",
            typed_config: {
              "@type": "type.googleapis.com/envoy.extensions.filters.network.dubbo_proxy.v3.DubboProxy",
              stat_prefix: CLUSTER,
              protocol_type: "Dubbo",
              serialization_type: "Hessian2",
              multiple_route_config: {
                name: CLUSTER,
                route_config: [
                  {
                    name: CLUSTER,
                    interface: "org.apache.dubbo.samples.api.GreetingService",
                    routes: anyMethod,
                  },
                  { name: `${CLUSTER}|any`, interface: "*", routes: anyMethod },
                ],
              },
            },
          },
        },
      },
    ],
  },
};

const expectedBufferFilter = {
  spec: {
    priority: 10,
    configPatches: [
      {
        applyTo: "CLUSTER",
        match: { context: "SIDECAR_OUTBOUND", cluster: { portNumber: 20880 } },
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
};
