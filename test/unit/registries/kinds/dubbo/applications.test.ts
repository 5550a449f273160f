import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ServiceInstance } from "../../../../../src/model/service.ts";
import {
  type Application,
  type Metadata,
  needsMetadata,
  opaqueApplications,
  readApplication,
} from "../../../../../src/registries/kinds/dubbo/application.ts";
import {
  type ApplicationInstance,
  readApplicationInstance,
} from "../../../../../src/registries/kinds/dubbo/application-instance.ts";
import {
  type Merged,
  mergeApplications,
  type Registrations,
} from "../../../../../src/registries/kinds/dubbo/merge.ts";
import { parseMetadataInfo } from "../../../../../src/registries/kinds/dubbo/metadata-info.ts";
import { serviceOf } from "../../../../../src/registries/kinds/dubbo/provider-service.ts";
import {
  addressKey,
  RegisteredAddresses,
} from "../../../../../src/registries/kinds/dubbo/registered-addresses.ts";
import {
  decodeAddresses,
  decodeInstance,
  decodeMapping,
} from "../../../../../src/registries/zookeeper/decode.ts";
import {
  instanceMetadata,
  metadataInfo,
  type TestProcess,
  type TestService,
} from "../../../../support/dubbo-application.ts";
import {
  localInstance,
  nacosMetadata,
  remoteInstance,
  remoteMetadata,
  springInstance,
  tripleInstance,
} from "../../../../support/dubbo-recordings.ts";

const greeting = "org.apache.dubbo.samples.api.GreetingService";
const nowhere = (): boolean => false;
const everything = (): boolean => true;

describe("an application's instance", () => {
  const recorded: ApplicationInstance = {
    application: "app",
    address: "192.0.2.10",
    port: 20_880,
    endpoints: [{ protocol: "dubbo", port: 20_880 }],
    addresses: [addressKey("192.0.2.10", 20_880)],
    revision: "959a98eafe9cdd63bac039db28023609",
    storage: "local",
    weight: 1,
  };

  test.each([
    ["Dubbo 3.3.6, local", localInstance, recorded],
    [
      "Dubbo 3.3.6, remote",
      remoteInstance,
      { ...recorded, revision: "3e4b3bfb03c6428f78642fcbce940f67", storage: "remote" },
    ],
    [
      "Dubbo 3.3.6, tri",
      tripleInstance,
      {
        ...recorded,
        port: 50_052,
        endpoints: [{ protocol: "tri", port: 50_052 }],
        addresses: [addressKey("192.0.2.10", 50_052)],
        revision: "bbaa0cc241705c5ad849d636b7d663f9",
      },
    ],
    ["Spring Cloud", springInstance, undefined],
    ["no JSON", "127.0.0.1", undefined],
    ["empty", "", undefined],
    ["null", "null", undefined],
    ["no payload", '{"name":"app","address":"10.0.0.1","port":1}', undefined],
  ])("on ZooKeeper: %s", (_, data, instance) => {
    expect(decodeInstance("app", data)).toEqual(instance);
  });

  test("on ZooKeeper, as dubbo-go leaves out what is empty", () => {
    const data =
      '{"name":"go","id":"10.0.0.1:20000","address":"10.0.0.1","payload":{"id":"10.0.0.1:20000","metadata":{"dubbo.metadata.revision":"1a"}}}';
    const addresses = [addressKey("10.0.0.1", 0)];
    const instance = {
      address: "10.0.0.1",
      port: 0,
      endpoints: [],
      addresses,
      revision: "1a",
      storage: "local",
      weight: 1,
    };
    expect(decodeInstance("go", data)).toEqual({ application: "go", ...instance });
  });

  test("on Nacos", () => {
    const metadata = new Map(Object.entries(nacosMetadata));
    const revision = "d28857e359433c5aa8c7aa8aa487db3e";
    expect(readApplicationInstance("app", "192.0.2.10", 20_880, metadata)).toEqual({ ...recorded, revision });
  });

  test.each([
    ["no revision", { "dubbo.metadata.revision": "" }, undefined],
    ["no endpoints", { "dubbo.endpoints": "" }, []],
    ["broken endpoints", { "dubbo.endpoints": "[{" }, []],
    ["endpoints of another form", { "dubbo.endpoints": "{}" }, []],
    [
      "some odd endpoints",
      {
        "dubbo.endpoints":
          '[null,{"protocol":"tri"},{"port":0,"protocol":"dubbo"},{"port":7,"protocol":"rest"}]',
      },
      [{ protocol: "rest", port: 7 }],
    ],
  ])("with %s", (_, changes, endpoints) => {
    const metadata = { ...instanceMetadata({ address: "", port: 1, revision: "r" }), ...changes };
    const instance = readApplicationInstance("app", "10.0.0.1", 1, new Map(Object.entries(metadata)));
    expect(instance?.endpoints).toEqual(endpoints);
  });

  test.each([
    ["[2001:db8::1]", "2001:db8::1"],
    ["2001:db8::1", "2001:db8::1"],
    ["provider-0.bed.test", "provider-0.bed.test"],
  ])("at %s", (address, plain) => {
    const metadata = new Map(Object.entries(instanceMetadata({ address, port: 1, revision: "r" })));
    expect(readApplicationInstance("app", address, 1, metadata)?.address).toBe(plain);
  });
});

describe("a MetadataInfo", () => {
  test("of Dubbo 3.3.6", () => {
    expect(parseMetadataInfo(remoteMetadata)).toEqual([
      {
        name: greeting,
        protocol: "dubbo",
        port: 20_880,
        parameters: new Map(
          Object.entries({
            side: "provider",
            release: "3.3.6",
            methods: "sayHello",
            deprecated: "false",
            dubbo: "2.0.2",
            interface: greeting,
            "service-name-mapping": "true",
            version: "1.0.0",
            generic: "false",
            revision: "1.0.0",
            "metadata-type": "remote",
            application: "zookeeper-demo-provider",
            "prefer.serialization": "hessian2,fastjson2",
            dynamic: "true",
            REGISTRY_CLUSTER: "default",
          }),
        ),
      },
    ]);
  });

  test("of dubbo-go: its own fields, and none that is empty", () => {
    const text =
      '{"app":"go","revision":"12","tag":"gray","lastUpdatedTime":1795251498374,"services":{"g1/a.B:1.0.0:tri":' +
      '{"name":"a.B","group":"g1","version":"1.0.0","protocol":"tri","port":20000,"path":"a.B","params":{"application":"go","methods":"Say"}},' +
      '"a.C:tri":{"name":"a.C","protocol":"tri"}}}';
    const [b, c] = parseMetadataInfo(text) ?? [];
    expect(b?.parameters).toEqual(
      new Map([
        ["application", "go"],
        ["methods", "Say"],
        ["version", "1.0.0"],
        ["group", "g1"],
      ]),
    );
    expect(c).toEqual({ name: "a.C", protocol: "tri", parameters: new Map() });
  });

  test("with parameters that are no strings", () => {
    const params = { weight: 0, generic: true, methods: null, tags: ["a"] };
    const [service] = parseMetadataInfo(metadataInfo("app", "r", [{ name: "a.B", params }])) ?? [];
    expect(service?.parameters.get("weight")).toBe("0");
    expect(service?.parameters.get("generic")).toBe("true");
    expect(service?.parameters.has("methods") || service?.parameters.has("tags")).toBe(false);
  });

  test.each([
    "",
    "null",
    "{",
    "[]",
    "127.0.0.1",
    '{"app":"x","revision":"r"}',
    '{"services":{}}',
    '{"services":[]}',
    '{"services":{"a.B:dubbo":null}}',
    '{"services":{"a.B:dubbo":{"name":"a.B","protocol":"dubbo"},"a.C:dubbo":{"name":"a.C"}}}',
  ])("%s is none", (text) => {
    expect(parseMetadataInfo(text)).toBeUndefined();
  });
});

/** An application of instances and of what the registry has of its revisions. */
function application(
  name: string,
  processes: readonly (TestProcess & { readonly weight?: number })[],
  metadata: Readonly<Record<string, readonly TestService[] | Exclude<Metadata, object>>> = {},
): Application {
  const instances = processes.map((one) => {
    const fields = new Map(Object.entries(instanceMetadata(one)));
    const instance = readApplicationInstance(name, one.address, one.port, fields, one.weight);
    if (instance === undefined) throw new Error(`${one.address} is no instance`);
    return instance;
  });
  const metadataOf = (revision: string): Metadata => {
    const services = metadata[revision] ?? "missing";
    if (typeof services === "string") return services;
    return parseMetadataInfo(metadataInfo(name, revision, services)) ?? "undecodable";
  };
  return readApplication(name, instances, metadataOf, (service) => !service.startsWith("unwanted."));
}

const at1 = { address: "10.0.0.1", port: 20_880, revision: "r1" };

function instancesOf(app: Application, name: string): readonly ServiceInstance[] {
  return (app.providers.get(name) ?? []).flatMap(({ instance }) => instance ?? []);
}

describe("what an application serves", () => {
  test("as Dubbo 3.3.6 registers it", () => {
    const instance = decodeInstance("zookeeper-demo-provider", remoteInstance);
    const metadata = parseMetadataInfo(remoteMetadata);
    if (instance === undefined || metadata === undefined) throw new Error("the recordings cannot be read");
    const app = readApplication("zookeeper-demo-provider", [instance], () => metadata, everything);
    expect(app.hidden).toEqual([]);
    expect(instancesOf(app, greeting)).toEqual([
      {
        address: "192.0.2.10",
        port: 20_880,
        protocol: "dubbo",
        version: "1.0.0",
        group: "",
        metadata: {
          application: "zookeeper-demo-provider",
          deprecated: "false",
          dubbo: "2.0.2",
          dynamic: "true",
          generic: "false",
          interface: greeting,
          methods: "sayHello",
          release: "3.3.6",
          revision: "1.0.0",
          "service-name-mapping": "true",
          side: "provider",
          version: "1.0.0",
        },
      },
    ]);
  });

  test.each<[string, number, string, Partial<TestService>]>([
    ["the endpoint of the protocol", 20_880, "dubbo", { port: 7 }],
    ["the service, where no endpoint has its protocol", 50_052, "tri", { port: 50_052 }],
    ["the instance, where nothing else says it", 20_880, "tri", {}],
  ])("the port is that of %s", (_, port, protocol, service) => {
    const app = application("app", [at1], { r1: [{ name: "a.B", protocol, ...service }] });
    expect(instancesOf(app, "a.B").map((one) => one.port)).toEqual([port]);
  });

  test("of several endpoints of one protocol it is the service's own", () => {
    const endpoints = [1, 2, 3].map((port) => ({ protocol: "dubbo", port }));
    const instance: ApplicationInstance = {
      application: "app",
      address: "10.0.0.1",
      port: 1,
      endpoints,
      addresses: [],
      revision: "r1",
      storage: "remote",
      weight: 1,
    };
    const metadata =
      parseMetadataInfo(metadataInfo("app", "r1", [{ name: "a.B", port: 2 }])) ?? "undecodable";
    const app = readApplication("app", [instance], () => metadata, everything);
    expect(instancesOf(app, "a.B").map(({ port }) => port)).toEqual([2]);
  });

  test("the weight of Java's counts, times that of the instance; dubbo-go's is of whoever wrote it last", () => {
    const services: TestService[] = [
      { name: "a.Java", params: { weight: "50", release: "3.3.6" } },
      { name: "a.Go", params: { weight: "50", release: "dubbo-golang-3.3.1" } },
    ];
    const app = application("app", [at1, { ...at1, weight: 3 }], { r1: services });
    expect(instancesOf(app, "a.Java").map(({ weight }) => weight)).toEqual([0.5, 1.5]);
    expect(instancesOf(app, "a.Go").map(({ weight }) => weight)).toEqual([undefined, 3]);
  });

  test("version, group and protocol of each service; the rules of provider URLs hold", () => {
    const services: TestService[] = [
      { name: "a.B", version: "1.0.0", group: "g1" },
      { name: "a.B", version: "0.0.0" },
      { name: "a.Triple", protocol: "tri" },
      { name: "a.Drained", params: { weight: "0" } },
      { name: "a.Disabled", params: { disabled: "true" } },
      { name: "a.Rmi", protocol: "rmi" },
      { name: "a.Token", params: { token: "secret" } },
      { name: "unwanted.A" },
      { name: "org.apache.dubbo.metadata.MetadataService" },
      { name: "org.apache.dubbo.metadata.MetadataServiceV2", protocol: "tri" },
    ];
    const app = application("app", [at1], { r1: services });
    const told = instancesOf(app, "a.B").map(({ version, group }) => [version, group]);
    expect(told).toEqual([
      ["1.0.0", "g1"],
      ["", ""],
    ]);
    expect(instancesOf(app, "a.Triple")).toMatchObject([
      { protocol: "grpc", metadata: { application: "app" } },
    ]);
    expect([...app.providers.keys()]).toEqual(
      ["a.B", "a.Triple", "a.Drained", "a.Disabled", "a.Rmi", "a.Token"], // no unwanted one, none of Dubbo's own
    );
    for (const name of ["a.Drained", "a.Disabled", "a.Rmi"]) expect(instancesOf(app, name)).toEqual([]);
    expect(app.providers.get("a.Rmi")).toMatchObject([{ problem: { code: "UnsupportedProtocol" } }]);
    expect(app.providers.get("a.Token")).toMatchObject([{ problem: { code: "TokenRequired" } }]);
    expect(JSON.stringify([...app.providers])).not.toContain("secret");
  });

  test("two revisions at once, as during an update", () => {
    const app = application("app", [at1, { ...at1, address: "10.0.0.2", revision: "r2" }], {
      r1: [{ name: "a.B" }],
      r2: [{ name: "a.B" }, { name: "a.New" }],
    });
    expect(instancesOf(app, "a.B").map(({ address }) => address)).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect(instancesOf(app, "a.New").map(({ address }) => address)).toEqual(["10.0.0.2"]);
  });

  test("revision 0 serves nothing and hides nothing", () => {
    expect(application("app", [{ ...at1, revision: "0" }])).toMatchObject({ hidden: [] });
  });
});

describe("applications of which nobody knows what they serve", () => {
  test.each<[string, TestProcess, Exclude<Metadata, object>, string]>([
    ["local", { ...at1, storage: "local" }, "missing", "local"],
    ["remote", at1, "missing", "missing"],
    ["broken", at1, "undecodable", "undecodable"],
    ["forbidden", { ...at1, storage: "local" }, "unreadable", "unreadable"],
  ])("%s", (_, process, metadata, reason) => {
    const app = application("app", [process], { r1: metadata });
    expect([...opaqueApplications([app], nowhere)]).toEqual([["app", reason]]);
    expect(opaqueApplications([app], (address) => address === addressKey("10.0.0.1", 20_880)).size).toBe(0);
    expect(opaqueApplications([app], (address) => address === addressKey("10.0.0.1", 1)).size).toBe(1);
  });

  test("one whose other port is registered by an interface is known", () => {
    const metadata = new Map([
      ["dubbo.metadata.revision", "r"],
      ["dubbo.endpoints", '[{"port":1,"protocol":"tri"},{"port":2,"protocol":"dubbo"}]'],
    ]);
    const instance = readApplicationInstance("app", "10.0.0.1", 1, metadata);
    if (instance === undefined) throw new Error("no instance");
    const app = readApplication("app", [instance], () => "missing", everything);
    expect(opaqueApplications([app], (address) => address === addressKey("10.0.0.1", 2)).size).toBe(0);
  });

  test.each<[string, Partial<TestProcess>, boolean, boolean]>([
    ["remote", {}, true, true],
    ["local and registered by an interface", { storage: "local" }, true, false],
    ["local and nothing else", { storage: "local" }, false, true],
    ["without a service", { revision: "0" }, false, false],
  ])("metadata is read of an instance that is %s: %#", (_, process, isRegistered, expected) => {
    const metadata = new Map(Object.entries(instanceMetadata({ ...at1, ...process })));
    const instance = readApplicationInstance("app", "10.0.0.1", 20_880, metadata);
    if (instance === undefined) throw new Error("no instance");
    expect(needsMetadata(instance, () => isRegistered)).toBe(expected);
  });
});

describe("both levels as one", () => {
  const provider = (name: string, address: string, port = 20_880) => ({
    instance: {
      address,
      port,
      protocol: "dubbo" as const,
      version: "",
      group: "",
      metadata: { interface: name, application: "by-interface" },
    },
  });
  const merge = (registrations: Partial<Registrations>, previous?: Merged): Merged =>
    mergeApplications(
      { services: new Map(), isRegistered: nowhere, applications: [], mapping: new Map(), ...registrations },
      previous,
    );
  const one = serviceOf("a.B", [provider("a.B", "10.0.0.1")]);
  const services = new Map([["a.B", one]]);
  const hidden = application("app", [{ ...at1, storage: "local" }]);

  test("twins are one, and the interface's wins", () => {
    const twin = application("app", [at1], { r1: [{ name: "a.B" }] });
    expect(merge({ services, applications: [twin] }).services.get("a.B")).toBe(one);
  });

  test("others are added, sorted", () => {
    const processes = ["10.0.0.2", "10.0.0.0"].map((address) => ({ ...at1, address }));
    const app = application("app", processes, { r1: [{ name: "a.B" }, { name: "a.C" }] });
    const merged = merge({ services, applications: [app] }).services;
    const addresses = ["10.0.0.0", "10.0.0.1", "10.0.0.2"].map((address) => ({ address }));
    expect(merged.get("a.B")?.instances).toMatchObject(addresses);
    expect(merged.get("a.C")).toMatchObject({ id: "a.C", kind: "dubbo", name: "a.C", problems: [] });
  });

  test("another version, group, protocol or port is another instance", () => {
    const app = application("app", [at1], {
      r1: [
        { name: "a.B", version: "2.0.0" },
        { name: "a.B", group: "g" },
      ],
    });
    expect(merge({ services, applications: [app] }).services.get("a.B")?.instances).toHaveLength(3);
  });

  test("an interface that may not be read stays unknown", () => {
    const unreadable = { ...one, instances: "unknown" as const };
    const app = application("app", [at1], { r1: [{ name: "a.B" }] });
    expect(merge({ services: new Map([["a.B", unreadable]]), applications: [app] }).services.get("a.B")).toBe(
      unreadable,
    );
  });

  test("what does not change keeps its identity", () => {
    const app = application("app", [{ ...at1, address: "10.0.0.2" }], { r1: [{ name: "a.B" }] });
    const same = application("app", [{ ...at1, address: "10.0.0.2" }], { r1: [{ name: "a.B" }] });
    const mapping = new Map([["a.Unknown", ["hidden"]]]);
    const first = merge({ services, applications: [app, { ...hidden, name: "hidden" }], mapping });
    const second = merge({ services, applications: [app, { ...hidden, name: "hidden" }], mapping }, first);
    const third = merge({ services, applications: [same, { ...hidden, name: "hidden" }], mapping }, second);
    expect(first.services.get("a.B")?.instances).toHaveLength(2);
    for (const name of ["a.B", "a.Unknown"])
      for (const later of [second, third]) expect(later.services.get(name)).toBe(first.services.get(name));
  });

  test("an interface that only a hidden application may serve is unknown, and the application is told", () => {
    const mapping = new Map([
      ["a.B", ["app"]],
      ["a.C", ["app", "dead"]],
      ["a.D", ["app"]],
      ["a.E", ["app"]],
      ["a.Dead", ["dead"]],
    ]);
    const empty = serviceOf("a.D", []);
    const merged = merge({
      services: new Map([...services, ["a.D", empty]]),
      applications: [hidden],
      mapping,
    });
    expect(merged.services.get("a.B")).toBe(one);
    for (const name of ["a.C", "a.D", "a.E"]) expect(merged.services.get(name)?.instances).toBe("unknown");
    expect(merged.services.has("a.Dead")).toBe(false);
    expect(merged.problems).toEqual([
      {
        at: "app",
        code: "ApplicationLevelOnly",
        severity: "warning",
        detail:
          "serves a.B, a.C, a.D and 1 more, but registers at application level with local metadata, so the operator cannot discover its services; " +
          "set dubbo.application.register-mode=all or metadata-type=remote (dubbo-go: registry-type: all or metadata-type: remote)",
      },
    ]);
  });

  test("an interface of a hidden application with one known instance is that", () => {
    const known = application("known", [at1], { r1: [{ name: "a.C" }] });
    const mapping = new Map([["a.C", ["app", "known"]]]);
    const merged = merge({ applications: [hidden, known], mapping });
    expect(merged.services.get("a.C")?.instances).toHaveLength(1);
    expect(merged.problems).toMatchObject([{ at: "app" }]);
  });

  test.each<[string, Registrations["mapping"], Application, readonly string[]]>([
    ["says nothing of it", new Map([["a.B", ["other"]]]), hidden, []],
    ["cannot be read", undefined, hidden, ["ApplicationLevelOnly"]],
    ["cannot be read, nor whether it is one of Dubbo's", undefined, unlisted(), []],
    ["names it, though it may not be listed", new Map([["a.B", ["app"]]]), unlisted(), ["Unreadable"]],
  ])("a hidden application where the mapping %s", (_, mapping, app, codes) => {
    expect(merge({ applications: [app], mapping }).problems.map(({ code }) => code)).toEqual(codes);
  });

  test("metadata that may not be read is Unreadable", () => {
    const app = application("app", [at1, { ...at1, address: "10.0.0.2", revision: "r2" }], {
      r1: "unreadable",
    });
    const merged = merge({ applications: [app], mapping: new Map([["a.B", ["app"]]]) });
    expect(merged.problems).toMatchObject([{ at: "app", code: "Unreadable", severity: "warning" }]);
    expect(merged.services.get("a.B")?.instances).toBe("unknown");
  });

  describe("what could not be read is unknown, not gone", () => {
    const noMetadata = application("orders", [at1]);
    const unlistedApp = readApplication("orders", ["unreadable"], () => "missing", everything);
    const cannotList = { at: "/services", code: "Unreadable", detail: "", severity: "warning" } as const;
    const known = () => ["a.I"];
    const instancesIn = (merged: Merged, name = "a.I") => merged.services.get(name)?.instances;

    test.each<[string, Partial<Registrations>]>([
      ["the list of applications, and mapping", { cannotList, mapping: undefined }],
      ["the list of applications, and nobody wrote a mapping", { cannotList }],
      ["an application, and mapping", { applications: [unlistedApp], mapping: undefined }],
      ["an application, and nobody wrote a mapping", { applications: [unlistedApp] }],
      ["metadata, and mapping", { applications: [noMetadata], mapping: undefined }],
      ["metadata, and nobody wrote a mapping", { applications: [noMetadata] }],
      [
        "mapping, which would say what a local application serves",
        { applications: [hidden], mapping: undefined },
      ],
    ])("of what the cluster has, without %s", (_, registrations) => {
      const merged = merge({ services, ...registrations, known });
      expect(instancesIn(merged)).toBe("unknown");
      expect(merged.services.get("a.B")).toBe(one);
      expect(merged.problems).toHaveLength(1);
    });

    test("but gone where mapping names others only, or where its own registration is empty", () => {
      const others = new Map([["a.I", ["billing"]]]);
      expect(instancesIn(merge({ applications: [unlistedApp], mapping: others, known }))).toBeUndefined();
      const empty = new Map([["a.I", serviceOf("a.I", [])]]);
      expect(instancesIn(merge({ services: empty, applications: [unlistedApp], known }))).toEqual([]);
      expect(instancesIn(merge({ services: empty, cannotList, mapping: undefined, known }))).toEqual([]);
    });

    test("and nothing is asked while everything could be read", () => {
      const never = (): never => {
        throw new Error("asked");
      };
      const app = application("orders", [at1], { r1: [{ name: "a.I" }] });
      expect(merge({ services, applications: [app], known: never }).problems).toEqual([]);
    });

    test.each<[string, Registrations["mapping"]]>([
      ["mapping names the application", new Map([["a.I", ["orders", "billing"]]])],
      ["nobody wrote a mapping", new Map()],
    ])("in part where others are known and %s", (_, mapping) => {
      const billing = application("billing", [{ ...at1, address: "10.0.0.2" }], { r1: [{ name: "a.I" }] });
      const before = merge({ applications: [billing, noMetadata], mapping });
      const service = before.services.get("a.I");
      expect(service).toMatchObject({ isPartial: true, instances: [{ address: "10.0.0.2" }] });
      const after = merge({ applications: [billing, noMetadata], mapping }, before);
      expect(after.services.get("a.I")).toBe(service);
      const healed = merge({ applications: [billing], mapping }, after);
      expect(healed.services.get("a.I")).not.toHaveProperty("isPartial");
    });

    test("a local application casts no doubt on known instances, nor does any on other interfaces", () => {
      const mapping = new Map([["a.B", ["app"]]]);
      expect(merge({ services, applications: [hidden], mapping }).services.get("a.B")).toBe(one);
      expect(merge({ services, applications: [noMetadata], mapping: undefined }).services.get("a.B")).toBe(
        one,
      );
    });

    test("an unreadable instance at an address that an interface has hides nothing", () => {
      const addresses = [addressKey("10.0.0.1", 20_880)];
      const app = readApplication("app", [{ reason: "unreadable", addresses }], () => "missing", everything);
      const isRegistered = (address: string): boolean => addresses.includes(address);
      expect(merge({ services, applications: [app], isRegistered, known }).problems).toEqual([]);
    });
  });

  test("where no application may be seen, that is said", () => {
    const cannotList = { at: "/services", code: "Unreadable", detail: "", severity: "warning" } as const;
    const empty = serviceOf("a.Gone", []);
    const all = new Map([...services, ["a.Gone", empty]]);
    const served = merge({ services, mapping: new Map([["a.B", ["app"]]]), cannotList });
    expect(served.problems).toEqual([cannotList]);
    const gone = merge({ services: all, mapping: new Map([["a.Gone", ["app"]]]), cannotList });
    expect(gone.services.get("a.Gone")).toBe(empty);
    const unseen = merge({ services, mapping: new Map([["a.Only", ["app"]]]), cannotList });
    expect(unseen.services.get("a.Only")?.instances).toBe("unknown");
  });

  test("the order of applications and instances changes nothing, and doubling them neither", () => {
    const processes = fc.uniqueArray(
      fc.record({
        address: fc.constantFrom("10.0.0.1", "10.0.0.2", "10.0.0.3"),
        port: fc.constantFrom(1, 2),
        revision: fc.constantFrom("r1", "r2"),
      }),
      { selector: ({ address, port }) => addressKey(address, port) },
    );
    const metadata = { r1: [{ name: "a.B" }], r2: [{ name: "a.B" }, { name: "a.C", version: "1.0.0" }] };
    fc.assert(
      fc.property(processes, (all) => {
        const [app, reversed] = [all, all.toReversed()].map((some) => application("app", some, metadata));
        if (app === undefined || reversed === undefined) throw new Error("two were made");
        const straight = merge({ services, applications: [app] }).services;
        expect(merge({ services, applications: [{ ...reversed, name: "twin" }, app] }).services).toEqual(
          straight,
        );
      }),
    );
  });
});

/** An application that is there and may not be listed. */
function unlisted(): Application {
  return readApplication("app", ["unreadable"], () => "missing", everything);
}

describe("where interfaces are registered", () => {
  test("a provider that takes no traffic is registered all the same", () => {
    const nodes = [
      "dubbo://10.0.0.1:1/a.B?disabled=true",
      "rmi://[2001:db8::1]:2/a.B",
      "dubbo://10.0.0.1:1/a.B?x=1",
    ];
    expect(decodeAddresses([...nodes.map(encodeURIComponent), "garbage", "%ZZ"])).toEqual([
      addressKey("10.0.0.1", 1),
      addressKey("2001:db8::1", 2),
    ]);
  });

  test("an address counts as long as one interface has it", () => {
    const addresses = new RegisteredAddresses();
    const [first, second] = [addressKey("10.0.0.1", 1), addressKey("10.0.0.1", 2)];
    const has = () => [first, second].map((address) => addresses.has(address));
    addresses.set("a.B", [first]);
    addresses.set("a.C", [first, second]);
    expect(has()).toEqual([true, true]);
    addresses.set("a.B", [second]);
    addresses.set("a.C", []);
    expect(has()).toEqual([false, true]);
    addresses.set("a.B", []);
    expect(has()).toEqual([false, false]);
  });

  test("the applications of a mapping", () => {
    expect(decodeMapping("b, a,b,,../x,..,a/b")).toEqual(["a", "b"]);
  });
});
