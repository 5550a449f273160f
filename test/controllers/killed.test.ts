import { expect, test } from "vitest";
import { addressesOf, filtersOf, said, writesSince } from "./looks.ts";
import { hub, minute, openWorld, second, type World } from "./world.ts";

/** As `kill -9` of both controllers at the moment of some write: neither it nor any later request of theirs is served or answered. */
function killedAt(world: World, write: number): () => Promise<void> {
  let seen = 0;
  const end = world.api.intercept((request, next) => {
    if (!["get", "list", "watch"].includes(request.verb)) seen += 1;
    return seen >= write ? new Promise(() => undefined) : next();
  });
  return async () => {
    await world.hubController.stop();
    await world.dubboController.stop();
    end();
  };
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  "controllers that are killed at write %i of a change end where others would have",
  async (write) => {
    const world = openWorld();
    world.registry().lists({ "demo.A": ["10.42.0.1:20880"], "demo.B": ["10.42.0.2:20881"] });
    world.person.put(hub());
    const kill = killedAt(world, write);
    await world.hubController.start();
    await world.dubboController.start();
    await world.advance(5 * second);
    await kill();
    await world.hubController.start();
    await world.dubboController.start();
    await world.advance(2 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880"]);
    expect(addressesOf(world, "demo.B")).toEqual(["10.42.0.2:20881"]);
    expect(world.person.list("serviceentries")).toHaveLength(2);
    expect(filtersOf(world)).toHaveLength(4);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
    const before = world.writes().length;
    await world.hubController.restart();
    await world.dubboController.restart();
    await world.advance(20 * minute);
    expect(writesSince(world, before)).toEqual([]);
  },
);
