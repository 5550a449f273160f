import { describe, expect, test } from "vitest";
import { addressesOf, entryOf, listedHosts, said, statusOf, writesSince } from "./looks.ts";
import { hub, minute, openWorld, second, type World } from "./world.ts";

const [one, other] = ["demo/one", "demo/other"] as const;

/** Two hubs that feed one host, each with a registry of its own, believed. */
async function openPair(): Promise<World> {
  const world = openWorld();
  world.registry("one:2181").lists({ "demo.A": ["10.42.0.1:20880", "10.42.0.3:20880"] });
  world.registry("other:2181").lists({ "demo.A": ["10.42.0.2:20880", "10.42.0.3:20880"] });
  world.person.put(hub({ address: "one:2181" }, { name: "one" }));
  await world.advance(1 * second);
  world.person.put(hub({ address: "other:2181" }, { name: "other" }));
  await world.hubController.start();
  await world.advance(2 * minute);
  return world;
}

describe("two hubs of one host", () => {
  test("share its entry, and each counts what it vouches for", async () => {
    const world = await openPair();
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.2:20880", "10.42.0.3:20880"]);
    expect(entryOf(world, "demo.A")?.metadata.annotations).toMatchObject({
      "ecns.easystack.cn/hubs": "demo/one,demo/other",
    });
    expect(statusOf(world, one)).toMatchObject({ services: 1, endpoints: 2 });
    expect(statusOf(world, other)).toMatchObject({ services: 1, endpoints: 2 });
    const names = entryOf(world, "demo.A")?.spec.endpoints?.map(({ labels }) => labels?.registryName);
    expect(names).toEqual(["one", "other", "one"]);
  });

  test("take back what is theirs alone: an endpoint goes when nobody vouches for it any more", async () => {
    const world = await openPair();
    world.registry("one:2181").lists({ "demo.A": [] });
    await world.advance(20 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.2:20880", "10.42.0.3:20880"]);
    expect(entryOf(world, "demo.A")?.metadata.annotations).toMatchObject({
      "ecns.easystack.cn/hubs": "demo/other",
    });
    expect(statusOf(world, one)).toMatchObject({ services: 0, endpoints: 0 });
    expect(said(world, one)).toMatchObject({ phase: "success" });
  });

  test("one of which is lost keep its endpoints, and the other goes on", async () => {
    const world = await openPair();
    world.registry("one:2181").fail();
    world.registry("other:2181").lists({ "demo.A": ["10.42.0.9:20880"] });
    await world.advance(20 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.3:20880", "10.42.0.9:20880"]);
    expect(said(world, one)).toMatchObject({ phase: "failed" });
    expect(said(world, other)).toMatchObject({ phase: "success", Ready: "True Ready" });
  });

  test("one of which is deleted lose its endpoints after a minute, and the entry lives on", async () => {
    const world = await openPair();
    const { uid } = entryOf(world, "demo.A")?.metadata ?? {};
    world.person.delete("registryhubs", one);
    await world.advance(59 * second);
    expect(addressesOf(world, "demo.A")).toHaveLength(3);
    await world.advance(2 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.2:20880", "10.42.0.3:20880"]);
    expect(entryOf(world, "demo.A")?.metadata.uid).toBe(uid);
  });

  test("both of which list nothing any more empty the entry, which goes after its grace", async () => {
    const world = await openPair();
    world.registry("one:2181").lists({});
    world.registry("other:2181").lists({});
    await world.advance(5 * minute);
    expect(addressesOf(world, "demo.A")).toEqual([]);
    await world.advance(6 * minute);
    expect(entryOf(world, "demo.A")).toBeUndefined();
  });

  test("one of which says l7: false have no filter", async () => {
    const world = await openPair();
    world.person.edit("registryhubs", other, (object) => ({
      ...object,
      spec: { ...object.spec, l7: false },
    }));
    await world.advance(1 * second);
    expect(entryOf(world, "demo.A")?.metadata.annotations).toMatchObject({ "ecns.easystack.cn/l7": "false" });
  });

  test("at a restart are as they were, without a write", async () => {
    const world = await openPair();
    const before = world.writes().length;
    await world.hubController.restart();
    await world.advance(20 * minute);
    expect(writesSince(world, before)).toEqual([]);
  });

  test("one of which is suspended keep its endpoints, and the other's come and go", async () => {
    const world = await openPair();
    world.person.edit("registryhubs", one, (object) => ({
      ...object,
      spec: { ...object.spec, suspend: true },
    }));
    await world.settle();
    world.registry("one:2181").lists({});
    world.registry("other:2181").lists({ "demo.A": ["10.42.0.9:20880"] });
    await world.advance(20 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.3:20880", "10.42.0.9:20880"]);
  });
});

describe("hubs of different kinds of services", () => {
  test("that want one host: the incumbent keeps it, the other has a problem", async () => {
    const world = openWorld();
    world.registry("one:2181").lists({ "demo.A": ["10.42.0.1:20880"] });
    world.registry("consul").lists({ "demo.a": ["10.42.0.2:8080"] }, "spring");
    world.person.put(hub({ address: "one:2181" }, { name: "one" }));
    await world.hubController.start();
    await world.advance(1 * minute);
    world.person.put(hub({ type: "consul", address: "consul" }, { name: "other" }));
    await world.advance(1 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880"]);
    expect(statusOf(world, other)).toMatchObject({ rejected: 1 });
    expect(statusOf(world, other).problems[0]?.problem).toContain(
      "HostConflict: service demo.A already owns this host",
    );
    expect(statusOf(world, one).problems).toEqual([]);
  });

  test("do not disturb each other in different namespaces", async () => {
    const world = openWorld();
    world.person.createNamespace("red");
    for (const namespace of ["demo", "red"]) {
      world.registry(namespace).lists({ "demo.A": ["10.42.0.1:20880"] });
      world.person.put(hub({ address: namespace, generate_to: namespace }, { namespace }));
    }
    await world.hubController.start();
    await world.advance(2 * minute);
    world.registry("red").lists({});
    await world.advance(20 * minute);
    expect(listedHosts(world)).toEqual(["demo.a.demo"]);
    expect(listedHosts(world, "red")).toEqual([]);
  });
});
