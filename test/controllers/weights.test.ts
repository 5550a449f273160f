import { describe, expect, test } from "vitest";
import { instanceAt, type Listed } from "../fakes/registries.ts";
import { entryOf, statusOf, writesSince } from "./looks.ts";
import { edit, openSettled } from "./scenes.ts";
import { hub, minute, openWorld, second, type World } from "./world.ts";

const [stable, canary] = ["10.42.0.1:20880", "10.42.0.2:20880"];
const weighted = (weight: number): Listed => [stable, instanceAt(canary, "dubbo", { weight })];
const weightsOf = (world: World): readonly unknown[] | undefined =>
  entryOf(world, "demo.A")?.spec.endpoints?.map(({ weight }) => weight);
const problemsOf = (world: World): readonly string[] =>
  statusOf(world).problems.map(({ at, problem }) => `${at} ${problem.split(":")[0]}`);

describe("weights of a registry", () => {
  test("are those of the endpoints, and one write each", async () => {
    const world = await openSettled({ services: { "demo.A": weighted(0.5) } });
    expect(weightsOf(world)).toEqual([100, 50]);
    const before = world.writes().length;
    world.registry().lists({ "demo.A": weighted(3) });
    await world.advance(5 * minute);
    expect(weightsOf(world)).toEqual([100, 300]);
    world.registry().lists({ "demo.A": [stable, canary] });
    await world.advance(5 * minute);
    expect(weightsOf(world)).toEqual([undefined, undefined]);
    expect(writesSince(world, before).filter((one) => one.includes("serviceentries"))).toHaveLength(2);
    expect(problemsOf(world)).toEqual([]);
  });

  test("stay when the operator restarts and hears a younger hub first", async () => {
    const world = openWorld();
    world.registry("one:2181").lists({ "demo.A": weighted(0.5) });
    world.registry("other:2181").lists({ "demo.A": weighted(2) });
    world.person.put(hub({ address: "one:2181" }, { name: "one" }));
    await world.advance(1 * second);
    world.person.put(hub({ address: "other:2181" }, { name: "other" }));
    await world.hubController.start();
    await world.advance(5 * minute);
    expect(weightsOf(world)).toEqual([100, 50]);
    const before = world.writes().length;
    world.registry("one:2181").fail();
    await world.hubController.restart();
    await world.advance(5 * minute);
    world.registry("one:2181").heal();
    await world.advance(10 * minute);
    expect(writesSince(world, before).filter((write) => write.includes("serviceentries"))).toEqual([]);
  });

  test("do not count while the hub says so, and count again", async () => {
    const world = await openSettled({ services: { "demo.A": weighted(0.5) } });
    edit(world, { instances: { weights: false } });
    await world.advance(5 * second);
    expect(weightsOf(world)).toEqual([undefined, undefined]);
    edit(world, { instances: {} });
    await world.advance(5 * second);
    expect(weightsOf(world)).toEqual([100, 50]);
  });

  test("that differ are a warning where calls are balanced by connection, while they differ", async () => {
    const world = await openSettled({ services: { "demo.A": weighted(0.5) }, spec: { l7: false } });
    expect(problemsOf(world)).toEqual(["demo.a.demo WeightsApproximate"]);
    edit(world, { l7: true });
    await world.advance(5 * second);
    expect(problemsOf(world)).toEqual([]);
    edit(world, { l7: false });
    await world.advance(5 * second);
    world.registry().lists({ "demo.A": weighted(0.5), "demo.B": weighted(2), "demo.C": weighted(1.001) });
    await world.advance(5 * minute);
    expect(statusOf(world).problems).toMatchObject([
      { at: "demo.a.demo", problem: expect.stringMatching(/of those of 1 more hosts, differ/) as string },
    ]);
    world.registry().lists({ "demo.A": [stable, canary] });
    await world.advance(5 * minute);
    expect(problemsOf(world)).toEqual([]);
  });
});
