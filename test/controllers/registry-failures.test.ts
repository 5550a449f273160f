import { describe, expect, test } from "vitest";
import { serviceOf } from "../fakes/registries.ts";
import { addressesOf, listedHosts, messageOf, said, statusOf, writesSince } from "./looks.ts";
import { hostsOf, openSettled, two } from "./scenes.ts";
import { hub, hubKey, minute, openWorld, second } from "./world.ts";

describe("a registry that is lost", () => {
  test("leaves everything as it is, and is reported after 5 s", async () => {
    const world = await openSettled();
    const before = world.writes().length;
    world.registry().fail();
    await world.advance(5 * second - 1);
    expect(said(world)).toMatchObject({ phase: "success", RegistrySynced: "True Synced" });
    await world.advance(200);
    expect(said(world)).toMatchObject({
      phase: "failed",
      RegistrySynced: "False RegistryUnreachable",
      Applied: "True Applied",
      Ready: "False RegistryUnreachable",
    });
    expect(messageOf(world, "Ready")).toBe(
      "zk:2181 cannot be reached. Check spec.address; the operator retries by itself.",
    );
    const ready = statusOf(world).conditions.find(({ type }) => type === "Ready");
    expect(ready?.failed_reason).toBe("zk:2181 cannot be reached");
    await world.advance(60 * minute);
    expect(listedHosts(world)).toEqual(hostsOf(two));
    expect(writesSince(world, before)).toEqual([
      "patch registryhubs/status hub",
      expect.stringMatching(/^patch events hub\./),
    ]);
  });

  test("and comes back within 5 s is never reported", async () => {
    const world = await openSettled();
    const before = world.writes().length;
    world.registry().fail();
    await world.advance(1 * second);
    world.registry().heal();
    await world.advance(10 * minute);
    expect(writesSince(world, before)).toEqual([]);
  });

  test("is tried again after 0.75 s, then later and later, up to every 30 s", async () => {
    const world = await openSettled();
    world.registry().fail();
    const tried = async (ms: number): Promise<number> => {
      const before = world.registry().opened.length;
      await world.advance(ms);
      return world.registry().opened.length - before;
    };
    expect(await tried(749)).toBe(0);
    expect(await tried(1)).toBe(1);
    expect(await tried(1_500)).toBe(1);
    expect(await tried(3_000)).toBe(1);
    await world.advance(10 * minute);
    expect(await tried(45 * second)).toBe(2);
    world.registry().heal();
    await world.advance(30 * second);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
  });

  test("is a line of the log, and one more for each other reason; so is each time that it is read anew", async () => {
    const world = await openSettled();
    world.registry().fail();
    await world.advance(10 * minute);
    world.registry().fail("RegistryUnauthorized", "zk:2181 refuses the user");
    await world.advance(10 * minute);
    world.registry().heal();
    await world.advance(1 * minute);
    world.registry().set("demo.A", ["10.42.0.1:20880", "10.42.0.9:20880"]);
    await world.advance(1 * minute);
    const about = { hub: hubKey, type: "zookeeper" };
    const told = world.hubController.log
      .filter(({ message }) => message.startsWith("registry "))
      .map(({ level, message, fields }) => [level, message, fields]);
    const listed = ["info", "registry listed", { ...about, services: 2, endpoints: 2 }];
    const lost = (code: string, error: string) => [
      "warn",
      "registry not readable",
      { ...about, code, error: expect.stringContaining(error) },
    ];
    expect(told).toEqual([
      listed,
      lost("RegistryUnreachable", "zk:2181 cannot be reached"),
      lost("RegistryUnauthorized", "zk:2181 refuses the user"),
      listed,
    ]);
  });

  test("for the first time is reported at once", async () => {
    const world = openWorld();
    world.registry().fail("RegistryUnauthorized", "zk:2181 refuses the user");
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(1 * second);
    expect(said(world)).toMatchObject({
      phase: "failed",
      RegistrySynced: "False RegistryUnauthorized",
      Applied: "Unknown Syncing",
      Ready: "False RegistryUnauthorized",
    });
    expect(statusOf(world).serviceentries).toEqual({});
  });

  test("after a restart leaves what an earlier process made, and its status for 10 s", async () => {
    const world = await openSettled();
    await world.hubController.stop();
    world.registry().fail();
    const before = world.writes().length;
    world.registry().heal();
    world.registry().beSilent();
    await world.hubController.start();
    await world.advance(9 * second);
    expect(writesSince(world, before)).toEqual([]);
    await world.advance(2 * second);
    expect(said(world)).toMatchObject({ phase: "pending", RegistrySynced: "Unknown Connecting" });
    expect(statusOf(world)).toMatchObject({ services: 2, endpoints: 2 });
    await world.advance(60 * minute);
    expect(listedHosts(world)).toEqual(hostsOf(two));
  });
});

describe("a registry that restarted", () => {
  test("is not believed to have lost anything for 60 s", async () => {
    const world = await openSettled({ services: { ...two, "demo.C": ["10.42.0.3:20880"] } });
    world.registry().drop();
    world.registry().lists(two);
    await world.advance(50 * second);
    expect(addressesOf(world, "demo.C")).toEqual(["10.42.0.3:20880"]);
    expect(said(world)).toMatchObject({ phase: "success", DeletionHeld: "True Settling" });
    expect(statusOf(world).hold).toMatchObject({ services: 1, endpoints: 1 });
    await world.advance(20 * second);
    expect(addressesOf(world, "demo.C")).toEqual([]);
    expect(said(world)).toMatchObject({ DeletionHeld: "False NothingHeld" });
  });

  test("and gets its services back one after the other loses none of them", async () => {
    const world = await openSettled();
    const before = world.writes().length;
    world.registry().drop();
    world.registry().lists({});
    await world.advance(20 * second);
    world.registry().lists({ "demo.A": two["demo.A"] ?? [] });
    await world.advance(20 * second);
    world.registry().lists(two);
    await world.advance(10 * minute);
    const entries = writesSince(world, before).filter((write) => write.includes("serviceentries"));
    expect(entries).toEqual([]);
    expect(listedHosts(world)).toEqual(hostsOf(two));
  });
});

describe("an odd entry of a registry", () => {
  test("is a problem in the status, and costs nobody else anything", async () => {
    const world = openWorld();
    world.registry().lists({
      "demo.A": ["10.42.0.1:0", "10.42.0.2:20880", "127.0.0.1:20880"],
      "demo.B": two["demo.B"] ?? [],
    });
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.2:20880"]);
    expect(addressesOf(world, "demo.B")).toEqual(["10.42.0.2:20880"]);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
    expect(statusOf(world).rejected).toBe(2);
    expect(statusOf(world).problems.map(({ problem }) => problem.split(":")[0])).toEqual([
      "BadPort",
      "BadAddress",
    ]);
  });

  test("that nobody could read keeps what the cluster has of it", async () => {
    const world = await openSettled();
    const problem = { at: "demo.A", code: "Unreadable", detail: "no right", severity: "warning" } as const;
    world.registry().listsServices([serviceOf("demo.A", "unknown", "dubbo", [problem])]);
    await world.advance(60 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(two["demo.A"]);
    expect(addressesOf(world, "demo.B")).toBeUndefined();
    expect(statusOf(world).problems).toEqual([
      { at: "demo.A", problem: "Unreadable: no right", severity: "warning" },
    ]);
    world.registry().lists({});
    await world.advance(60 * minute);
    expect(listedHosts(world)).toEqual([]);
  });

  test("that could be read in part: what it lists is followed, and of the rest nothing goes", async () => {
    const world = await openSettled();
    const all = ["10.42.0.1:20880", "10.42.0.9:20880"];
    const part = (listed: readonly string[]) => ({
      ...serviceOf("demo.A", listed),
      isPartial: true as const,
    });
    world.registry().listsServices([part(["10.42.0.9:20880"])]);
    await world.advance(60 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(all);
    world.registry().listsServices([part([])]);
    await world.advance(60 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(all);
    world.registry().lists({ "demo.A": ["10.42.0.9:20880"] });
    await world.advance(2 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
  });

  test("about the registry as a whole is told, and goes with its cause", async () => {
    const world = openWorld();
    const registry = world.registry();
    registry.lists({});
    registry.describe({
      problems: [{ at: "/dubbo", code: "RootMissing", detail: "no /dubbo yet", severity: "warning" }],
    });
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
    expect(statusOf(world).problems).toHaveLength(1);
    registry.describe({ problems: [] });
    await world.advance(20 * second);
    expect(statusOf(world).problems).toEqual([]);
    expect(world.person.get("registryhubs", hubKey)?.status?.rejected).toBe(0);
  });
});
