import { describe, expect, test } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import { annotations, labels } from "../../src/model/labels.ts";
import { hubIdOf } from "../../src/translate/names.ts";
import { addressesOf, entryOf, listedHosts, messageOf, said, statusOf, writesSince } from "./looks.ts";
import { hostsOf, openSettled, two } from "./scenes.ts";
import { home, hour, hub, hubKey, minute, openWorld, second, type World } from "./world.ts";

/** Their names have one id. */
const [victim, namesake] = ["good/hub-73159", "evil/x-1gm"] as const;

function hubAt(key: string, address: string, target = key.split("/")[0] ?? "") {
  const [namespace, name] = key.split("/") as [string, string];
  return hub({ address, generate_to: target }, { namespace, name });
}

/** The victim's hub and what its registry lists, long since believed. Each hub may write into its own namespace only. */
async function openVictim(options: { readonly watchNamespaces?: readonly string[] } = {}): Promise<World> {
  const world = openWorld();
  for (const name of ["good", "evil"]) world.person.createNamespace(name);
  world.registry("good:2181").lists(two);
  world.registry("evil:2181").lists({ "evil.A": ["10.42.6.6:20880"] });
  world.person.put(hubAt(victim, "good:2181"));
  await world.hubController.start({ allowCrossNamespace: false, ...options });
  await world.advance(2 * minute);
  return world;
}

const both = ["demo.a.good", "demo.b.good"];

describe("two hubs with one id", () => {
  test("do not meet: whoever chooses such a name gets nothing, and is told to choose another", async () => {
    expect(hubIdOf(victim)).toBe(hubIdOf(namesake));
    const world = await openVictim();
    const before = world.writes().length;
    world.person.put(hubAt(namesake, "evil:2181"));
    await world.advance(3 * hour);
    expect(listedHosts(world, "good")).toEqual(both);
    expect(said(world, victim)).toMatchObject({ phase: "success", Ready: "True Ready" });
    expect(said(world, namesake)).toMatchObject({ phase: "failed", Ready: "False InvalidSpec" });
    expect(messageOf(world, "Ready", namesake)).toContain("Rename the hub");
    expect(statusOf(world, namesake)).toMatchObject({ services: 0, endpoints: 0, serviceentries: {} });
    expect(world.registry("evil:2181").isWatched).toBe(false);
    expect(listedHosts(world, "evil")).toEqual([]);
    await world.hubController.restart();
    await world.advance(3 * hour);
    expect(listedHosts(world, "good")).toEqual(both);
    expect(writesSince(world, before).filter((line) => line.includes("serviceentries"))).toEqual([]);
  });

  test("one goes: the other is served then, and inherits nothing", async () => {
    const world = await openVictim();
    world.person.put(hubAt(namesake, "evil:2181"));
    await world.advance(1 * minute);
    world.person.delete("registryhubs", victim);
    await world.advance(30 * second);
    expect(said(world, namesake)).toMatchObject({ phase: "success", RegistrySynced: "True Synced" });
    expect(listedHosts(world, "evil")).toEqual(["evil.a.evil"]);
    expect(statusOf(world, namesake)).toMatchObject({ services: 1, endpoints: 1 });
    expect(listedHosts(world, "good")).toEqual(both); // it may be in the middle of a re-creation
    await world.advance(1 * minute);
    expect(world.person.list("serviceentries", "good")).toEqual([]);
    expect(listedHosts(world, "evil")).toEqual(["evil.a.evil"]);
  });

  test("the one that entries name has it, though it is younger, because somebody re-created it", async () => {
    const world = await openVictim();
    world.person.put(hubAt(namesake, "evil:2181"));
    await world.advance(1 * minute);
    await world.hubController.stop();
    world.person.delete("registryhubs", victim);
    await world.advance(1 * second);
    world.person.put(hubAt(victim, "good:2181"));
    await world.hubController.start();
    await world.advance(3 * hour);
    expect(said(world, victim)).toMatchObject({ phase: "success", Ready: "True Ready" });
    expect(said(world, namesake)).toMatchObject({ phase: "failed", Ready: "False InvalidSpec" });
    expect(listedHosts(world, "good")).toEqual(both);
  });

  test("the older one has it where no entry names either", async () => {
    const world = openWorld();
    for (const name of ["good", "evil"]) world.person.createNamespace(name);
    world.person.put(hubAt(victim, "good:2181"));
    await world.advance(1 * second);
    world.person.put(hubAt(namesake, "evil:2181"));
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(said(world, victim)).toMatchObject({ phase: "success" });
    expect(said(world, namesake)).toMatchObject({ phase: "failed", Ready: "False InvalidSpec" });
  });

  test("of which this operator serves only one: it has no say in the other's entries", async () => {
    const world = await openVictim();
    world.person.put(hubAt(namesake, "evil:2181"));
    await world.hubController.restart({ watchNamespaces: ["evil"] });
    await world.advance(3 * hour);
    expect(said(world, namesake)).toMatchObject({ phase: "success", Ready: "True Ready" });
    expect(statusOf(world, namesake)).toMatchObject({ services: 1, endpoints: 1 });
    expect(listedHosts(world, "good")).toEqual(both);
  });

  test("of which one is alone with an entry that nobody names: it is not in its target", async () => {
    const world = await openVictim();
    world.person.delete("registryhubs", victim);
    await world.hubController.stop();
    world.person.put(hubAt(namesake, "evil:2181"));
    loseNames(world, "good");
    await world.hubController.start();
    await world.advance(3 * hour);
    expect(said(world, namesake)).toMatchObject({ phase: "success", Ready: "True Ready" });
    expect(listedHosts(world, "good")).toEqual(both);
  });
});

/** As if somebody had removed the annotation that names the hubs, of all entries in the namespace. */
function loseNames({ person }: World, namespace = home): void {
  for (const { metadata } of person.list("serviceentries", namespace))
    person.edit("serviceentries", `${namespace}/${metadata.name}`, (object) => {
      const { [annotations.hubs]: _, ...others } = object.metadata.annotations ?? {};
      return { ...object, metadata: { ...object.metadata, annotations: others } };
    });
}

/** As if somebody had removed all that tells whose the entries are, but not that they are the operator's. */
function strip({ person }: World): void {
  for (const { metadata } of person.list("serviceentries", home))
    person.edit("serviceentries", `${home}/${metadata.name}`, (object) => ({
      ...object,
      metadata: { ...object.metadata, annotations: {}, labels: { [labels.managedBy]: "registryhub" } },
      spec: {
        ...object.spec,
        endpoints: object.spec.endpoints?.map(({ address, ports }) => ({ address, ports })),
      },
    }));
}

const unexplainedIn = async (world: World): Promise<string | undefined> =>
  /^registryhub_unexplained_entries (\d+)$/m.exec(await world.hubController.metrics())?.[1];

const warnings = ({ hubController }: World): number =>
  hubController.log.filter(({ message }) => message === "no hub explains the ServiceEntry; it stays").length;

/** As somebody makes it who copies a label. */
const copied: ServiceEntry = {
  apiVersion: "networking.istio.io/v1beta1",
  kind: "ServiceEntry",
  metadata: { namespace: home, name: "by-hand", labels: { [labels.managedBy]: "registryhub" } },
  spec: {
    hosts: ["by.hand.demo"],
    addresses: ["240.241.9.9"],
    ports: [{ name: "tcp", number: 80, protocol: "tcp" }],
    resolution: "STATIC",
    endpoints: [{ address: "10.42.9.9" }],
  },
};

describe("an entry that names no hub", () => {
  test("stays, though no hub exists", async () => {
    const world = openWorld();
    world.person.put(copied);
    await world.hubController.start();
    await world.advance(3 * hour);
    expect(listedHosts(world)).toEqual(["by.hand.demo"]);
    expect(await unexplainedIn(world)).toBe("1");
    expect(warnings(world)).toBe(1);
  });

  test("stays while the registry of its hub is down, and is the hub's again when it is back", async () => {
    const world = await openSettled();
    world.registry().fail();
    await world.hubController.stop();
    strip(world);
    await world.hubController.start();
    await world.advance(3 * hour);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    world.registry().heal();
    await world.advance(3 * minute);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    expect(entryOf(world, "demo.A")?.metadata.annotations?.[annotations.hubs]).toBe(hubKey);
    expect(await unexplainedIn(world)).toBe("0");
  });

  test("is named to the hubs of its namespace, also to later ones, until somebody deletes it", async () => {
    const world = await openSettled();
    world.person.put(copied);
    await world.advance(20 * second);
    const expected = {
      at: "by.hand.demo",
      problem: expect.stringMatching(/^UnexplainedEntry: .*: kubectl delete serviceentry -n demo by-hand$/),
      severity: "warning",
    };
    expect(statusOf(world).problems).toEqual([expected]);
    world.person.put(hub({ address: "other:2181" }, { name: "later" }));
    await world.advance(20 * second);
    expect(statusOf(world, "demo/later").problems).toEqual([expected]);
    world.person.delete("serviceentries", "demo/by-hand");
    await world.advance(20 * second);
    expect([statusOf(world).problems, statusOf(world, "demo/later").problems]).toEqual([[], []]);
    expect(await unexplainedIn(world)).toBe("0");
  });
});

test("an entry without an endpoint or a port, which cannot be read, is named to the hubs until one lists its host", async () => {
  const world = await openSettled();
  world.registry().remove("demo.A");
  await world.advance(2 * second);
  const key = `${home}/${entryOf(world, "demo.A")?.metadata.name ?? ""}`;
  world.person.edit("serviceentries", key, (object) => ({ ...object, spec: { ...object.spec, ports: [] } }));
  await world.advance(3 * hour);
  expect(entryOf(world, "demo.A")?.spec.ports).toEqual([]);
  expect(statusOf(world).problems).toMatchObject([{ at: "demo.a.demo", severity: "warning" }]);
  expect(await unexplainedIn(world)).toBe("1");
  world.registry().lists(two);
  await world.advance(20 * second);
  expect(listedHosts(world)).toEqual(hostsOf(two));
  expect(statusOf(world).problems).toEqual([]);
});

describe("an entry that names a hub whose name is lost", () => {
  test("stays when the hub is deleted, and that is told once", async () => {
    const world = await openSettled();
    await world.hubController.stop();
    world.person.delete("registryhubs", hubKey);
    loseNames(world);
    world.person.put(hub({ address: "other:2181" }, { name: "other" }));
    await world.hubController.start();
    await world.advance(3 * hour);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    expect(await unexplainedIn(world)).toBe("2");
    expect(warnings(world)).toBe(2);
    expect(statusOf(world, "demo/other").problems.map(({ at }) => at)).toEqual(hostsOf(two));
    world.person.delete("serviceentries", `${home}/${entryOf(world, "demo.A")?.metadata.name ?? ""}`);
    await world.advance(1 * minute);
    expect(statusOf(world, "demo/other").problems.map(({ at }) => at)).toEqual(["demo.b.demo"]);
    expect(await unexplainedIn(world)).toBe("1");
  });

  test("gets the name back at once while the hub exists", async () => {
    const world = await openSettled();
    loseNames(world);
    await world.advance(1 * second);
    expect(entryOf(world, "demo.A")?.metadata.annotations?.[annotations.hubs]).toBe(hubKey);
    expect(warnings(world)).toBe(0);
  });
});

describe("an endpoint of more hubs than its label can name", () => {
  const names = Array.from({ length: 8 }, (_, at) => `hub-${at}`);

  async function openEight(): Promise<World> {
    const world = openWorld();
    await world.hubController.start();
    for (const name of names) {
      world.registry(name).lists({ "demo.A": ["10.42.0.1:20880"], "demo.B": ["10.42.0.2:20880"] });
      world.person.put(hub({ address: name }, { name }));
      await world.advance(1 * second);
    }
    await world.advance(2 * minute);
    return world;
  }

  test("stays for the one that it cannot name, while that one's registry is down after a restart", async () => {
    const world = await openEight();
    expect(statusOf(world, "demo/hub-7")).toMatchObject({ services: 2, endpoints: 2 });
    await world.hubController.stop();
    for (const name of names.slice(0, 7)) world.registry(name).lists({ "demo.B": ["10.42.0.2:20880"] });
    world.registry("hub-7").fail();
    await world.hubController.start();
    await world.advance(3 * hour);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880"]);
    world.registry("hub-7").lists({ "demo.B": ["10.42.0.2:20880"] });
    world.registry("hub-7").heal();
    await world.advance(3 * minute);
    expect(addressesOf(world, "demo.A")).toEqual([]);
  });
});
