import { describe, expect, test } from "vitest";
import type { Service, ServiceInstance } from "../../../../src/model/service.ts";
import { decodeService as decodeConsul, readHealth } from "../../../../src/registries/consul/decode.ts";
import { readServices } from "../../../../src/registries/eureka/decode.ts";
import { readApplication } from "../../../../src/registries/kinds/dubbo/application.ts";
import { parseMetadataInfo } from "../../../../src/registries/kinds/dubbo/metadata-info.ts";
import { serviceOf } from "../../../../src/registries/kinds/dubbo/provider-service.ts";
import { decodeApplication, decodeProviders, decodeSpring } from "../../../../src/registries/nacos/decode.ts";
import { parseServiceInfo } from "../../../../src/registries/nacos/service-info.ts";
import { decodeInstance, decodeService } from "../../../../src/registries/zookeeper/decode.ts";
import { metadataInfo } from "../../../support/dubbo-application.ts";
import { readJsonOf } from "../../../support/read-json.ts";

const keys = ["env", "tag", "timestamp", "none", "gray"];
const factsOf = ({ instances }: Pick<Service, "instances">): readonly ServiceInstance["facts"][] =>
  instances === "unknown" ? [] : instances.map(({ facts }) => facts);
const everything = (): boolean => true;
const nacosInfo = (metadata: object) => {
  const info = parseServiceInfo({ hosts: [{ ip: "10.0.0.1", port: 80, metadata }] });
  if (info === undefined) throw new Error("no ServiceInfo");
  return info;
};

describe("what a hub asks for of an instance", () => {
  test("of a Dubbo provider in ZooKeeper: parameters, stable or not, and Dubbo's own name of the tag", () => {
    const url = "dubbo://10.0.0.1:20880/a.B?env=gray&timestamp=1&dubbo.tag=t&pid=7";
    const node = encodeURIComponent(url);
    expect(factsOf(decodeService("a.B", [node], keys))).toEqual([{ env: "gray", timestamp: "1", tag: "t" }]);
    expect(factsOf(decodeService("a.B", [node]))).toEqual([undefined]);
  });

  test("at application level: the metadata of the process, then the parameters of the service", () => {
    const metadata = { "dubbo.metadata.revision": "r1", env: "gray" };
    const data = JSON.stringify({ address: "10.0.0.1", port: 20_880, payload: { metadata } });
    const services = parseMetadataInfo(
      metadataInfo("app", "r1", [{ name: "a.B", params: { env: "of another process", tag: "t" } }]),
    );
    const instances = [
      decodeInstance("app", data, keys),
      ...decodeApplication("app", nacosInfo(metadata), keys),
    ].filter((one) => one !== undefined);
    const { providers } = readApplication("app", instances, () => services ?? "missing", everything, keys);
    const found = (providers.get("a.B") ?? []).map(({ instance }) => instance?.facts);
    expect(found).toEqual([
      { env: "gray", tag: "t" },
      { env: "gray", tag: "t" },
    ]);
  });

  test("in Nacos: the metadata of the instance", () => {
    const info = nacosInfo({ env: "gray", timestamp: "1", protocol: "dubbo" });
    const name = { kind: "dubbo", name: "a.B", version: "", group: "" } as const;
    const facts = [{ env: "gray", timestamp: "1" }];
    expect(factsOf(serviceOf("a.B", decodeProviders(name, info, keys)))).toEqual(facts);
    expect(factsOf(decodeSpring({ group: "g", name: "orders" }, info, keys))).toEqual(facts);
  });

  test("in Eureka: the metadata of the instance", () => {
    const instance = {
      instanceId: "i",
      app: "ORDERS",
      ipAddr: "10.0.0.1",
      status: "UP",
      port: { $: 80, "@enabled": "true" },
      metadata: { env: "gray", timestamp: "1" },
    };
    const said = { applications: { application: [{ name: "ORDERS", instance: [instance] }] } };
    const listed = readJsonOf((json) => readServices(json, { wants: everything, keys }, new Map()), said);
    expect([...(listed?.services.values() ?? [])].map(factsOf)).toEqual([[{ env: "gray", timestamp: "1" }]]);
  });

  test("in Consul: metadata, and tags as keys without a value where metadata has no such key", () => {
    const entry = {
      Node: { Node: "n", Address: "10.0.0.1", Datacenter: "dc1" },
      Service: { Service: "orders", Port: 80, Tags: ["gray", "env"], Meta: { env: "blue" } },
      Checks: [],
    };
    const health = readJsonOf((json) => readHealth(json, { tags: [], includeWarning: false, keys }), [entry]);
    if (health === undefined) throw new Error("no list");
    expect(factsOf(decodeConsul("orders", health))).toEqual([{ env: "blue", gray: "" }]);
  });

  test("a value that is longer than a selector's equals none, and costs no more than that", () => {
    const node = encodeURIComponent(`dubbo://10.0.0.1:20880/a.B?env=${"x".repeat(10_000)}`);
    const [facts] = factsOf(decodeService("a.B", [node], keys));
    expect(facts?.env).toBe("x".repeat(257));
  });

  test("registered twice, it is what either says", () => {
    const provider = (facts: Readonly<Record<string, string>>) => ({
      instance: {
        address: "10.0.0.1",
        port: 1,
        protocol: "dubbo",
        version: "",
        group: "",
        metadata: {},
        facts,
      } as const,
    });
    const both = [provider({ env: "gray" }), provider({ env: "blue", tag: "t" })];
    expect(factsOf(serviceOf("a.B", both))).toEqual([{ env: "gray", tag: "t" }]);
  });
});
