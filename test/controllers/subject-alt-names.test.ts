import { describe, expect, test } from "vitest";
import type { RegistryHub } from "../../src/model/registryhub.ts";
import { entryOf } from "./looks.ts";
import { edit, openSettled } from "./scenes.ts";
import { home, hub, minute, second, type World } from "./world.ts";

const one = { "demo.A": ["10.42.0.1:20880"] };
const [a, b, c] = ["a", "b", "c"].map((name) => `spiffe://c/ns/shop/sa/${name}`) as [string, string, string];
const other = "zk2:2181";

const names = (world: World): unknown => entryOf(world, "demo.A")?.spec.subjectAltNames;
const editOther = (world: World, spec: Partial<RegistryHub["spec"]>): unknown =>
  world.person.edit("registryhubs", `${home}/other`, (object) => ({
    ...object,
    spec: { ...object.spec, ...spec },
  }));

/** Two hubs that share an entry: one names b, the other a and has an endpoint of its own. */
async function openWithTwo(): Promise<World> {
  const world = await openSettled({ services: one, spec: { subjectAltNames: [b] } });
  world.registry(other).lists({ "demo.A": ["10.42.0.1:20880", "10.42.0.2:20880"] });
  world.person.put(hub({ address: other, subjectAltNames: [a] }, { name: "other" }));
  await world.advance(2 * minute);
  return world;
}

describe("subjectAltNames of an entry", () => {
  test("are those of all its hubs together, and go with the last that names them", async () => {
    const world = await openWithTwo();
    expect(names(world)).toEqual([a, b]);
    world.person.delete("registryhubs", `${home}/other`);
    await world.advance(3 * minute);
    expect(names(world)).toEqual([b]);
    edit(world, { subjectAltNames: [] });
    await world.advance(2 * second);
    expect(names(world)).toBeUndefined();
  });

  test("follow each edit of each hub", async () => {
    const world = await openWithTwo();
    editOther(world, { subjectAltNames: [c] });
    await world.advance(2 * second);
    expect(names(world)).toEqual([b, c]);
    edit(world, { subjectAltNames: [] });
    await world.advance(2 * second);
    expect(names(world)).toEqual([c]);
    editOther(world, { subjectAltNames: [] });
    await world.advance(2 * second);
    expect(names(world)).toBeUndefined();
  });

  test.each<[string, (world: World) => unknown]>([
    ["is missing", ({ person }) => person.delete("registryhubs", `${home}/other`)],
    ["is suspended", (world) => editOther(world, { suspend: true })],
    ["cannot be read", (world) => editOther(world, { type: "Eureka" as never })],
    ["has lost its registry", (world) => world.registry(other).fail()],
  ])("keep those of a hub that %s, whatever the other one says, and over a restart", async (_, lose) => {
    const world = await openWithTwo();
    lose(world);
    await world.advance(10 * second);
    edit(world, { subjectAltNames: [c] });
    await world.advance(10 * second);
    expect(names(world)).toEqual(expect.arrayContaining([a, c]));
    await world.hubController.restart();
    await world.advance(10 * second);
    expect(names(world)).toEqual(expect.arrayContaining([a, c]));
  });

  test("shrink once a hub that could not be read can be, and names none", async () => {
    const world = await openWithTwo();
    editOther(world, { type: "Eureka" as never });
    await world.advance(1 * minute);
    edit(world, { subjectAltNames: [c] });
    await world.advance(10 * second);
    editOther(world, { type: "zookeeper", subjectAltNames: [] });
    await world.advance(2 * minute);
    expect(names(world)).toEqual([c]);
  });
});
