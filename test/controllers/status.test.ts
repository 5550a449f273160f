import { describe, expect, test } from "vitest";
import { said, statusOf, writesSince } from "./looks.ts";
import { openSettled, ten, two } from "./scenes.ts";
import { hub, hubKey, minute, openWorld, second } from "./world.ts";

describe("a status", () => {
  test("names every entry with the time of the last write to it", async () => {
    const world = await openSettled();
    const before = statusOf(world).serviceentries;
    expect(Object.keys(before)).toEqual(["aeraki-demo-a-demo", "aeraki-demo-b-demo"]);
    await world.advance(1 * minute);
    world.registry().lists({ ...two, "demo.A": ["10.42.0.9:20880"], "demo.C": ["10.42.0.3:20880"] });
    await world.advance(20 * second);
    const after = statusOf(world).serviceentries;
    expect(after["aeraki-demo-a-demo"]).not.toBe(before["aeraki-demo-a-demo"]);
    expect(after["aeraki-demo-b-demo"]).toBe(before["aeraki-demo-b-demo"]);
    expect(Object.keys(after)).toHaveLength(3);
  });

  test("has new counts at most every 10 s, and new conditions at once", async () => {
    const world = await openSettled();
    const before = world.writes().length;
    for (let at = 0; at < 30; at++) {
      world.registry().set(`demo.N${at}`, [`10.42.1.${at + 1}:20880`]);
      await world.advance(1 * second);
    }
    const written = writesSince(world, before).filter((write) => write.includes("status")).length;
    expect(written).toBeGreaterThanOrEqual(2);
    expect(written).toBeLessThanOrEqual(4);
    world.registry().fail();
    await world.advance(5_200);
    expect(said(world)).toMatchObject({ phase: "failed" });
    await world.advance(11 * second);
    expect(statusOf(world).services).toBe(32);
  });

  test("says Syncing while writes take long, and Applied when all are made", async () => {
    const world = await openSettled();
    const gate = world.api.hold({ resource: "serviceentries", name: "aeraki-demo-c-demo" });
    world.registry().set("demo.C", ["10.42.0.3:20880"]);
    await world.advance(4 * second);
    expect(said(world)).toMatchObject({ phase: "success", Applied: "True Applied", Ready: "True Ready" });
    await world.advance(2 * second);
    expect(said(world)).toMatchObject({
      phase: "success",
      Applied: "Unknown Syncing",
      Ready: "Unknown Syncing",
    });
    gate.open();
    await world.advance(2 * second);
    expect(said(world)).toMatchObject({ phase: "success", Applied: "True Applied", Ready: "True Ready" });
  });

  test("moves a condition's time only when its status moves", async () => {
    const world = await openSettled();
    const timeOf = (): string =>
      statusOf(world).conditions.find(({ type }) => type === "RegistrySynced")?.lastTransitionTime ?? "";
    const before = timeOf();
    await world.advance(10 * minute);
    world.registry().set("demo.C", ["10.42.0.3:20880"]);
    await world.advance(20 * second);
    expect(timeOf()).toBe(before);
    world.registry().fail();
    await world.advance(10 * second);
    expect(timeOf()).not.toBe(before);
  });

  test("that somebody edits or clears is written again", async () => {
    const world = await openSettled();
    world.person.editStatus("registryhubs", hubKey, (object) => ({ ...object, status: { phase: "failed" } }));
    await world.advance(2 * second);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
  });

  test("counts a service without endpoints no more, and keeps its entry's name while it is there", async () => {
    const world = await openSettled({ services: ten });
    world.registry().lists({ ...ten, "demo.S0": [] });
    await world.advance(20 * second);
    expect(statusOf(world)).toMatchObject({ services: 9, endpoints: 9 });
    expect(Object.keys(statusOf(world).serviceentries)).toHaveLength(10);
  });
});

describe("a Service of the cluster that has the name of a host", () => {
  const service = { apiVersion: "v1", kind: "Service", metadata: { namespace: "a", name: "demo" }, spec: {} };

  test("is a warning, as long as it is there, and after a restart", async () => {
    const world = openWorld();
    world.person.createNamespace("orders");
    world.registry("consul").lists({ orders: ["10.42.0.4:8080"] }, "spring");
    world.person.put({ ...service, metadata: { namespace: "demo", name: "orders" } });
    world.person.put(hub({ type: "consul", address: "consul" }));
    await world.hubController.start();
    await world.advance(1 * minute);
    const problems = (): readonly string[] =>
      statusOf(world).problems.map(({ problem }) => problem.split(":")[0] ?? "");
    expect(problems()).toEqual(["ShadowsService"]);
    expect(statusOf(world).rejected).toBe(0);
    const before = world.writes().length;
    const gate = world.api.hold({ resource: "services" });
    await world.hubController.restart();
    await world.advance(1 * minute);
    expect(writesSince(world, before)).toEqual([]);
    gate.open();
    await world.advance(10 * second);
    world.person.delete("services", "demo/orders");
    await world.advance(11 * second);
    expect(problems()).toEqual([]);
    world.person.put({ ...service, metadata: { namespace: "demo", name: "orders" } });
    await world.advance(11 * second);
    expect(problems()).toEqual(["ShadowsService"]);
  });
});

describe("metrics", () => {
  test("say of each hub whether its registry is up, what it has and what is held; and forget it when it is gone", async () => {
    const world = await openSettled({ services: ten });
    const metrics = await world.hubController.metrics();
    expect(metrics).toContain('registryhub_registry_up{hub="demo/hub",type="zookeeper"} 1');
    expect(metrics).toContain('registryhub_services{hub="demo/hub"} 10');
    expect(metrics).toContain('registryhub_endpoints{hub="demo/hub"} 10');
    expect(metrics).toContain("registryhub_vip_pool_used 10");
    expect(metrics).toContain('registryhub_writes_total{kind="ServiceEntry",verb="apply",result="ok"} 10');
    world.registry().lists({});
    await world.advance(2 * second);
    expect(await world.hubController.metrics()).toContain('registryhub_held_removals{hub="demo/hub"} 10');
    world.person.delete("registryhubs", hubKey);
    await world.advance(2 * minute);
    expect(await world.hubController.metrics()).not.toContain("demo/hub");
  });

  test("have one series for what the status says of each condition, and none of what it said before", async () => {
    const world = await openSettled();
    const conditions = async () =>
      (await world.hubController.metrics())
        .split("\n")
        .filter((line) => line.startsWith("registryhub_condition{"))
        .map((line) => line.replace(/.*type="(\w+)",status="(\w+)",reason="(\w+)"} 1$/, "$1 $2 $3"))
        .toSorted();
    expect(await conditions()).toEqual([
      "Applied True Applied",
      "DeletionHeld False NothingHeld",
      "Ready True Ready",
      "RegistrySynced True Synced",
    ]);
    world.registry().fail();
    await world.advance(10 * second);
    const lost = [
      "Applied True Applied",
      "DeletionHeld False NothingHeld",
      "Ready False RegistryUnreachable",
      "RegistrySynced False RegistryUnreachable",
    ];
    expect(await conditions()).toEqual(lost);
    await world.hubController.restart();
    await world.advance(1 * second);
    expect(await conditions()).toEqual(lost);
    world.person.delete("registryhubs", hubKey);
    await world.advance(2 * second);
    expect(await conditions()).toEqual([]);
  });

  test("a queue that has worked on one key for longer than a while is stuck", async () => {
    const world = await openSettled();
    expect(world.hubController.stuckLoops(20 * second)).toEqual([]);
    world.api.hold({ resource: "serviceentries", verb: "patch" });
    world.registry().set("demo.A", ["10.42.0.9:20880"]);
    await world.advance(25 * second);
    expect(world.hubController.stuckLoops(20 * second)).toEqual(["hosts"]);
    expect(await world.hubController.metrics()).toContain('registryhub_queue_depth{queue="hosts"} 0');
  });
});
