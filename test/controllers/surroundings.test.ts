import { describe, expect, test } from "vitest";
import { typeMissing } from "../fakes/api-server/answer.ts";
import { addressesOf, listedHosts, said, statusOf, warningsOf } from "./looks.ts";
import { home, hub, hubKey, minute, openWorld, second, type World } from "./world.ts";

const services = { "demo.A": ["10.42.0.1:20880"], "demo.B": ["10.42.0.2:20880"] };

/** A settled hub whose registry has the data "0x1". */
async function openSynced(listed: Readonly<Record<string, readonly string[]>> = services): Promise<World> {
  const world = openWorld();
  world.registry().describe({ origin: "0x1" });
  world.registry().lists(listed);
  world.person.put(hub());
  await world.hubController.start();
  await world.advance(2 * minute);
  expect(statusOf(world).origin).toBe("0x1");
  return world;
}

describe("what a hub's status said", () => {
  test.each([
    ["is inherited by one of its name that is created within a minute", 50 * second, "0x1"],
    ["is forgotten when it is gone, though it owned nothing (H19)", 3 * minute, ""],
  ])("%s", async (_, afterMs, origin) => {
    const world = await openSynced({});
    world.person.delete("registryhubs", hubKey);
    await world.advance(afterMs);
    world.registry().beSilent();
    world.person.put(hub());
    await world.advance(5 * second);
    expect(statusOf(world).origin).toBe(origin);
  });

  test("is not forgotten while the list of hubs is not complete", async () => {
    const world = await openSynced({});
    const end = world.api.goDown();
    world.person.delete("registryhubs", hubKey);
    await world.advance(10 * minute);
    world.registry().beSilent();
    world.person.put(hub());
    end();
    await world.advance(1 * minute);
    expect(statusOf(world).origin).toBe("0x1");
  });
});

test("a hub is not gone because its type is missing for a moment (H23)", async () => {
  const world = await openSynced();
  // The watch is dead, so the return of the hub is not seen; and a server that has just started denies the type.
  world.person.delete("registryhubs", hubKey);
  await world.settle();
  for (const watch of world.api.watches("registryhubs")) watch.hang();
  world.person.put(hub());
  const end = world.api.refuse({ verb: "get", resource: "registryhubs" }, typeMissing);
  await world.advance(85 * second);
  expect(listedHosts(world)).toEqual(["demo.a.demo", "demo.b.demo"]);
  end();
  await world.advance(5 * minute);
  expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880"]);
});

test("a registry that loses its data while Istio's CRDs are denied is found out when they are back (H27)", async () => {
  const world = await openSynced();
  await world.hubController.stop();
  world.registry().describe({ origin: "0x2" });
  world.registry().lists({});
  const end = world.api.refuse({ resource: "serviceentries" }, typeMissing);
  await world.hubController.start();
  await world.advance(2 * minute);
  expect(said(world)).toMatchObject({ Applied: "False IstioMissing" });
  expect(statusOf(world).origin).toBe("0x1");
  end();
  await world.advance(10 * minute);
  expect(said(world)).toMatchObject({ DeletionHeld: "True RegistryReset" });
  expect(statusOf(world).origin).toBe("0x2");
  expect(warningsOf(world)).toContain("RegistryHub hub: RegistryReset");
  expect(listedHosts(world)).toEqual(["demo.a.demo", "demo.b.demo"]);
});

describe("an object that changes hands while it is written (H24)", () => {
  const patches = { verb: "patch", resource: "serviceentries" } as const;
  const theirs = (name: string) => ({
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: { namespace: home, name },
    spec: {
      hosts: ["theirs.example"],
      addresses: ["10.9.9.9"],
      ports: [{ name: "tcp", number: 80, protocol: "TCP" }],
    },
  });

  test("one of somebody else that is made a moment before stays as it is, and ours gets another name", async () => {
    const world = openWorld();
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(1 * minute);
    const gate = world.api.hold(patches);
    world.registry().lists(services);
    await world.settle();
    const [{ name } = { name: "" }] = gate.waiting;
    const before = world.person.put(theirs(name));
    gate.open();
    await world.advance(10 * second);
    expect(world.person.get("serviceentries", `${home}/${name}`)).toMatchObject(before);
    expect(listedHosts(world)).toEqual(["demo.a.demo", "demo.b.demo"]);
    expect(said(world)).toMatchObject({ Applied: "True Applied" });
  });

  test("one that is replaced by somebody else's stays theirs", async () => {
    const world = await openSynced();
    const gate = world.api.hold(patches);
    world.registry().set("demo.A", ["10.42.0.1:20880", "10.42.0.3:20880"]);
    await world.settle();
    const [{ name } = { name: "" }] = gate.waiting;
    world.person.delete("serviceentries", `${home}/${name}`);
    const before = world.person.put(theirs(name));
    gate.open();
    await world.advance(10 * second);
    expect(world.person.get("serviceentries", `${home}/${name}`)).toMatchObject(before);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.3:20880"]);
  });
});
