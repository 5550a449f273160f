import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { HubCluster } from "../../../../src/controllers/hub/cluster.ts";
import type { HubSession } from "../../../../src/controllers/hub/session.ts";
import { HubSessions } from "../../../../src/controllers/hub/sessions.ts";
import type { Entry } from "../../../../src/model/entry.ts";
import type { ServiceEntry } from "../../../../src/model/istio.ts";
import { parseLabelSelector } from "../../../../src/model/label-selector.ts";
import type { RegistryHub } from "../../../../src/model/registryhub.ts";
import { registries as types } from "../../../../src/registries/index.ts";
import { hubIdOf } from "../../../../src/translate/names.ts";
import { typeMissing } from "../../../fakes/api-server/answer.ts";
import { createScriptedRegistries } from "../../../fakes/registries.ts";
import { eventually } from "../../../support/eventually.ts";
import { endpointOf, hubIn, hubObject, writtenEntry } from "../../../support/model.ts";
import { hour, minute, second } from "../../../support/trust-story.ts";
import { writerTools } from "../../../support/writer-tools.ts";

const rules = {
  allowCrossNamespace: true,
  watchNamespaces: [],
  hubSelector: parseLabelSelector(""),
  denyTargets: [],
  rootNamespace: "istio-system",
  maxServicesPerHub: 20_000,
  shrinkHoldMs: hour,
  resetHoldMs: 2 * hour,
};
type List = "hubs" | "namespaces" | "serviceEntries";
const all: readonly List[] = ["hubs", "namespaces", "serviceEntries"];

function hub(name: string, spec: Partial<RegistryHub["spec"]> = {}, namespace = "demo"): RegistryHub {
  const { metadata: _, ...rest } = hubObject({ generate_to: "demo", address: `${name}:2181`, ...spec });
  return { ...rest, metadata: { namespace, name } };
}

/** The same hub in a lane. */
const inLane = (lane: string, { metadata, ...rest }: RegistryHub): RegistryHub => ({
  ...rest,
  metadata: { ...metadata, labels: { lane } },
});

/** A hub's entry of the service `demo.<name>`, as it lies in the cluster. */
const entryOf = (hub: RegistryHub, name: string): ServiceEntry =>
  writtenEntry(hubIn(hub), `demo/demo.${name}.demo`, [endpointOf("10.42.0.1:20880")]);

/** The sessions of a cluster of which these lists are read from the beginning, and what they told their controller. */
function open({ lists = all, settleFactor = 1, selector = "", watchNamespaces = [] as string[] } = {}) {
  const { tools, clock, api, lines } = writerTools();
  const { client, metrics, deps } = tools;
  const options = { ...rules, hubSelector: parseLabelSelector(selector), watchNamespaces, settleFactor };
  const registries = createScriptedRegistries();
  const cluster = new HubCluster(client, rules, deps);
  const [statuses, events, recalled, looks]: [string[], string[], string[], string[]] = [[], [], [], []];
  let [listsChanged, bug]: [number, Error | undefined] = [0, undefined];
  const place = { cluster, client, metrics, deps: { ...deps, openRegistry: registries.open } };
  const sessions = new HubSessions(place, options, {
    enqueueHosts(hosts, why) {
      if (bug !== undefined) throw bug;
      looks.push(...[...hosts].map((host) => `${host} ${why}`));
    },
    enqueueStatus: (key, when) => void statuses.push(`${key} ${when}`),
    recall: (namespace) => void recalled.push(namespace),
    recordEvent: ({ metadata }, reason, message) => void events.push(`${metadata.name} ${reason} ${message}`),
    listsChanged: () => void listsChanged++,
  });
  cluster.hubs.subscribe((keys) => {
    for (const key of keys) sessions.take(key);
  });
  cluster.serviceEntries.subscribe((keys) => {
    for (const key of keys) cluster.entries.update(key);
  });
  const stop = new AbortController();
  const loops: Promise<void>[] = [];
  const read = (list: List): unknown => loops.push(cluster[list].run(stop.signal));
  onTestFinished(async () => {
    sessions.close();
    stop.abort();
    await Promise.all(loops);
  });
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 30; turn++) await nextTurn();
  };
  async function pass(ms: number): Promise<void> {
    const until = clock.monotonic() + ms;
    await settle();
    for (let next = clock.nextInMs; next !== undefined; next = clock.nextInMs) {
      if (next > until - clock.monotonic()) break;
      clock.advance(next);
      await settle();
    }
    clock.advance(until - clock.monotonic());
  }
  for (const list of lists) read(list);
  return {
    sessions,
    clock,
    api,
    registries,
    statuses,
    events,
    recalled,
    /** Hosts, and why the controller was asked to look at each. */
    looks,
    metrics,
    lines,
    read,
    settle,
    pass,
    listsChanged: () => listsChanged,
    trustOf: (key: string) => sessions.get(key)?.claimInputs("demo/x.demo", undefined).trust,
    /** What the cluster has of a host. */
    entryAt: (host: string) => cluster.entries.hostObject(host)?.entry,
    /** From now on there is a bug where hosts are queued; undefined = it is mended. */
    breakHosts(error: Error | undefined): void {
      bug = error;
    },
  };
}

/** Two hubs that are served. */
async function openBoth() {
  const world = open();
  for (const name of ["a", "b"]) world.api.person.put(hub(name));
  await world.settle();
  return world;
}

test("there is no hub before the first list of them", () => {
  const { sessions } = open();
  expect([sessions.ordered, sessions.claimants]).toEqual([[], []]);
});

describe("a hub", () => {
  test("is served in the order of the hubs' age, whatever their names are", async () => {
    const { sessions, api, pass, clock } = open();
    for (const name of ["c", "a", "b"]) {
      api.person.put(hub(name));
      clock.advance(second);
    }
    await pass(0);
    expect(sessions.ordered.map(({ hub: { name } }) => name)).toEqual(["c", "a", "b"]);
    expect([...sessions.keys()].sort()).toEqual(["demo/a", "demo/b", "demo/c"]);
    expect(["demo/a", "demo/d"].map((key) => sessions.has(key))).toEqual([true, false]);
  });

  test("connects at once where the entries are known, and asks for its first status", async () => {
    const { statuses, recalled, registries } = await openBoth();
    expect(registries.at("a:2181").isWatched).toBe(true);
    expect(statuses.filter((line) => line.endsWith("now"))).toEqual(["demo/a now", "demo/b now"]);
    expect(recalled).toEqual(["demo", "demo"]);
  });

  test("that has a status needs no first one", async () => {
    const { api, statuses, settle, read } = open({ lists: ["namespaces", "serviceEntries"] });
    api.person.put(hub("a"));
    api.person.editStatus("registryhubs", "demo/a", (object) => ({
      ...object,
      status: { phase: "success", conditions: [], origin: "0x1" },
    }));
    read("hubs");
    await settle();
    expect(statuses).toContain("demo/a soon");
    expect(statuses).not.toContain("demo/a now");
  });

  test("has its refused writes tried again when it is edited", async () => {
    const { api, recalled, settle } = await openBoth();
    api.person.edit("registryhubs", "demo/a", (object) => ({
      ...object,
      spec: { ...object.spec, generate_to: "other" },
    }));
    await settle();
    expect(recalled.slice(2)).toEqual(["other"]);
  });

  test("is as it was when only its status changes, and hears of a hold that is released", async () => {
    const { api, sessions, recalled, settle } = await openBoth();
    api.person.editStatus("registryhubs", "demo/a", (object) => ({
      ...object,
      status: { phase: "success", conditions: [], origin: "0x1" },
    }));
    await settle();
    expect(recalled).toEqual(["demo", "demo"]);
    const time = "2024-02-04T04:00:00Z";
    api.person.edit("registryhubs", "demo/a", ({ metadata, ...rest }) => ({
      ...rest,
      metadata: { ...metadata, annotations: { "ecns.easystack.cn/release-hold": time } },
    }));
    await settle();
    expect(sessions.get("demo/a")?.hub.releaseHold).toBe(time);
    expect(recalled).toEqual(["demo", "demo", "demo"]);
  });

  test("has the hosts of its entries looked at when it appears", async () => {
    const { api, looks, settle } = open();
    api.person.put(entryOf(hub("a"), "a"));
    await settle();
    api.person.put(hub("a"));
    await settle();
    expect(looks).toEqual(["demo/demo.a.demo look"]);
  });

  test("is told in an Event of a hold that begins", async () => {
    const { api, events, metrics, registries, pass, settle } = open();
    const names = Array.from({ length: 10 }, (_, at) => `demo.S${at}`);
    const registry = registries.at("a:2181");
    registry.lists(Object.fromEntries(names.map((name) => [name, ["10.42.0.1:20880"]])));
    api.person.put(hub("a"));
    await pass(5 * minute);
    expect(events).toEqual([]);
    await eventually(async () => expect(await metrics.render()).toContain('loop="listings"'), 5_000);
    registry.lists({});
    await settle();
    expect(events).toEqual([expect.stringMatching(/^a Shrunk \S/)]);
  });

  test("waits for the entries, and hears when they can be known", async () => {
    const { api, sessions, registries, pass, settle, read, listsChanged } = open({
      lists: ["hubs", "namespaces"],
    });
    api.person.put(hub("a"));
    await pass(minute);
    expect([registries.at("a:2181").isWatched, listsChanged()]).toEqual([false, 0]);
    api.refuse({ resource: "serviceentries" }, typeMissing);
    read("serviceEntries");
    await pass(second);
    api.person.put(hub("b"));
    await pass(10 * second);
    expect([registries.at("b:2181").isWatched, listsChanged()]).toEqual([false, 1]);
    sessions.connect();
    await settle();
    expect(["a:2181", "b:2181"].map((address) => registries.at(address).isWatched)).toEqual([true, true]);
  });

  test("has the limits of its registry's type, times --settle-factor", async () => {
    const { api, settle, trustOf } = open({ settleFactor: 0.5 });
    api.person.put(hub("a"));
    await settle();
    const { settleMs, settleAfterLossMs } = types.zookeeper;
    expect(trustOf("demo/a")?.limits).toEqual({
      settleMs: 0.5 * settleMs,
      settleAfterLossMs: 0.5 * settleAfterLossMs,
      shrinkHoldMs: rules.shrinkHoldMs,
      resetHoldMs: rules.resetHoldMs,
    });
  });

  test("has its Secret read every 5 minutes, times --settle-factor", async () => {
    const { api, pass } = open({ settleFactor: 0.1 });
    const metadata = { namespace: "demo", name: "login" };
    api.person.put({ apiVersion: "v1", kind: "Secret", metadata, data: { token: "dA==" } });
    api.person.put(hub("a", { secretRef: { name: "login" } }));
    await pass(29 * second);
    const reads = () =>
      api.requests.filter(({ resource, verb }) => [resource, verb].join() === "secrets,get");
    expect(reads()).toHaveLength(1);
    await pass(2 * second);
    expect(reads()).toHaveLength(2);
  });

  test("settles anew when its target begins to take its entries, and not when that was only unknown", async () => {
    const { api, sessions, pass, read, trustOf, registries } = open({ lists: ["hubs", "serviceEntries"] });
    registries.at("a:2181").lists({ "demo.A": ["10.42.0.1:20880"] });
    for (const [name, target] of [
      ["a", "demo"],
      ["b", "later"],
    ] as const)
      api.person.put(hub(name, { generate_to: target }));
    const look = (): void => sessions.each((session) => session.lookAtTarget());
    const isSettling = () => ["demo/a", "demo/b"].map((key) => trustOf(key)?.settling !== undefined);
    await pass(2 * minute);
    expect(isSettling()).toEqual([false, false]);
    read("namespaces");
    await pass(second);
    look();
    expect(isSettling()).toEqual([false, false]);
    api.person.createNamespace("later");
    await pass(second);
    look();
    expect(isSettling()).toEqual([false, true]);
  });
});

describe("a bug in one hub", () => {
  const bug = new TypeError("x is not a function");
  const stumble = ({ hub: { name } }: HubSession): void => {
    if (name === "a") throw bug;
  };

  test("ends its session and no other, is told, and the hub is tried again after 1 s", async () => {
    const { sessions, statuses, events, registries, pass } = await openBoth();
    statuses.length = 0;
    sessions.each(stumble);
    expect([sessions.get("demo/a"), sessions.get("demo/b")?.hub.name]).toEqual([undefined, "b"]);
    expect(sessions.unserved("demo/a")).toMatchObject({ code: "InternalError", kept: undefined });
    expect([...sessions.keys()].sort()).toEqual(["demo/a", "demo/b"]);
    expect(statuses).toEqual(["demo/a soon"]);
    expect(events).toEqual([expect.stringMatching(/^a InternalError .*TypeError/)]);
    await pass(0);
    expect(registries.at("a:2181").isWatched).toBe(false);
    sessions.take("demo/a"); // somebody looks, and nothing is new
    expect(sessions.get("demo/a")).toBeUndefined();
    await pass(second);
    expect(sessions.ordered.map(({ hub: { name } }) => name)).toEqual(["a", "b"]); // the oldest first, as before
    expect(registries.at("a:2181").isWatched).toBe(true);
  });

  test("is the same where a session finds it by itself", async () => {
    const { sessions, breakHosts, pass } = await openBoth();
    breakHosts(bug);
    sessions.get("demo/a")?.lookAtAll.ask();
    await pass(0);
    expect(sessions.unserved("demo/a")).toMatchObject({ code: "InternalError" });
    expect(sessions.unserved("demo/b")).toBeUndefined();
    breakHosts(undefined);
    await pass(second);
    expect(sessions.unserved("demo/a")).toBeUndefined();
  });
});

test("a restart begins every session anew", async () => {
  const { sessions, registries, settle } = await openBoth();
  const before = sessions.ordered;
  sessions.restart();
  await settle();
  expect(sessions.ordered.map(({ hub: { name } }) => name)).toEqual(["a", "b"]);
  expect(sessions.ordered.some((session) => before.includes(session))).toBe(false);
  expect(registries.at("a:2181").opened).toHaveLength(2);
});

describe("a hub that is missing", () => {
  test("has its time begin again when the list of hubs is lost", async () => {
    const { sessions, clock, settle } = open();
    await settle();
    expect(sessions.goneInMs("demo/gone")).toBe(minute);
    clock.advance(40 * second);
    expect(sessions.goneInMs("demo/gone")).toBe(20 * second);
    sessions.listLost();
    expect(sessions.goneInMs("demo/gone")).toBe(minute);
  });

  test("is gone sooner with a smaller --settle-factor", async () => {
    const { sessions, settle } = open({ settleFactor: 0.5 });
    await settle();
    expect(sessions.goneInMs("demo/gone")).toBe(minute / 2);
  });

  test("has its time begin again when it was seen", async () => {
    const { sessions, api, clock, settle } = open();
    await settle();
    expect(sessions.goneInMs("demo/a")).toBe(minute);
    clock.advance(40 * second);
    api.person.put(hub("a"));
    await settle();
    api.person.delete("registryhubs", "demo/a");
    await settle();
    expect(sessions.goneInMs("demo/a")).toBe(minute);
  });
});

describe("a hub whose spec cannot be used", () => {
  const status = { phase: "success", conditions: [], origin: "0x1", address: "a:2181" };
  const spoil = ({ api }: ReturnType<typeof open>): unknown =>
    api.person.edit("registryhubs", "demo/a", ({ spec, ...rest }) => ({
      ...rest,
      spec: { ...spec, address: "" },
    }));

  test("is a hub of this lane without a session, and no longer connected", async () => {
    const world = await openBoth();
    const { sessions, registries, statuses, settle } = world;
    statuses.length = 0;
    spoil(world);
    await settle();
    expect([sessions.get("demo/a"), sessions.has("demo/a")]).toEqual([undefined, true]);
    expect(registries.at("a:2181").isWatched).toBe(false);
    expect(sessions.ordered.map(({ hub: { name } }) => name)).toEqual(["b"]);
    expect(statuses).toContain("demo/a soon");
  });

  test("keeps what its status told", async () => {
    const world = open({ lists: ["namespaces", "serviceEntries"] });
    const { api, sessions, read, settle } = world;
    api.person.put(hub("a"));
    api.person.editStatus("registryhubs", "demo/a", (object) => ({ ...object, status }));
    spoil(world);
    read("hubs");
    await settle();
    expect(sessions.unserved("demo/a")?.kept).toMatchObject({ origin: "0x1", address: "a:2181" });
  });
});

describe("a hub that is created again", () => {
  const status = {
    address: "a:2181",
    type: "zookeeper",
    generate_to: "demo",
    phase: "success",
    conditions: [],
    observedGeneration: 1,
    origin: "0x1",
  };
  const tell = ({ api }: ReturnType<typeof open>): void =>
    void api.person.editStatus("registryhubs", "demo/a", (object) => ({ ...object, status }));
  /** Hub a, of which a status tells where its data come from. */
  async function openTold() {
    const world = open();
    world.api.person.put(hub("a"));
    tell(world);
    await world.settle();
    return world;
  }

  test.each([
    ["soon has what its status told", 50 * second, "0x1"],
    ["after a minute has nothing of the one before", 70 * second, ""],
  ])("%s", async (_, afterMs, origin) => {
    const { api, pass, settle, trustOf } = await openTold();
    api.person.delete("registryhubs", "demo/a");
    await pass(afterMs);
    api.person.put(hub("a"));
    await settle();
    expect(trustOf("demo/a")?.origin).toBe(origin);
  });

  test("is asked about only while the list of hubs is complete, and waits its minute after that", async () => {
    const { api, sessions, pass } = await openTold();
    api.person.delete("registryhubs", "demo/a");
    await pass(30 * second);
    const ends = (["list", "watch"] as const).map((verb) => api.forbid({ resource: "registryhubs", verb }));
    for (const stream of api.watches("registryhubs")) stream.end(new Error("cut"));
    sessions.listLost();
    const asked = () =>
      api.requests.filter(({ resource, verb }) => [resource, verb].join() === "registryhubs,get");
    await pass(10 * minute);
    expect(asked()).toEqual([]);
    for (const end of ends) end();
    await pass(5 * minute);
    expect(asked()).toHaveLength(1);
    await pass(10 * minute);
    expect(asked()).toHaveLength(1); // that it is gone is certain
  });

  test("while nobody sees it, takes its place by age", async () => {
    const { api, clock, sessions, pass } = open();
    const names = (): readonly string[] => sessions.ordered.map(({ hub: { name } }) => name);
    for (const name of ["a", "b"]) {
      api.person.put(hub(name));
      clock.advance(second);
    }
    await pass(second);
    const before = sessions.get("demo/a");
    expect(names()).toEqual(["a", "b"]);
    const goUp = api.goDown();
    api.person.delete("registryhubs", "demo/a");
    api.person.put(hub("a"));
    api.compact();
    goUp();
    await pass(minute);
    expect(sessions.get("demo/a")).toBe(before);
    expect(names()).toEqual(["b", "a"]);
  });
});

describe("a hub that goes", () => {
  test("takes its metrics along, and its hosts are looked at", async () => {
    const { api, sessions, metrics, looks, settle } = open();
    api.person.put(entryOf(hub("a"), "a"));
    api.person.put(hub("a"));
    await settle();
    metrics.hubCounts("demo/a", { services: 1, endpoints: 1 });
    expect(await metrics.render()).toContain('hub="demo/a"');
    looks.length = 0;
    api.person.delete("registryhubs", "demo/a");
    await settle();
    expect(await metrics.render()).not.toContain('hub="demo/a"');
    expect(looks).toEqual(["demo/demo.a.demo look"]);
    expect([sessions.ordered, sessions.claimants]).toEqual([[], []]);
  });

  test("has its hosts looked at also if it was not served", async () => {
    const { api, sessions, looks, settle } = open();
    api.person.put(entryOf(hub("a"), "a"));
    api.person.put(hub("a", { address: "" }));
    await settle();
    expect(sessions.unserved("demo/a")).toMatchObject({ code: "InvalidSpec" });
    looks.length = 0;
    api.person.delete("registryhubs", "demo/a");
    await settle();
    expect(looks).toEqual(["demo/demo.a.demo look"]);
    expect(sessions.has("demo/a")).toBe(false);
  });

  test("is not said to go while it exists, or where nobody looks", async () => {
    const { api, sessions, settle } = open({ watchNamespaces: ["demo"] });
    api.person.createNamespace("far");
    for (const [name, namespace] of [
      ["a", "demo"],
      ["b", "far"],
    ] as const)
      api.person.put(hub(name, {}, namespace));
    await settle();
    expect([...sessions.keys()]).toEqual(["demo/a"]);
    const asked = ["demo/a", "far/b", "demo/c"].map((key) => sessions.goneInMs(key));
    expect(asked).toEqual([undefined, undefined, minute]);
  });
});

describe("a hub of another lane", () => {
  /** The lane "gold", with its hub "mine", and the hub "theirs" of another one, which is older and has an entry. */
  async function openLanes() {
    const world = open({ selector: "lane=gold" });
    const { api, clock, settle } = world;
    api.person.put(entryOf(hub("theirs"), "a"));
    await settle();
    for (const [name, lane] of [
      ["theirs", "grey"],
      ["mine", "gold"],
    ] as const) {
      api.person.put(inLane(lane, hub(name)));
      clock.advance(second);
    }
    await settle();
    return world;
  }
  const host = "demo/demo.a.demo";

  test("has neither session nor status here, and counts by its age", async () => {
    const { sessions, statuses, registries, looks } = await openLanes();
    expect([...sessions.keys()]).toEqual(["demo/mine"]);
    const ask = (key: string): readonly boolean[] => [sessions.has(key), sessions.isOfOtherLane(key)];
    expect([ask("demo/theirs"), ask("demo/mine"), ask("demo/none")]).toEqual([
      [false, true],
      [true, false],
      [false, false],
    ]);
    expect(sessions.claimants.map(({ hub: { name } }) => name)).toEqual(["theirs", "mine"]);
    expect(sessions.ordered.map(({ hub: { name } }) => name)).toEqual(["mine"]);
    expect(statuses.filter((line) => line.includes("theirs"))).toEqual([]);
    expect(registries.at("theirs:2181").isWatched).toBe(false);
    expect(sessions.goneInMs("demo/theirs")).toBeUndefined();
    expect(looks).toContain(`${host} look`);
  });

  test("is the owner of what names it", async () => {
    const { sessions, entryAt, api, settle } = await openLanes();
    expect(sessions.ownerElsewhere(host, entryAt(host))).toBe("demo/theirs");
    expect(sessions.ownerElsewhere(host, undefined)).toBeUndefined();
    api.person.put(entryOf(hub("mine"), "b"));
    await settle();
    expect(sessions.ownerElsewhere("demo/demo.b.demo", entryAt("demo/demo.b.demo"))).toBeUndefined();
  });

  test("owns nothing that an older hub of this lane owns, served or not", async () => {
    const { sessions, api, clock, settle } = open({ selector: "lane=gold" });
    for (const [name, lane, address] of [
      ["old", "gold", "old:2181"],
      ["broken", "gold", ""],
      ["theirs", "grey", "theirs:2181"],
      ["young", "gold", "young:2181"],
      ["late", "gold", ""],
    ] as const) {
      api.person.put(inLane(lane, hub(name, { address })));
      clock.advance(second);
    }
    await settle();
    const owner = (...names: readonly string[]) => {
      const hubs = names.map((name) => [hubIdOf(`demo/${name}`), `demo/${name}`] as const);
      const entry = { hubs: new Map(hubs), endpoints: new Map() } as Partial<Entry> as Entry;
      return sessions.ownerElsewhere(host, entry);
    };
    expect([owner("theirs", "young"), owner("theirs", "late")]).toEqual(["demo/theirs", "demo/theirs"]);
    expect([owner("theirs", "old"), owner("theirs", "broken")]).toEqual([undefined, undefined]);
  });

  test("is news when its spec changes, and not when its status does", async () => {
    const { api, looks, settle } = await openLanes();
    looks.length = 0;
    api.person.editStatus("registryhubs", "demo/theirs", (object) => ({
      ...object,
      status: { phase: "success", conditions: [], origin: "0x1" },
    }));
    await settle();
    expect(looks).toEqual([]);
    api.person.edit("registryhubs", "demo/theirs", ({ spec, ...rest }) => ({
      ...rest,
      spec: { ...spec, generate_to: "other" },
    }));
    await settle();
    expect(looks).toEqual([`${host} look`]);
  });

  test("is remembered: created again in this lane it has what its status told", async () => {
    const { api, pass, settle, trustOf } = await openLanes();
    api.person.editStatus("registryhubs", "demo/theirs", (object) => ({
      ...object,
      status: {
        address: "theirs:2181",
        type: "zookeeper",
        generate_to: "demo",
        phase: "success",
        conditions: [],
        observedGeneration: 1,
        origin: "0x1",
      },
    }));
    await settle();
    api.person.delete("registryhubs", "demo/theirs");
    await pass(30 * second);
    api.person.put(inLane("gold", hub("theirs")));
    await settle();
    expect(trustOf("demo/theirs")?.origin).toBe("0x1");
  });

  test("that comes into this one and cannot be read has its hosts looked at; when it leaves, nobody knows it here", async () => {
    const { api, sessions, looks, settle } = await openLanes();
    const change = (lane: string, address: string): unknown =>
      api.person.edit("registryhubs", "demo/theirs", ({ spec, ...rest }) =>
        inLane(lane, { ...rest, spec: { ...spec, address } }),
      );
    looks.length = 0;
    change("gold", "");
    await settle();
    expect(sessions.unserved("demo/theirs")).toMatchObject({ code: "InvalidSpec" });
    expect(looks).toEqual([`${host} look`]);
    change("grey", "");
    await settle();
    expect([sessions.has("demo/theirs"), sessions.isOfOtherLane("demo/theirs")]).toEqual([false, true]);
  });

  test("that comes into this one is served; one that leaves it is not, and its hosts are looked at", async () => {
    const { api, sessions, registries, looks, metrics, settle } = await openLanes();
    const move = (lane: string): unknown =>
      api.person.edit("registryhubs", "demo/theirs", (object) => inLane(lane, object));
    looks.length = 0;
    move("gold");
    await settle();
    expect(sessions.ordered.map(({ hub: { name } }) => name)).toEqual(["theirs", "mine"]);
    expect([sessions.isOfOtherLane("demo/theirs"), registries.at("theirs:2181").isWatched]).toEqual([
      false,
      true,
    ]);
    expect(looks).toContain(`${host} look`);
    metrics.hubCounts("demo/theirs", { services: 1, endpoints: 1 });
    looks.length = 0;
    move("grey");
    await settle();
    expect([...sessions.keys()]).toEqual(["demo/mine"]);
    expect([sessions.isOfOtherLane("demo/theirs"), registries.at("theirs:2181").isWatched]).toEqual([
      true,
      false,
    ]);
    expect(await metrics.render()).not.toContain('hub="demo/theirs"');
    expect(looks).toContain(`${host} look`);
  });

  test("that is deleted has its hosts looked at", async () => {
    const { api, sessions, looks, settle } = await openLanes();
    looks.length = 0;
    api.person.delete("registryhubs", "demo/theirs");
    await settle();
    expect(sessions.isOfOtherLane("demo/theirs")).toBe(false);
    expect(looks).toEqual([`${host} look`]);
    expect(sessions.claimants.map(({ hub: { name } }) => name)).toEqual(["mine"]);
  });

  test("that cannot be read claims nothing, and owns what names it", async () => {
    const { api, sessions, entryAt, settle } = await openLanes();
    api.person.edit("registryhubs", "demo/theirs", ({ spec, ...rest }) => ({
      ...rest,
      spec: { ...spec, address: "" },
    }));
    await settle();
    expect(sessions.claimants.map(({ hub: { name } }) => name)).toEqual(["mine"]);
    expect(sessions.ownerElsewhere(host, entryAt(host))).toBe("demo/theirs");
    expect(sessions.unserved("demo/theirs")).toBeUndefined();
  });

  test("with a bug is told in the log alone: its own lane tells it in its status", async () => {
    const { api, sessions, statuses, events, lines, breakHosts, metrics, settle } = await openLanes();
    breakHosts(new TypeError("x is not a function"));
    api.person.edit("registryhubs", "demo/theirs", ({ spec, ...rest }) => ({
      ...rest,
      spec: { ...spec, generate_to: "other" },
    }));
    await settle();
    expect([sessions.unserved("demo/theirs"), events]).toEqual([undefined, []]);
    expect(statuses.filter((line) => line.includes("theirs"))).toEqual([]);
    expect(await metrics.render()).toContain('internal_errors_total{about="hub"} 1');
    const bugs = lines.filter(([level]) => level === "error");
    expect(bugs.map(([, , fields]) => fields)).toMatchObject([{ hub: "demo/theirs" }]);
  });
});

describe("of two hubs with one id", () => {
  const [holder, other] = ["good/hub-73159", "evil/x-1gm"];

  /** The holder is the older one. */
  async function openNamesakes(options: Parameters<typeof open>[0] = {}, lane = "") {
    const world = open(options);
    const { api, clock, settle } = world;
    for (const key of [holder, other]) {
      const [namespace, name] = key.split("/") as [string, string];
      api.person.createNamespace(namespace);
      api.person.put(inLane(lane, hub(name, {}, namespace)));
      clock.advance(second);
    }
    await settle();
    return world;
  }

  test("the second is told whose the id is", async () => {
    expect(hubIdOf(holder)).toBe(hubIdOf(other));
    const { sessions, statuses } = await openNamesakes();
    const detail = `the id of this hub in labels, ${hubIdOf(holder)}, is that of hub ${holder} as well`;
    expect(sessions.unserved(other)).toMatchObject({ code: "InvalidSpec", detail });
    expect(statuses).toContain(`${other} soon`);
  });

  test("the second is served when the first is gone", async () => {
    const { api, sessions, settle } = await openNamesakes();
    api.person.delete("registryhubs", holder);
    await settle();
    expect([...sessions.keys()]).toEqual([other]);
    expect(sessions.get(other)?.hub.key).toBe(other);
  });

  test("that one has the id which entries name, once the lists show it", async () => {
    const { api, sessions, settle } = await openNamesakes();
    expect([sessions.get(holder)?.hub.key, sessions.get(other)]).toEqual([holder, undefined]);
    const [namespace, name] = other.split("/") as [string, string];
    api.person.put(entryOf(hub(name, {}, namespace), "a"));
    await settle();
    sessions.connect();
    expect([sessions.get(holder), sessions.get(other)?.hub.key]).toEqual([undefined, other]);
  });

  test("in another lane only the one that has the id claims anything", async () => {
    const { sessions } = await openNamesakes({ selector: "lane=gold" }, "grey");
    expect([holder, other].map((key) => sessions.isOfOtherLane(key))).toEqual([true, true]);
    expect(sessions.claimants.map(({ hub: { key } }) => key)).toEqual([holder]);
  });
});

describe("after the end", () => {
  test("nothing is read or tried any more", async () => {
    const { sessions, registries, pass } = await openBoth();
    sessions.each(({ hub: { name } }) => {
      if (name === "a") throw new TypeError("x is not a function");
    });
    sessions.close();
    await pass(minute);
    expect(sessions.get("demo/a")).toBeUndefined();
    expect(registries.at("b:2181").isWatched).toBe(false);
  });

  test("nobody asks about a hub that is missing", async () => {
    const { sessions, api, settle, pass, read } = open({ lists: ["namespaces", "serviceEntries"] });
    api.person.put(hub("a"));
    api.person.editStatus("registryhubs", "demo/a", (object) => ({
      ...object,
      status: { phase: "success", conditions: [], origin: "0x1" },
    }));
    read("hubs");
    await settle();
    api.person.delete("registryhubs", "demo/a");
    await settle();
    sessions.close();
    await pass(5 * minute);
    expect(
      api.requests.filter(({ resource, verb }) => [resource, verb].join() === "registryhubs,get"),
    ).toEqual([]);
  });
});
