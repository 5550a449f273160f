import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { HubSession } from "../../../../src/controllers/hub/session.ts";
import { EntryIndex } from "../../../../src/controllers/writes/entry-index.ts";
import type { Entry, HostKey } from "../../../../src/model/entry.ts";
import type { ServiceEntry } from "../../../../src/model/istio.ts";
import { claimOf } from "../../../../src/plan/claims.ts";
import type { Logger } from "../../../../src/runtime/deps.ts";
import { nothingRemembered } from "../../../../src/status/memory.ts";
import { createScriptedRegistries } from "../../../fakes/registries.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { endpointOf, hubOf, silentLogger, writtenEntry } from "../../../support/model.ts";
import { hour, limits, minute, second } from "../../../support/trust-story.ts";

const hub = hubOf({ address: "zk" });
const services: Readonly<Record<string, readonly string[]>> = {
  "demo.Big": Array.from({ length: 40 }, (_, at) => `10.42.1.${at + 1}:20880`),
  ...Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`demo.S${at}`, [`10.42.0.${at + 1}:20880`]])),
};

/** The entries of the hub's services, as it wrote them. */
function entriesOf(): ReadonlyMap<string, ServiceEntry> {
  const objects = Object.entries(services).map(([name, addrs]) => {
    const service = { ...endpointOf("10.0.0.1:1").service, name };
    const listed = addrs.map((hostPort) => endpointOf(hostPort, { service }));
    const object = writtenEntry(hub, `dubbozk/${name.toLowerCase()}.dubbozk`, listed);
    return [`dubbozk/${object.metadata.name}`, object] as const;
  });
  return new Map(objects);
}

/** A session whose hosts are planned at the very moment when it asks for that. */
function openSession(asked = hub, { maxServices = 20_000, inCluster = Object.keys(services) } = {}) {
  const clock = fakeClock();
  const registries = createScriptedRegistries();
  const objects = new Map(
    [...entriesOf()].filter(([, { metadata }]) =>
      inCluster.some((name) => metadata.name === `${name.toLowerCase()}.dubbozk`),
    ),
  );
  const entries = new EntryIndex(objects);
  for (const key of objects.keys()) entries.update(key);
  const gone = new Set<HostKey>();
  const [began, statuses]: [string[], string[]] = [[], []];
  const queued: { readonly hosts: readonly HostKey[]; readonly urgency: string }[] = [];
  let targetTakes: boolean | undefined = true;
  let planMs = 0;
  const plan = (host: HostKey): void => {
    clock.advance(planMs);
    const actual: Entry | undefined = entries.hostObject(host)?.entry;
    const said = claimOf(host, actual, session.claimInputs(host, actual));
    if (said?.listed.length === 0 && said.unlisted === "gone") gone.add(host);
  };
  const [bugs, told]: [unknown[], unknown[]] = [[], []];
  let slices = 0;
  let statusBug: Error | undefined;
  const [lines, about]: [unknown[], unknown[]] = [[], []];
  const logger: Logger = {
    ...silentLogger,
    info: (message, fields) => void lines.push([message, fields]),
    warn: (message, fields) => void lines.push([message, fields]),
    error: (message, fields) => void told.push([message, fields]),
    child(fields) {
      about.push(fields);
      return logger;
    },
  };
  const deps = { clock, random: () => 0.5, logger, openRegistry: registries.open };
  const session: HubSession = new HubSession(asked, nothingRemembered, entries, deps, {
    enqueueHosts(hosts, urgency) {
      const all = [...new Set(hosts)].sort();
      if (all.length > 0) queued.push({ hosts: all, urgency });
      all.forEach(plan);
    },
    enqueueStatus(key, when) {
      if (statusBug !== undefined) throw statusBug;
      statuses.push(`${key} ${when}`);
    },
    limitsFor: () => limits,
    maxServices,
    targetTakes: () => targetTakes,
    credentialsMs: hour,
    readCredentials: async () => ({}),
    onHoldBegan: (reason) => began.push(reason),
    sliceBegins() {
      slices++;
      return () => void slices--;
    },
    onBug: (error) => void bugs.push(error),
  });
  /** What was queued since the last question. */
  const news = () => queued.splice(0);
  return {
    clock,
    registry: registries.at("zk"),
    registries,
    entries,
    /** Takes an entry out of the cluster. */
    forget(name: string): void {
      const key = `dubbozk/${name.toLowerCase()}.dubbozk`;
      objects.delete(key);
      entries.update(key);
    },
    /** Of the log, what is no error. */
    lines,
    /** Of the log, the fields of every line. */
    about,
    session,
    gone,
    began,
    statuses,
    bugs,
    told,
    news,
    openSlices: () => slices,
    /** From now on a host takes so long. */
    planFor(ms: number): void {
      planMs = ms;
    },
    /** From now on there is a bug where the status is queued. */
    breakStatus(error: Error): void {
      statusBug = error;
    },
    target(takes: boolean | undefined): void {
      targetTakes = takes;
      session.lookAtTarget();
    },
  };
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await nextTurn();
};

test("everything is judged before any host is planned: when a hold ends and another begins (H15)", async () => {
  const { clock, registry, session, gone, began } = openSession();
  registry.lists(services);
  session.connect();
  await settle();
  clock.advance(2 * minute);
  registry.drop({ reset: true });
  registry.lists({});
  await settle();
  clock.advance(2 * minute);
  await settle();
  clock.advance(2 * minute);
  expect(began).toEqual(["RegistryReset"]);
  registry.lists({ "demo.Big": services["demo.Big"] ?? [] }); // 80 % of the endpoints, one of ten services
  await settle();
  clock.advance(2 * minute); // the rest may be late
  expect([began, gone.size]).toEqual([["RegistryReset", "Shrunk"], 0]);
  clock.advance(5 * minute);
  expect(gone.size).toBe(9);
  session.close();
});

test("and at the end of settling, which is the beginning of the brake's hold (H15)", async () => {
  const { clock, registry, session, gone, began } = openSession();
  registry.lists({ "demo.S0": services["demo.S0"] ?? [] });
  session.connect();
  await settle();
  clock.advance(1 * minute);
  expect([began, gone.size]).toEqual([["Shrunk"], 0]);
  session.close();
});

describe("how far it has come", () => {
  test("is told step by step, and that it has just started for 10 s", async () => {
    const { session, registry, clock } = openSession();
    registry.beSilent();
    const nothing = { isListed: false, hasAnswered: false, hasMoved: false };
    session.connect();
    await settle();
    expect(session.progress).toEqual({ ...nothing, isFresh: true });
    clock.advance(10 * second - 1);
    expect(session.progress.isFresh).toBe(true);
    clock.advance(1);
    expect(session.progress).toEqual({ ...nothing, isFresh: false });
    registry.lists(services);
    await settle();
    expect(session.progress).toMatchObject({ isListed: true, hasAnswered: true });
    session.close();
  });

  test("a registry that refuses has answered as well", async () => {
    const { session, registry } = openSession();
    registry.fail();
    session.connect();
    await settle();
    expect(session.progress).toMatchObject({ isListed: false, hasAnswered: true });
    session.close();
  });

  test("starts again with another registry, and with another filter", async () => {
    const { session, registry, registries } = openSession();
    registry.lists(services);
    session.connect();
    await settle();
    registries.at("other").beSilent();
    session.update(hubOf({ address: "other" }));
    await settle();
    expect(session.progress).toMatchObject({ isListed: false, hasAnswered: false, hasMoved: true });
    registries.at("other").lists(services);
    await settle();
    expect(session.progress).toMatchObject({ isListed: true, hasMoved: false });
    registries.at("other").beSilent();
    session.update(hubOf({ address: "other", services: { exclude: ["x"] } }));
    expect(session.progress).toMatchObject({ isListed: false, hasMoved: false });
    session.close();
  });

  test("is worth another look at the status 10 s after the start, without anything else", () => {
    const { statuses, clock, session } = openSession();
    clock.advance(10 * second - 1);
    const before = statuses.length;
    clock.advance(1);
    expect(statuses.slice(before)).toEqual([`${hub.key} soon`]);
    session.close();
  });
});

describe("what is queued", () => {
  const all = Object.keys(services)
    .map((name) => `dubbozk/${name.toLowerCase()}.dubbozk`)
    .sort();
  const [first] = Object.keys(services).slice(1);

  async function openListed() {
    const opened = openSession();
    opened.registry.lists(services);
    opened.session.connect();
    await settle();
    opened.clock.advance(2 * minute);
    await settle();
    opened.news();
    return opened;
  }

  test("is everything at a first listing, to be looked at, and only what changed after that, as a change", async () => {
    const { registry, session, news } = openSession();
    registry.lists(services);
    session.connect();
    await settle();
    expect(news()).toEqual([{ hosts: all, urgency: "look" }]);
    registry.set("demo.S1", ["10.42.9.9:20880"]);
    await settle();
    expect(news()).toEqual([{ hosts: ["dubbozk/demo.s1.dubbozk"], urgency: "changed" }]);
    expect(session.ledger.isUnwritten("dubbozk/demo.s1.dubbozk")).toBe(true);
    session.close();
  });

  test("is everything again when what could not be read can be read", async () => {
    const { registry, session, news } = await openListed();
    registry.set("demo.S1", "unknown");
    await settle();
    news();
    registry.set("demo.S1", services["demo.S1"] ?? []);
    await settle();
    expect(news()).toEqual([
      { hosts: ["dubbozk/demo.s1.dubbozk"], urgency: "changed" },
      { hosts: all, urgency: "look" },
    ]);
    session.close();
  });

  test("is everything, once, however often that is asked for in one turn", async () => {
    const { session, news } = await openListed();
    session.lookAtAll.ask();
    session.lookAtAll.ask();
    expect(news()).toEqual([]);
    expect([session.lookAtAll.isDue, session.lookAtAll.isOn]).toEqual([true, false]);
    await settle();
    expect([session.lookAtAll.isDue, session.lookAtAll.isOn]).toEqual([false, false]);
    expect(news()).toEqual([{ hosts: all, urgency: "look" }]);
    session.lookAtAll.ask();
    await settle();
    expect(news()).toHaveLength(1);
    session.close();
  });

  test("is everything, with turns for others in between, and again if that is asked for meanwhile", async () => {
    const { session, registry, news, planFor } = await openListed();
    const many = Array.from({ length: 400 }, (_, at) => [`demo.M${at}`, ["10.42.0.1:20880"]] as const);
    registry.lists({ ...services, ...Object.fromEntries(many) });
    await settle();
    news();
    planFor(0.1);
    session.lookAtAll.ask();
    await nextTurn();
    const [first = { hosts: [] }, ...others] = news();
    expect([first.hosts.length, others, session.lookAtAll.isOn]).toEqual([100, [], true]);
    session.lookAtAll.ask();
    await settle();
    const later = news().flatMap(({ hosts }) => hosts);
    expect(new Set(later).isSupersetOf(new Set(first.hosts))).toBe(true);
    expect([new Set(later).size, session.lookAtAll.isOn]).toEqual([410, false]);
    session.close();
  });

  test("is what the hub has in either target after another one; nothing after an edit that means nothing", async () => {
    const { session, news } = await openListed();
    session.update(hubOf({ address: "zk" }));
    await settle();
    expect(news()).toEqual([]);
    session.update(hubOf({ address: "zk", generate_to: "other" }));
    const moved = all.map((host) => host.replaceAll("dubbozk", "other"));
    expect(news()[0]).toEqual({ hosts: [...all, ...moved].sort(), urgency: "look" });
    expect(session.ledger.isCarryingOut).toBe(true);
    session.close();
  });

  test("is everything when the target takes entries again or no more, and nothing when it says the same", async () => {
    const { session, target, news, registry, gone, clock } = await openListed();
    target(true);
    await settle();
    expect(news()).toEqual([]);
    target(false);
    await settle();
    expect([news(), session.ledger.isCarryingOut]).toEqual([[{ hosts: all, urgency: "look" }], false]);
    registry.remove(first ?? "");
    await settle();
    gone.clear();
    target(true);
    await settle();
    expect([session.ledger.isCarryingOut, gone.size]).toEqual([true, 0]); // it settles first
    clock.advance(1 * minute);
    await settle();
    expect([...gone]).toEqual(["dubbozk/demo.s0.dubbozk"]);
    session.close();
  });

  test("is everything when the namespaces are known at last, which is no decision", async () => {
    const { session, target, news } = await openListed();
    target(undefined);
    await settle();
    news();
    target(true);
    await settle();
    expect([news(), session.ledger.isCarryingOut]).toEqual([[{ hosts: all, urgency: "look" }], false]);
    session.close();
  });
});

test("a closed session has no timer but that of its start, and watches nothing", async () => {
  const { session, registry, clock } = openSession();
  registry.lists(services);
  session.connect();
  await settle();
  expect(registry.isWatched).toBe(true);
  session.close();
  await settle();
  clock.advance(10 * second);
  expect([registry.isWatched, clock.pending]).toEqual([false, 0]);
});

test("it connects once, and not while it is suspended", async () => {
  const { session, registry } = openSession(hubOf({ address: "zk", suspend: true }));
  session.connect();
  await settle();
  expect(registry.opened).toEqual([]);
  session.update(hubOf({ address: "zk" }));
  session.connect();
  await settle();
  expect(registry.opened).toHaveLength(1);
  session.close();
});

describe("an edit", () => {
  test.each<[string, Parameters<typeof hubOf>[0], boolean]>([
    ["of what entries say is a decision until they are written", { l7: false }, true],
    ["of the connection decides nothing about entries", { tls: { enabled: true } }, false],
    ["of nothing decides nothing", {}, false],
  ])("%s", async (_, spec, decides) => {
    const { session, registry } = openSession();
    registry.lists(services);
    session.connect();
    await settle();
    session.update(hubOf({ address: "zk", ...spec }));
    expect(session.ledger.isCarryingOut).toBe(decides);
    session.close();
  });

  test("that ends observing forgets what would have been written, and no other does", () => {
    const { session } = openSession(hubOf({ address: "zk", policy: "observe" }));
    session.ledger.recordDryRun("dubbozk/x.dubbozk", "create");
    session.update(hubOf({ address: "zk", policy: "observe", l7: false }));
    expect(session.ledger.plan.create).toBe(1);
    session.update(hubOf({ address: "zk" }));
    expect(session.ledger.plan.create).toBe(0);
    session.close();
  });

  test("of any kind is worth a look at the status, and so is a host whose write failed", () => {
    const { session, statuses } = openSession();
    let before = statuses.length;
    const newOnes = (): number => {
      const count = statuses.length - before;
      before = statuses.length;
      return count;
    };
    session.update(hubOf({ address: "zk" }));
    expect(newOnes()).toBeGreaterThan(0);
    session.ledger.markFailed("dubbozk/x.dubbozk", {
      reason: "Forbidden",
      detail: "no",
      nextStep: "Grant it.",
    });
    expect(newOnes()).toBe(1);
    session.close();
  });
});

describe("a hub that removes nothing", () => {
  test("has no brake to report, but a loss of its registry's data", async () => {
    const { session, registry, clock, began } = openSession(hubOf({ address: "zk", policy: "upsert-only" }));
    registry.lists(services);
    session.connect();
    await settle();
    clock.advance(2 * minute);
    registry.lists({});
    await settle();
    expect([began, session.held]).toEqual([[], undefined]);
    registry.drop({ reset: true });
    await settle();
    expect([began, session.held?.reason]).toEqual([["RegistryReset"], "RegistryReset"]);
    session.close();
  });

  test.each<[string, "sync" | "upsert-only", "unknown" | undefined, boolean]>([
    ["carries out what a hold has released", "sync", undefined, true],
    ["has nothing to carry out if it removes nothing", "upsert-only", undefined, false],
    ["has nothing to carry out of what cannot be read", "sync", "unknown", false],
  ])("%s", async (_, policy, said, isCarriedOut) => {
    const { session, registry, clock } = openSession(hubOf({ address: "zk", policy }));
    const { "demo.S0": gone, ...others } = services;
    registry.lists(said === undefined ? others : { ...others, "demo.S0": said });
    session.connect();
    await settle();
    for (const name of Object.keys(others)) {
      const host = `dubbozk/${name.toLowerCase()}.dubbozk`;
      session.ledger.recordPlan(host, 0, []);
      session.ledger.markApplied(host);
    }
    session.ledger.recordPlan("dubbozk/demo.s0.dubbozk", gone?.length ?? 0, []);
    expect(session.ledger.isCarryingOut).toBe(false);
    clock.advance(2 * minute);
    expect(session.ledger.isCarryingOut).toBe(isCarriedOut);
    session.close();
  });
});

test("the registry is vouched for from its first listing until it is lost, or no longer read", async () => {
  const { session, registry } = openSession();
  registry.lists(services);
  expect(session.isSynced).toBe(false);
  session.connect();
  await settle();
  expect(session.isSynced).toBe(true);
  registry.fail();
  await settle();
  expect(session.isSynced).toBe(false);
  registry.heal();
  session.update(hubOf({ address: "zk", tls: { enabled: true } }));
  await settle();
  expect(session.isSynced).toBe(true);
  session.update(hubOf({ address: "zk", suspend: true }));
  expect(session.isSynced).toBe(false);
  session.close();
});

test("the registry hears which services the cluster has of the hub, and each slice of work ends", async () => {
  const { session, registry, openSlices } = openSession();
  registry.lists(services);
  session.connect();
  await settle();
  const [config] = registry.opened;
  expect([...(config?.known?.() ?? [])].sort()).toEqual(Object.keys(services).sort());
  expect(openSlices()).toBe(0);
  session.close();
});

describe("a bug", () => {
  const error = new TypeError("oops");

  test("in a timer is the session's end", () => {
    const { clock, bugs, breakStatus, session } = openSession();
    breakStatus(error);
    clock.advance(10 * second);
    expect(bugs).toEqual([error]);
    session.close();
  });

  test("in a session that is closed is only logged: another one may have taken its place", () => {
    const { clock, bugs, told, breakStatus, session } = openSession();
    session.close();
    breakStatus(error);
    clock.advance(10 * second);
    expect([bugs, told]).toEqual([[], [["bug in a closed session", { error }]]]);
  });
});

describe("a hub with more services than it may have", () => {
  const hostOf = (name: string): HostKey => `dubbozk/${name.toLowerCase()}.dubbozk`;

  async function openFull() {
    const inCluster = ["demo.Big", "demo.S0", "demo.S1"];
    const opened = openSession(hub, { maxServices: 3, inCluster });
    opened.registry.lists(services);
    opened.session.connect();
    await settle();
    opened.clock.advance(2 * minute);
    await settle();
    opened.news();
    return opened;
  }

  test("lists what the cluster has of it, and tells of the rest beside what its registry tells", async () => {
    const { session, registry } = await openFull();
    expect([...session.listings.hosts()].sort()).toEqual(["demo.Big", "demo.S0", "demo.S1"].map(hostOf));
    const told = { at: "x", code: "BadPort", detail: "d", severity: "rejected" } as const;
    registry.describe({ problems: [told] });
    registry.set("demo.S1", ["10.42.9.9:20880"]);
    await settle();
    expect(session.problems.map(({ code }) => code).sort()).toEqual(["BadPort", "TooManyServices"]);
    session.close();
  });

  test("takes in the next one some time after it is asked to look for room, once", async () => {
    const { session, registry, forget, clock, news } = await openFull();
    registry.remove("demo.S1");
    await settle();
    session.lookForRoom.ask();
    clock.advance(second);
    await settle();
    news();
    expect(session.listings.has(hostOf("demo.S2"))).toBe(false); // the entry of S1 is there
    forget("demo.S1");
    const before = clock.pending;
    session.lookForRoom.ask();
    session.lookForRoom.ask();
    expect([clock.pending, session.listings.has(hostOf("demo.S2"))]).toEqual([before + 1, false]);
    clock.advance(second);
    await settle();
    expect(session.listings.has(hostOf("demo.S2"))).toBe(true);
    expect(news()).toEqual([{ hosts: [hostOf("demo.S2")], urgency: "changed" }]);
    session.close();
  });

  test("takes in nothing while its registry is away, nor after its end", async () => {
    for (const end of ["away", "closed"]) {
      const { session, registry, forget, clock } = await openFull();
      registry.remove("demo.S1");
      await settle();
      forget("demo.S1");
      session.lookForRoom.ask();
      if (end === "away") registry.fail();
      else session.close();
      await settle();
      clock.advance(second);
      expect([end, session.listings.has(hostOf("demo.S2"))]).toEqual([end, false]);
      session.close();
    }
  });

  test("and one that has room looks for none", async () => {
    const { session, registry, clock } = openSession();
    registry.lists(services);
    session.connect();
    await settle();
    const before = clock.pending;
    session.lookForRoom.ask();
    expect(clock.pending).toBe(before);
    session.close();
  });
});

describe("a host of an earlier target", () => {
  const [before, after] = ["dubbozk/demo.s0.dubbozk", "other/demo.s0.other"];

  test("is unknown until the one in the new target is written, and is looked at then", async () => {
    const { session, registry, entries, news, gone, clock } = openSession();
    registry.lists(services);
    session.connect();
    await settle();
    session.update(hubOf({ address: "zk", generate_to: "other" }));
    await settle();
    clock.advance(2 * minute);
    await settle();
    const inputs = () => session.claimInputs(before, entries.hostObject(before)?.entry);
    expect([inputs().isUnknown, session.claimInputs(after, undefined).isUnknown]).toEqual([true, false]);
    expect(gone.has(before)).toBe(false);
    news();
    session.ledger.recordPlan(after, 0, []);
    session.ledger.markApplied(after);
    expect(news()).toEqual([{ hosts: [before], urgency: "look" }]);
    expect(inputs().isUnknown).toBe(false);
    expect(gone.has(before)).toBe(true);
    session.close();
  });
});

test("what a registry tells is in the log: its first listing, and each new reason why it cannot be read", async () => {
  const { session, registry, lines, about, clock } = openSession();
  registry.lists(services);
  session.connect();
  await settle();
  registry.set("demo.S1", ["10.42.9.9:20880"]);
  await settle();
  const listed = ["registry listed", { services: 10, endpoints: 49 }];
  expect(about).toContainEqual({ hub: hub.key, type: "zookeeper" });
  expect(lines).toEqual([listed]);
  registry.fail("RegistryUnreachable", "no route");
  await settle();
  const away = { code: "RegistryUnreachable", error: expect.stringContaining("no route") };
  for (let look = 0; look < 5; look++) {
    clock.advance(10 * second);
    await settle();
  }
  expect(lines).toEqual([listed, ["registry not readable", away]]);
  registry.fail("RegistryUnauthorized", "no password");
  for (let look = 0; look < 5; look++) {
    clock.advance(10 * second);
    await settle();
  }
  expect(lines.slice(2)).toEqual([
    [
      "registry not readable",
      { code: "RegistryUnauthorized", error: expect.stringContaining("no password") },
    ],
  ]);
  expect(session.view).toMatchObject({ state: "failed", code: "RegistryUnauthorized" });
  session.close();
});

test("where its data come from is what the registry told last", async () => {
  const { session, registry } = openSession();
  registry.describe({ origin: "o1" });
  registry.lists(services);
  session.connect();
  await settle();
  expect([session.origin, session.view]).toEqual(["o1", { state: "synced" }]);
  session.close();
});

describe("a hold", () => {
  test("of a brake tells how much of the cluster it keeps", async () => {
    const { clock, registry, session, news } = openSession();
    registry.lists({ "demo.S0": services["demo.S0"] ?? [] });
    session.connect();
    await settle();
    const kept = Object.keys(services)
      .map((name) => `dubbozk/${name.toLowerCase()}.dubbozk`)
      .filter((host) => !session.listings.has(host))
      .sort();
    for (const host of kept) session.ledger.recordPlan(host, 1, []);
    expect(session.held).toMatchObject({ reason: "Settling", hold: { services: 9, endpoints: 9 } });
    clock.advance(1 * minute);
    await settle();
    expect(session.held).toMatchObject({ reason: "Shrunk", hold: { services: 9, endpoints: 48 } });
    expect(session.ledger.isCarryingOut).toBe(false);
    news();
    clock.advance(5 * minute);
    expect([session.held, session.ledger.isCarryingOut]).toEqual([undefined, true]);
    expect(news()).toEqual([{ hosts: kept, urgency: "look" }]);
    session.close();
  });

  test("of a loss of data begins when a listing of other data lacks what the cluster has", async () => {
    const { clock, registry, session, began } = openSession();
    registry.describe({ origin: "o1" });
    registry.lists(services);
    session.connect();
    await settle();
    clock.advance(2 * minute);
    registry.describe({ origin: "o2" });
    registry.lists({ "demo.S0": services["demo.S0"] ?? [] });
    await settle();
    expect(began).toEqual(["RegistryReset"]);
    expect(session.held).toMatchObject({ reason: "RegistryReset", hold: { services: 9, endpoints: 49 } });
    session.close();
  });

  test("does not begin for what only could not be read", async () => {
    const { clock, registry, session } = openSession();
    registry.lists(services);
    session.connect();
    await settle();
    clock.advance(2 * minute);
    const host = "dubbozk/demo.s1.dubbozk";
    const losses = () => session.claimInputs(host, undefined).trust.losses;
    registry.set("demo.S1", "unknown");
    await settle();
    expect(losses().has(host)).toBe(false);
    registry.set("demo.S1", services["demo.S1"] ?? []);
    await settle();
    registry.remove("demo.S1");
    await settle();
    expect(losses().has(host)).toBe(true);
    session.close();
  });
});

test("an edit after which more may be removed settles first; a change of the registry does not", async () => {
  const { clock, registry, session } = openSession(hubOf({ address: "zk", policy: "upsert-only" }));
  registry.lists(services);
  session.connect();
  await settle();
  clock.advance(2 * minute);
  const isSettling = (): boolean => session.claimInputs("x/y", undefined).trust.settling !== undefined;
  registry.set("demo.S1", ["10.42.9.9:20880"]);
  await settle();
  expect([isSettling(), session.ledger.isCarryingOut]).toEqual([false, false]);
  session.update(hubOf({ address: "zk" }));
  expect(isSettling()).toBe(true);
  session.close();
});

test("a hub that is suspended watches its registry no more", async () => {
  const { registry, session } = openSession();
  registry.lists(services);
  session.connect();
  await settle();
  session.update(hubOf({ address: "zk", suspend: true }));
  await settle();
  expect([registry.isWatched, session.isSynced]).toEqual([false, false]);
  session.close();
});

test("a bug in what reads the registry is the session's", async () => {
  const { registry, session, bugs } = openSession();
  const bug = new TypeError("x is not a function");
  registry.haveBug(bug);
  session.connect();
  await settle();
  expect(bugs).toEqual([bug]);
  session.close();
});
