import { describe, expect, test } from "vitest";
import { eventsOf, listedHosts, messageOf, said, statusOf } from "./looks.ts";
import { hub, minute, openWorld, second, type World } from "./world.ts";

const names = Array.from({ length: 10 }, (_, at) => `demo.S${at}`);
const all = Object.fromEntries(names.map((name, at) => [name, [`10.42.0.${at + 1}:20880`]]));
const hosts = names.map((name) => `${name.toLowerCase()}.demo`);

/** Ten services with one instance each, settled. */
async function openTen(): Promise<World> {
  const world = openWorld();
  world.registry().lists(all);
  world.person.put(hub());
  await world.hubController.start();
  await world.advance(2 * minute);
  return world;
}

/** All but the first `count` services. */
const without = (count: number): typeof all => Object.fromEntries(Object.entries(all).slice(count));

describe("the brake", () => {
  test("keeps the last instance of each of many services that vanish at once, for 5 minutes, and tells", async () => {
    const world = await openTen();
    world.registry().lists(without(4));
    await world.advance(5 * minute - second);
    expect(listedHosts(world)).toEqual(hosts);
    expect(said(world)).toMatchObject({ phase: "success", DeletionHeld: "True Shrunk", Ready: "True Ready" });
    expect(statusOf(world).hold).toMatchObject({ services: 4, endpoints: 4 });
    expect(messageOf(world, "DeletionHeld")).toContain("keeps those instances until status.hold.until");
    expect(eventsOf(world)).toEqual(["RegistryHub hub: Shrunk"]);
    await world.advance(2 * second);
    expect(listedHosts(world)).toEqual(hosts.slice(4));
    expect(said(world)).toMatchObject({ DeletionHeld: "False NothingHeld" });
    expect(statusOf(world).hold).toBeUndefined();
  });
});
