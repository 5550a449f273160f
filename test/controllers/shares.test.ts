import { describe, expect, test } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import { instanceAt, type Listed } from "../fakes/registries.ts";
import { addressesOf, entryOf, said, statusOf, writesSince } from "./looks.ts";
import { edit, openSettled } from "./scenes.ts";
import { minute, second, type World } from "./world.ts";

const [one, two, new1] = ["10.42.0.1:20880", "10.42.0.2:20880", "10.42.0.3:20880"];
const both: Listed = [
  ...[one, two].map((address) => instanceAt(address, "dubbo", { facts: { tag: "stable" } })),
  instanceAt(new1, "dubbo", { facts: { tag: "gray" } }),
];
const canary = (percent: number) => ({
  instances: {
    shares: [{ name: "canary", selector: { matchLabels: { tag: "gray" } }, percent }],
  },
});
const endpointsOf = (world: World) => entryOf(world, "demo.A")?.spec.endpoints ?? [];
const weightsOf = (world: World): readonly unknown[] => endpointsOf(world).map(({ weight }) => weight);
const problemsOf = (world: World): readonly string[] =>
  statusOf(world).problems.map(({ at, problem }) => `${at} ${problem.split(":")[0]}`);

describe("shares", () => {
  test("dose a canary, which an edit moves within a second and without another listing, and takes back at once", async () => {
    const world = await openSettled({ services: { "demo.A": both }, spec: canary(5) });
    expect(weightsOf(world)).toEqual([142, 142, 15]);
    const labels = endpointsOf(world).map((endpoint) => endpoint.labels ?? {});
    expect(labels.map((of) => of["ecns.easystack.cn/share"])).toEqual([undefined, undefined, "canary"]);
    expect(labels.map((of) => of["ecns.easystack.cn/weight"])).toEqual(["1", "1", "1"]);
    const opened = world.registry().opened.length;
    const before = world.writes().length;
    edit(world, canary(50));
    await world.advance(1 * second);
    expect(weightsOf(world)).toEqual([75, 75, 150]);
    expect(said(world)).toMatchObject({ Applied: "True Applied" });
    edit(world, canary(0));
    await world.advance(1 * second);
    expect(addressesOf(world, "demo.A")).toEqual([one, two]);
    edit(world, canary(100));
    await world.advance(1 * second);
    expect(addressesOf(world, "demo.A")).toEqual([new1]);
    await world.advance(1 * minute);
    expect(statusOf(world)).toMatchObject({ endpoints: 1, excluded: 2, problems: [] });
    expect(world.registry().opened).toHaveLength(opened);
    expect(writesSince(world, before).filter((write) => write.includes("serviceentries"))).toHaveLength(3);
  });

  test("never empty a host: while all that are listed have 0 %, they do not count", async () => {
    const world = await openSettled({ services: { "demo.A": both.slice(2) }, spec: canary(0) });
    expect(addressesOf(world, "demo.A")).toEqual([new1]);
    expect(problemsOf(world)).toEqual(["demo.A ShareIgnored"]);
    world.registry().lists({ "demo.A": both });
    await world.advance(1 * minute);
    expect(addressesOf(world, "demo.A")).toEqual([one, two]);
    expect(problemsOf(world)).toEqual([]);
  });

  test("do not judge what is held: after a restart in an outage the weights are as they were", async () => {
    const world = await openSettled({ services: { "demo.A": both }, spec: canary(5) });
    world.registry().fail();
    await world.advance(1 * minute);
    edit(world, canary(50));
    await world.hubController.restart();
    const before = world.writes().length;
    await world.advance(30 * minute);
    expect(weightsOf(world)).toEqual([142, 142, 15]);
    expect(writesSince(world, before).filter((write) => write.includes("serviceentries"))).toEqual([]);
    world.registry().heal();
    await world.advance(5 * minute);
    expect(weightsOf(world)).toEqual([75, 75, 150]);
  });

  test("are moved in an outage too, by what was listed last", async () => {
    const world = await openSettled({ services: { "demo.A": both }, spec: canary(50) });
    world.registry().fail();
    await world.advance(1 * minute);
    edit(world, canary(1));
    await world.advance(1 * second);
    expect(weightsOf(world)).toEqual([248, 248, 5]);
    edit(world, canary(0));
    await world.advance(1 * second);
    expect(addressesOf(world, "demo.A")).toEqual([one, two]);
    edit(world, canary(100));
    await world.advance(1 * second);
    expect(addressesOf(world, "demo.A")).toEqual([new1]);
  });

  test("take out what has 0 % while the hub settles, too, but not for a hub that never removes", async () => {
    for (const [policy, addresses] of [
      ["sync", [one, two]],
      ["upsert-only", [one, two, new1]],
    ] as const) {
      const world = await openSettled({ services: { "demo.A": both }, spec: { ...canary(50), policy } });
      world.registry().fail();
      await world.advance(10 * second);
      world.registry().heal();
      await world.advance(10 * second);
      expect(said(world)).toMatchObject({ RegistrySynced: "True Synced" });
      edit(world, canary(0));
      await world.advance(1 * second);
      expect(addressesOf(world, "demo.A")).toEqual(addresses);
    }
  });

  test("of a rollout that is over are no news to services without a canary", async () => {
    const world = await openSettled({ services: { "demo.A": [one] }, spec: canary(100) });
    expect(addressesOf(world, "demo.A")).toEqual([one]);
    expect(problemsOf(world)).toEqual([]);
  });

  test("do not reach a new target before the registry was asked for their keys", async () => {
    const world = await openSettled({ services: { "demo.A": both } });
    world.person.createNamespace("other");
    world.registry().fail();
    await world.advance(1 * minute);
    edit(world, { ...canary(5), generate_to: "other" });
    await world.advance(5 * minute);
    expect(world.person.list("serviceentries", "other")).toEqual([]);
    expect(addressesOf(world, "demo.A")).toHaveLength(3);
    world.registry().heal();
    await world.advance(1 * minute);
    const [entry] = world.person.list("serviceentries", "other") as readonly ServiceEntry[];
    expect(entry?.spec.endpoints?.map(({ weight }) => weight)).toEqual([142, 142, 15]);
  });

  test("that select by another key ask the registry for it", async () => {
    const world = await openSettled({ services: { "demo.A": both } });
    expect(weightsOf(world)).toEqual([undefined, undefined, undefined]);
    edit(world, canary(5));
    await world.advance(5 * second);
    expect(world.registry().opened.at(-1)).toMatchObject({ keys: ["tag"] });
    expect(weightsOf(world)).toEqual([142, 142, 15]);
    edit(world, { instances: {} });
    await world.advance(5 * second);
    expect(weightsOf(world)).toEqual([undefined, undefined, undefined]);
  });
});
