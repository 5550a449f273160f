import { describe, expect, test } from "vitest";
import type { FakeUser } from "../../../fakes/nacos/data.ts";
import { provider, providersOf, settle, startStage, told, toldBy } from "./stage.ts";

const host = { ip: "10.42.0.1", port: 8080 };
const user: FakeUser = { username: "reader", password: "s3cret" };
const credentials = { username: user.username, password: user.password };

describe("all groups of a Nacos 2", () => {
  test.each([
    ["an HTTP error", { refuse: 503 }],
    ["a broken connection", "cut"],
    ["no JSON", { answer: "<html>" }],
    ["a list that is short", { answer: { count: 5, serviceList: [] } }],
  ] as const)("a list that fails for a while costs nothing: %s", async (_, reaction) => {
    await using stage = await startStage();
    const { nacos } = stage;
    nacos.register("order", [host]);
    const watch = stage.watch({ groups: [] });
    await watch.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1"] }));
    await stage.pass(40_000);
    nacos.fault("GET /v1/ns/catalog", reaction);
    await stage.pass(40_000);
    nacos.register("stock", [host], { group: "team-a" });
    nacos.register("order", [{ ip: "10.42.0.2", port: 8080 }]);
    await watch.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1", "10.42.0.2"] }));
    nacos.heal();
    await watch.within(20_000, (one) => expect(Object.keys(told(one))).toEqual(["order", "stock"]));
    nacos.fault("GET /v1/ns/catalog", reaction);
    await stage.pass(75_000);
    expect(await watch.ended).toMatchObject({ detail: expect.stringContaining("catalog/services") });
  });

  test("lists that fail while the server's clients return end the watch, before what they lack counts as gone", async () => {
    await using stage = await startStage();
    const { nacos } = stage;
    const watch = stage.watch({ groups: [] });
    await watch.until((one) => expect(told(one)).toEqual({}));
    await stage.pass(5_000);
    nacos.fault("GET /v1/ns/catalog", { refuse: 503 });
    nacos.register("order", [host]);
    await stage.pass(5_000);
    expect(watch.isOver()).toBe(false);
    await stage.pass(10_000);
    expect(watch.isOver()).toBe(true);
    expect(await watch.ended).toMatchObject({ code: "RegistryUnreachable" });
  });

  test("a first list may fail once, and is never taken for an empty registry", async () => {
    await using stage = await startStage();
    stage.nacos.register("order", [host]);
    stage.nacos.fault("GET /v1/ns/catalog", { refuse: 503 }, 1);
    await stage.watch({ groups: [] }).until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1"] }));
    stage.nacos.fault("GET /v1/ns/catalog", { refuse: 503 }, 2);
    const watch = stage.watch({ groups: [] });
    expect(await watch.ended).toMatchObject({ code: "RegistryUnreachable" });
    expect(watch.snapshots).toEqual([]);
  });

  test("a right that is taken away is told at once", async () => {
    await using stage = await startStage({ users: [user] });
    stage.nacos.register("order", [host]);
    const watch = stage.watch({ groups: [], credentials });
    await watch.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1"] }));
    stage.nacos.data.users.set(user.username, { ...user, may: () => false });
    await stage.pass(2_500);
    expect(await watch.ended).toMatchObject({ code: "RegistryUnauthorized" });
  });

  test("a login that has no answer holds nothing back", async () => {
    await using stage = await startStage({ users: [user] });
    const { nacos } = stage;
    nacos.access.tokenTtlS = 600;
    nacos.register("order", [host]);
    const watch = stage.watch({ credentials });
    await watch.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1"] }));
    nacos.fault("POST /v", "hang");
    await stage.pass(560_000); // the token is due, and good
    for (let at = 2; at < 8; at++) {
      nacos.register("order", [{ ip: `10.42.0.${at}`, port: 8080 }]);
      await watch.until((one) => expect(told(one).order).toHaveLength(at));
      await stage.pass(5_000);
    }
    expect(watch.isOver()).toBe(false);
  });
});

describe("all groups of a Nacos 3", () => {
  const names = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `s${at}`);

  test.each([499, 500, 501, 2_000])(
    "with a login %i services are listed, and the next one is seen",
    async (count) => {
      await using stage = await startStage({ version: "3.1", users: [user] });
      const { nacos } = stage;
      for (const [at, name] of names(count).entries())
        nacos.register(name, [host], { group: `team-${at % 3}` });
      const watch = stage.watch({ groups: [], credentials });
      await watch.until((one) => expect(one.services.size).toBe(count));
      nacos.register("pay", [host], { group: "team-b" });
      const snapshot = await watch.within(12_000, (one) => expect(one.services.size).toBe(count + 1));
      expect(snapshot.problems).toEqual([]);
      nacos.resetClients();
      await watch.ended;
      await stage
        .watch({ groups: [], credentials })
        .until((one) => expect(one.services.size).toBe(count + 1));
    },
  );

  test("without a login, that there may be more is told before it matters", async () => {
    await using stage = await startStage({ version: "3.1" });
    const { nacos } = stage;
    for (const name of names(499)) nacos.register(name, [host]);
    const watch = stage.watch({ groups: [] });
    expect((await watch.until((one) => expect(one.services.size).toBe(499))).problems).toEqual([]);
    nacos.register("s499", [host]);
    nacos.register("pay", [host], { group: "team-b" }); // the server does not name it
    const snapshot = await watch.within(12_000, (one) => expect(one.services.size).toBe(500));
    expect(snapshot.problems).toMatchObject([
      { code: "Hidden", detail: expect.stringContaining("spec.secretRef") },
    ]);
    const next = stage.watch({ groups: [] });
    expect(await next.ended).toMatchObject({
      code: "RegistryBadResponse",
      detail: expect.stringContaining("fewer than 500 services"),
      nextStep: expect.stringContaining("spec.nacos.groups"),
    });
  });

  test("a new service in a new group is seen within a second, with a login or without", async () => {
    for (const options of [{ groups: [] }, { groups: [], credentials }]) {
      await using stage = await startStage({
        version: "3.1",
        ...("credentials" in options && { users: [user] }),
      });
      stage.nacos.register("order", [host]);
      const watch = stage.watch(options);
      await watch.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1"] }));
      await stage.pass(45_000);
      stage.nacos.register("pay", [host], { group: "team-b" });
      await watch.within(1_000, (one) => expect(Object.keys(told(one))).toContain("pay"));
    }
  });

  test("a service that empties for half a minute keeps its subscription", async () => {
    await using stage = await startStage({ version: "3.1", users: [user] });
    const { nacos } = stage;
    nacos.register(providersOf("a.B"), [provider("a.B", "10.42.0.1")]);
    const watch = stage.watch({ groups: [], credentials });
    await watch.until((one) => expect(told(one)).toEqual({ "a.B": ["10.42.0.1"] }));
    await stage.pass(45_000);
    nacos.deregister(providersOf("a.B"));
    await stage.pass(30_000);
    expect(toldBy(watch)).toEqual({ "a.B": [] });
    nacos.register(providersOf("a.B"), [provider("a.B", "10.42.0.2")]);
    await watch.until((one) => expect(told(one)).toEqual({ "a.B": ["10.42.0.2"] }));
    nacos.deregister(providersOf("a.B"));
    await watch.within(120_000, (one) => expect(told(one)).toEqual({}));
  });

  test("a group whose name today's rules refuse costs only what is in it", async () => {
    await using stage = await startStage({ version: "3.1" });
    stage.nacos.register("order", [host]);
    stage.nacos.register("pay", [host], { group: "Köln" });
    const watch = stage.watch({ groups: [] });
    await watch.until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1"], pay: "unknown" }));
  });

  test("an admin API that cannot be used is no obstacle where the server names few services", async () => {
    await using stage = await startStage({ version: "3.1", users: [user] });
    stage.nacos.register("order", [host]);
    stage.nacos.fault("GET /v3/admin", { refuse: 403, message: "authorization failed!" });
    await stage
      .watch({ groups: [], credentials })
      .until((one) => expect(told(one)).toEqual({ order: ["10.42.0.1"] }));
    for (const name of names(500)) stage.nacos.register(name, [host]);
    expect(await stage.watch({ groups: [], credentials }).ended).toMatchObject({
      code: "RegistryUnauthorized",
    });
  });
});

test("of many named groups at most 20 are asked at once", async () => {
  await using stage = await startStage();
  const groups = Array.from({ length: 100 }, (_, at) => `team-${at}`);
  for (const group of groups) stage.nacos.register("order", [host], { group });
  stage.nacos.fault("ServiceListRequest", { delayMs: 1_000 });
  const watch = stage.watch({ groups });
  await settle();
  expect(stage.nacos.count("ServiceListRequest")).toBe(20);
  await watch.within(10_000, (one) => expect(one.services.size).toBe(100));
});
