import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { type ApiServer, startApiServer, untilEstablished } from "../bed/api-server.ts";

const checkout = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

let api: ApiServer;
beforeAll(async () => {
  api = await startApiServer({ controllerManager: false });
  await api.kubectl(["apply", "--server-side", "-f", checkout("crds/registryhub.yaml")]);
  await untilEstablished(api.kubectl);
});
afterAll(() => api?.[Symbol.asyncDispose]());

type Spec = Readonly<Record<string, unknown>>;
const zookeeper = { generate_to: "dubbozk", type: "zookeeper", address: "zookeeper.dubbozk:2181" };
const nacos = { generate_to: "dubbo", type: "nacos", address: "nacos.dubbo:8848" };
const eureka = { generate_to: "spring", type: "eureka", address: "http://eureka.spring:8761/eureka" };
const consul = { generate_to: "spring", type: "consul", address: "http://consul.spring:8500" };

const hub = (spec: Spec, name = "sample"): string =>
  stringify({
    apiVersion: "ecns.easystack.cn/v1alpha1",
    kind: "RegistryHub",
    metadata: { name, namespace: "default" },
    spec,
  });

/** Asks the API server without storing anything. */
const dryRun = (manifest: string): Promise<string> =>
  api.kubectl(["create", "--dry-run=server", "-f", "-"], { input: manifest });

/** The sentences that a user reads: one "path: what is wrong" for each thing, without the value in between. */
async function complaints(manifest: string): Promise<string[]> {
  const error: unknown = await dryRun(manifest).catch((refusal: unknown) => refusal);
  if (!(error instanceof Error)) return [];
  const [, list = error.message] = /is invalid:([\s\S]*)$/.exec(error.message) ?? [];
  return list
    .split("\n")
    .map((line) =>
      line
        .replace(/^[\s*]+/, "")
        .replace(/ Invalid value:( (".*?"|\{.*\}|\d+):)?(?= )/, "")
        .trim(),
    )
    .filter((line) => line !== "" && !line.includes("some validation rules were not checked"));
}

describe("a good spec", () => {
  const good: readonly (readonly [what: string, spec: Spec])[] = [
    ["the manual's ZooKeeper", zookeeper],
    ["the manual's Nacos", nacos],
    ["the manual's Eureka", eureka],
    ["the manual's Consul", consul],
    ["an ensemble", { ...zookeeper, address: "zk-0.zk:2181,zk-1.zk:2181,zk-2.zk:2181" }],
    ["a chroot", { ...zookeeper, address: "zk-0:2181,10.0.0.1:2181/prod/dubbo" }],
    ["IPv6", { ...zookeeper, address: "[2001:db8::1]:2181,[::1]:2181" }],
    ["an underscore in a host name", { ...zookeeper, address: "zoo_keeper:2181" }],
    [
      "Nacos by HTTP, which earlier versions read",
      { ...nacos, address: "http://nacos.dubbo:8848,https://nacos-2.dubbo/nacos" },
    ],
    ["an IPv6 URL without port", { ...consul, address: "https://[2001:db8::1]" }],
    ["several Eureka servers", { ...eureka, address: "http://a:8761/eureka/,http://b:8761/eureka/" }],
    ["the longest address", { ...zookeeper, address: "zookeeper:2181,".repeat(68).slice(0, -1) }],
    ["TLS for ZooKeeper", { ...zookeeper, tls: { enabled: true, insecureSkipVerify: true } }],
    [
      "any certificate for https",
      { ...consul, address: "https://consul", tls: { insecureSkipVerify: true } },
    ],
    ["TLS switched off where it never applies", { ...eureka, tls: { enabled: false } }],
    [
      "everything for ZooKeeper",
      {
        ...zookeeper,
        secretRef: { name: "zk-login" },
        protocol: "tcp",
        l7: false,
        services: { include: ["org.example.*"], exclude: ["*.internal.*"] },
        instances: {
          selector: {
            matchLabels: { env: "gray", "dubbo.tag": "" },
            matchExpressions: [
              { key: "zone", operator: "NotIn", values: ["a", "b"] },
              { key: "canary", operator: "Exists" },
            ],
          },
          labels: ["env", "zone"],
          weights: false,
          shares: [
            { name: "canary", percent: 5, selector: { matchLabels: { tag: "gray" } } },
            {
              name: "Old_1.0",
              percent: 95,
              selector: { matchExpressions: [{ key: "v", operator: "Exists" }] },
            },
          ],
        },
        outlierDetection: false,
        exportTo: ["shop", "web"],
        identity: "none",
        subjectAltNames: ["spiffe://cluster.local/ns/shop/sa/cart"],
        policy: "upsert-only",
        suspend: true,
        zookeeper: { root: "/a/dubbo" },
      },
    ],
    [
      "everything for Nacos",
      { ...nacos, nacos: { namespace: "3a7f-dev", groups: ["DEFAULT_GROUP"] }, policy: "observe" },
    ],
    [
      "everything for Eureka",
      { ...eureka, protocol: "http", exportTo: ["."], eureka: { pollIntervalSeconds: 30 } },
    ],
    [
      "everything for Consul",
      { ...consul, consul: { datacenter: "dc1", tags: ["mesh"], includeWarning: true } },
    ],
    ["digits and letters", { ...zookeeper, generate_to: "1a" }],
  ];
  it.each(good)("is accepted: %s", async (_, spec) => {
    await expect(dryRun(hub(spec))).resolves.toContain("registryhub.ecns.easystack.cn/sample created");
  });

  it("is stored as its author wrote it", async () => {
    await api.kubectl(["apply", "-f", "-"], { input: hub(zookeeper, "as-written") });
    const stored = await api.kubectl(["get", "rh", "as-written", "-o", "jsonpath={.spec}"]);
    expect(JSON.parse(stored)).toEqual(zookeeper);
  });
});

describe("a bad spec", () => {
  const hostPort =
    "spec.address: a zookeeper address is host:port; several are separated by commas without blanks; an optional chroot follows the last one; for example zk-0.zk:2181,zk-1.zk:2181 or zk:2181/prod";
  const nacosHostPort =
    "spec.address: a nacos address is host:port; several are separated by commas without blanks; for example nacos.dubbo:8848";
  const url =
    "spec.address: a eureka, consul or http nacos address is a URL that begins with http:// or https:// and has no query; several are separated by commas without blanks; for example http://eureka:8761/eureka or http://consul:8500";
  const login =
    "spec.address: address may not hold a user or password; put them into a Secret and name it in spec.secretRef";
  const port = "spec.address: a port in address is not 1..65535";
  const label =
    "spec.generate_to: generate_to is the name of a namespace; it has only lower-case letters, digits and inner dashes";
  const reserved =
    "spec.generate_to: generate_to may not be svc, cluster, local or localhost, because it is the last label of a host name";
  const digits =
    "spec.generate_to: generate_to may not consist of digits only, because it is the last label of a host name";
  const tls = "spec.tls: tls.enabled is only for host:port addresses; in a URL write https:// instead";
  const anyCertificate =
    "spec.tls: tls.insecureSkipVerify needs TLS; set tls.enabled, or write https:// in the address";
  const block = (type: string): string =>
    `spec.${type}: the block ${type} is only for spec.type ${type}; remove it`;
  const share = (name: string, percent: number) => ({ name, percent, selector: {} });
  const exported = 'spec.exportTo: exportTo has names of namespaces, or "*" alone, or "." alone';
  const root = "spec.zookeeper.root: root is a path such as /dubbo, without a slash at its end";

  const bad: readonly (readonly [spec: Spec, sentences: readonly string[]])[] = [
    [{ ...zookeeper, address: "zookeeper" }, [hostPort]],
    [{ ...zookeeper, address: "http://zookeeper:2181" }, [hostPort]],
    [{ ...zookeeper, address: "zk-0:2181, zk-1:2181" }, [hostPort]],
    [{ ...zookeeper, address: "zk-0:2181,,zk-1:2181" }, [hostPort]],
    [{ ...zookeeper, address: "zk-0:2181/a,zk-1:2181/a" }, [hostPort]],
    [{ ...zookeeper, address: "zk-0:2181/a/" }, [hostPort]],
    [{ ...zookeeper, address: "2001:db8::1:2181" }, [hostPort]],
    [{ ...zookeeper, address: "zk:0" }, [port]],
    [{ ...zookeeper, address: "zk-0:2181,zk-1:70000/a" }, [port]],
    [{ ...zookeeper, address: "admin:secret@zk:2181" }, [login, hostPort]],
    [{ ...nacos, address: "nacos.dubbo" }, [nacosHostPort]],
    [{ ...nacos, address: "nacos.dubbo:8848/nacos" }, [nacosHostPort]],
    [{ ...nacos, address: "ftp://nacos.dubbo:8848" }, [url]],
    [{ ...nacos, address: "http://nacos:8848,nacos:8848" }, [url]],
    [{ ...nacos, address: "http://nacos:88480" }, [port]],
    [{ ...eureka, address: "eureka:8761" }, [url]],
    [{ ...eureka, address: "http://eureka:8761/eureka?x=1" }, [url]],
    [{ ...eureka, address: "http:///eureka" }, [url]],
    [{ ...eureka, address: "http://user:secret@eureka:8761/eureka" }, [login]],
    [{ ...consul, address: "consul.springconsul:8500" }, [url]],
    [{ ...consul, address: "http://consul:port" }, [url]],
    [{ ...consul, address: "http://consul:0" }, [port]],
    [
      { ...zookeeper, address: "" },
      ["spec.address: spec.address in body should be at least 1 chars long", hostPort],
    ],
    [
      { ...zookeeper, address: "x".repeat(1025) },
      ["spec.address: Too long: may not be more than 1024 bytes"],
    ],
    [{ generate_to: "a", type: "zookeeper" }, ["spec.address: Required value"]],
    [
      { ...zookeeper, type: "etcd" },
      ['spec.type: Unsupported value: "etcd": supported values: "zookeeper", "nacos", "eureka", "consul"'],
    ],
    [{ ...zookeeper, generate_to: "Dubbo" }, [label]],
    [{ ...zookeeper, generate_to: "dubbo.zk" }, [label]],
    [{ ...zookeeper, generate_to: "dubbo-" }, [label]],
    [{ ...zookeeper, generate_to: "123" }, [digits]],
    ...["svc", "cluster", "local", "localhost"].map(
      (name) => [{ ...zookeeper, generate_to: name }, [reserved]] as const,
    ),
    [{ ...zookeeper, nacos: {} }, [block("nacos")]],
    [{ ...zookeeper, consul: { tags: ["a"] }, eureka: {} }, [block("consul"), block("eureka")]],
    [{ ...nacos, zookeeper: {} }, [block("zookeeper")]],
    [{ ...eureka, tls: { enabled: true } }, [tls]],
    [{ ...nacos, address: "http://nacos:8848", tls: { enabled: true } }, [tls]],
    [{ ...zookeeper, tls: { insecureSkipVerify: true } }, [anyCertificate]],
    [{ ...consul, tls: { insecureSkipVerify: true } }, [anyCertificate]],
    [{ ...zookeeper, zookeeper: { root: "dubbo" } }, [root]],
    [{ ...zookeeper, zookeeper: { root: "/dubbo/" } }, [root]],
    [
      { ...zookeeper, policy: "delete" },
      ['spec.policy: Unsupported value: "delete": supported values: "sync", "upsert-only", "observe"'],
    ],
    [
      { ...eureka, eureka: { pollIntervalSeconds: 0 } },
      [
        "spec.eureka.pollIntervalSeconds: spec.eureka.pollIntervalSeconds in body should be greater than or equal to 1",
      ],
    ],
    [{ ...zookeeper, secretRef: {} }, ["spec.secretRef.name: Required value"]],
    [
      { ...zookeeper, instances: { shares: [share("a", 60), share("b", 41)] } },
      ["spec.instances.shares: the percents of the shares may have a sum of 100 at most"],
    ],
    [
      { ...zookeeper, instances: { shares: [share("a b", 1)] } },
      [
        "spec.instances.shares[0].name: the name of a share has only letters, digits and inner dashes, dots and underscores, because it becomes a label",
      ],
    ],
    [
      { ...zookeeper, instances: { shares: [share("a", 1), share("a", 2)] } },
      ['spec.instances.shares[1]: Duplicate value: {"name":"a"}'],
    ],
    [
      { ...zookeeper, instances: { shares: [{ name: "a", selector: {} }] } },
      ["spec.instances.shares[0].percent: Required value"],
    ],
    [
      { ...zookeeper, identity: "pods" },
      ['spec.identity: Unsupported value: "pods": supported values: "auto", "none"'],
    ],
    [
      { ...zookeeper, subjectAltNames: Array.from({ length: 21 }, (_, at) => `spiffe://c/ns/n${at}`) },
      ["spec.subjectAltNames: Too many: 21: must have at most 20 items"],
    ],
    [{ ...zookeeper, exportTo: ["*", "shop"] }, [exported]],
    [{ ...zookeeper, exportTo: ["~"] }, [exported.replace("exportTo:", "exportTo[0]:")]],
  ];
  it.each(bad)("is refused in words: %j", async (spec, sentences) => {
    expect((await complaints(hub(spec))).sort()).toEqual([...sentences].sort());
  });

  it("is refused for a field that does not exist", async () => {
    await expect(dryRun(hub({ ...zookeeper, adress: "x" }))).rejects.toThrow('unknown field "spec.adress"');
  });

  it("is refused for a name that cannot become a label's value", async () => {
    expect(await complaints(hub(zookeeper, "a".repeat(63)))).toEqual([]);
    expect(await complaints(hub(zookeeper, "a".repeat(64)))).toEqual([
      "metadata.name: the name of a RegistryHub may have at most 63 characters, because it becomes the value of a label",
    ]);
  });
});

describe("kubectl", () => {
  it("explains the fields", async () => {
    const address = await api.kubectl(["explain", "registryhub.spec.address"]);
    expect(address).toContain("  zookeeper: host:port, with an optional chroot after the last one.\n");
    expect(await api.kubectl(["explain", "rh.status.hold.until"])).toContain(
      "when the hold ends at the latest",
    );
  });

  it("prints what an operator looks for first", async () => {
    await api.kubectl(["apply", "-f", "-"], { input: hub(zookeeper, "columns") });
    const status = {
      phase: "failed",
      services: 12,
      endpoints: 40,
      conditions: [
        {
          type: "Ready",
          status: "False",
          reason: "RegistryUnreachable",
          message: "m",
          lastTransitionTime: "2024-02-04T02:53:25Z",
        },
      ],
    };
    const patch = JSON.stringify({ status });
    await api.kubectl(["patch", "rh", "columns", "--subresource=status", "--type=merge", "-p", patch]);
    const [header, row] = (await api.kubectl(["get", "rh", "columns"])).split("\n");
    expect(header?.split(/\s+/)).toEqual([
      "NAME",
      "TYPE",
      "GENERATE_TO",
      "PHASE",
      "SERVICES",
      "ENDPOINTS",
      "REASON",
      "AGE",
    ]);
    expect(row?.split(/\s+/).slice(0, 7)).toEqual([
      "columns",
      "zookeeper",
      "dubbozk",
      "failed",
      "12",
      "40",
      "RegistryUnreachable",
    ]);
    expect(await api.kubectl(["get", "rh", "columns", "-o", "wide"])).toContain("zookeeper.dubbozk:2181");
    await api.kubectl(["wait", "--for=condition=Ready=false", "rh/columns", "--timeout=5s"]);
  });

  it("keeps every field of the status that the operator writes", async () => {
    await api.kubectl(["apply", "-f", "-"], { input: hub(zookeeper, "status") });
    const status = {
      address: "zookeeper1:2181",
      type: "zookeeper",
      generate_to: "dubbozk",
      phase: "failed",
      serviceentries: { "aeraki-greetingservice-1-0-0-dubbozk": "2024-02-04T03:04:20Z" },
      conditions: [
        {
          type: "Ready",
          status: "False",
          reason: "RegistryUnreachable",
          message: "lookup zookeeper1: no such host. Check spec.address; the operator retries by itself.",
          failed_reason: "lookup zookeeper1: no such host",
          record_time: "2024-02-04T02:53:25Z",
          lastTransitionTime: "2024-02-04T02:53:25Z",
          observedGeneration: 1,
        },
      ],
      observedGeneration: 1,
      services: 12,
      endpoints: 40,
      rejected: 1,
      problems: [
        {
          at: "org.example.Foo 10.0.0.1:0",
          problem: "BadPort: port 0 is not 1..65535",
          severity: "rejected",
        },
      ],
      hold: { since: "2024-02-04T02:53:25Z", until: "2024-02-04T02:58:25Z", services: 7, endpoints: 31 },
      plan: { create: 3, change: 0, remove: 1 },
      origin: "0x2/1692673338277",
      truncated: 0,
    };
    const patch = JSON.stringify({ status });
    await api.kubectl(["patch", "rh", "status", "--subresource=status", "--type=merge", "-p", patch]);
    const stored = await api.kubectl(["get", "rh", "status", "-o", "jsonpath={.status}"]);
    expect(JSON.parse(stored)).toEqual(status);
  });
});

describe("config/samples", () => {
  it("has one for each type, and each applies", async () => {
    const samples = readdirSync(checkout("config/samples")).sort();
    expect(samples).toEqual(["consul.yaml", "eureka.yaml", "nacos.yaml", "zookeeper.yaml"]);
    for (const namespace of ["dubbozk", "dubbo", "springnacos", "springconsul"])
      await api.kubectl(["create", "namespace", namespace]);
    for (const sample of samples) await api.kubectl(["apply", "-f", checkout(`config/samples/${sample}`)]);
    const types = await api.kubectl(["get", "rh", "-A", "-o", "jsonpath={.items[*].spec.type}"]);
    for (const type of ["consul", "eureka", "nacos", "zookeeper"]) expect(types).toContain(type);
  });
});
