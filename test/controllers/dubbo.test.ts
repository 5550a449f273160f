import { describe, expect, test } from "vitest";
import { entryOf, filtersOf } from "./looks.ts";
import { hub, openWorld, second, type World } from "./world.ts";

/** Both controllers, a hub and one Dubbo service. */
async function openRouted(): Promise<World> {
  const world = openWorld();
  world.registry().lists({ "demo.A": ["10.42.0.1:20880"] });
  world.person.put(hub());
  await world.hubController.start();
  await world.dubboController.start();
  await world.advance(second);
  return world;
}

describe("filters", () => {
  test("a Dubbo entry has its outbound filter, and its port one buffer filter", async () => {
    const world = await openRouted();
    const [vip] = entryOf(world, "demo.A")?.spec.addresses ?? [];
    expect(filtersOf(world)).toEqual([
      `aeraki-outbound-buffer-20880`,
      `aeraki-outbound-demo.a.demo-${vip}-20880`,
    ]);
  });
});
