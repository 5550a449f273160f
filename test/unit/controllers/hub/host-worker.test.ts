import { describe, expect, test } from "vitest";
import { History } from "../../../../src/controllers/hub/history.ts";
import { type ClaimingHub, HostWorker } from "../../../../src/controllers/hub/host-worker.ts";
import { HostLedger } from "../../../../src/controllers/hub/ledger.ts";
import { UnexplainedEntries } from "../../../../src/controllers/hub/unexplained-entries.ts";
import { EntryIndex } from "../../../../src/controllers/writes/entry-index.ts";
import { objectKey } from "../../../../src/kube/resources.ts";
import { createStore } from "../../../../src/kube/store.ts";
import type { ServiceEntry } from "../../../../src/model/istio.ts";
import type { KubeObject, Stored } from "../../../../src/model/kubernetes.ts";
import type { ClaimInputs } from "../../../../src/plan/claims.ts";
import { mayWrite } from "../../../../src/plan/claims.ts";
import { vipPool } from "../../../../src/plan/vip.ts";
import type { ApplyFailure } from "../../../../src/status/hub-status.ts";
import { hubIdOf } from "../../../../src/translate/names.ts";
import { failure } from "../../../fakes/api-server/answer.ts";
import { endpointOf, hubOf, trusted, writtenEntry } from "../../../support/model.ts";
import { writerTools } from "../../../support/writer-tools.ts";

const host = "demo/a.b.demo";
const graceMs = 600_000;
const [one, two] = ["10.0.0.1:20880", "10.0.0.2:20880"];

type Spec = Parameters<typeof hubOf>[0];

/** A hub as the worker asks it; what it lists for `host`, and what it knows of the rest, is for the test to say. */
function claimingHub(name: string, spec: Spec, ledger: HostLedger) {
  const hub = hubOf({ generate_to: "demo", ...spec }, { namespace: "demo", name });
  const service = { ...endpointOf(one).service, name: "a.B" };
  let [listed, isUnknown]: [readonly string[], boolean] = [[], false];
  const session: ClaimingHub = {
    hub,
    ledger,
    listings: { has: (asked) => asked === host && listed.length > 0 },
    claimInputs: (): ClaimInputs => ({
      hub,
      mayWrite: mayWrite(hub),
      trust: trusted,
      listed: listed.map((hostPort) => endpointOf(hostPort, { service })),
      isUnknown,
    }),
  };
  return {
    session,
    ledger,
    lists(...now: readonly string[]): void {
      ledger.markPending([host], "listing");
      [listed, isUnknown] = [now, false];
    },
    losesSight(): void {
      [listed, isUnknown] = [[], true];
    },
  };
}

/** A worker with its cluster, and the hubs `demo/h0`, `demo/h1`, … of these specs. */
function open(specs: readonly Spec[] = [{}], { vipCidr = "240.241.0.0/16", goneInMs = 0 } = {}) {
  const { tools, ...told } = writerTools();
  const plain = createStore<Stored<ServiceEntry>>();
  plain.replace([], "1");
  const entries = new EntryIndex(plain.objects);
  const noticed =
    <A extends KubeObject>(take: (object: A) => boolean) =>
    (object: A): boolean => {
      const isNew = take(object);
      entries.update(objectKey(object));
      return isNew;
    };
  const store = { objects: plain.objects, put: noticed(plain.put), remove: noticed(plain.remove) };
  const hubs = specs.map((spec, at) =>
    claimingHub(`h${at}`, spec, new HostLedger(told.clock, () => undefined)),
  );
  const unexplained = new UnexplainedEntries(tools.deps.logger, () => undefined);
  let problem: ApplyFailure | undefined;
  let isReady = true;
  let [owner, service]: [string | undefined, "no" | "yes" | "pending"] = [undefined, "no"];
  const worker = new HostWorker(
    {
      sessions: () => hubs.map(({ session }) => session),
      claimants: () => hubs.map(({ session }) => session),
      isOfOtherLane: () => false,
      ownerElsewhere: () => owner,
      targetProblem: () => problem,
      goneInMs: () => goneInMs,
      entries,
      unexplained,
      history: new History(told.clock),
      serviceEntries: store,
      serviceAt: () => service,
      speaksMtls: () => false,
      isReady: () => isReady,
    },
    {
      pool: vipPool(vipCidr),
      graceMs,
      dubboPorts: [{ from: 20_880, to: 20_889, isAllowed: true }],
      isLane: false,
    },
    tools,
  );
  const [hub] = hubs;
  if (hub === undefined) throw new Error("the worker has no hub");
  return {
    ...told,
    worker,
    hub,
    hubs,
    entries,
    unexplained,
    store,
    work: () => worker.work(host),
    /** Writes the host's entry, with one endpoint, and sees it. */
    async written(): Promise<Stored<ServiceEntry>> {
      hub.lists(one);
      await worker.work(host);
      await worker.work(host);
      const object = entries.hostObject(host)?.object;
      if (object === undefined) throw new Error("nothing was written");
      return object;
    },
    /** Somebody deletes the entry. */
    vanish(): void {
      const object = entries.hostObject(host)?.object;
      if (object === undefined) throw new Error("there is no entry");
      told.api.person.delete("serviceentries", objectKey(object));
      store.remove(object);
    },
    object: () => entries.hostObject(host)?.object,
    addresses: () => entries.hostObject(host)?.entry?.endpoints.keys().toArray(),
    listsAreLost(): void {
      isReady = false;
    },
    /** Somebody gives the entry another address. */
    readdress(vip: string): void {
      const object = told.api.person.edit("serviceentries", entries.keysAt(host)[0] ?? "", (before) => ({
        ...before,
        spec: { ...before.spec, addresses: [vip] },
      }));
      store.put(object);
    },
    /** The host is that of a hub of another lane. */
    isOwnedBy(next: string): void {
      owner = next;
    },
    /** Whether a Service answers to the host. */
    serviceIs(next: typeof service): void {
      service = next;
    },
    targetTakesNothing(next: ApplyFailure): void {
      problem = next;
    },
  };
}

describe("a plan that only removes", () => {
  test("waits for 300 ms, and one that adds as well does not", async () => {
    const { hub, work, clock, addresses } = open();
    hub.lists(one, two);
    expect(await work()).toBeUndefined();
    hub.lists(one);
    expect(await work()).toEqual({ againInMs: 300 });
    clock.advance(100);
    expect([await work(), addresses()]).toEqual([{ againInMs: 200 }, [one, two]]);
    clock.advance(200);
    expect([await work(), addresses()]).toEqual([undefined, [one]]);
    hub.lists(two);
    expect([await work(), addresses()]).toEqual([undefined, [two]]);
    hub.lists(one, two, "10.0.0.3:20880");
    await work();
    hub.lists(one, "10.0.0.4:20880"); // fewer, but not only
    expect([await work(), addresses()]).toEqual([undefined, [one, "10.0.0.4:20880"]]);
  });

  test("waits no second time after the API server was busy", async () => {
    const { hub, work, clock, api, addresses } = open();
    hub.lists(one, two);
    await work();
    hub.lists(one);
    await work();
    clock.advance(300);
    const end = api.refuse({ verb: "patch" }, () => failure(503, "ServiceUnavailable", "starting"));
    expect(await work()).toEqual({ failed: true, atLeastMs: 0 });
    end();
    expect([await work(), addresses()]).toEqual([undefined, [one]]);
  });

  test.each<[string, (hub: ReturnType<typeof open>["hub"]) => void]>([
    ["came back", (hub) => hub.lists(one, two)],
    ["came back with another one", (hub) => hub.lists(one, two, "10.0.0.3:20880")],
  ])("waits for as long as the first time if what had gone %s meanwhile", async (_, comeBack) => {
    const { hub, work, clock } = open();
    hub.lists(one, two);
    await work();
    hub.lists(one);
    await work();
    clock.advance(100);
    comeBack(hub);
    expect(await work()).toBeUndefined();
    clock.advance(100);
    hub.lists(one);
    expect(await work()).toEqual({ againInMs: 300 });
  });
});

describe("an entry without endpoints", () => {
  test("is looked at again after its grace, and deleted then", async () => {
    const { hub, work, clock, object, lines } = open();
    hub.lists(one);
    await work();
    hub.lists();
    expect(await work()).toEqual({ againInMs: 300 });
    clock.advance(300);
    expect(await work()).toEqual({ againInMs: graceMs });
    clock.advance(graceMs - 1);
    expect(await work()).toEqual({ againInMs: 1 });
    clock.advance(1);
    expect([await work(), object()]).toEqual([undefined, undefined]);
    const name = "aeraki-a-b-demo";
    expect(lines.at(-1)).toEqual([
      "info",
      "object deleted",
      { kind: "ServiceEntry", host, name, why: "empty" },
    ]);
  });

  test("stays for all of its grace after the wall clock was set back, and forward", async () => {
    const { hub, work, clock } = open();
    hub.lists(one);
    await work();
    hub.lists();
    await work();
    clock.advance(300);
    await work();
    clock.jump(-24 * 3_600_000);
    clock.advance(1_000);
    expect(await work()).toEqual({ againInMs: graceMs - 1_000 });
    clock.jump(48 * 3_600_000);
    expect(await work()).toEqual({ againInMs: graceMs - 1_000 });
  });
});

describe("an entry that somebody deleted", () => {
  test("is missed, under its name and address, as long as a hub cannot tell that its service is gone", async () => {
    const { hub, work, written, vanish, object, entries } = open();
    const before = await written();
    const [vip = ""] = entries.ips();
    hub.losesSight();
    vanish();
    expect(await work()).toEqual({ againInMs: graceMs });
    expect([
      entries.isReserved(vip, "demo/other"),
      entries.isNameTaken("demo", before.metadata.name, "x"),
    ]).toEqual([true, true]);
    hub.lists(two);
    expect(await work()).toBeUndefined();
    expect(object()).toMatchObject({
      metadata: { name: before.metadata.name },
      spec: { addresses: [vip] },
    });
  });

  test("is missed as long as one of its hubs cannot tell, whatever the others say", async () => {
    const { hubs, work, written, vanish } = open([{}, {}]);
    hubs[1]?.lists(one);
    await written();
    for (const each of hubs) each.lists();
    hubs[1]?.losesSight();
    vanish();
    expect(await work()).toEqual({ againInMs: graceMs });
    hubs[1]?.lists();
    expect(await work()).toBeUndefined();
  });

  test("is looked at again when one of its hubs may be gone, if that is earlier", async () => {
    const { hub, work, written, vanish, store } = open([{}], { goneInMs: 5_000 });
    const before = await written();
    const annotations = { ...before.metadata.annotations, "ecns.easystack.cn/hubs": "demo/h0,demo/missing" };
    const labels = { ...before.metadata.labels, [`hub.ecns.easystack.cn/${hubIdOf("demo/missing")}`]: "" };
    const resourceVersion = "1000";
    store.put({ ...before, metadata: { ...before.metadata, annotations, labels, resourceVersion } });
    hub.losesSight();
    expect(await work()).toEqual({ againInMs: 5_000 });
    vanish();
    expect(await work()).toEqual({ againInMs: 5_000 });
  });

  test("keeps its own address, though somebody had written another one into it and nobody could repair that", async () => {
    const { hub, work, written, vanish, readdress, object, entries, api } = open();
    await written();
    const [vip = ""] = entries.ips();
    const end = api.forbid({ verb: "patch" });
    readdress("10.9.9.9");
    expect(await work()).toMatchObject({ failed: true });
    hub.losesSight();
    vanish();
    await work();
    expect(entries.isReserved(vip, "demo/other")).toBe(true);
    hub.lists(one);
    await work(); // is refused
    expect(entries.isReserved(vip, "demo/other")).toBe(true);
    end();
    expect(await work()).toBeUndefined();
    expect(object()).toMatchObject({ spec: { addresses: [vip] } });
  });

  test("comes back under another name if somebody else has its own by now", async () => {
    const { hub, work, written, vanish, store, object } = open();
    const before = await written();
    hub.losesSight();
    vanish();
    await work();
    const { name } = before.metadata;
    const metadata = { namespace: "demo", name, uid: "theirs", resourceVersion: "1000" };
    store.put({ ...before, metadata, spec: { hosts: ["theirs.example"] } });
    hub.lists(one);
    await work();
    expect(object()?.metadata.name).toMatch(new RegExp(`^${name}-[0-9a-z]+$`));
  });

  test("is written without a pause, though there was a fight over it, once nobody has missed it", async () => {
    const { hub, work, written, vanish, readdress, object } = open();
    await written();
    readdress("10.9.9.9");
    await work();
    readdress("10.9.9.9");
    expect(await work()).toEqual({ againInMs: 1_000 });
    hub.lists();
    vanish();
    await work();
    hub.lists(one);
    expect(await work()).toBeUndefined();
    expect(object()).toBeDefined();
  });

  test("is forgotten when nobody misses it", async () => {
    const { hub, work, written, vanish, entries } = open();
    const before = await written();
    hub.lists();
    vanish();
    expect(await work()).toBeUndefined();
    expect([...entries.ips()]).toEqual([]);
    expect(entries.isNameTaken("demo", before.metadata.name, "x")).toBe(false);
  });
});

test("a bug is a failure of the hubs that list the host or have it, and its text is only in the log", async () => {
  const { worker, hubs, work, lines, metric } = open([{}, {}, {}]);
  const [lister, owner, other] = hubs;
  owner?.lists(one);
  await work();
  owner?.losesSight();
  lister?.lists(one);
  const error = new TypeError("secret");
  expect(worker.failedBy(host, error)).toEqual({ failed: true });
  expect(lister?.ledger.failures).toMatchObject([{ reason: "InternalError" }]);
  expect(owner?.ledger.failures).toEqual(lister?.ledger.failures);
  expect([other?.ledger.failures, JSON.stringify(owner?.ledger.failures)]).toEqual([
    [],
    expect.not.stringContaining("secret"),
  ]);
  expect(owner?.ledger.failures[0]?.detail).toContain("this host");
  expect(lines.at(-1)).toEqual(["error", "internal error", { about: "host", host, error }]);
  expect(await metric('internal_errors_total{about="host"}')).toBe("1");
});

test("without a free virtual IP the host fails, and says what helps", async () => {
  const { hub, work, entries, hubs } = open([{}, {}], { vipCidr: "240.241.0.0/30" });
  for (const at of [1, 2, 3]) entries.reserve(`240.241.0.${at}`, `demo/${at}`);
  hub.lists(one);
  expect(await work()).toEqual({ failed: true });
  const detail = "no virtual IP is free in --vip-cidr";
  const nextStep = expect.stringContaining("Widen --vip-cidr");
  expect(hub.ledger.failures).toEqual([{ reason: "VipsExhausted", detail, nextStep }]);
  expect([hubs[1]?.ledger.failures, hub.ledger.problems]).toEqual([[], []]);
});

test("nothing is decided while the lists are not complete", async () => {
  const { hub, work, listsAreLost, api } = open();
  listsAreLost();
  hub.lists(one);
  expect([await work(), api.writes()]).toEqual([undefined, []]);
});

test("a service that came and went before anybody wrote it is as planned", async () => {
  const { hub, work, api } = open();
  hub.lists(one);
  hub.lists();
  expect([await work(), hub.ledger.isUnwritten(host), api.writes()]).toEqual([undefined, false, []]);
});

describe("an address that another entry of ours has", () => {
  test("is taken away from the one into which somebody wrote it, and an Event tells once that is done", async () => {
    const { work, written, readdress, object, store, entries, api, notes, hub } = open();
    await written();
    const [own = ""] = entries.ips();
    const other = writtenEntry(hub.session.hub, "demo/c.d.demo", [endpointOf(one)]);
    const metadata = { ...other.metadata, uid: "other", resourceVersion: "900" };
    store.put({ ...other, metadata, spec: { ...other.spec, addresses: ["240.241.7.7"] } });
    const end = api.forbid({ verb: "patch" });
    readdress("240.241.7.7");
    expect([await work(), notes]).toEqual([{ failed: true, refused: true }, []]);
    end();
    expect(await work()).toBeUndefined();
    expect(object()).toMatchObject({ spec: { addresses: [own] } });
    expect(notes).toMatchObject([
      { reason: "VipMoved", message: expect.stringContaining("the virtual IP 240.241.7.7, so") },
    ]);
  });
});

describe("a target that takes nothing", () => {
  test("because it is missing gets no request, and what waits goes on waiting", async () => {
    const { hub, work, api, targetTakesNothing } = open();
    targetTakesNothing({ reason: "NamespaceMissing", detail: "demo does not exist", nextStep: "Create it." });
    hub.lists(one);
    expect(await work()).toBeUndefined();
    expect(api.writes()).toEqual([]);
    expect(hub.ledger.isUnwritten(host)).toBe(true);
  });

  test("because it does not allow that gets no entry", async () => {
    const { hub, work, api, targetTakesNothing } = open();
    targetTakesNothing({ reason: "NamespaceNotAllowed", detail: "not you", nextStep: "Ask." });
    hub.lists(one);
    await work();
    expect(api.writes()).toEqual([]);
    expect(hub.ledger.isUnwritten(host)).toBe(true);
  });
});

test("how long a change took is measured, from the listing to the answer of the write", async () => {
  const { hub, work, clock, metric } = open();
  hub.lists(one);
  clock.advance(2_500);
  await work();
  const sum = () => metric("propagation_seconds_sum");
  expect([await sum(), await metric("propagation_seconds_count")]).toEqual(["2.5", "1"]);
  await work();
  expect(await sum()).toBe("2.5");
});

describe("a hub that observes", () => {
  test("is told what would be written, once, and waits for nothing", async () => {
    const { hub, work, lines, api } = open([{ policy: "observe" }]);
    hub.lists(one);
    await work();
    await work();
    expect(api.writes()).toEqual([]);
    expect([hub.ledger.plan, hub.ledger.isUnwritten(host)]).toEqual([
      { create: 1, change: 0, remove: 0 },
      false,
    ]);
    const would = ["info", "would write", { hub: "demo/h0", host, verdict: "create" }];
    expect(lines).toEqual([would]);
    hub.lists();
    await work();
    expect([hub.ledger.plan, lines]).toEqual([{ create: 0, change: 0, remove: 0 }, [would]]);
  });

  test("beside one that writes would change its entry, or nothing if both list the same", async () => {
    const { hubs, work } = open([{}, { policy: "observe" }]);
    const [writer, observer] = hubs;
    writer?.lists(one);
    await work();
    expect(observer?.ledger.plan).toEqual({ create: 0, change: 0, remove: 0 });
    observer?.lists(two);
    await work();
    expect([writer?.ledger.plan, observer?.ledger.plan]).toEqual([
      { create: 0, change: 0, remove: 0 },
      { create: 0, change: 1, remove: 0 },
    ]);
  });
});

describe("a hub that observes, with an entry from before", () => {
  const emptySince = { "ecns.easystack.cn/empty-since": "2024-02-04T02:00:00Z" };

  test("would remove it when it has been empty for long enough", async () => {
    const { hub, work, store } = open([{ policy: "observe" }]);
    const full = writtenEntry(hub.session.hub, host, [
      endpointOf(one, { service: { ...endpointOf(one).service, name: "a.B" } }),
    ]);
    const annotations = { ...full.metadata.annotations, ...emptySince };
    const metadata = { ...full.metadata, annotations, uid: "u", resourceVersion: "5" };
    store.put({ ...full, metadata, spec: { ...full.spec, endpoints: [] } });
    await work();
    expect(hub.ledger.plan).toEqual({ create: 0, change: 0, remove: 1 });
  });

  test("would write nothing where no virtual IP is free", async () => {
    const { hub, work, entries } = open([{ policy: "observe" }], { vipCidr: "240.241.0.0/30" });
    for (const at of [1, 2, 3]) entries.reserve(`240.241.0.${at}`, `demo/${at}`);
    hub.lists(one);
    await work();
    expect(hub.ledger.plan).toEqual({ create: 0, change: 0, remove: 0 });
  });
});

describe("a ServiceEntry", () => {
  const stranger = (
    labels: Readonly<Record<string, string>>,
    endpoints: readonly object[],
  ): ServiceEntry => ({
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: { namespace: "demo", name: "theirs", uid: "u", resourceVersion: "5", labels },
    spec: { hosts: ["a.b.demo"], endpoints } as never,
  });

  test("of somebody else is a problem of those that list its host, and nobody waits for it", async () => {
    const { hubs, work, store, api } = open([{}, {}]);
    store.put(stranger({}, []));
    const [lister, other] = hubs;
    lister?.lists(one);
    expect(await work()).toBeUndefined();
    expect(api.writes()).toEqual([]);
    expect(lister?.ledger.problems).toMatchObject([{ code: "HostConflict", at: "a.b.demo" }]);
    expect([other?.ledger.problems, lister?.ledger.unwrittenForMs]).toEqual([[], undefined]);
  });

  test("of ours that cannot be read is written anew if a hub lists its host, and that is explained", async () => {
    const { hub, work, store, unexplained, api, lines, notes, addresses } = open();
    const { metadata, ...object } = stranger({ "app.kubernetes.io/managed-by": "registryhub" }, []);
    const { uid: _, resourceVersion: __, ...named } = metadata;
    store.put(api.person.put({ ...object, metadata: named }));
    hub.lists(one);
    expect([await work(), addresses()]).toEqual([undefined, [one]]);
    expect([unexplained.size, notes, lines.filter(([level]) => level === "warn")]).toEqual([0, [], []]);
  });

  test("of a hub that is gone goes, and that is explained", async () => {
    const { hubs, work, store, unexplained, lines, api } = open([{}, {}]);
    const gone = hubOf({ generate_to: "demo" }, { namespace: "demo", name: "gone" });
    const entry = api.person.put(writtenEntry(gone, host, [endpointOf(one)]));
    store.put(entry);
    await work();
    expect([store.objects.size, unexplained.size]).toEqual([0, 0]);
    expect(lines.map(([level, message]) => [level, message])).toEqual([["info", "object deleted"]]);
    expect(hubs.map(({ ledger }) => ledger.problems)).toEqual([[], []]);
  });

  test("of ours with an address that is nobody's to give gets another one at the first look", async () => {
    const { hub, work, store, api, object } = open();
    const entry = writtenEntry(hub.session.hub, host, [
      endpointOf(one, { service: { ...endpointOf(one).service, name: "a.B" } }),
    ]);
    store.put(api.person.put({ ...entry, spec: { ...entry.spec, addresses: ["10.9.9.9"] } }));
    hub.lists(one);
    await work();
    expect(object()).toMatchObject({ spec: { addresses: [expect.stringMatching(/^240\.241\./)] } });
  });

  test("of ours that cannot be read, and that nobody claims, is unexplained until it is gone", async () => {
    const { work, store, api, unexplained } = open();
    const object = stranger({ "app.kubernetes.io/managed-by": "registryhub" }, []);
    store.put(object);
    await work();
    expect([unexplained.size, api.writes()]).toEqual([1, []]);
    store.remove(object);
    await work();
    expect(unexplained.size).toBe(0);
  });
});

test("an entry that somebody deleted keeps its name and address from others, and comes back with them", async () => {
  const { hub, work, store, api, entries, object, vanish } = open();
  const written = writtenEntry(hub.session.hub, host, [
    endpointOf(one, { service: { ...endpointOf(one).service, name: "a.B" } }),
  ]);
  const metadata = { ...written.metadata, name: "odd" };
  store.put(api.person.put({ ...written, metadata, spec: { ...written.spec, addresses: ["240.241.9.9"] } }));
  hub.losesSight();
  await work();
  vanish();
  await work();
  const isTaken = () => [
    entries.isNameTaken("demo", "odd", "demo/other.demo"),
    entries.isUsed("240.241.9.9", "demo/other.demo"),
  ];
  expect([object(), isTaken()]).toEqual([undefined, [true, true]]);
  hub.lists(one);
  await work();
  expect(object()).toMatchObject({ metadata: { name: "odd" }, spec: { addresses: ["240.241.9.9"] } });
});

test("a write is reserved before it is seen, with its name and its address", async () => {
  const { hub, worker, entries, api } = open();
  const gate = api.hold({ resource: "serviceentries", verb: "patch" });
  hub.lists(one);
  const working = worker.work(host);
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  const [name = "", ip = ""] = [...entries.ips()];
  expect([name, ip]).toEqual(["demo/aeraki-a-b-demo", expect.stringMatching(/^240\.241\./)]);
  expect(entries.isUsed(ip, "demo/other.demo")).toBe(true);
  gate.open();
  await working;
});

test("a large entry is not written again at once, and is not late meanwhile", async () => {
  const { hub, work, clock, addresses } = open();
  const many = (count: number) => Array.from({ length: count }, (_, at) => `10.1.${at >> 8}.${at & 255}:1`);
  hub.lists(...many(400));
  await work();
  hub.lists(...many(401));
  const outcome = await work();
  const paced = outcome !== undefined && "againInMs" in outcome ? outcome.againInMs : 0;
  expect(paced).toBeGreaterThan(100);
  clock.advance(paced - 1);
  expect([addresses()?.length, hub.ledger.unwrittenForMs]).toEqual([400, 0]);
  clock.advance(1);
  expect([await work(), addresses()?.length]).toEqual([undefined, 401]);
});

test("a refusal of the API server is a failure of the hubs that list the host", async () => {
  const { hubs, hub, work, api } = open([{}, {}]);
  api.forbid({ resource: "serviceentries", verb: "patch" });
  hub.lists(one);
  await work();
  expect(hubs.map(({ ledger }) => ledger.failures.map(({ reason }) => reason))).toEqual([["Forbidden"], []]);
});

test("an entry that changes without a move tells of none, but that it is empty, and its grace begins", async () => {
  const { hub, work, clock, notes } = open();
  hub.lists(one, two);
  await work();
  hub.lists(one, two, "10.0.0.3:20880");
  await work();
  clock.advance(graceMs / 2);
  hub.lists();
  await work();
  clock.advance(300);
  expect(await work()).toEqual({ againInMs: graceMs });
  expect(notes.map(({ type, reason }) => [type, reason])).toEqual([["Normal", "Emptied"]]);
});

test("an instance in the range of virtual IPs makes no entry", async () => {
  const { hub, work, object } = open();
  hub.lists("240.241.0.9:20880");
  await work();
  expect([object(), hub.ledger.problems.map(({ code }) => code)]).toEqual([undefined, ["BadAddress"]]);
});

describe("a host of another lane", () => {
  const elsewhere = "demo/elsewhere";

  test("is left alone while its entry is there, and for a minute after that", async () => {
    const { hub, work, written, vanish, isOwnedBy, addresses, clock } = open();
    await written();
    isOwnedBy(elsewhere);
    hub.lists(one, two);
    expect([await work(), addresses()]).toEqual([undefined, [one]]);
    expect(hub.ledger.problems).toMatchObject([
      { code: "OtherLane", detail: expect.stringContaining(elsewhere) },
    ]);
    expect(hub.ledger.isUnwritten(host)).toBe(false);
    vanish();
    expect(await work()).toEqual({ againInMs: 60_000 });
    clock.advance(59_999);
    expect([await work(), addresses()]).toEqual([{ againInMs: 1 }, undefined]);
    clock.advance(1);
    expect([await work(), addresses()]).toEqual([undefined, [one, two]]);
  });
});

describe("a new host to which a Service answers", () => {
  const foreignHubs = () => {
    const opened = open();
    Object.assign(opened.hub.session.hub, { key: "other/h0" });
    return opened;
  };

  test("is not made for hubs of other namespaces, which is told and looked at again", async () => {
    const { hub, work, object, serviceIs } = foreignHubs();
    hub.lists(one);
    serviceIs("pending");
    expect([await work(), hub.ledger.problems]).toEqual([{ againInMs: 250 }, []]);
    serviceIs("yes");
    expect([await work(), object()]).toEqual([{ againInMs: 60_000 }, undefined]);
    expect(hub.ledger.problems).toHaveLength(1);
    expect(hub.ledger.isUnwritten(host)).toBe(true); // what it should replace stays
    serviceIs("no");
    expect([await work(), object() === undefined]).toEqual([undefined, false]);
    serviceIs("yes"); // it is not new any more
    hub.lists(one, two);
    expect([await work(), hub.ledger.problems]).toEqual([undefined, []]);
  });

  test("is made for a hub of its namespace", async () => {
    const { hub, work, object, serviceIs } = open();
    serviceIs("yes");
    hub.lists(one);
    await work();
    expect([object() === undefined, hub.ledger.isUnwritten(host)]).toEqual([false, false]);
  });
});

test("an entry that was empty before the process began has the rest of its grace", async () => {
  const before = open();
  before.hub.lists(one);
  await before.work();
  before.hub.lists();
  await before.work();
  before.clock.advance(300);
  await before.work();
  const { uid: _, resourceVersion: __, ...metadata } = before.object()?.metadata ?? {};
  const { store, api, clock, work, object } = open();
  clock.advance(graceMs / 2);
  store.put(
    api.person.put({ ...(before.object() as Stored<ServiceEntry>), metadata } as Stored<ServiceEntry>),
  );
  expect(await work()).toEqual({ againInMs: graceMs / 2 });
  clock.advance(graceMs / 2 - 1);
  expect([await work(), object() === undefined]).toEqual([{ againInMs: 1 }, false]);
  clock.advance(1);
  expect([await work(), object()]).toEqual([undefined, undefined]);
});
