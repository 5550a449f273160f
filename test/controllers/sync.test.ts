import { expect, test } from "vitest";
import { addressesOf, entryOf, said, statusOf, writesSince } from "./looks.ts";
import { openSettled } from "./scenes.ts";
import { home, hub, minute, openWorld, second } from "./world.ts";

test("a hub that is created is synced within a moment, and says so", async () => {
  const world = openWorld();
  world.registry().lists({ "demo.A": ["10.42.0.1:20880", "10.42.0.2:20880"] });
  await world.hubController.start();
  world.person.put(hub());
  await world.advance(1 * second);
  expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.2:20880"]);
  expect(said(world)).toEqual({
    phase: "success",
    RegistrySynced: "True Synced",
    Applied: "True Applied",
    DeletionHeld: "False NothingHeld",
    Ready: "True Ready",
  });
  const counts = { services: 1, endpoints: 2, rejected: 0, truncated: 0, observedGeneration: 1 };
  expect(statusOf(world)).toMatchObject({
    ...counts,
    address: "zk:2181",
    type: "zookeeper",
    generate_to: home,
  });
});

test("a hub whose registry has not answered yet is pending", async () => {
  const world = openWorld();
  world.registry().beSilent();
  world.person.put(hub());
  await world.hubController.start();
  await world.advance(1 * minute);
  expect(said(world)).toMatchObject({
    phase: "pending",
    RegistrySynced: "Unknown Connecting",
    Applied: "Unknown Syncing",
    Ready: "Unknown Connecting",
  });
  world.registry().lists({ "demo.A": ["10.42.0.1:20880"] });
  await world.advance(2 * second);
  expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
});

test("an instance that starts is added at once; one that stops goes after 300 ms", async () => {
  const world = await openSettled();
  world.registry().set("demo.A", ["10.42.0.1:20880", "10.42.0.3:20880"]);
  await world.settle();
  expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.3:20880"]);
  world.registry().set("demo.A", ["10.42.0.3:20880"]);
  await world.advance(299);
  expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.3:20880"]);
  await world.advance(1);
  expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.3:20880"]);
});

test("an instance that leaves and comes back within 300 ms is no write", async () => {
  const world = await openSettled();
  const before = world.writes().length;
  world.registry().set("demo.A", []);
  await world.advance(200);
  world.registry().set("demo.A", ["10.42.0.1:20880"]);
  await world.advance(5 * second);
  expect(writesSince(world, before)).toEqual([]);
});

test("an instance that moves is one write, of the entry whose instances they are", async () => {
  const world = await openSettled();
  const before = world.writes().length;
  world.registry().set("demo.A", ["10.42.0.9:20880"]);
  await world.advance(5 * second);
  const { name } = entryOf(world, "demo.A")?.metadata ?? {};
  expect(writesSince(world, before)).toEqual([`patch serviceentries ${name}`]);
});

test("a service that is new has a virtual IP and a name of its own", async () => {
  const world = await openSettled();
  const before = world.writes().length;
  world.registry().set("demo.C", ["10.42.0.3:20880"]);
  await world.advance(5 * second);
  const entries = world.person.list("serviceentries", home);
  expect(writesSince(world, before)).toEqual([
    "patch serviceentries aeraki-demo-c-demo",
    "patch registryhubs/status hub",
  ]);
  expect(new Set(entries.flatMap(({ spec }) => spec.addresses)).size).toBe(3);
});

test("a cluster where nothing happens sees no write, and neither does a restart", async () => {
  const world = await openSettled();
  await world.dubboController.start();
  await world.advance(1 * minute);
  const before = world.writes().length;
  await world.advance(30 * minute);
  await world.hubController.restart();
  await world.dubboController.restart();
  await world.advance(30 * minute);
  expect(writesSince(world, before)).toEqual([]);
});

test("a restart in another world makes up for what happened meanwhile, and keeps name and virtual IP", async () => {
  const world = await openSettled();
  const { metadata, spec } = entryOf(world, "demo.A") ?? {};
  await world.hubController.stop();
  world.registry().lists({ "demo.A": ["10.42.0.9:20880"], "demo.C": ["10.42.0.3:20880"] });
  await world.hubController.start();
  await world.advance(59 * second);
  expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.9:20880"]);
  expect(addressesOf(world, "demo.C")).toEqual(["10.42.0.3:20880"]);
  await world.advance(2 * second);
  expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
  const same = {
    metadata: { name: metadata?.name, uid: metadata?.uid },
    spec: { addresses: spec?.addresses },
  };
  expect(entryOf(world, "demo.A")).toMatchObject(same);
});

test("a controller that is stopped while a write is under way leaves an entry that is whole, or none", async () => {
  const world = openWorld();
  world.registry().lists({ "demo.A": ["10.42.0.1:20880"], "demo.B": ["10.42.0.2:20880"] });
  world.person.put(hub());
  const gate = world.api.hold({ resource: "serviceentries", verb: "patch" });
  await world.hubController.start();
  await world.advance(1 * second);
  expect(gate.waiting).toHaveLength(2);
  await world.hubController.stop();
  gate.open();
  await world.hubController.start();
  await world.advance(2 * minute);
  expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880"]);
  expect(addressesOf(world, "demo.B")).toEqual(["10.42.0.2:20880"]);
  expect(world.person.list("serviceentries")).toHaveLength(2);
});

test("nothing is decided before the lists of hubs, namespaces and entries are complete", async () => {
  const world = openWorld();
  world.registry().lists({ "demo.A": ["10.42.0.1:20880"] });
  world.person.put(hub());
  const gates = ["registryhubs", "namespaces", "serviceentries"].map((resource) =>
    world.api.hold({ resource, verb: "list" }),
  );
  await world.hubController.start();
  for (const gate of gates) {
    await world.advance(2 * second);
    expect(world.writes()).toEqual([]);
    gate.open();
  }
  await world.advance(2 * second);
  expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880"]);
});

test("a hub does not connect before the entries of the cluster are known", async () => {
  const world = openWorld();
  world.person.put(hub());
  const gate = world.api.hold({ resource: "serviceentries", verb: "list" });
  await world.hubController.start();
  await world.advance(20 * second);
  expect(world.registry().opened).toHaveLength(0);
  gate.open();
  await world.settle();
  expect(world.registry().isWatched).toBe(true);
});

test("a Spring service has an entry in the manual's other form, with its own protocol", async () => {
  const world = openWorld();
  const registry = world.registry("consul:8500");
  registry.lists({ "order-service": ["10.42.0.4:8080"] }, "spring");
  world.person.put(hub({ type: "consul", address: "consul:8500", protocol: "http" }));
  await world.hubController.start();
  await world.advance(1 * second);
  expect(entryOf(world, "order-service")).toMatchObject({
    metadata: {
      name: "order-service.demo",
      labels: { "registry-name": "hub" },
      annotations: { registry: "consul" },
    },
    spec: { ports: [{ name: "8080", number: 8080, protocol: "http" }] },
  });
});
