import { describe, expect, test } from "vitest";
import { annotations } from "../../src/model/labels.ts";
import { addressesOf, listedHosts, messageOf, said } from "./looks.ts";
import { hostsOf, openSettled, two } from "./scenes.ts";
import { hub, minute, openWorld, second } from "./world.ts";

const allowFrom = (names: string): Readonly<Record<string, string>> => ({ [annotations.allowFrom]: names });

describe("a target namespace that is missing", () => {
  test("is said, and the entries follow when it is created", async () => {
    const world = await openSettled({ spec: { generate_to: "later" } });
    expect(said(world)).toMatchObject({
      phase: "failed",
      RegistrySynced: "True Synced",
      Applied: "False NamespaceMissing",
      Ready: "False NamespaceMissing",
    });
    expect(messageOf(world, "Ready")).toContain("namespace later does not exist");
    world.person.createNamespace("later");
    await world.advance(2 * second);
    expect(addressesOf(world, "demo.A", "later")).toEqual(two["demo.A"]);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
  });

  test("because somebody deleted it, and created it again, has its entries again", async () => {
    const world = await openSettled({ spec: { generate_to: "later" } });
    world.person.createNamespace("later");
    await world.advance(5 * second);
    world.person.deleteNamespace("later");
    await world.advance(10 * minute);
    expect(said(world)).toMatchObject({ phase: "failed", Applied: "False NamespaceMissing" });
    expect(world.writes().filter(({ code }) => code === 404 || code === 403).length).toBeLessThanOrEqual(2);
    world.person.createNamespace("later");
    await world.advance(2 * second);
    expect(listedHosts(world, "later")).toHaveLength(2);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
  });

  test("is one that is being deleted as well", async () => {
    const world = openWorld();
    world.registry().lists(two);
    world.person.createNamespace("ending");
    world.person.delete("namespaces", "ending");
    world.person.put(hub({ generate_to: "ending" }));
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(said(world)).toMatchObject({ phase: "failed", Applied: "False NamespaceMissing" });
    expect(messageOf(world, "Applied")).toContain("namespace ending is being deleted");
    expect(world.api.writes({ resource: "serviceentries" })).toEqual([]);
  });
});

describe("a target namespace of somebody else", () => {
  const strict = { allowCrossNamespace: false };

  test("takes no entries unless it says so, and loses none when it takes that back", async () => {
    const world = await openSettled({ spec: { generate_to: "theirs" }, options: strict });
    world.person.createNamespace("theirs");
    await world.advance(2 * second);
    expect(said(world)).toMatchObject({ phase: "failed", Applied: "False NamespaceNotAllowed" });
    expect(messageOf(world, "Applied")).toContain(
      'Annotate the namespace with ecns.easystack.cn/allow-registryhubs-from: "demo"',
    );
    expect(world.person.list("serviceentries")).toEqual([]);

    const annotate = (names: string): unknown =>
      world.person.edit("namespaces", "theirs", (object) => ({
        ...object,
        metadata: { ...object.metadata, annotations: allowFrom(names) },
      }));
    annotate("other, demo");
    await world.advance(5 * second);
    expect(addressesOf(world, "demo.A", "theirs")).toEqual(two["demo.A"]);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });

    annotate("other");
    world.registry().lists({});
    await world.advance(60 * minute);
    expect(addressesOf(world, "demo.A", "theirs")).toEqual(two["demo.A"]);
    expect(said(world)).toMatchObject({ phase: "failed", Applied: "False NamespaceNotAllowed" });
  });

  test("may allow everybody; and one's own needs no word", async () => {
    const world = openWorld();
    world.registry().lists(two);
    world.person.createNamespace("open", allowFrom("*"));
    world.person.put(hub({ generate_to: "open" }));
    world.person.put(hub({}, { name: "own" }));
    await world.hubController.start(strict);
    await world.advance(1 * minute);
    expect(listedHosts(world, "open")).toHaveLength(2);
    expect(listedHosts(world)).toEqual(hostsOf(two));
  });
});

describe("--watch-namespaces", () => {
  test("leaves hubs of other namespaces alone, and does not write into others", async () => {
    const world = openWorld();
    world.registry().lists(two);
    world.person.createNamespace("other");
    world.person.put(hub({}, { namespace: "other" }));
    world.person.put(hub({ generate_to: "other" }));
    await world.hubController.start({ watchNamespaces: ["demo"] });
    await world.advance(1 * minute);
    expect(world.person.list("serviceentries")).toEqual([]);
    expect(world.person.get("registryhubs", "other/hub")?.status).toBeUndefined();
    expect(said(world)).toMatchObject({ phase: "failed", Applied: "False NamespaceNotAllowed" });
    expect(messageOf(world, "Applied")).toContain("--watch-namespaces");
  });
});
