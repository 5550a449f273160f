import { beforeAll, expect, test } from "vitest";
import type { EnvoyFilter, ServiceEntry } from "../../src/model/istio.ts";
import type { RegistryHub } from "../../src/model/registryhub.ts";
import { type ApiServer, startApiServer } from "../bed/api-server.ts";
import { earlierVersion } from "../bed/earlier-version.ts";
import { type Eureka, startEureka } from "../bed/eureka.ts";
import { type Nacos, startNacos } from "../bed/nacos.ts";
import { startNacosAgent } from "../bed/nacos-agent.ts";
import { startZooKeeper, type ZooKeeper } from "../bed/zookeeper.ts";
import { type ClusterRecorder, recordCluster } from "../support/cluster-recorder.ts";
import { eurekaRest } from "../support/eureka-rest.ts";
import { eventually } from "../support/eventually.ts";
import { checkout, installNamespace } from "../support/install.ts";
import { builtProgram } from "../support/program.ts";
import { showLogsOnFailure } from "../support/show-logs.ts";
import { connectZkWriter, type ZkWriter } from "../support/zk-writer.ts";
import { applyHub, flags, type Operator, operatorOn, target } from "./operator.ts";

const SYNC_MS = 120_000;

/** Ports that clients of other protocols use: this version makes no new filter for them. */
const ports = [20_880, 3_306, 9_090, 15_006];
/** What this version lets a hub have, of as many services as there are ports. */
const mostServices = ports.length - 1;
/** Their labels make an entry larger than this version writes: 1.2 MB. */
const pods = 850;
const metadata = Object.fromEntries(Array.from({ length: 20 }, (_, key) => [`team-${key}`, "x".repeat(55)]));

let api: ApiServer;
let recorder: ClusterRecorder;
let operator: Operator;
let zooKeeper: ZooKeeper;
let writer: ZkWriter;
let eureka: Eureka;
let nacos: Nacos;

beforeAll(async () => {
  await using starting = new AsyncDisposableStack();
  zooKeeper = starting.use(await startZooKeeper());
  writer = starting.use(await connectZkWriter(zooKeeper.address));
  eureka = starting.use(await startEureka());
  nacos = starting.use(await startNacos({ version: "2.3" }));
  api = starting.use(await startApiServer({ controllerManager: false }));
  recorder = starting.use(await recordCluster(api.etcdUrl));
  await api.applyCrds();
  await api.kubectl(["create", "namespace", target]);
  operator = starting.use(operatorOn(api));
  const rest = starting.use(eurekaRest(eureka));
  await writer.registerProviders(ports.map(providerAt));
  for (let at = 0; at < pods; at++) await rest.register("LARGE", { ip: ipOf(at), port: 8_080, metadata });
  const agent = starting.use(await startNacosAgent({ address: nacos.address }));
  await agent.connection("pod").register("orders", "DEFAULT_GROUP", [{ ip: "10.42.7.1", port: 8_080 }]);
  const owned = starting.move();
  return () => owned.disposeAsync();
});
showLogsOnFailure(() => operator.processes);

test("what this version would not make stays as the earlier one made it", async () => {
  await operator.run(await earlierVersion(), flags);
  await applyHub(api, "ports", { type: "zookeeper", address: zooKeeper.address });
  await applyHub(api, "large", { type: "eureka", address: eureka.address });
  await applyHub(api, "url", { type: "nacos", address: `http://${nacos.address}` });
  await eventually(
    () => {
      expect(entries().map(({ spec }) => spec.endpoints?.length)).toEqual(
        expect.arrayContaining([1, 1, 1, 1, 1, pods]),
      );
      expect(listeners().filters).toHaveLength(ports.length);
      for (const name of ["ports", "large", "url"]) expect(hub(name).status?.phase).toBe("success");
    },
    SYNC_MS,
    250,
  );
  const before = { listeners: listeners(), endpoints: endpoints() };
  const sizeBefore = largest();
  expect(sizeBefore).toBeGreaterThan(1_200_000);

  const thisVersion = { program: await builtProgram(), folder: checkout };
  await operator.run(thisVersion, [...flags, `--max-services-per-hub=${mostServices}`]);
  // Each hub shows that this version has looked at all of it.
  const added = await writer.registerProviders([providerAt(20_880, 1), providerAt(20_900)]);
  await eventually(
    () => {
      expect(hub("ports").status).toMatchObject({ phase: "success", services: ports.length, rejected: 1 });
      expect(new Set(problemsOf("ports"))).toEqual(new Set(["TooManyServices", "PortNotAllowed"]));
      expect(endpoints()["org.example.port20880.mesh"]).toHaveLength(2);
      expect(hub("url").status).toMatchObject({ phase: "failed", services: 1 });
      expect(reasonOf("url")).toMatch(/^InvalidSpec: .*http:/);
      expect(problemsOf("large")).toEqual(["TooManyLabels"]);
    },
    SYNC_MS,
    250,
  );
  expect(largest()).toBeLessThan(1_250_000); // labels that nobody counts on are gone
  for (const path of added) await writer.delete(path);
  await eventually(() => expect(endpoints()).toEqual(before.endpoints), SYNC_MS, 250);
  expect(listeners()).toEqual(before.listeners);
  const gone = [target, installNamespace].flatMap((namespace) =>
    recorder.changes(namespace).filter(({ object }) => object === undefined),
  );
  expect(gone).toEqual([]);
});

const providerAt = (port: number, pod = 0): string =>
  `dubbo://10.42.${pod}.1:${port}/org.example.Port${port}?interface=org.example.Port${port}&side=provider`;
const ipOf = (at: number): string => `10.43.${Math.floor(at / 250)}.${(at % 250) + 1}`;

const hub = (name: string): RegistryHub =>
  recorder.objects<RegistryHub>(target, "registryhubs").get(name) as RegistryHub;
const problemsOf = (name: string): readonly (string | undefined)[] =>
  hub(name).status?.problems.map(({ problem }) => problem.split(":")[0]) ?? [];
const reasonOf = (name: string): string | undefined => {
  const synced = hub(name).status?.conditions.find(({ type }) => type === "RegistrySynced");
  return synced && `${synced.reason}: ${synced.message}`;
};
const entries = (): readonly ServiceEntry[] => [
  ...recorder.objects<ServiceEntry>(target, "serviceentries").values(),
];
const largest = (): number => Math.max(...entries().map((entry) => JSON.stringify(entry.spec).length));
const endpoints = () =>
  Object.fromEntries(
    entries().map(({ spec }) => [
      spec.hosts?.[0] ?? "",
      spec.endpoints?.map(({ address }) => address).sort(),
    ]),
  );

/** All that Envoy's listeners are made of: a change of it would cost connections. */
const listeners = () => ({
  entries: entries()
    .map(({ spec }) => ({ ...spec, endpoints: undefined }))
    .toSorted((a, b) => ((a.hosts?.[0] ?? "") < (b.hosts?.[0] ?? "") ? -1 : 1)),
  filters: [...recorder.objects<EnvoyFilter>(installNamespace, "envoyfilters")]
    .filter(([name]) => name.includes("port"))
    .map(([name, { spec }]) => [name, spec]),
});
