import { describe, expect, test } from "vitest";
import { annotations } from "../../src/model/labels.ts";
import { addressesOf, entryOf, listedHosts, messageOf, said, statusOf } from "./looks.ts";
import { hostsOf, openSettled, two } from "./scenes.ts";
import { hub, minute, openWorld, second, type World } from "./world.ts";

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

describe("a target that the operator denies", () => {
  const denied = { denyTargets: ["com", "int*"] };

  test.each(["com", "internal"])("takes no new entries: %s (I24)", async (target) => {
    const world = openWorld();
    world.person.createNamespace(target);
    world.registry().lists(two);
    world.person.put(hub({ generate_to: target }));
    await world.hubController.start(denied);
    await world.advance(2 * minute);
    expect(said(world)).toMatchObject({ phase: "failed", Applied: "False NamespaceNotAllowed" });
    expect(messageOf(world, "Applied")).toMatch(new RegExp(`namespace ${target} .*--deny-targets`));
    expect(listedHosts(world, target)).toEqual([]);
  });

  test("loses nothing that it has", async () => {
    const world = await openSettled();
    world.registry().lists({});
    await world.hubController.restart({ denyTargets: ["demo"] });
    const before = world.writes().length;
    await world.advance(60 * minute);
    expect(said(world)).toMatchObject({ Applied: "False NamespaceNotAllowed" });
    expect(listedHosts(world)).toEqual(hostsOf(two));
    expect(world.writes(before).filter(({ resource }) => resource === "serviceentries")).toEqual([]);
  });

  test("is none of the others", async () => {
    const world = await openSettled({ options: denied });
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
  });
});

describe("a host that a Service has in a namespace which is not the hub's own", () => {
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: "shop", name: "orders" },
    spec: {},
  };
  const listed = { orders: ["10.42.0.4:8080"] };

  /** The Service, and a hub of another namespace or of its own. */
  function openBeside(namespace = "demo"): World {
    const world = openWorld();
    world.person.createNamespace("shop");
    world.person.put(service);
    world.registry("consul").lists(listed, "spring");
    world.person.put(hub({ type: "consul", address: "consul", generate_to: "shop" }, { namespace }));
    return world;
  }
  const problems = (world: World, key?: string) =>
    statusOf(world, key).problems.map(({ problem, severity }) => `${severity} ${problem.split(":")[0]}`);

  test("is refused, and made as soon as the Service is gone (I24)", async () => {
    const world = openBeside();
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(listedHosts(world, "shop")).toEqual([]);
    expect(problems(world)).toEqual(["rejected ShadowsService"]);
    expect(statusOf(world)).toMatchObject({ rejected: 1, phase: "success" });
    expect(said(world)).toMatchObject({ Applied: "True Applied" });
    const before = world.writes().length;
    await world.hubController.restart();
    await world.advance(10 * minute);
    expect(world.writes(before)).toEqual([]);
    world.person.delete("services", "shop/orders");
    await world.settle();
    expect(listedHosts(world, "shop")).toEqual(["orders.shop"]);
    await world.advance(11 * second);
    expect(problems(world)).toEqual([]);
  });

  test("is refused also if the Services are listed last", async () => {
    const world = openBeside();
    const gate = world.api.hold({ resource: "services" });
    await world.hubController.start();
    await world.advance(10 * second);
    expect(listedHosts(world, "shop")).toEqual([]);
    gate.open();
    await world.advance(1 * minute);
    expect(listedHosts(world, "shop")).toEqual([]);
    expect(problems(world)).toEqual(["rejected ShadowsService"]);
  });

  test("is nothing that a hub which observes would make", async () => {
    const world = openBeside();
    world.person.edit("registryhubs", "demo/hub", (one) => ({
      ...one,
      spec: { ...one.spec, policy: "observe" },
    }));
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(statusOf(world).plan).toEqual({ create: 0, change: 0, remove: 0 });
    world.person.delete("services", "shop/orders");
    await world.advance(11 * second);
    expect(statusOf(world).plan).toEqual({ create: 1, change: 0, remove: 0 });
  });

  test("is made where Services cannot be read", async () => {
    const world = openBeside();
    world.api.forbid({ resource: "services" });
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(listedHosts(world, "shop")).toEqual(["orders.shop"]);
  });

  test("is made by a hub of its own namespace, with a warning", async () => {
    const world = openBeside("shop");
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(listedHosts(world, "shop")).toEqual(["orders.shop"]);
    expect(problems(world, "shop/hub")).toEqual(["warning ShadowsService"]);
  });

  test("stays where it is already, follows its registry, and comes back if somebody deletes it", async () => {
    const world = openBeside();
    world.person.delete("services", "shop/orders");
    await world.hubController.start();
    await world.advance(1 * minute);
    await world.hubController.stop();
    world.person.put(service);
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(problems(world)).toEqual(["warning ShadowsService"]);
    world.registry("consul").set("orders", ["10.42.0.5:8080"], "spring");
    await world.advance(5 * second);
    expect(addressesOf(world, "orders", "shop")).toEqual(["10.42.0.5:8080"]);
    world.person.delete("serviceentries", `shop/${entryOf(world, "orders", "shop")?.metadata.name ?? ""}`);
    await world.advance(5 * second);
    expect(addressesOf(world, "orders", "shop")).toEqual(["10.42.0.5:8080"]);
  });
});
