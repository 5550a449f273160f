import { describe, expect, test } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import type { Stored } from "../../src/model/kubernetes.ts";
import type { ServiceInstance } from "../../src/model/service.ts";
import { entryOf as read } from "../../src/translate/read-back/service-entry.ts";
import { serviceEntryOf, withoutServiceKey } from "../../src/translate/service-entry.ts";
import { instanceAt, serviceOf } from "../fakes/registries.ts";
import { statusOf } from "./looks.ts";
import { openSettled } from "./scenes.ts";
import { hub, minute, second, type World } from "./world.ts";

const at = (hostPort: string, more: Partial<ServiceInstance>): ServiceInstance =>
  instanceAt(hostPort, "dubbo", more);
const entries = (world: World) =>
  world.person.list("serviceentries") as readonly (ServiceEntry & Stored<ServiceEntry>)[];
const addresses = (world: World) =>
  entries(world).map(({ spec }) => spec.endpoints?.map(({ address }) => address));
const notes = (world: World) => entries(world)[0]?.metadata.annotations ?? {};
const codes = (world: World) => (statusOf(world).problems ?? []).map(({ problem }) => problem.split(":")[0]);

describe("two services that want one host", () => {
  test.each<[string, Partial<ServiceInstance>, Partial<ServiceInstance>]>([
    ["groups in other case", { group: "GRAY" }, { group: "gray" }],
    ["versions in other case", { version: "1.0.RC1" }, { version: "1.0.rc1" }],
    ["a group and a version", { group: "1.0.0" }, { version: "1.0.0" }],
    ["a group with a dash", { group: "a-1.0" }, { group: "a", version: "1.0" }],
  ])("%s: the first by name has it, and keeps it; the other is a problem", async (_, one, other) => {
    const [first, second_] = [at("10.42.0.1:20880", one), at("10.42.0.2:20880", other)];
    const world = await openSettled({ services: { "demo.A": [second_, first] } });
    expect(addresses(world)).toEqual([["10.42.0.1"]]);
    expect(codes(world)).toEqual(["HostConflict"]);
    world.registry().set("demo.A", [second_]);
    await world.advance(30 * minute);
    expect(addresses(world)).toEqual([["10.42.0.2"]]);
    world.registry().set("demo.A", [first, second_]);
    await world.advance(5 * second);
    expect(addresses(world)).toEqual([["10.42.0.2"]]);
    expect(codes(world)).toEqual(["HostConflict"]);
  });

  test("one process that offers both is in the entry once", async () => {
    const both = [at("10.42.0.1:20880", { group: "1.0.0" }), at("10.42.0.1:20880", { version: "1.0.0" })];
    const world = await openSettled({ services: { "demo.A": both } });
    expect(addresses(world)).toEqual([["10.42.0.1"]]);
    expect(notes(world)).toMatchObject({ "ecns.easystack.cn/service": "1.0.0/demo.A" });
  });
});

describe("an entry that does not tell its exact service", () => {
  /** As an earlier version wrote it. */
  async function upgraded(instances: readonly ServiceInstance[]): Promise<World> {
    const world = await openSettled({ services: { "demo.A": instances } });
    await world.hubController.stop();
    const [stored] = entries(world);
    const entry = stored && read(stored);
    if (stored === undefined || entry === undefined) throw new Error("no entry");
    const earlier = serviceEntryOf(withoutServiceKey(entry));
    const key = `${stored.metadata.namespace}/${stored.metadata.name}`;
    world.api.as("registryhub").edit("serviceentries", key, (object) => ({
      ...object,
      metadata: { ...object.metadata, annotations: earlier.metadata.annotations },
    }));
    return world;
  }

  const gray = ["10.42.0.2:20880", "10.42.0.3:20880"].map((one) => at(one, { group: "gray" }));
  const newcomer = at("10.42.0.1:20880", { group: "GRAY" });

  test("is not taken by a newcomer while the service that it is of cannot be read", async () => {
    const world = await upgraded(gray);
    const [theirs, ours] = [serviceOf("demo.A", [newcomer]), serviceOf("demo.A", "unknown")];
    world.registry().listsServices([
      { ...theirs, id: "1" },
      { ...ours, id: "2" },
    ]);
    await world.hubController.start();
    await world.advance(2 * minute);
    expect(addresses(world)[0]).toEqual(expect.arrayContaining(["10.42.0.2", "10.42.0.3"]));
    world.registry().listsServices([
      { ...theirs, id: "1" },
      { ...serviceOf("demo.A", gray), id: "2" },
    ]);
    await world.advance(5 * minute);
    expect(addresses(world)).toEqual([["10.42.0.2", "10.42.0.3"]]);
    expect(codes(world)).toEqual(["HostConflict"]);
  });

  test("is not taken by a newcomer of another hub while its own registry is away", async () => {
    const world = await upgraded(gray);
    const other = "zk-2:2181";
    world.person.put(hub({ address: other }, { name: "other" }));
    world.registry(other).lists({ "demo.A": [newcomer] });
    world.registry().fail();
    await world.hubController.start();
    await world.advance(2 * minute);
    expect(addresses(world)[0]).toEqual(expect.arrayContaining(["10.42.0.2", "10.42.0.3"]));
    world.registry().heal();
    await world.advance(5 * minute);
    expect(addresses(world)).toEqual([["10.42.0.2", "10.42.0.3"]]);
  });

  test("is not written for its sake, and tells it with its next change", async () => {
    const world = await upgraded([at("10.42.0.1:20880", { group: "g" })]);
    const before = world.writes().length;
    await world.hubController.start();
    await world.advance(2 * minute);
    expect(world.writes(before).filter(({ resource }) => resource === "serviceentries")).toEqual([]);
    world.registry().set(
      "demo.A",
      ["10.42.0.1:20880", "10.42.0.2:20880"].map((one) => at(one, { group: "g" })),
    );
    await world.advance(5 * second);
    expect(notes(world)).toMatchObject({ "ecns.easystack.cn/service": "g/demo.A" });
    expect(addresses(world)).toEqual([["10.42.0.1", "10.42.0.2"]]);
  });

  test("belongs to the service that lists most of its endpoints", async () => {
    const later = ["10.42.0.2:20880", "10.42.0.3:20880"].map((one) => at(one, { group: "gray" }));
    const world = await upgraded(later);
    world.registry().set("demo.A", [at("10.42.0.1:20880", { group: "GRAY" }), ...later]);
    await world.hubController.start();
    await world.advance(2 * minute);
    expect(addresses(world)).toEqual([["10.42.0.2", "10.42.0.3"]]);
    expect(codes(world)).toEqual(["HostConflict"]);
  });
});

describe("an entry whose interface somebody removed", () => {
  const long = `demo.${"very.long.".repeat(7)}OrderFulfilment`;

  function removeInterface(world: World): void {
    const entry = entries(world).find(({ metadata }) => metadata.annotations?.interface !== "demo.B");
    world.person.edit("serviceentries", `demo/${entry?.metadata.name}`, ({ metadata, ...object }) => {
      const { interface: _removed, ...annotations } = metadata.annotations ?? {};
      return { ...object, metadata: { ...metadata, annotations } };
    });
  }

  test.each([true, false])(
    "keeps what runs while its service cannot be read; restart: %s",
    async (isRestarted) => {
      const listed = ["10.42.0.1:20880", "10.42.0.2:20880"];
      const world = await openSettled({ services: { [long]: listed, "demo.B": ["10.42.0.9:20880"] } });
      world.registry().set(long, "unknown");
      await world.advance(10 * second);
      if (isRestarted) await world.hubController.stop();
      removeInterface(world);
      if (isRestarted) await world.hubController.start();
      await world.advance(30 * minute);
      expect(new Set(addresses(world).flat())).toEqual(new Set(["10.42.0.1", "10.42.0.2", "10.42.0.9"]));
      world.registry().set(long, listed.slice(1));
      await world.advance(10 * minute);
      expect(new Set(addresses(world).flat())).toEqual(new Set(["10.42.0.2", "10.42.0.9"]));
    },
  );

  test("gets it back as it was last seen while the registry is away", async () => {
    const world = await openSettled({ services: { [long]: ["10.42.0.1:20880"] } });
    world.registry().fail();
    await world.advance(10 * second);
    removeInterface(world);
    await world.advance(10 * second);
    expect(notes(world)).toMatchObject({ interface: long });
  });

  test.each([
    ["longer than a label", `demo.${"very.long.".repeat(7)}OrderFulfilment`],
    ["no label", "demo.Outer$Inner"],
  ])("gets it back exactly, where it is %s, and keeps its port", async (_, name) => {
    const world = await openSettled({ services: { [name]: ["10.42.0.1:20880"] } });
    world.registry().set(name, ["10.42.0.1:20880", "10.42.0.2:20890", "10.42.0.3:20890"]);
    await world.advance(10 * second);
    await world.hubController.stop();
    const [stored] = entries(world);
    world.registry().fail();
    removeInterface(world);
    await world.hubController.start();
    await world.advance(2 * minute);
    expect([undefined, name]).toContain(notes(world).interface);
    expect(addresses(world)[0]).toHaveLength(3);
    world.registry().heal();
    await world.advance(5 * minute);
    expect(notes(world)).toMatchObject({ interface: name });
    expect(entries(world)[0]?.spec).toMatchObject({ ports: stored?.spec.ports, hosts: stored?.spec.hosts });
  });
});
