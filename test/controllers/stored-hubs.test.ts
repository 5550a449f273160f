import { describe, expect, test } from "vitest";
import { addressesOf, listedHosts, messageOf, said, statusOf } from "./looks.ts";
import { hostsOf, openSettled, ten, two } from "./scenes.ts";
import { hour, hub, hubKey, minute, openWorld, second, type World } from "./world.ts";

// A new CRD does not apply to stored objects, so an older or a newer one may have accepted hubs that this version cannot use.

const eureka = { type: "Eureka" as never };
const innocent = hub({ address: "other:2181" }, { name: "innocent" });

/** Changes fields of the hub's spec, as a CRD that allows everything would. */
function edit(world: World, spec: object): void {
  world.person.edit("registryhubs", hubKey, (object) => ({ ...object, spec: { ...object.spec, ...spec } }));
}

describe("a hub that cannot be read", () => {
  test.each<[string, object, string]>([
    ["a type of another version", { spec: { ...hub().spec, ...eureka } }, 'spec.type "Eureka"'],
    ["no address", { spec: { ...hub().spec, address: undefined } }, "spec.address is missing"],
    ["no generate_to", { spec: { ...hub().spec, generate_to: undefined } }, "spec.generate_to is missing"],
    ["a list for a text", { spec: { ...hub().spec, address: ["zk:2181"] } }, "spec.address"],
    ["no spec", { spec: undefined }, "spec.type is missing"],
  ])("says which field it is, and every other hub works: %s", async (_, odd, detail) => {
    const world = openWorld();
    world.registry("other:2181").lists(two);
    world.person.put({ ...hub(), ...odd });
    world.person.put(innocent);
    await world.hubController.start();
    await world.advance(5 * second);
    expect(said(world)).toMatchObject({
      phase: "failed",
      RegistrySynced: "False InvalidSpec",
      Ready: "False InvalidSpec",
    });
    expect(messageOf(world, "RegistrySynced")).toContain(detail);
    expect(messageOf(world, "RegistrySynced")).toContain("Correct the field");
    expect(said(world, "demo/innocent")).toMatchObject({ phase: "success" });
    expect(listedHosts(world)).toEqual(hostsOf(two));
  });

  test("connects nowhere, and its entries stay for hours and over a restart", async () => {
    const world = await openSettled();
    edit(world, eureka);
    await world.advance(1 * minute);
    expect(world.registry().isWatched).toBe(false);
    expect(said(world)).toMatchObject({
      phase: "failed",
      Applied: "True Applied",
      Ready: "False InvalidSpec",
    });
    world.registry().lists({});
    await world.advance(3 * hour);
    await world.hubController.restart();
    await world.advance(1 * hour);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    expect(statusOf(world)).toMatchObject({
      services: 2,
      endpoints: 2,
      address: "zk:2181",
      type: "zookeeper",
    });
  });

  test("for its address, which an earlier version read, keeps its entries over the upgrade until it is corrected", async () => {
    const world = await openSettled();
    await world.hubController.stop();
    edit(world, { type: "nacos", address: "http://nacos:8848" });
    const nacos = world.registry("http://nacos:8848");
    nacos.fail("InvalidSpec", '"http://nacos:8848" is not host:port');
    await world.hubController.start();
    await world.advance(3 * hour);
    expect(said(world)).toMatchObject({ phase: "failed", Ready: "False InvalidSpec" });
    expect(messageOf(world, "Ready")).toContain("is not host:port");
    expect(listedHosts(world)).toEqual(hostsOf(two));
    world.registry("nacos:8848").lists(two);
    edit(world, { address: "nacos:8848" });
    await world.advance(10 * minute);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
    expect(listedHosts(world)).toEqual(hostsOf(two));
  });

  test("works as soon as an edit makes it readable", async () => {
    const world = await openSettled();
    edit(world, eureka);
    await world.advance(1 * minute);
    world.registry().set("demo.A", ["10.42.0.9:20880"]);
    edit(world, { type: "zookeeper" });
    await world.advance(2 * second);
    expect(said(world)).toMatchObject({
      phase: "success",
      RegistrySynced: "True Synced",
      Ready: "True Ready",
    });
    expect(addressesOf(world, "demo.A")).toContain("10.42.0.9:20880");
    await world.advance(2 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
  });

  test("says that it is connecting once it is edited, while its registry has not answered", async () => {
    const world = await openSettled();
    edit(world, eureka);
    await world.advance(1 * minute);
    world.registry().beSilent();
    edit(world, { type: "zookeeper" });
    await world.advance(2 * second);
    expect(said(world)).toMatchObject({ phase: "pending", RegistrySynced: "Unknown Connecting" });
  });

  test("keeps its hold: an edit and back does not make it forget a reset", async () => {
    const world = openWorld();
    world.registry().describe({ origin: "first" });
    world.registry().lists(ten);
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(2 * minute);
    world.registry().describe({ origin: "second" });
    world.registry().drop();
    world.registry().lists({});
    await world.advance(2 * minute);
    expect(said(world)).toMatchObject({ DeletionHeld: "True RegistryReset" });
    const { hold } = statusOf(world);
    edit(world, eureka);
    await world.advance(1 * hour);
    expect(statusOf(world).hold).toMatchObject({ until: hold?.until });
    edit(world, { type: "zookeeper" });
    await world.advance(1 * hour);
    expect(said(world)).toMatchObject({ phase: "success", DeletionHeld: "True RegistryReset" });
    expect(listedHosts(world)).toEqual(hostsOf(ten));
  });

  test("knows its registry's data: a reset in the meantime is one", async () => {
    const world = openWorld();
    world.registry().describe({ origin: "first" });
    world.registry().lists(ten);
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(2 * minute);
    edit(world, eureka);
    await world.advance(1 * minute);
    world.registry().describe({ origin: "second" });
    world.registry().lists({});
    edit(world, { type: "zookeeper" });
    await world.advance(1 * hour);
    expect(said(world)).toMatchObject({ DeletionHeld: "True RegistryReset" });
    expect(listedHosts(world)).toEqual(hostsOf(ten));
  });

  test("keeps vouching for its endpoints beside a trusted hub that feeds the same host", async () => {
    const world = await openSettled();
    world.registry("other:2181").lists({ "demo.A": ["10.42.0.8:20880"] });
    world.person.put(innocent);
    await world.advance(2 * minute);
    edit(world, eureka);
    await world.advance(1 * minute);
    world.registry("other:2181").lists({ "demo.A": ["10.42.0.9:20880"] });
    await world.advance(1 * hour);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.9:20880"]);
  });

  test("is gone when it is deleted, like every other", async () => {
    const world = await openSettled();
    edit(world, eureka);
    await world.advance(1 * minute);
    world.person.delete("registryhubs", hubKey);
    await world.advance(2 * minute);
    expect(world.person.list("serviceentries", "demo")).toEqual([]);
  });
});
