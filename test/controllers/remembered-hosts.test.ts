import { describe, expect, test } from "vitest";
import { deniedByWebhook } from "../fakes/api-server/answer.ts";
import { instanceAt } from "../fakes/registries.ts";
import { addressesOf, entryOf, listedHosts } from "./looks.ts";
import { openSettled } from "./scenes.ts";
import { hub, minute, openWorld, second, type World } from "./world.ts";

const entryName = "demo/aeraki-demo-a-demo";
const vipAndPort = (world: World) => {
  const spec = entryOf(world, "demo.A")?.spec;
  return [spec?.addresses, spec?.ports?.map(({ number }) => number)];
};

describe("an entry", () => {
  test("that somebody deletes comes back with its port, though most instances have another by now", async () => {
    const world = await openSettled({ services: { "demo.A": ["10.42.0.1:20880"] } });
    world.registry().set("demo.A", ["10.42.0.1:20880", "10.42.0.2:20990", "10.42.0.3:20990"]);
    await world.advance(2 * second);
    const before = vipAndPort(world);
    world.person.delete("serviceentries", entryName);
    await world.advance(2 * second);
    expect(vipAndPort(world)).toEqual(before);
    expect(before[1]).toEqual([20_880]);
  });

  test("that the operator deleted is forgotten: the service that returns gets an entry of its own", async () => {
    const world = await openSettled({
      services: { "demo.A": ["10.42.0.1:20880"], "demo.B": ["10.42.0.2:20880"] },
    });
    world.registry().remove("demo.A");
    await world.advance(12 * minute);
    expect(entryOf(world, "demo.A")).toBeUndefined();
    world.registry().set("demo.A", ["10.42.0.1:20990"]);
    await world.advance(2 * second);
    expect(vipAndPort(world)[1]).toEqual([20_990]);
  });

  test("without endpoints stays for its grace, whatever the wall clock does meanwhile", async () => {
    const world = await openSettled();
    world.registry().remove("demo.A");
    await world.advance(2 * second);
    expect(addressesOf(world, "demo.A")).toEqual([]);
    world.clock.jump(24 * 60 * minute);
    world.registry().set("demo.C", ["10.42.0.3:20880"]);
    await world.advance(9 * minute);
    expect(addressesOf(world, "demo.A")).toEqual([]);
    await world.advance(2 * minute);
    expect(addressesOf(world, "demo.A")).toBeUndefined();
  });

  test("without endpoints that gets one loses it later for as long as the first time", async () => {
    const world = await openSettled();
    world.registry().remove("demo.A");
    await world.advance(8 * minute);
    world.registry().set("demo.A", ["10.42.0.1:20880"]);
    await world.advance(1 * minute);
    world.registry().remove("demo.A");
    await world.advance(9 * minute);
    expect(addressesOf(world, "demo.A")).toEqual([]);
    await world.advance(2 * minute);
    expect(addressesOf(world, "demo.A")).toBeUndefined();
  });
});

test("services that want their virtual IPs at one moment get one each", async () => {
  const world = openWorld();
  world.registry().lists({
    "demo.A": ["10.42.0.1:20880"],
    "demo.B": ["10.42.0.2:20880"],
    "demo.C": ["10.42.0.3:20880"],
  });
  world.person.put(hub());
  world.api.slow({ resource: "serviceentries", verb: "patch" }, 1 * second);
  await world.hubController.start({ vipCidr: "240.241.0.0/30" });
  await world.advance(1 * minute);
  expect(listedHosts(world)).toHaveLength(3);
  const vips = ["demo.A", "demo.B", "demo.C"].map((service) => entryOf(world, service)?.spec.addresses?.[0]);
  expect(new Set(vips)).toEqual(new Set(["240.241.0.1", "240.241.0.2", "240.241.0.3"]));
  const asked = world.api.writes({ resource: "serviceentries" }).map(({ name }) => name);
  expect(asked).toHaveLength(3); // none was written twice
});

test("services whose entries would have one name get one each, though they want it at one moment", async () => {
  const world = openWorld();
  world.registry().lists({
    "demo.A.B": ["10.42.0.1:20880"],
    "demo.A": [instanceAt("10.42.0.2:20880", "dubbo", { version: "B" })],
  });
  world.person.put(hub());
  world.api.slow({ resource: "serviceentries", verb: "patch" }, 1 * second);
  await world.hubController.start();
  await world.advance(1 * minute);
  expect(listedHosts(world)).toEqual(["demo.a-b.demo", "demo.a.b.demo"]);
  expect(world.api.writes({ resource: "serviceentries" }).map(({ code }) => code)).toEqual([201, 201]);
});

test("nothing is asked for in a namespace that is missing", async () => {
  const world = await openSettled({ spec: { generate_to: "later" } });
  expect(world.api.writes({ resource: "serviceentries" })).toEqual([]);
});

test("every write is in the log and counted, with what it was about", async () => {
  const world = await openSettled();
  world.registry().set("demo.A", ["10.42.0.1:20880", "10.42.0.9:20880"]);
  await world.advance(2 * second);
  world.api.refuse({ name: "aeraki-demo-b-demo", verb: "patch" }, () => deniedByWebhook("not here"));
  world.registry().remove("demo.B");
  await world.advance(2 * second);
  world.registry().remove("demo.A");
  await world.advance(20 * minute); // the brake, then the grace
  const of = { kind: "ServiceEntry", host: "demo/demo.a.demo", name: "aeraki-demo-a-demo" };
  const told = world.hubController.log
    .filter(({ fields }) => fields.host === of.host)
    .map(({ level, message, fields }) => ({ level, message, fields }));
  expect(told).toMatchObject([
    { level: "info", message: "object created", fields: { ...of, endpoints: 1 } },
    { level: "debug", message: "object changed", fields: { ...of, endpoints: 2 } },
    { level: "debug", message: "object changed", fields: { ...of, endpoints: 0 } },
    { level: "info", message: "object deleted", fields: { ...of, why: "empty" } },
  ]);
  const metrics = await world.hubController.metrics();
  const counted = (verb: string, result: string) =>
    new RegExp(`registryhub_writes_total{kind="ServiceEntry",verb="${verb}",result="${result}"} (\\d+)`).exec(
      metrics,
    )?.[1];
  expect([counted("apply", "ok"), counted("delete", "ok")]).toEqual(["4", "1"]);
  expect(Number(counted("apply", "Forbidden"))).toBeGreaterThan(0);
});
