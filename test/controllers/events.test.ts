import { describe, expect, test } from "vitest";
import { annotations } from "../../src/model/labels.ts";
import { eventsOf, said, statusOf } from "./looks.ts";
import { edit, openSettled, ten, two, without } from "./scenes.ts";
import { home, hub, hubKey, minute, openWorld, second, type World } from "./world.ts";

/** What `kubectl describe` shows of a hub, sorted: "<type> <reason> x<count>". */
const eventsOfHub = ({ person }: World): readonly string[] =>
  person
    .list("events", home)
    .filter(({ involvedObject }) => involvedObject.kind === "RegistryHub")
    .map(({ type, reason, count }) => [type, reason, `x${String(count)}`].join(" "))
    .toSorted();

const begun = ["Normal Applied x1", "Normal Synced x1"];

describe("the Events of a hub", () => {
  test("tell when its registry was lost, and found again, once each", async () => {
    const world = await openSettled();
    expect(eventsOfHub(world)).toEqual(begun);
    world.registry().fail("RegistryUnauthorized", "no right");
    await world.advance(3 * minute);
    expect(eventsOfHub(world)).toEqual([...begun, "Warning RegistryUnauthorized x1"]);
    world.registry().heal();
    await world.advance(2 * minute);
    expect(eventsOfHub(world)).toEqual([
      "Normal Applied x1",
      "Normal Synced x2",
      "Warning RegistryUnauthorized x1",
    ]);
  });

  test("of a registry that comes and goes are two, which count", async () => {
    const world = await openSettled();
    const before = world.api.writes({ resource: "events" }).length;
    for (let round = 0; round < 10; round++) {
      world.registry().fail();
      await world.advance(10 * second);
      world.registry().heal();
      await world.advance(50 * second);
    }
    expect(eventsOfHub(world)).toEqual([
      "Normal Applied x1",
      "Normal Synced x11",
      "Warning RegistryUnreachable x10",
    ]);
    expect(world.api.writes({ resource: "events" }).length - before).toBeLessThanOrEqual(20);
  });

  test.each([
    ["well", () => undefined],
    ["without its registry", (world: World) => world.registry().fail()],
    ["in a hold", (world: World) => world.registry().lists({})],
  ])("are not told again by a restart on a world that is %s", async (_, befall) => {
    const world = await openSettled({ services: ten });
    befall(world);
    await world.advance(1 * minute);
    const before = eventsOfHub(world);
    const status = said(world);
    await world.hubController.restart();
    await world.advance(1 * minute);
    expect(said(world)).toEqual(status);
    expect(eventsOfHub(world)).toEqual(before);
  });

  test("tell that the Secret is invalid, and never what is in it", async () => {
    const world = openWorld();
    world.registry().lists(two);
    world.person.put(hub({ secretRef: { name: "login" } }));
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(eventsOfHub(world)).toContain("Warning SecretInvalid x1");
    world.person.put({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace: home, name: "login" },
      data: { username: "aHVudGVy", password: "aHVudGVyMg==" }, // hunter, hunter2
    });
    await world.advance(1 * minute);
    expect(eventsOfHub(world)).toContain("Normal Synced x1");
    expect(JSON.stringify(world.person.list("events", home))).not.toMatch(/hunter|aHVudGVy/);
  });

  test("tell that the target is not allowed, and when it is", async () => {
    const world = openWorld();
    world.registry().lists(two);
    world.person.createNamespace("target");
    world.person.put(hub({ generate_to: "target" }));
    await world.hubController.start({ allowCrossNamespace: false });
    await world.advance(1 * minute);
    expect(eventsOfHub(world)).toContain("Warning NamespaceNotAllowed x1");
    world.person.edit("namespaces", "target", (object) => ({
      ...object,
      metadata: { ...object.metadata, annotations: { [annotations.allowFrom]: home } },
    }));
    await world.advance(1 * minute);
    expect(eventsOfHub(world)).toContain("Normal Applied x1");
  });

  test("tell when a hold began and ended", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 4));
    await world.advance(4 * minute);
    expect(eventsOfHub(world)).toEqual([...begun, "Warning Shrunk x1"]);
    await world.advance(2 * minute);
    expect(eventsOfHub(world)).toEqual([
      "Normal Applied x2",
      "Normal HoldEnded x1",
      "Normal Synced x1",
      "Warning Shrunk x1",
    ]);
  });

  test("tell when its owner released a hold", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists(without(ten, 4));
    await world.advance(1 * minute);
    const until = statusOf(world).hold?.until ?? "";
    world.person.edit("registryhubs", hubKey, (object) => ({
      ...object,
      metadata: { ...object.metadata, annotations: { [annotations.releaseHold]: until } },
    }));
    await world.advance(2 * second);
    expect(eventsOfHub(world)).toEqual([
      "Normal Applied x2",
      "Normal HoldReleased x1",
      "Normal Synced x1",
      "Warning Shrunk x1",
    ]);
  });

  test("of a hub that was moved to another registry tell of that one only", async () => {
    const world = await openSettled();
    world.registry("other:2181").lists(two);
    edit(world, { address: "other:2181" });
    await world.advance(2 * minute);
    expect(eventsOfHub(world)).toEqual(["Normal Applied x2", "Normal Synced x2"]);
  });
});

describe("the Events of a ServiceEntry", () => {
  test("tell when it lost its last endpoint, and that it is deleted, and why", async () => {
    const world = await openSettled();
    world.registry().remove("demo.A");
    await world.advance(1 * second);
    expect(eventsOf(world)).toContain("ServiceEntry aeraki-demo-a-demo: Emptied");
    expect(eventsOf(world)).not.toContain("ServiceEntry aeraki-demo-a-demo: Deleted");
    await world.advance(10 * minute);
    expect(eventsOf(world)).toContain("ServiceEntry aeraki-demo-a-demo: Deleted");
    expect(eventsOf(world).filter((one) => one.includes("demo-b"))).toEqual([]);
  });

  test("leave room for those of hubs, however many services go at once", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 200 }, (_, at) => [`demo.S${at}`, [`10.42.1.${at + 1}:20880`]]),
    );
    const world = await openSettled({ services: many, options: { shrinkHoldMs: second } });
    world.registry().lists({});
    await world.advance(10 * second);
    expect(eventsOf(world).filter((one) => one.endsWith(": Emptied")).length).toBeLessThan(10);
    world.registry().fail("RegistryUnauthorized", "no right");
    await world.advance(10 * second);
    expect(eventsOf(world)).toContain("RegistryHub hub: RegistryUnauthorized");
  });
});
