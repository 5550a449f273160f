import { beforeAll, describe, expect, test } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import type { RegistryHub } from "../../src/model/registryhub.ts";
import { hostOf as hostNameOf } from "../../src/translate/names.ts";
import { type ApiServer, startApiServer } from "../bed/api-server.ts";
import type { AuditedWrite } from "../bed/audit-log.ts";
import { earlierVersion, type Version } from "../bed/earlier-version.ts";
import { addrsOf, hostOfFilter, type Life, losses } from "../outage/truth.ts";
import { type ClusterRecorder, recordCluster } from "../support/cluster-recorder.ts";
import { eventually } from "../support/eventually.ts";
import { checkout, installNamespace } from "../support/install.ts";
import { builtProgram } from "../support/program.ts";
import { showLogsOnFailure } from "../support/show-logs.ts";
import { consulFleet, eurekaFleet, type Fleet, type Instance, nacosFleet, zooKeeperFleet } from "./fleets.ts";
import { applyHub, flags, type Operator, operatorOn, target } from "./operator.ts";
import { countedByFields, type Written, writesSince } from "./writes.ts";

/** Where entries and hubs are, and where filters are. */
const namespaces = [target, installNamespace] as const;
const ENTRIES = 300;
/** Settling, and the counts of a status, which come at most every 10 s. */
const SYNC_MS = 120_000;

const left = "an instance left";
/**
 * What a version writes when it takes over, and why; a write that no row explains is a defect. A version that has to write
 * more gets a row.
 */
const reasons: readonly Reason[] = [
  {
    why: left,
    kind: "serviceentries",
    // The exact service is told with another change, and never for its own sake.
    because: "spec.endpoints[]",
    fields: [/^spec\.endpoints\[\]$/, /^metadata\.annotations\.ecns\.easystack\.cn\/(last-applied|service)$/],
  },
  ...["tag", "user.password", "zz-key-9"].map((label) => ({
    why: `the label ${label}: this version writes tags, but no secrets, and 32 labels at most`,
    kind: "serviceentries" as const,
    because: `spec.endpoints[].labels.${label}`,
    fields: [
      /^spec\.endpoints\[\]\.labels\.(tag|user\.password|zz-key-\d+)$/,
      /^metadata\.annotations\.ecns\.easystack\.cn\/(last-applied|service)$/,
    ],
  })),
  {
    why: "this version counts the weights of Dubbo providers",
    kind: "serviceentries",
    because: "spec.endpoints[].weight",
    fields: [
      /^spec\.endpoints\[\](\.weight|\.labels\.tag)?$/,
      /^metadata\.annotations\.ecns\.easystack\.cn\/(last-applied|service)$/,
    ],
  },
  {
    why: "this version makes weights exact, and ejects endpoints that cannot be reached",
    kind: "envoyfilters",
    because: "spec.configPatches[].patch.value.outlier_detection",
    fields: [
      /^spec\.configPatches\[\]\.patch\.value\.(least_request_lb_config|connect_timeout|outlier_detection)$/,
      /^metadata\.annotations\.ecns\.easystack\.cn\/last-applied$/,
    ],
  },
  {
    why: "this version says it in other words",
    kind: "registryhubs",
    fields: [/^status\.conditions\[\w+\]\.message$/],
  },
  {
    why: "an instance left, which is held until its registry has settled",
    kind: "registryhubs",
    fields: [
      /^status\.(endpoints|serviceentries|hold|hold\.endpoints|hold\.services|problems\[\])$/,
      /^status\.conditions\[(DeletionHeld|Applied|Ready)\]\./,
      /^status\.conditions\[RegistrySynced\]\.message$/,
    ],
  },
];

/** The earlier version does not know the annotation, and takes it away from the entries that have it. */
const takesAway: Reason = {
  why: "the earlier version does not tell the exact service",
  kind: "serviceentries",
  fields: [/^metadata\.annotations\.ecns\.easystack\.cn\/(last-applied|service)$/],
};

/** Explains the writes of a kind that changed none but these fields. */
interface Reason {
  readonly why: string;
  readonly kind: Written["kind"];
  /** The field without which there would have been no write. */
  readonly because?: string;
  readonly fields: readonly RegExp[];
}

function whyOf(write: Written, more: readonly Reason[]): string | undefined {
  const explains = ({ kind, because, fields }: Reason): boolean =>
    kind === write.kind &&
    (because === undefined || write.fields.includes(because)) &&
    write.fields.every((field) => fields.some((one) => one.test(field)));
  return [...reasons, ...more].find(explains)?.why;
}

let api: ApiServer;
let recorder: ClusterRecorder;
let fleets: readonly Fleet[];
let earlier: Version;
let operator: Operator;
/** Who is registered, and since when the cluster has known it. */
const living = new Map<Instance, Life>();
const past: Life[] = [];

beforeAll(async () => {
  await using starting = new AsyncDisposableStack();
  earlier = await earlierVersion();
  const opening = [zooKeeperFleet(), nacosFleet(), eurekaFleet(), consulFleet()];
  const opened = await Promise.allSettled(opening);
  for (const one of opened) if (one.status === "fulfilled") starting.use(one.value);
  fleets = await Promise.all(opening);
  api = starting.use(await startApiServer({ controllerManager: false }));
  recorder = starting.use(await recordCluster(api.etcdUrl));
  await api.applyCrds();
  await api.kubectl(["create", "namespace", target]);
  operator = starting.use(operatorOn(api));
  const owned = starting.move();
  return () => owned.disposeAsync();
});
showLogsOnFailure(() => operator.processes);

describe(`${ENTRIES} entries that the earlier version made of four registries`, () => {
  test("are there, with their providers, and with their filters if they speak Dubbo", async () => {
    for (const one of fleets.flatMap(({ instances }) => instances))
      living.set(one, { host: hostOf(one), hostPort: one.hostPort, from: Number.POSITIVE_INFINITY });
    await operator.run(earlier, flags);
    for (const { spec } of fleets) await applyHub(api, spec.type, spec);
    await untilInSync();
    expect(entries()).toHaveLength(ENTRIES);
    const from = Date.now();
    for (const [one, life] of living) living.set(one, { ...life, from });
  });

  test("stay as they are when this version takes over", async () =>
    takeOver("this version", { program: await builtProgram(), folder: checkout }));

  test("and when the earlier one is applied again", () =>
    takeOver("the earlier version", earlier, [takesAway]));
});

async function takeOver(name: string, version: Version, more: readonly Reason[] = []): Promise<void> {
  await recorder.caughtUp();
  const since = new Date();
  const from = namespaces.map((namespace) => recorder.changes(namespace).length);
  const vips = vipsByHost();
  await operator.run(version, flags);
  await oneOfEachLeaves();
  await untilInSync();
  await recorder.caughtUp();

  const writes = namespaces.flatMap((each, at) => writesSince(recorder.changes(each), from[at] ?? 0));
  const requests = await api.writes({ since, userAgent: "registryhub-" });
  process.stdout.write(`${[`${name} takes over:`, ...reportOf(writes, requests, more)].join("\n  ")}\n`);
  const changes = namespaces.flatMap((each) => recorder.changes(each));
  expect(losses(changes, [...past, ...living.values()])).toEqual([]);
  expect(vipsByHost()).toEqual(vips);
  expect(writes.filter((write) => whyOf(write, more) === undefined)).toEqual([]);
  const ofObjects = writes.filter(({ kind }) => kind !== "registryhubs");
  const once = ofObjects.filter((write) => whyOf(write, more) !== takesAway.why).map(({ name: its }) => its);
  expect(once.toSorted()).toEqual([...new Set(once)].sort()); // none twice
  const written = ofObjects.map(({ name: its }) => its).sort();
  expect(writes.filter((write) => whyOf(write, more) === left)).toHaveLength(fleets.length);
  const asked = requests.filter(({ resource }) => ["serviceentries", "envoyfilters"].includes(resource));
  // No request changes nothing; but the earlier version asks for a port's filter once per service that it looks at.
  const isPortFilter = (its: string): boolean => its.startsWith("aeraki-outbound-buffer-");
  const counted = (names: readonly string[]): readonly string[] =>
    more.length > 0
      ? [...names.filter((its) => !isPortFilter(its)), ...new Set(names.filter(isPortFilter))].sort()
      : [...names].sort();
  expect(counted(asked.map(({ name: its }) => its))).toEqual(counted(written));
}

/** An instance of each registry leaves: that its endpoint goes shows that the registry is believed. */
async function oneOfEachLeaves(): Promise<void> {
  await recorder.caughtUp(); // a removal before this moment is one too early
  for (const { instances } of fleets) {
    const first = instances[0]?.service;
    const leaving = instances.findLast((one) => one.service === first && living.has(one)) as Instance;
    past.push({ ...(living.get(leaving) as Life), to: Date.now() });
    living.delete(leaving);
    await leaving.leave();
  }
}

/** Until the cluster and the status of each hub say what its registry has, and nothing is left to do. */
async function untilInSync(): Promise<void> {
  await eventually(
    async () => {
      const truth = Map.groupBy(living.values(), ({ host }) => host);
      const expected = [...truth].map(
        ([host, all]) => [host, new Set(all.map(({ hostPort }) => hostPort))] as const,
      );
      const found = entries().map((entry) => [entry.spec.hosts?.[0], addrsOf(entry)] as const);
      expect(new Map(found)).toEqual(new Map(expected));
      const filtered = new Set([...living.keys()].filter(({ isFiltered }) => isFiltered).map(hostOf));
      expect(filteredHosts()).toEqual(filtered);
      for (const { spec, instances } of fleets) {
        const { metadata, status } = hubs().get(spec.type) as RegistryHub;
        const endpoints = instances.filter((one) => living.has(one)).length;
        expect(status).toMatchObject({ phase: "success", endpoints, rejected: 0 });
        const problems = status?.problems.map(({ problem }) => problem.split(":")[0]) ?? [];
        const expected = ["TooManyLabels", "WeightsApproximate"];
        expect(problems.filter((code) => !expected.includes(code ?? ""))).toEqual([]);
        expect(status?.conditions).toContainEqual(expect.objectContaining({ type: "Ready", status: "True" }));
        expect(status?.observedGeneration).toBe(metadata.generation);
      }
      const metrics = await operator.controllers?.hub.get("/metrics");
      expect(metrics?.body).toContain('registryhub_queue_depth{queue="hosts"} 0');
    },
    SYNC_MS,
    250,
  );
}

const hostOf = ({ service }: Instance): string => hostNameOf(service, target)?.host ?? "";
const hubs = () => recorder.objects<RegistryHub>(target, "registryhubs");
const entries = (): readonly ServiceEntry[] => [
  ...recorder.objects<ServiceEntry>(target, "serviceentries").values(),
];
const vipsByHost = () => new Map(entries().map(({ spec }) => [spec.hosts?.[0], spec.addresses]));
const filteredHosts = (): ReadonlySet<string> =>
  new Set([...recorder.objects(installNamespace, "envoyfilters").keys()].map(hostOfFilter).filter(Boolean));

/** What was written and why, and which other requests there were. */
function reportOf(
  writes: readonly Written[],
  requests: readonly AuditedWrite[],
  more: readonly Reason[],
): readonly string[] {
  const other = requests.filter(({ resource }) => !writes.some(({ kind }) => kind === resource));
  const byKind = Map.groupBy(other, ({ verb, resource, code }) => `${verb} ${resource}: HTTP ${code}`);
  return [
    ...countedByFields(writes).map(
      ({ count, what, one }) => `${count} x ${what}: ${whyOf(one, more) ?? "WHY?"}`,
    ),
    ...[...byKind].map(([what, all]) => `${all.length} x ${what}`),
  ];
}
