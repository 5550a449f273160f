import { describe, expect, test } from "vitest";
import { annotations } from "../../src/model/labels.ts";
import { deniedByWebhook } from "../fakes/api-server/answer.ts";
import { instanceAt } from "../fakes/registries.ts";
import { eventsOf, statusOf } from "./looks.ts";
import { edit, openSettled, ten, two, without } from "./scenes.ts";
import { home, hub, hubKey, minute, openWorld, second, type World } from "./world.ts";

const time = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g;

/** "<what> <host> <endpoint>: <why>" of what has been kept since then, without times. */
const told = ({ hubController }: World, since = 0): readonly string[] =>
  hubController
    .changes()
    .filter(({ seq }) => seq > since)
    .map(({ what, host, endpoint, why }) =>
      [what, host, endpoint]
        .filter(Boolean)
        .join(" ")
        .concat(`: ${why.replaceAll(time, "T")}`),
    );
const last = ({ hubController }: World): number => hubController.changes().at(-1)?.seq ?? 0;

describe("the history tells of", () => {
  test("a first sync: each entry once, and the hub", async () => {
    const world = await openSettled();
    expect(told(world)).toEqual([
      "Created demo/demo.a.demo: the registry lists it, with 1 endpoint: 10.42.0.1:20880",
      "Created demo/demo.b.demo: the registry lists it, with 1 endpoint: 10.42.0.2:20880",
      "Synced: The operator has read all of zookeeper and watches it for changes.",
      "Applied: The operator has written the ServiceEntries in demo as planned.",
    ]);
    expect(world.hubController.changes()[0]).toMatchObject({ hub: hubKey, registry: "zookeeper", seq: 1 });
  });

  test("an instance that comes, and one that goes, and since when it has been missing", async () => {
    const world = await openSettled();
    const since = last(world);
    world.registry().lists({ ...two, "demo.A": ["10.42.0.1:20880", "10.42.0.9:20880"] });
    await world.advance(1 * second);
    const goneAt = world.clock.now();
    world.registry().lists(two);
    await world.advance(1 * second);
    expect(told(world, since)).toEqual([
      "EndpointAdded demo/demo.a.demo 10.42.0.9:20880: the registry lists it",
      "EndpointRemoved demo/demo.a.demo 10.42.0.9:20880: not listed since T",
    ]);
    const { at = "", why = "", hub: whose } = world.hubController.changes().at(-1) ?? {};
    expect(whose).toBe(hubKey);
    expect(Math.abs(Date.parse(why.split(" ").at(-1) ?? "") - goneAt)).toBeLessThanOrEqual(1_000);
    expect(Date.parse(at) - goneAt).toBeLessThanOrEqual(1_000);
  });

  test("many endpoints of one write by ten lines, and how many more there are", async () => {
    const world = await openSettled();
    const since = last(world);
    const many = Array.from({ length: 47 }, (_, at) => `10.42.1.${at + 1}:20880`);
    world.registry().lists({ ...two, "demo.A": ["10.42.0.1:20880", ...many] });
    await world.advance(1 * second);
    const lines = told(world, since);
    expect(lines).toHaveLength(11);
    expect(lines.at(-1)).toBe("EndpointAdded demo/demo.a.demo: and 37 more");
  });

  test("the last instance of a service: the endpoint, that it is empty, and later that it is deleted", async () => {
    const world = await openSettled();
    const since = last(world);
    world.registry().remove("demo.A");
    await world.advance(1 * second);
    await world.advance(11 * minute);
    expect(told(world, since)).toEqual([
      "EndpointRemoved demo/demo.a.demo 10.42.0.1:20880: not listed since T",
      "Emptied demo/demo.a.demo: not listed since T",
      "Deleted demo/demo.a.demo: it has been empty since T",
    ]);
  });

  test("a hold, its release and what goes then, with the time at which it went missing", async () => {
    const world = await openSettled({ services: ten });
    const since = last(world);
    const missingAt = world.clock.now();
    world.registry().lists(without(ten, 4));
    await world.advance(1 * minute);
    expect(told(world, since).toSorted()).toEqual([
      ...[0, 1, 2, 3].map(
        (at) =>
          `Held demo/demo.s${at}.demo: 1 of its endpoints: many services vanished at once, hold until T`,
      ),
      expect.stringMatching(/^Shrunk: many services lost their last instance at once/),
    ]);
    expect(eventsOf(world).filter((one) => one.endsWith(": Held"))).toHaveLength(4);
    const held = last(world);
    const until = statusOf(world).hold?.until ?? "";
    world.person.edit("registryhubs", hubKey, (object) => ({
      ...object,
      metadata: { ...object.metadata, annotations: { [annotations.releaseHold]: until } },
    }));
    await world.advance(2 * second);
    const after = told(world, held);
    expect(after.filter((one) => one.includes("demo.s0.demo"))).toEqual([
      "Released demo/demo.s0.demo: the hold is over, so what is not listed goes",
      "EndpointRemoved demo/demo.s0.demo 10.42.0.1:20880: not listed since T",
      "Emptied demo/demo.s0.demo: not listed since T",
    ]);
    expect(after.filter((one) => one.startsWith("HoldReleased: "))).toHaveLength(1);
    const removal = world.hubController.changes().find(({ what }) => what === "EndpointRemoved");
    expect(Math.abs(Date.parse(removal?.why.split(" ").at(-1) ?? "") - missingAt)).toBeLessThan(2_000);
  });

  test("a hold that the registry ends, because it lists the instances again", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 4));
    await world.advance(1 * minute);
    const held = last(world);
    world.registry().lists(ten);
    await world.advance(1 * second);
    expect(told(world, held).filter((one) => one.includes("demo.s0.demo"))).toEqual([
      "Released demo/demo.s0.demo: nothing is missing any more",
    ]);
  });

  test("a loss of everything by few lines, and few Events", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 200 }, (_, at) => [`demo.S${at}`, [`10.42.1.${at + 1}:20880`]]),
    );
    const world = await openSettled({ services: many });
    const since = last(world);
    world.registry().lists({});
    await world.advance(1 * minute);
    const lines = told(world, since);
    expect(lines.filter((one) => one.startsWith("Held "))).toHaveLength(20);
    expect(lines).toContain("Held: so are more services of the hub");
    expect(eventsOf(world).filter((one) => one.endsWith(": Held")).length).toBeLessThan(20);
    world.registry().lists(many);
    await world.advance(1 * second);
    expect(told(world, since).filter((one) => one.startsWith("Released "))).toHaveLength(20);
  });

  test("an entry that somebody deleted, and one that somebody edited", async () => {
    const world = await openSettled();
    const since = last(world);
    const key = `${home}/aeraki-demo-a-demo`;
    world.person.delete("serviceentries", key);
    await world.advance(1 * second);
    world.person.edit("serviceentries", key, (object) => ({
      ...object,
      spec: { ...object.spec, endpoints: [] },
    }));
    await world.advance(10 * second);
    expect(told(world, since)).toEqual([
      "Repaired demo/demo.a.demo: somebody had deleted the ServiceEntry",
      "EndpointAdded demo/demo.a.demo 10.42.0.1:20880: another writer had taken it out",
      "Repaired demo/demo.a.demo: edited by another writer, whom metadata.managedFields of the entry names",
    ]);
  });

  test("a hub that is deleted: its entries, and what they had", async () => {
    const world = await openSettled();
    const since = last(world);
    world.person.delete("registryhubs", hubKey);
    await world.advance(2 * minute);
    expect(told(world, since)).toEqual([
      "Deleted demo/demo.a.demo: deleted: RegistryHub demo/hub; it had 1 endpoint: 10.42.0.1:20880",
      "Deleted demo/demo.b.demo: deleted: RegistryHub demo/hub; it had 1 endpoint: 10.42.0.2:20880",
    ]);
    expect(world.hubController.changes().at(-1)?.hub).toBe(hubKey);
  });

  test.each([
    [
      "selector",
      { instances: { selector: { matchLabels: { env: "blue" } } } },
      "EndpointRemoved demo/demo.a.demo 10.42.0.9:20880: not listed, or left out by spec.instances.selector, since T or earlier",
    ],
    [
      "services",
      { services: { exclude: ["demo.B"] } },
      "EndpointRemoved demo/demo.b.demo 10.42.0.2:20880: out of spec.services of the hub",
    ],
    [
      "target",
      { generate_to: "other" },
      "EndpointRemoved demo/demo.a.demo 10.42.0.1:20880: the hub writes to namespace other now",
    ],
  ])("an edit of the hub's %s", async (_, spec, line) => {
    const of = (env: string, address: string) => instanceAt(address, "dubbo", { facts: { env } });
    const services = {
      "demo.A": [of("blue", "10.42.0.1:20880"), of("gray", "10.42.0.9:20880")],
      "demo.B": [of("blue", "10.42.0.2:20880")],
    };
    const world = await openSettled({ services });
    world.person.createNamespace("other");
    const since = last(world);
    edit(world, spec);
    await world.advance(4 * minute);
    expect(told(world, since).filter((one) => one === line)).toHaveLength(1);
  });

  test("another weight, and a second hub that lists the same", async () => {
    const world = await openSettled();
    const since = last(world);
    world.registry().lists({ ...two, "demo.A": [instanceAt("10.42.0.1:20880", "dubbo", { weight: 0.2 })] });
    await world.advance(1 * second);
    world.registry("other:2181").lists({ "demo.A": ["10.42.0.1:20880"] });
    world.person.put(hub({ address: "other:2181" }, { name: "hub2" }));
    await world.advance(1 * second);
    expect(told(world, since).filter((one) => one.includes("demo.a.demo"))).toEqual([
      "EndpointChanged demo/demo.a.demo 10.42.0.1:20880: weight 1 → 0.2",
      "EndpointChanged demo/demo.a.demo 10.42.0.1:20880: demo/hub2 lists it as well",
      "Changed demo/demo.a.demo: other hubs",
    ]);
  });

  test("a registry that is lost, and found again", async () => {
    const world = await openSettled();
    const since = last(world);
    world.registry().fail("RegistryUnauthorized", "no right");
    await world.advance(1 * minute);
    world.registry().heal();
    await world.advance(2 * minute);
    expect(told(world, since).map((one) => one.split(":")[0])).toEqual(["RegistryUnauthorized", "Synced"]);
  });
});

describe("in a hold the history tells of", () => {
  const inHold = async (): Promise<{ readonly world: World; readonly since: number }> => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 4));
    await world.advance(1 * minute);
    return { world, since: last(world) };
  };
  const entry = `${home}/aeraki-demo-s0-demo`;
  const ofHost = (lines: readonly string[]) => lines.filter((one) => one.includes("demo.s0.demo"));

  test.each([{ suspend: true }, { policy: "observe" as const }])(
    "nothing that ends it, when the hub gets %j: what is held stays",
    async (spec) => {
      const { world, since } = await inHold();
      edit(world, spec);
      await world.advance(2 * minute);
      expect(told(world, since)).toEqual([]);
      expect(eventsOf(world).filter((one) => one.endsWith("HoldEnded"))).toEqual([]);
    },
  );

  test("nothing that ends it, while the registry cannot be read: what is held stays", async () => {
    const { world, since } = await inHold();
    world.registry().fail("RegistryUnreachable", "gone");
    await world.advance(10 * minute);
    expect(told(world, since)).toEqual([expect.stringMatching(/^RegistryUnreachable: /)]);
    expect(eventsOf(world).filter((one) => one.endsWith("HoldEnded"))).toEqual([]);
  });

  test("what goes after the hub was suspended, and that it may have been missing before", async () => {
    const { world } = await inHold();
    edit(world, { suspend: true });
    await world.advance(2 * minute);
    const resumedAt = world.clock.now();
    edit(world, { suspend: false });
    await world.advance(5 * minute);
    const removal = world.hubController.changes().find(({ what }) => what === "EndpointRemoved");
    const [, at = "", more] = /^not listed since (\S+)( or earlier)?$/.exec(removal?.why ?? "") ?? [];
    expect(more).toBe(" or earlier");
    expect(Math.abs(Date.parse(at) - resumedAt)).toBeLessThan(2_000);
  });

  test("an entry that somebody deletes, once, and that it does not come back", async () => {
    const { world, since } = await inHold();
    world.person.delete("serviceentries", entry);
    await world.advance(30 * minute);
    expect(ofHost(told(world, since))).toEqual([
      "Deleted demo/demo.s0.demo: somebody deleted the ServiceEntry, and it does not come back: the registry does not list its service; it had 1 endpoint: 10.42.0.1:20880",
    ]);
  });

  test("an endpoint that somebody takes out", async () => {
    const { world, since } = await inHold();
    world.person.edit("serviceentries", entry, (object) => ({
      ...object,
      spec: { ...object.spec, endpoints: [] },
    }));
    await world.advance(1 * minute);
    expect(ofHost(told(world, since))).toEqual([
      "EndpointRemoved demo/demo.s0.demo 10.42.0.1:20880: another writer took it out, and the registry does not list it",
      "Emptied demo/demo.s0.demo: another writer had taken out its endpoints",
    ]);
  });

  test("no release by a new hub of the name of one that was deleted", async () => {
    const { world, since } = await inHold();
    world.person.delete("registryhubs", hubKey);
    await world.advance(3 * minute);
    world.registry().lists(ten);
    world.person.put(hub());
    await world.advance(3 * minute);
    expect(told(world, since).filter((one) => one.startsWith("Released"))).toEqual([]);
  });

  test("a release that could not be written before the instances came back", async () => {
    const { world, since } = await inHold();
    const end = world.api.refuse({ resource: "serviceentries", verb: "patch" }, () =>
      deniedByWebhook("not now"),
    );
    await world.advance(5 * minute);
    world.registry().lists(ten);
    await world.advance(1 * second);
    end();
    await world.advance(5 * minute);
    world.registry().lists(without(ten, 1));
    const goneAt = world.clock.now();
    await world.advance(2 * second);
    expect(ofHost(told(world, since))).toEqual([
      "Released demo/demo.s0.demo: the hold is over, so what is not listed goes",
      "Released demo/demo.s0.demo: nothing is missing any more",
      "EndpointRemoved demo/demo.s0.demo 10.42.0.1:20880: not listed since T",
      "Emptied demo/demo.s0.demo: not listed since T",
    ]);
    const { why = "" } = world.hubController.changes().at(-1) ?? {};
    expect(Math.abs(Date.parse(why.split(" ").at(-1) ?? "") - goneAt)).toBeLessThan(2_000);
  });
});

describe("of several hubs the history tells", () => {
  const openTwoHubs = async (): Promise<World> => {
    const world = await openSettled();
    world.registry("other:2181").lists({ "demo.A": ["10.42.0.1:20880"] });
    world.person.put(hub({ address: "other:2181" }, { name: "hub2" }));
    await world.advance(2 * minute);
    return world;
  };

  test("of the one that is deleted, by its name", async () => {
    const world = await openTwoHubs();
    const since = last(world);
    world.person.delete("registryhubs", "demo/hub2");
    await world.advance(3 * minute);
    expect(told(world, since)).toEqual([
      "EndpointChanged demo/demo.a.demo 10.42.0.1:20880: demo/hub2 is deleted",
      "Changed demo/demo.a.demo: other hubs",
    ]);
    expect(world.hubController.changes().find(({ seq }) => seq === since + 1)?.hub).toBe("demo/hub2");
  });

  test("each of what is of both", async () => {
    const world = await openTwoHubs();
    const since = last(world);
    const goUp = world.api.goDown();
    world.registry("other:2181").lists({});
    world.registry().remove("demo.A");
    await world.advance(2 * second);
    goUp();
    await world.advance(1 * minute);
    const removal = world.hubController
      .changes()
      .find(({ seq, what }) => seq > since && what === "EndpointRemoved");
    expect(removal).toMatchObject({ hub: hubKey, others: ["demo/hub2"] });
  });
});

test("an entry that somebody deletes while its hub is suspended is told, and that it comes back later", async () => {
  const world = await openSettled();
  edit(world, { suspend: true });
  await world.advance(1 * minute);
  const since = last(world);
  world.person.delete("serviceentries", `${home}/aeraki-demo-a-demo`);
  await world.advance(5 * minute);
  edit(world, { suspend: false });
  await world.advance(5 * minute);
  expect(told(world, since).filter((one) => one.includes("demo.a.demo"))).toEqual([
    "Deleted demo/demo.a.demo: somebody deleted the ServiceEntry, and it does not come back: its hub is suspended; it had 1 endpoint: 10.42.0.1:20880",
    "Repaired demo/demo.a.demo: somebody had deleted the ServiceEntry",
  ]);
});

describe("the history tells nothing", () => {
  test("of a write that the API server refused, until it is done", async () => {
    const world = await openSettled();
    const since = last(world);
    const goUp = world.api.goDown();
    world.registry().lists({ ...two, "demo.C": ["10.42.0.3:20880"] });
    await world.advance(10 * second);
    expect(told(world, since).filter((one) => one.startsWith("Created"))).toEqual([]);
    goUp();
    await world.advance(2 * minute);
    expect(told(world, since).filter((one) => one.startsWith("Created"))).toHaveLength(1);
  });

  test("of a restart on a world that has not changed", async () => {
    const world = await openSettled();
    await world.hubController.restart();
    await world.advance(2 * minute);
    expect(told(world)).toEqual([]);
  });

  test("again of a hold that goes on, but a restart tells its own history of it", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 4));
    await world.advance(1 * minute);
    const events = eventsOf(world);
    await world.hubController.restart();
    await world.advance(1 * minute);
    expect(told(world).filter((one) => one.startsWith("Held "))).toHaveLength(8);
    expect(eventsOf(world)).toEqual(events);
  });

  test("of a hub that is suspended", async () => {
    const world = await openSettled();
    const since = last(world);
    edit(world, { suspend: true });
    await world.advance(2 * minute);
    expect(told(world, since)).toEqual([]);
  });

  test("of a hub that only observes", async () => {
    const world = openWorld();
    world.registry().lists(two);
    world.person.put(hub({ policy: "observe" }));
    await world.hubController.start();
    await world.advance(2 * minute);
    expect(told(world).map((one) => one.split(":")[0])).toEqual(["Synced"]);
  });
});
