import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import { type ApiServer, startApiServer } from "../bed/api-server.ts";
import { commitBeforeChart, earlierVersion, type Version } from "../bed/earlier-version.ts";
import { run } from "../bed/run.ts";
import { temporaryFolder } from "../bed/watchdog.ts";
import { startZooKeeper } from "../bed/zookeeper.ts";
import { addrsOf, type Life, losses } from "../outage/truth.ts";
import { type ClusterRecorder, recordCluster } from "../support/cluster-recorder.ts";
import { eventually } from "../support/eventually.ts";
import { applyInstall, checkout, installNamespace } from "../support/install.ts";
import { builtProgram } from "../support/program.ts";
import { showLogsOnFailure } from "../support/show-logs.ts";
import { connectZkWriter, type ZkWriter } from "../support/zk-writer.ts";
import { applyHub, flags, type Operator, operatorOn, target } from "../upgrade/operator.ts";
import { installed, namesOfInstall, withHelm } from "./installed.ts";

const SERVICES = 20;
const SYNC_MS = 60_000;

const commands = fileURLToPath(new URL("../../bin/kubectl-registryhub", import.meta.url));
const manifests = join(temporaryFolder("release").path, "out");
/** For `kubectl delete -k`. */
const folders = ["manager", "rbac", "crd"].map((name) => join(checkout, "config", name));

let before: Version;
let now: Version;
beforeAll(async () => {
  before = await earlierVersion(commitBeforeChart);
  now = { program: await builtProgram(), folder: checkout };
  const env = { OUT: manifests, PLATFORMS: "none" };
  await run(process.execPath, ["scripts/release.ts"], { cwd: checkout, env });
});
let operator: Operator | undefined;
showLogsOnFailure(() => operator?.processes ?? []);

/** One way of docs/installing.md. */
interface Way {
  readonly install: (api: ApiServer) => Promise<unknown>;
  /** What comes after `kubectl apply -k` of the version before. */
  readonly forget?: (api: ApiServer) => Promise<unknown>;
  readonly uninstall: (api: ApiServer) => Promise<unknown>;
}

const uninstallFolders = async ({ kubectl }: ApiServer): Promise<void> => {
  for (const folder of folders) await kubectl(["delete", "-k", folder]);
};

const ways: Readonly<Record<string, Way>> = {
  "helm install --take-ownership": {
    install: (api) => withHelm(api, "install", { flags: ["--take-ownership"] }),
    forget: (api) =>
      api.kubectl(["delete", "secret", "-n", installNamespace, "-l", "owner=helm,name=registryhub"]),
    async uninstall(api) {
      await withHelm(api, "uninstall");
      await api.kubectl(["delete", "-k", join(checkout, "config/crd")]);
    },
  },
  "kubectl apply -k": { install: (api) => applyInstall(api), uninstall: uninstallFolders },
  "kubectl apply --server-side --force-conflicts -f install.yaml": {
    install: (api) =>
      api.kubectl(["apply", "--server-side", "--force-conflicts", "-f", join(manifests, "install.yaml")]),
    uninstall: uninstallFolders,
  },
};

test.each(Object.entries(ways))(
  `%s takes over what the last version without a chart made of ${SERVICES} services, goes back, and goes`,
  async (_, { install, forget, uninstall }) => {
    await using mesh = await openMesh();
    const { api, takeOver } = mesh;
    const atFirst = await installed(api);

    await takeOver(now, () => install(api));
    const after = await installed(api);
    expect(after).toMatchObject(atFirst); // the same objects, by uid
    expect(Object.keys(after).toSorted()).toEqual(await namesOfInstall());

    await takeOver(before);
    await forget?.(api);
    expect(await installed(api)).toMatchObject(atFirst);

    await takeOver(now, () => install(api));
    await run(commands, ["uninstall", "--yes"], { env: { KUBECONFIG: api.kubeconfig } });
    await uninstall(api);
    expect(await installed(api)).toEqual({});
    const left = ["serviceentries,envoyfilters,destinationrules", "leases,secrets", "crd"].map((kinds) =>
      api.kubectl(["get", kinds, "-A", "-o", "name"]),
    );
    expect((await Promise.all(left)).join("\n")).not.toMatch(/registryhub|aeraki/);
  },
);

/** A cluster with hubs of a real registry, and the version before on it. */
async function openMesh() {
  await using starting = new AsyncDisposableStack();
  const server = starting.use(await startZooKeeper());
  const writer = starting.use(await connectZkWriter(server.address));
  const api = starting.use(await startApiServer());
  const recorder = starting.use(await recordCluster(api.etcdUrl));
  const own = starting.use(operatorOn(api));
  operator = own;
  await api.applyCrds();
  await api.kubectl(["create", "namespace", target]);
  const providers = await registered(writer);

  const untilInSync = (): Promise<void> =>
    eventually(() => expect(addrsByHost(recorder)).toEqual(providers.addrsByHost()), SYNC_MS, 250);
  await own.run(before, flags);
  await applyHub(api, "hub", { type: "zookeeper", address: server.address });
  await untilInSync();
  await eventually(
    () => expect(recorder.objects(installNamespace, "envoyfilters").size).toBe(SERVICES + 1), // one of the port
    SYNC_MS,
    250,
  );
  let lives = providers.living(Date.now());
  const identities = identitiesOf(recorder);

  /** Until the version has believed its registry: an endpoint that leaves is gone. */
  async function takeOver(version: Version, install?: () => Promise<unknown>): Promise<void> {
    const since = new Date();
    await own.run(version, flags, install);
    await recorder.caughtUp();
    const { hostPort, leave } = providers.leaving();
    const to = Date.now();
    lives = lives.map((life) => (life.hostPort === hostPort ? { ...life, to } : life));
    await leave();
    await untilInSync();
    await recorder.caughtUp();
    const changes = [target, installNamespace].flatMap((namespace) => recorder.changes(namespace));
    expect(losses(changes, lives)).toEqual([]);
    expect(identitiesOf(recorder)).toEqual(identities);
    const writes = await api.writes({ since });
    const ours = [
      "serviceentries",
      "envoyfilters",
      "registryhubs",
      "customresourcedefinitions",
      "namespaces",
    ];
    const deleted = writes.filter(
      ({ verb, resource }) => verb.startsWith("delete") && ours.includes(resource),
    );
    expect(deleted).toEqual([]);
  }

  const owned = starting.move();
  return { api, takeOver, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Twenty services of one provider each, but the first: of that some leave. */
async function registered(writer: ZkWriter) {
  const places = Array.from({ length: SERVICES }, (_, at) => ({ at, pod: 1 }));
  const spare = [2, 3, 4].map((pod) => ({ at: 0, pod }));
  const all = await Promise.all(
    [...places, ...spare].map(async ({ at, pod }) => {
      const hostPort = `10.42.${pod}.${at + 1}:20880`;
      const iface = `org.example.Old${at}`;
      const url = `dubbo://${hostPort}/${iface}?interface=${iface}&side=provider&version=1.0.0`;
      const [path = ""] = await writer.registerProviders([url]);
      return { host: `org.example.old${at}-1.0.0.${target}`, hostPort, path };
    }),
  );
  const living = new Set(all);
  return {
    living: (from: number): readonly Life[] =>
      [...living].map(({ host, hostPort }) => ({ host, hostPort, from })),
    addrsByHost: () =>
      new Map(
        [...Map.groupBy(living, ({ host }) => host)].map(([host, some]) => [
          host,
          new Set(some.map(({ hostPort }) => hostPort)),
        ]),
      ),
    /** The next one that goes, and how. */
    leaving() {
      const one = [...living].at(-1);
      if (one === undefined) throw new Error("nobody is left");
      living.delete(one);
      return { hostPort: one.hostPort, leave: () => writer.delete(one.path) };
    },
  };
}

const entriesIn = (recorder: ClusterRecorder): readonly ServiceEntry[] => [
  ...recorder.objects<ServiceEntry>(target, "serviceentries").values(),
];
const addrsByHost = (recorder: ClusterRecorder) =>
  new Map(entriesIn(recorder).map((entry) => [entry.spec.hosts?.[0], addrsOf(entry)]));
/** Which object each host has, and its virtual IP. */
const identitiesOf = (recorder: ClusterRecorder) =>
  new Map(
    entriesIn(recorder).map(({ metadata, spec }) => [
      spec.hosts?.[0],
      [metadata.uid, ...(spec.addresses ?? [])],
    ]),
  );
