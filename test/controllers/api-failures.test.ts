import { describe, expect, test } from "vitest";
import { deniedByWebhook, failure, tooManyRequests } from "../fakes/api-server/answer.ts";
import {
  addressesOf,
  entryOf,
  listedHosts,
  messageOf,
  said,
  statusOf,
  warningsOf,
  writesSince,
} from "./looks.ts";
import { hostsOf, openSettled, ten, two } from "./scenes.ts";
import { hub, minute, openWorld, second, type World } from "./world.ts";

/** Wall times, in seconds after the first, at which entries of a name were asked to be written. */
function askedAt({ api }: World, name: string): readonly number[] {
  const at = api.writes({ resource: "serviceentries", name }).map((write) => write.at / 1_000);
  return at.map((one) => Math.round(one - (at[0] ?? 0)));
}

describe("the API server is down", () => {
  test("nothing is lost: what happened meanwhile is made up for when it is back", async () => {
    const world = await openSettled();
    const goUp = world.api.goDown();
    world.registry().lists({ "demo.A": ["10.42.0.9:20880"], "demo.C": ["10.42.0.3:20880"] });
    await world.advance(10 * minute);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    goUp();
    await world.advance(1 * minute + second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
    expect(addressesOf(world, "demo.C")).toEqual(["10.42.0.3:20880"]);
    expect(addressesOf(world, "demo.B")).toEqual([]);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
  });

  test("at the start: the operator waits for it", async () => {
    const world = openWorld();
    world.registry().lists(two);
    world.person.put(hub());
    const goUp = world.api.goDown();
    await world.hubController.start();
    await world.dubboController.start();
    await world.advance(5 * minute);
    expect(world.registry().opened).toEqual([]);
    goUp();
    await world.advance(31 * second);
    expect(listedHosts(world)).toEqual(hostsOf(two));
  });

  test("a write that it never answered is made again", async () => {
    const world = await openSettled();
    const gate = world.api.hold({ resource: "serviceentries", verb: "patch" });
    world.registry().set("demo.A", ["10.42.0.1:20880", "10.42.0.9:20880"]);
    await world.advance(29 * second);
    expect(gate.waiting).toHaveLength(1);
    gate.open();
    await world.advance(5 * second);
    expect(addressesOf(world, "demo.A")).toHaveLength(2);
  });

  test("history that it has forgotten is listed anew", async () => {
    const world = await openSettled();
    const goUp = world.api.goDown();
    const key = `demo/${entryOf(world, "demo.A")?.metadata.name}`;
    world.person.delete("serviceentries", key);
    world.api.compact();
    await world.advance(2 * second);
    goUp();
    await world.advance(1 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(two["demo.A"]);
    expect(world.hubController.log.map(({ fields }) => String(fields.error)).join()).toContain("too old");
  });

  test("watches that end in the middle of nothing cost no write", async () => {
    const world = await openSettled();
    const before = world.writes().length;
    for (const stream of world.api.watches()) stream.end();
    await world.advance(1 * minute);
    for (const stream of world.api.watches()) stream.hang();
    await world.advance(10 * minute);
    expect(writesSince(world, before)).toEqual([]);
    world.registry().set("demo.A", ["10.42.0.9:20880"]);
    await world.advance(1 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
  });
});

describe("the API server refuses", () => {
  test("for overload: it is left alone for as long as it wants, object by object", async () => {
    const world = await openSettled();
    const end = world.api.refuse(
      { resource: "serviceentries", verb: "patch", name: "aeraki-demo-a-demo" },
      () => tooManyRequests(20),
    );
    world.registry().lists({ "demo.A": ["10.42.0.9:20880"], "demo.B": ["10.42.0.8:20880"] });
    await world.advance(1 * second);
    expect(addressesOf(world, "demo.B")).toEqual(["10.42.0.8:20880"]);
    const tries = world.api.writes({ name: "aeraki-demo-a-demo" }).length;
    await world.advance(18 * second);
    expect(world.api.writes({ name: "aeraki-demo-a-demo" })).toHaveLength(tries);
    end();
    await world.advance(2 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
  });

  test("by a webhook: the status says its words, others go on, and it is tried again ever later, up to every minute", async () => {
    const world = openWorld();
    world.registry().lists(two);
    world.person.put(hub());
    const end = world.api.refuse({ name: "aeraki-demo-a-demo", verb: "patch" }, () =>
      failure(500, "InternalError", "admission webhook failed: boom"),
    );
    await world.hubController.start();
    await world.advance(10 * minute);
    expect(addressesOf(world, "demo.B")).toEqual(two["demo.B"]);
    expect(said(world)).toMatchObject({
      phase: "failed",
      Applied: "False ApplyFailed",
      Ready: "False ApplyFailed",
    });
    expect(messageOf(world, "Applied")).toContain("admission webhook failed: boom");
    expect(askedAt(world, "aeraki-demo-a-demo").slice(0, 8)).toEqual([0, 1, 3, 7, 15, 31, 63, 123]);
    end();
    await world.advance(1 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(two["demo.A"]);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
  });

  test("one delete: the entry stays and is deleted later", async () => {
    const world = await openSettled();
    const end = world.api.refuse({ verb: "delete" }, () =>
      failure(503, "ServiceUnavailable", "starting", {}, 3),
    );
    world.registry().remove("demo.A");
    await world.advance(10 * minute + 5 * second);
    expect(entryOf(world, "demo.A")).toBeDefined();
    end();
    await world.advance(1 * minute);
    expect(entryOf(world, "demo.A")).toBeUndefined();
  });

  test("to let the status be written: an Event says so, and the entries go on", async () => {
    const world = openWorld();
    world.registry().lists(two);
    world.person.put(hub());
    const end = world.api.forbid({ resource: "registryhubs", subresource: "status" });
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    expect(warningsOf(world)).toEqual(["RegistryHub hub: Forbidden"]);
    end();
    await world.advance(1 * minute);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
  });

  test("to let an Event be written: it is logged, and disturbs nobody", async () => {
    const world = await openSettled({ services: ten });
    world.api.forbid({ resource: "events" });
    world.registry().lists({});
    await world.advance(5 * second);
    expect(world.hubController.log.map(({ message }) => message)).toContain("event not written");
    expect(said(world)).toMatchObject({ DeletionHeld: "True Shrunk" });
  });
});

describe("a right that is missing", () => {
  test.each([
    ["serviceentries", "patch"],
    ["serviceentries", "list"],
    ["namespaces", "list"],
  ] as const)(
    "to %s, %s, is said in the server's words, and used when it is granted",
    async (resource, verb) => {
      const world = openWorld();
      world.registry().lists(two);
      world.person.put(hub());
      const end = world.api.forbid({ resource, verb });
      await world.hubController.start();
      await world.advance(1 * minute);
      expect(said(world)).toMatchObject({ phase: "failed", Applied: "False Forbidden" });
      expect(messageOf(world, "Applied")).toContain(`cannot ${verb} resource "${resource}"`);
      end();
      await world.advance(1 * minute);
      expect(listedHosts(world)).toEqual(hostsOf(two));
      expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
    },
  );

  test("to list Services costs nothing but a warning", async () => {
    const world = openWorld();
    world.registry().lists(two);
    world.person.put(hub());
    world.api.forbid({ resource: "services" });
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
    const told = world.hubController.log.filter(({ fields }) => fields.resource === "services");
    expect(told.map(({ message }) => message)).toContain("not watching");
  });

  test("that is taken away while everything runs keeps everything", async () => {
    const world = await openSettled();
    world.api.forbid({ resource: "serviceentries" });
    for (const stream of world.api.watches("serviceentries")) stream.end(new Error("cut"));
    world.registry().lists({});
    await world.advance(60 * minute);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    expect(said(world)).toMatchObject({ phase: "failed", Applied: "False Forbidden" });
  });
});

describe("Istio's CRDs are missing", () => {
  test("is said after 10 s, and the entries follow when they are installed", async () => {
    const world = openWorld();
    world.api.removeCrds("networking.istio.io");
    world.registry().lists(two);
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(9 * second);
    expect(world.registry().opened).toEqual([]);
    await world.advance(5 * second);
    expect(said(world)).toMatchObject({
      phase: "failed",
      RegistrySynced: "True Synced",
      Applied: "False IstioMissing",
      Ready: "False IstioMissing",
    });
    world.api.installCrds();
    await world.advance(7 * second);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
  });

  test("only seemingly: what there is turns up, is judged anew, and nothing of it goes too early", async () => {
    const world = await openSettled();
    await world.hubController.stop();
    const end = world.api.refuse({ resource: "serviceentries" }, () => ({
      code: 404,
      body: "404 page not found\n",
    }));
    world.registry().lists({ "demo.A": two["demo.A"] ?? [] });
    await world.hubController.start();
    await world.advance(5 * minute);
    end();
    await world.advance(30 * second);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    await world.advance(1 * minute);
    expect(listedHosts(world)).toEqual(["demo.a.demo"]);
  });
});

describe("virtual IPs", () => {
  test("that are exhausted are said, the others keep theirs, and a free one is used", async () => {
    const world = openWorld();
    world.registry().lists({ ...two, "demo.C": ["10.42.0.3:20880"] });
    world.person.put(hub());
    await world.hubController.start({ vipCidr: "240.241.0.0/30" });
    await world.advance(1 * minute);
    expect(said(world)).toMatchObject({ phase: "success" });
    world.registry().set("demo.D", ["10.42.0.4:20880"]);
    await world.advance(5 * second);
    expect(said(world)).toMatchObject({ phase: "failed", Applied: "False VipsExhausted" });
    expect(messageOf(world, "Applied")).toContain("Widen --vip-cidr");
    expect(listedHosts(world)).toHaveLength(3);
    expect(statusOf(world).services).toBe(3);
    world.registry().remove("demo.A");
    await world.advance(12 * minute);
    expect(addressesOf(world, "demo.D")).toEqual(["10.42.0.4:20880"]);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
  });
});

test("an admission policy that refuses one object is no reason to stop asking for others", async () => {
  const world = openWorld();
  world.registry().lists(ten);
  world.person.put(hub());
  world.api.refuse({ name: "aeraki-demo-s0-demo", verb: "patch" }, () => deniedByWebhook("not here"));
  await world.hubController.start();
  await world.advance(1 * minute);
  expect(listedHosts(world)).toHaveLength(9);
});
