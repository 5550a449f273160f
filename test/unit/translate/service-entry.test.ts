import { describe, expect, test } from "vitest";
import type { Entry, EntryEndpoint } from "../../../src/model/entry.ts";
import type { ServiceEntry, ServiceEntryPort } from "../../../src/model/istio.ts";
import { entryOf, factsOf, hubsOf, ownershipOf } from "../../../src/translate/read-back/service-entry.ts";
import { portNameOf, serviceEntryOf } from "../../../src/translate/service-entry.ts";
import { endpointOf, greeting } from "../../support/model.ts";

const host = "org.apache.dubbo.samples.api.greetingservice-1.0.0.dubbozk";
const held = (
  hostPort: string,
  by: readonly string[],
  overrides: Partial<EntryEndpoint> = {},
): EntryEndpoint => ({
  ...endpointOf(hostPort),
  by: new Set(by),
  registryName: "registryhub-sample",
  ...overrides,
});

function dubboEntry(overrides: Partial<Entry> = {}): Entry {
  const endpoint = held("10.42.0.57:20881", ["ddf6610a"], { labels: { version: "1.0.0" } });
  return {
    host: `dubbozk/${host}`,
    name: "aeraki-x",
    vip: "240.241.184.190",
    shape: { service: endpoint.service, protocol: "dubbo", port: 20_880, portName: "tcp-metaprotocol-dubbo" },
    ours: true,
    hubs: new Map([["ddf6610a", "dubbozk/registryhub-sample"]]),
    endpoints: new Map([[endpoint.hostPort, endpoint]]),
    l7: true,
    outlierDetection: true,
    registryName: "",
    ...overrides,
  };
}

const withPorts =
  (edit: (ports: readonly ServiceEntryPort[]) => readonly ServiceEntryPort[]) =>
  (object: ServiceEntry): ServiceEntry => ({
    ...object,
    spec: { ...object.spec, ports: edit(object.spec.ports ?? []) },
  });

const springService = {
  kind: "spring",
  name: "eureka-provider",
  serviceKey: "",
  originalName: "",
  registry: "eureka",
  registryGroup: "",
} as const;
const springEntry: Entry = dubboEntry({
  host: "springnacos/eureka-provider.springnacos",
  name: "eureka-provider.springnacos",
  shape: { service: springService, protocol: "tcp", port: 9000, portName: "9000" },
  endpoints: new Map([
    [
      "10.42.0.59:9000",
      held("10.42.0.59:9000", ["ddf6610a"], {
        protocol: "tcp",
        service: springService,
        weight: 3,
        locality: "r/z",
        labels: { eurekaName: "EUREKA-PROVIDER" },
      }),
    ],
  ]),
  registryName: "registryhub-sample",
});

const unweighted = held("10.42.0.60:9000", ["ddf6610a"], { protocol: "tcp", service: springService });
const bothWeights: Entry = {
  ...springEntry,
  endpoints: new Map([...springEntry.endpoints, [unweighted.hostPort, unweighted]]),
};

const emptyEntry = dubboEntry({ endpoints: new Map(), emptySince: "2024-02-04T03:00:00Z", l7: false });
const alteredEntry = dubboEntry({
  shape: {
    ...dubboEntry().shape,
    service: {
      kind: "dubbo",
      name: "a.B$C",
      serviceKey: "a.B$C:1.0.0",
      originalName: "a.B$C-1.0.0",
      registry: "",
      registryGroup: "",
    },
  },
  endpoints: new Map(),
});

const meshedEntry = dubboEntry({
  endpoints: new Map(
    [...dubboEntry().endpoints].map(([at, one], index) => [at, index === 0 ? { ...one, mtls: true } : one]),
  ),
});

test.each([
  ["a Dubbo entry", dubboEntry()],
  ["a Spring entry", springEntry],
  ["a Spring entry with a weight and without", bothWeights],
  ["an empty entry without L7", emptyEntry],
  ["an altered name", alteredEntry],
  ["an entry for two namespaces", dubboEntry({ exportTo: ["shop", "web"] })],
  ["an entry for two subjects", dubboEntry({ subjectAltNames: ["spiffe://c/ns/a", "spiffe://c/ns/b"] })],
  ["an endpoint that is called by mTLS", meshedEntry],
  ["IPv6", dubboEntry({ endpoints: new Map([["[2001:db8::1]:1", held("2001:db8::1:1", ["ddf6610a"])]]) })],
])("what is written is what is read back: %s", (_, entry) => {
  expect(entryOf(serviceEntryOf(entry))).toEqual(entry);
});

describe("what is written", () => {
  test("an endpoint on another port stands in the same entry with its real port", () => {
    const { spec } = serviceEntryOf(dubboEntry());
    expect(spec.ports).toEqual([
      { name: "tcp-metaprotocol-dubbo", number: 20_880, protocol: "tcp", targetPort: 20_880 },
    ]);
    expect(spec.endpoints?.[0]).toEqual({
      address: "10.42.0.57",
      ports: { "tcp-metaprotocol-dubbo": 20_881 },
      labels: { version: "1.0.0", registryName: "registryhub-sample", "ecns.easystack.cn/by": "ddf6610a" },
    });
  });

  test("no endpoint has a serviceAccount, which would make Istio speak mTLS to it", () => {
    expect(JSON.stringify(serviceEntryOf(dubboEntry()))).not.toContain("serviceAccount");
  });

  test("an endpoint names the oldest seven of its hubs, in a legal label", () => {
    const ids = Array.from({ length: 9 }, (_, i) => `0000000${i}`);
    const endpoint = held("10.0.0.1:1", ids);
    const [written] =
      serviceEntryOf(dubboEntry({ endpoints: new Map([["x", endpoint]]) })).spec.endpoints ?? [];
    const by = written?.labels?.["ecns.easystack.cn/by"] ?? "";
    expect(by.split(".")).toEqual(ids.slice(0, 7));
    expect(by.length).toBeLessThanOrEqual(63);
  });

  test("a Spring entry carries the manual's marks, weight and zone", () => {
    const { metadata, spec } = serviceEntryOf(springEntry);
    expect(metadata.labels).toEqual({
      "registry-name": "registryhub-sample",
      "app.kubernetes.io/managed-by": "registryhub",
      "hub.ecns.easystack.cn/ddf6610a": "",
    });
    expect(metadata.annotations).toMatchObject({ manager: "encs", registry: "eureka" });
    expect(spec.endpoints?.[0]).toMatchObject({ weight: 300, locality: "r/z", ports: { "9000": 9000 } });
  });

  test.each([
    ["all weigh the same as anybody else", [undefined, 1], [undefined, undefined]],
    ["one has a weight, so all say theirs, in the same measure", [undefined, 3], [100, 300]],
    ["decimals", [0.5, 2], [50, 200]],
    ["hardly any, and more than Envoy adds up", [0.001, 1e9], [1, 1_000_000]],
  ])("weights: %s", (_, weights, written) => {
    const endpoints = weights.map((weight, at) =>
      held(`10.42.0.${at}:9000`, ["ddf6610a"], weight === undefined ? {} : { weight }),
    );
    const { spec } = serviceEntryOf({
      ...springEntry,
      endpoints: new Map(endpoints.map((one) => [one.hostPort, one])),
    });
    expect(spec.endpoints?.map(({ weight }) => weight)).toEqual(written);
  });

  test("the group in the registry is written where there is one", () => {
    const key = "ecns.easystack.cn/registry-group";
    const service = { ...springService, registry: "nacos", registryGroup: "team-a" } as const;
    const entry = { ...springEntry, shape: { ...springEntry.shape, service } };
    expect(serviceEntryOf(entry).metadata.annotations).toMatchObject({ registry: "nacos", [key]: "team-a" });
    expect(entryOf(serviceEntryOf(entry))?.shape.service.registryGroup).toBe("team-a");
    expect(serviceEntryOf(springEntry).metadata.annotations).not.toHaveProperty([key]);
  });

  test("the hash is 16 hex digits, and of everything else that is written", () => {
    const hashOf = (entry: Entry): string =>
      serviceEntryOf(entry).metadata.annotations?.["ecns.easystack.cn/last-applied"] ?? "";
    const variants = [
      dubboEntry(),
      dubboEntry({ vip: "240.241.1.1" }),
      dubboEntry({ l7: false }),
      dubboEntry({ outlierDetection: false }),
      dubboEntry({ exportTo: ["."] }),
      dubboEntry({ subjectAltNames: ["spiffe://c/ns/a"] }),
      meshedEntry,
      dubboEntry({ hubs: new Map([["00000000", ""]]) }),
      emptyEntry,
      springEntry,
    ];
    expect(new Set(variants.map(hashOf)).size).toBe(variants.length);
    expect(hashOf(dubboEntry())).toMatch(/^[0-9a-f]{16}$/);
  });

  test.each([
    ["dubbo", "dubbo", 1, "tcp-metaprotocol-dubbo"],
    ["dubbo", "grpc", 1, "grpc-tri"],
    ["dubbo", "http", 1, "http-rest"],
    ["spring", "tcp", 9000, "9000"],
    ["spring", "http", 8080, "8080"],
  ] as const)("%s over %s on %d: port %s", (kind, protocol, port, name) => {
    expect(portNameOf(kind, protocol, port)).toBe(name);
  });

  test.each([
    ["dubbo", "tcp"],
    ["grpc", "grpc"],
    ["http", "http"],
  ] as const)("%s is told to Istio as %s", (protocol, said) => {
    const shape = { ...dubboEntry().shape, protocol };
    expect(serviceEntryOf(dubboEntry({ shape })).spec.ports?.[0]?.protocol).toBe(said);
  });
});

describe("what is read", () => {
  const object = (
    metadata: Partial<ServiceEntry["metadata"]>,
    spec: ServiceEntry["spec"] = {},
  ): ServiceEntry => ({
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: { name: "x", namespace: "ns", ...metadata },
    spec: { hosts: ["a.b.ns"], ports: [{ name: "9000", number: 9000, protocol: "TCP" }], ...spec },
  });

  test.each([
    ["our label", { labels: { "app.kubernetes.io/managed-by": "registryhub" } }, "ours"],
    ["the old Dubbo marks", { labels: { manager: "aeraki", registry: "dubbo2istio" } }, "adoptable"],
    [
      "the old Spring marks",
      { labels: { "registry-name": "h" }, annotations: { manager: "encs" } },
      "adoptable",
    ],
    ["half of the Dubbo marks", { labels: { manager: "aeraki" } }, "foreign"],
    ["encs without a hub's name", { annotations: { manager: "encs" } }, "foreign"],
    ["another manager", { labels: { "app.kubernetes.io/managed-by": "helm" } }, "foreign"],
    ["nothing", {}, "foreign"],
  ])("%s: %s", (_, metadata, ownership) => {
    expect(ownershipOf(object(metadata))).toBe(ownership);
  });

  test("one address is believed, several or none are not", () => {
    const vip = (addresses: readonly string[]): string | undefined => entryOf(object({}, { addresses }))?.vip;
    expect([vip(["240.240.0.1"]), vip([]), vip(["240.240.0.1", "240.240.0.2"])]).toEqual([
      "240.240.0.1",
      "",
      "",
    ]);
  });

  test("an endpoint without a port of its own is on the service port, by nobody", () => {
    const entry = entryOf(object({}, { endpoints: [{ address: "10.0.0.1" }] }));
    expect(entry?.endpoints.get("10.0.0.1:9000")).toMatchObject({
      port: 9000,
      by: new Set(),
      registryName: "",
    });
  });

  test("an entry of ours whose ports somebody took away is still ours, by its endpoints", () => {
    const { metadata, spec } = serviceEntryOf(dubboEntry());
    const { ports: _, ...rest } = spec;
    const damaged = object(metadata, { ...rest, ports: [] });
    expect(entryOf(damaged)?.shape).toMatchObject({ protocol: "dubbo", portName: "tcp-metaprotocol-dubbo" });
  });

  test.each<[string, (object: ServiceEntry) => ServiceEntry]>([
    [
      "a port of somebody else stands before ours",
      withPorts((ours) => [{ name: "http-admin", number: 8_080, protocol: "http" }, ...ours]),
    ],
    ["our port was renamed", withPorts(([ours]) => (ours ? [{ ...ours, name: "tcp-other" }] : []))],
    ["our ports were taken away", withPorts(() => [])],
    [
      "the interface annotation was taken away",
      (object) => ({ ...object, metadata: { ...object.metadata, annotations: {} } }),
    ],
  ])("an entry is what it was made to be, though %s", (_, edit) => {
    const labels = { interface: greeting, version: "1.0.0" };
    const endpoint = held("10.42.0.57:20880", ["ddf6610a"], { labels });
    const entry = dubboEntry({ endpoints: new Map([[endpoint.hostPort, endpoint]]) });
    const read = entryOf(edit(serviceEntryOf(entry)));
    expect(read?.shape).toEqual(entry.shape);
    expect([...(read?.endpoints.keys() ?? [])]).toEqual(["10.42.0.57:20880"]);
  });

  test("without host or any port it is nothing", () => {
    expect(entryOf(object({}, { hosts: [] }))).toBeUndefined();
    expect(entryOf(object({}, { ports: [] }))).toBeUndefined();
  });

  test("hubs are those of labels, endpoints and annotation, with the names of the annotation", () => {
    const labels = { "hub.ecns.easystack.cn/ddf6610a": "", "hub.ecns.easystack.cn/00000000": "" };
    const annotations = { "ecns.easystack.cn/hubs": "dubbozk/registryhub-sample,else/where" };
    const endpoints = [{ address: "10.0.0.1", labels: { "ecns.easystack.cn/by": "ddf6610a.00000001" } }];
    expect(hubsOf(object({ labels, annotations }, { endpoints }))).toEqual(
      new Map([
        ["ddf6610a", "dubbozk/registryhub-sample"],
        ["00000000", ""],
        ["00000001", ""],
        ["03dc7072", "else/where"],
      ]),
    );
  });

  test("an endpoint whose label is full may be any hub's of the entry", () => {
    const ids = Array.from({ length: 8 }, (_, at) => `0000000${at}`);
    const labels = Object.fromEntries(ids.map((id) => [`hub.ecns.easystack.cn/${id}`, ""]));
    const vouchersOf = (count: number) => {
      const by = { "ecns.easystack.cn/by": ids.slice(0, count).join(".") };
      const one = object({ labels }, { endpoints: [{ address: "10.0.0.1", labels: by }] });
      const read = [...(entryOf(one)?.endpoints.values() ?? [])].flatMap((endpoint) => [...endpoint.by]);
      expect([...factsOf(one).vouched.keys()]).toEqual(read);
      return read;
    };
    expect(vouchersOf(6)).toEqual(ids.slice(0, 6));
    expect(vouchersOf(7)).toEqual(ids);
  });

  test("Dubbo's interface keeps its spelling", () => {
    expect(entryOf(object({ annotations: { interface: greeting } }))?.shape.service.name).toBe(greeting);
  });
});
