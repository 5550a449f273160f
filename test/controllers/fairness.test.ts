import { describe, expect, test } from "vitest";
import { addressesOf, listedHosts, said, writesSince } from "./looks.ts";
import { home, hub, minute, openWorld, second, type World } from "./world.ts";

const crowd = "crowd";

/** So many services with one instance each. */
const services = (count: number, third = 0) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, at) => [`big.S${at}`, [`10.42.${third}.${at % 250}:20880`]]),
  );

/** Hub A writes into `crowd` and lists so many services, hub B writes into `home` and lists one. */
async function openNeighbours(count: number): Promise<World> {
  const world = openWorld();
  world.person.createNamespace(crowd);
  world.registry("big:2181").lists(services(count));
  world.registry().lists({ "demo.A": ["10.42.9.1:20880"] });
  world.person.put(hub());
  world.person.put(hub({ generate_to: crowd, address: "big:2181" }, { namespace: crowd, name: "big" }));
  return world;
}

const writesOfCrowd = { verb: "patch", resource: "serviceentries", namespace: crowd } as const;

describe("one namespace does not wait for another's", () => {
  test("writes that take 1 s each: the neighbour's one change is written at once (I3 a)", async () => {
    const world = await openNeighbours(400);
    world.api.slow(writesOfCrowd, 1 * second);
    await world.hubController.start();
    await world.advance(10 * second);
    expect(listedHosts(world, crowd).length).toBeGreaterThanOrEqual(72); // half of the 16 writers, always
    expect(listedHosts(world, crowd).length).toBeLessThanOrEqual(80);
    world.registry().lists({ "demo.A": ["10.42.9.1:20880", "10.42.9.2:20880"] });
    await world.settle();
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.9.1:20880", "10.42.9.2:20880"]);
  });

  test("changes of hundreds of services at each poll: the neighbour's one change is written at once (I3 b)", async () => {
    const world = await openNeighbours(300);
    await world.hubController.start();
    await world.advance(2 * minute);
    world.api.slow(writesOfCrowd, 100);
    for (let poll = 1; poll <= 3; poll++) {
      world.registry("big:2181").lists(services(300, poll));
      await world.advance(1 * second);
    }
    world.registry().lists({ "demo.A": ["10.42.9.1:20880", "10.42.9.2:20880"] });
    await world.settle();
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.9.1:20880", "10.42.9.2:20880"]);
  });

  test("who changes all the time has few writes in flight, and its last state arrives", async () => {
    const world = await openNeighbours(300);
    await world.hubController.start();
    await world.advance(2 * minute);
    world.api.slow(writesOfCrowd, 100);
    const inFlight = (): number =>
      world.api.writes(writesOfCrowd).filter(({ code }) => code === undefined).length;
    for (let poll = 1; poll <= 5; poll++) {
      world.registry("big:2181").lists(services(300, poll));
      world.registry().lists({ "demo.A": [`10.42.9.${poll}:20880`] });
      await world.advance(1 * second);
    }
    expect(inFlight()).toBe(2); // an eighth of 16
    await world.advance(20 * second);
    const last = Object.entries(services(300, 5));
    expect(last.map(([name]) => addressesOf(world, name, crowd))).toEqual(last.map(([, all]) => all));
  });

  test("within one namespace a change comes before all that is only looked at", async () => {
    const world = await openNeighbours(400);
    world.api.slow(writesOfCrowd, 1 * second);
    await world.hubController.start();
    await world.advance(5 * second);
    world.registry("big:2181").set("big.S0", ["10.42.0.0:20880", "10.42.8.8:20880"]);
    await world.advance(3 * second);
    expect(addressesOf(world, "big.S0", crowd)).toEqual(["10.42.0.0:20880", "10.42.8.8:20880"]);
  });
});

test("a status waits for hosts that wait for their writes, but not longer than a second", async () => {
  const world = await openNeighbours(400);
  world.api.slow(writesOfCrowd, 1 * second);
  await world.hubController.start();
  await world.advance(3 * second);
  expect(said(world, `${crowd}/big`)).toMatchObject({
    phase: "success",
    RegistrySynced: "True Synced",
    Applied: "Unknown Syncing",
  });
});

describe("looks at every host are cut into slices", () => {
  /** 100 settled services, and controllers to which each look at a host costs some milliseconds. */
  async function openBusy(): Promise<World> {
    const world = openWorld({ busyMs: 1 });
    world.registry().lists(services(100));
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(5 * minute);
    expect(listedHosts(world, home)).toHaveLength(100);
    expect(said(world)).toMatchObject({ Ready: "True Ready", DeletionHeld: "False NothingHeld" });
    return world;
  }

  test("and no status is made in the middle: a restart on an unchanged world writes nothing (I5)", async () => {
    const world = await openBusy();
    const before = world.writes().length;
    await world.hubController.restart();
    await world.advance(5 * minute);
    expect(writesSince(world, before)).toEqual([]);
  });

  test("nor is one after a list of the cluster was lost and is complete again", async () => {
    const world = await openBusy();
    const before = world.writes().length;
    for (const watch of world.api.watches("namespaces")) watch.end(new Error("the watch broke"));
    await world.advance(5 * minute);
    expect(writesSince(world, before)).toEqual([]);
  });
});
