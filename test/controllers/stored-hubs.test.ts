import { describe, expect, test } from "vitest";
import { addressesOf, listedHosts, said } from "./looks.ts";
import { hostsOf, openSettled, two } from "./scenes.ts";
import { hour, hub, hubKey, minute, openWorld, second, type World } from "./world.ts";

// A new CRD does not apply to stored objects, so an older or a newer one may have accepted hubs that this version cannot use.

const eureka = { type: "Eureka" as never };
const innocent = hub({ address: "other:2181" }, { name: "innocent" });

/** Changes fields of the hub's spec, as a CRD that allows everything would. */
function edit(world: World, spec: object): void {
  world.person.edit("registryhubs", hubKey, (object) => ({ ...object, spec: { ...object.spec, ...spec } }));
}

describe("a hub that cannot be read", () => {
  test.each<[string, object]>([
    ["a type of another version", { spec: { ...hub().spec, ...eureka } }],
    ["no address", { spec: { ...hub().spec, address: undefined } }],
    ["no generate_to", { spec: { ...hub().spec, generate_to: undefined } }],
    ["a list for a text", { spec: { ...hub().spec, address: ["zk:2181"] } }],
    ["no spec", { spec: undefined }],
  ])("leaves every other hub to work: %s", async (_, odd) => {
    const world = openWorld();
    world.registry("other:2181").lists(two);
    world.person.put({ ...hub(), ...odd });
    world.person.put(innocent);
    await world.hubController.start();
    await world.advance(5 * second);
    expect(said(world, "demo/innocent")).toMatchObject({ phase: "success" });
    expect(listedHosts(world)).toEqual(hostsOf(two));
  });

  test("connects nowhere, and its entries stay for hours and over a restart", async () => {
    const world = await openSettled();
    edit(world, eureka);
    await world.advance(1 * minute);
    expect(world.registry().isWatched).toBe(false);
    world.registry().lists({});
    await world.advance(3 * hour);
    await world.hubController.restart();
    await world.advance(1 * hour);
    expect(listedHosts(world)).toEqual(hostsOf(two));
  });

  test("works as soon as an edit makes it readable", async () => {
    const world = await openSettled();
    edit(world, eureka);
    await world.advance(1 * minute);
    world.registry().set("demo.A", ["10.42.0.9:20880"]);
    edit(world, { type: "zookeeper" });
    await world.advance(2 * second);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
    expect(addressesOf(world, "demo.A")).toContain("10.42.0.9:20880");
    await world.advance(2 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
  });

  test("loses its entries when it is deleted", async () => {
    const world = await openSettled();
    edit(world, eureka);
    await world.advance(1 * minute);
    world.person.delete("registryhubs", hubKey);
    await world.advance(10 * minute);
    expect(listedHosts(world)).toEqual([]);
  });
});
