import { describe, expect, test } from "vitest";
import { instanceAt, type Listed } from "../fakes/registries.ts";
import { addressesOf, entryOf, said, statusOf } from "./looks.ts";
import { edit, openSettled } from "./scenes.ts";
import { minute, second } from "./world.ts";

const of = (env: string, ...addresses: string[]): Listed =>
  addresses.map((address) => instanceAt(address, "dubbo", { facts: { env } }));
const [blue, gray] = [of("blue", "10.42.0.1:20880", "10.42.0.2:20880"), of("gray", "10.42.0.3:20880")];
const both = [blue, gray].flat() as Listed;
const only = (env: string) => ({ instances: { selector: { matchLabels: { env } } } });

describe("a selector of instances", () => {
  test("leaves out the others, which are counted and no problem; their registry is asked for its keys", async () => {
    const world = await openSettled({ services: { "demo.A": both }, spec: only("gray") });
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.3:20880"]);
    expect(statusOf(world)).toMatchObject({ services: 1, endpoints: 1, excluded: 2, problems: [] });
    expect(world.registry().opened.at(-1)).toMatchObject({ keys: ["env"] });
  });

  test("that is edited settles anew before anything goes, and then the rest leaves", async () => {
    const world = await openSettled({ services: { "demo.A": both } });
    expect(statusOf(world)).not.toHaveProperty("excluded");
    edit(world, only("gray"));
    await world.advance(50 * second);
    expect(addressesOf(world, "demo.A")).toHaveLength(3);
    await world.advance(1 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.3:20880"]);
    edit(world, { instances: {} });
    await world.advance(5 * second);
    expect(addressesOf(world, "demo.A")).toHaveLength(3);
  });

  test("that leaves out everything is braked", async () => {
    const services = Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`demo.S${at}`, blue]));
    const world = await openSettled({ services });
    edit(world, only("gray"));
    await world.advance(2 * minute);
    expect(said(world)).toMatchObject({ DeletionHeld: "True Shrunk" });
    expect(addressesOf(world, "demo.S0")).toHaveLength(2);
    await world.advance(10 * minute);
    expect(addressesOf(world, "demo.S0")).toEqual([]);
  });

  test("never judges what is held: after a restart in an outage everything stays", async () => {
    const world = await openSettled({ services: { "demo.A": both } });
    world.registry().fail();
    edit(world, only("gray"));
    await world.hubController.restart();
    await world.advance(30 * minute);
    expect(addressesOf(world, "demo.A")).toHaveLength(3);
  });
});

test("labels that are asked for are on the endpoints", async () => {
  const world = await openSettled({ services: { "demo.A": both } });
  edit(world, { instances: { labels: ["env"] } });
  await world.advance(5 * second);
  expect(entryOf(world, "demo.A")?.spec.endpoints?.map(({ labels }) => labels?.env)).toEqual([
    "blue",
    "blue",
    "gray",
  ]);
});
