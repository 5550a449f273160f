import { describe, expect, test } from "vitest";
import {
  type FakeRequest,
  type Fault,
  readAll,
  readNothing,
  startFakeConsul,
} from "../../../fakes/consul/server.ts";
import { eventually } from "../../../support/eventually.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { readOf, startReading } from "./reader.ts";

const second = 1_000;
const minute = 60 * second;
const one = { address: "10.42.0.1", port: 80 };
const two = { address: "10.42.0.2", port: 80 };
const isHealthOf =
  (name: string) =>
  ({ path }: FakeRequest): boolean =>
    path === `/v1/health/service/${encodeURIComponent(name)}`;
const onHealthOf =
  (name: string, fault: Fault): Fault =>
  (request, truth) =>
    isHealthOf(name)(request) ? fault(request, truth) : undefined;

describe("a huge registry", () => {
  const services = Array.from({ length: 101 }, (_, at) => `s-${at}`);
  const isAnyOf = ({ path }: FakeRequest): boolean => path === "/v1/health/state/any";

  test("50,000 checks are asked for once and not used; changes are found in rounds", async () => {
    const check = (at: number) => ({
      Node: `node-${at % 500}`,
      CheckID: `service:s-${at}`,
      Name: "Service check",
      Status: "passing",
      Output: "x".repeat(200),
      ServiceID: `s-${at}`,
      ServiceName: `s-${at % 101}`,
      ServiceTags: [],
      Type: "ttl",
    });
    const body = JSON.stringify(Array.from({ length: 50_000 }, (_, at) => check(at)));
    await using reading = await startReading([]);
    const { server } = reading;
    server.fault(async (request, truth) => (isAnyOf(request) ? { ...(await truth()), body } : truth()));
    for (const service of services) server.register(service, [one]);
    // To read 13 MB takes time that the clock of the test does not count.
    await eventually(async () => {
      await reading.pass(second / 10);
      expect(reading.warnings).toEqual([
        "the list of checks is too long, so changes are found in rounds only",
      ]);
    }, 10_000);
    await reading.pass(30 * second);
    expect(Object.keys(reading.listed)).toHaveLength(101);
    const last = services.at(-1) ?? "";
    server.register(last, [two]);
    await reading.pass(2 * minute);
    expect(reading.listed[last]).toBe("10.42.0.1 10.42.0.2");
    expect(server.requests.filter(isAnyOf)).toHaveLength(1);
    expect(reading.error).toBeUndefined();
  });

  test("a service with more instances than any has is unknown, and the others are read", async () => {
    await using reading = await startReading(["order", "pay"]);
    const body = `[${"{},".repeat(20_000)}{}]`;
    reading.server.fault(onHealthOf("pay", async (_, truth) => ({ ...(await truth()), body })));
    reading.server.register("pay", [two]);
    await reading.pass(30 * second);
    expect(reading.listed).toMatchObject({ order: "10.42.0.1", pay: "unknown" });
    expect(JSON.stringify([...(reading.snapshots.at(-1)?.services.values() ?? [])])).toContain(
      "lists more than 20000 entries",
    );
  });
});

describe("what a token may not read", () => {
  const teamOnly = { services: ["team-"], nodes: [""] };

  test("a redirect to another origin ends the watch and is named: the token would not be sent there", async () => {
    await using reading = await startReading(["order", "pay"], { tokens: { t: readAll } }, { token: "t" });
    await using other = await startFakeConsul({ tokens: {} });
    expect(reading.listed).toEqual({ order: "10.42.0.1", pay: "10.42.0.1" });
    reading.server.fault(({ path }) => ({ status: 301, headers: { location: `${other.address}${path}` } }));
    await reading.pass(15 * second);
    expect(reading.error).toMatchObject({
      code: "RegistryBadResponse",
      detail: expect.stringContaining(`redirected to ${other.address}`),
      nextStep: expect.stringContaining("spec.address"),
    });
    expect(reading.snapshots).toHaveLength(1);
    expect(other.requests).toEqual([]);
  });

  test("a proxy that drops the token hides everything without a word, and nothing of it is believed", async () => {
    const anonymous: Fault = (request, truth) => {
      Object.assign(request, { token: "" });
      return truth();
    };
    await using reading = await startReading(["order", "pay"], { tokens: { t: readAll } }, { token: "t" });
    reading.server.fault(anonymous);
    reading.server.touch();
    await reading.pass(15 * second);
    expect(reading.error).toMatchObject({ code: "RegistryUnauthorized" });
    expect(reading.snapshots).toHaveLength(1);

    await using again = await readOf(reading.server, reading.clock, { token: "t", known: () => ["order"] });
    expect(again.error).toMatchObject({ code: "RegistryUnauthorized" });
    expect(again.snapshots).toEqual([]);
  });

  test("a proxy that drops the token leaves what everybody may read, and the rest is unknown", async () => {
    const tokens = { t: readAll, "": { services: ["pay"], nodes: [""] } };
    await using reading = await startReading(["order", "pay"], { tokens }, { token: "t" });
    reading.server.fault((request, truth) => {
      Object.assign(request, { token: "" });
      return truth();
    });
    reading.server.touch();
    await reading.pass(15 * second);
    expect(reading.listed).toEqual({ order: "unknown", pay: "10.42.0.1" });
  });

  test("an empty token is none", async () => {
    const tokens = { "": readAll };
    await using reading = await startReading(["order"], { tokens }, { token: "" });
    expect(reading.listed).toEqual({ order: "10.42.0.1" });
    reading.server.setToken("", readNothing);
    reading.server.touch();
    await reading.pass(15 * second);
    expect(reading.error).toMatchObject({ code: "RegistryUnauthorized" });
    expect(reading.snapshots).toHaveLength(1);
  });

  test("a token that no header can carry is the Secret's fault", async () => {
    await using reading = await startReading([], {}, { token: "s3cret\n\n" });
    expect(reading.error).toMatchObject({ code: "SecretInvalid" });
    expect(String(reading.error)).not.toContain("s3cret");
  });

  test.each(["1.22", "1.10", "1.8"] as const)(
    "a token that is narrowed makes services unknown on %s, whether the server says so or not",
    async (version) => {
      await using reading = await startReading(
        ["order", "team-a", "team-b"],
        { tokens: { t: readAll }, version },
        { token: "t" },
      );
      reading.server.setToken("t", teamOnly);
      reading.server.deregister("team-b");
      await reading.pass(15 * second);
      expect(reading.listed).toEqual({ order: "unknown", "team-a": "10.42.0.1" });
      reading.server.setToken("t", readAll);
      await reading.pass(15 * second);
      expect(reading.listed).toEqual({ order: "10.42.0.1", "team-a": "10.42.0.1" });
      for (const { services } of reading.snapshots) expect(services.has("order")).toBe(true);
    },
  );

  test.each(["1.22", "1.10"] as const)(
    "instances on nodes that may not be read on %s are perhaps there: the others are listed, and new ones are added",
    async (version) => {
      await using reading = await startReading([], { tokens: { t: readAll }, version }, { token: "t" });
      reading.server.register("order", [one, two]);
      await reading.pass(second);
      expect(reading.listed).toEqual({ order: "10.42.0.1 10.42.0.2" });
      reading.server.setToken("t", { services: [""], nodes: ["node-10.42.0.1", "node-10.42.0.3"] });
      await reading.pass(minute);
      expect(reading.listed).toEqual({ order: "10.42.0.1 +?" });
      reading.server.register("order", [{ ...one, address: "10.42.0.3" }]);
      await reading.pass(second);
      expect(reading.listed).toEqual({ order: "10.42.0.1 10.42.0.3 +?" });
      reading.server.setToken("t", readAll);
      await reading.pass(15 * second);
      expect(reading.listed).toEqual({ order: "10.42.0.1 10.42.0.2 10.42.0.3" });
    },
  );

  test("what a narrow token sees go is gone", async () => {
    const narrow = { services: ["team-"], nodes: ["node-10.42.0"] };
    await using reading = await startReading(["team-a", "team-b"], { tokens: { t: narrow } }, { token: "t" });
    reading.server.register("team-a", [one, two]);
    await reading.pass(second);
    reading.server.deregister("team-a", [one]);
    reading.server.deregister("team-b");
    await reading.pass(second);
    expect(reading.listed).toEqual({ "team-a": "10.42.0.2" });
  });

  test.each([403, 405, 501])(
    "a proxy that answers questions for rights with %d costs nobody else anything",
    async (status) => {
      const tokens = { t: readAll };
      await using reading = await startReading(["order", "pay"], { tokens }, { token: "t" });
      reading.server.fault(({ method }) => (method === "POST" ? { status } : undefined));
      reading.server.deregister("order");
      await reading.pass(minute);
      expect(reading.listed).toEqual({ order: "unknown", pay: "10.42.0.1" });
      expect(reading.error).toBeUndefined();
    },
  );

  test("a token that is deleted ends the watch at once", async () => {
    await using reading = await startReading(["order"], { tokens: { t: readAll } }, { token: "t" });
    reading.server.setToken("t", undefined);
    await reading.pass(0);
    expect(reading.error).toMatchObject({ code: "RegistryUnauthorized" });
  });
});

describe("a server that started over", () => {
  test("an older catalog is a reset, also if nothing that the hub wants has moved the index on", async () => {
    await using reading = await startReading(["pay-a"], {}, { wants: (name) => name.startsWith("pay-") });
    const backup = reading.server.backup();
    reading.server.touch(10);
    await reading.pass(30 * second);
    reading.server.register("other", [one]);
    await reading.pass(30 * second);
    reading.server.restore(backup);
    reading.server.deregister("pay-a"); // the index is below what was seen, and above what changed anything for the hub
    await reading.pass(30 * second);
    expect(reading.error).toMatchObject({ code: "RegistryBadResponse", reset: true });
    for (const { services } of reading.snapshots) expect(services.has("pay-a")).toBe(true);
  });

  test.each(["", "-1"])("an index that is none, %j, proves no loss of data", async (index) => {
    await using reading = await startReading(["order"]);
    reading.server.fault(({ isWaiting }) =>
      isWaiting ? undefined : { status: 200, headers: { "x-consul-index": index }, body: "{}" },
    );
    reading.server.touch();
    await reading.pass(15 * second);
    expect(reading.error).toMatchObject({ code: "RegistryBadResponse", reset: false });
  });

  test("how far the catalog has come is told at least every ten seconds, for the next watch", async () => {
    await using reading = await startReading(["pay-a"], {}, { wants: (name) => name.startsWith("pay-") });
    const first = reading.snapshots.at(-1)?.position ?? 0;
    for (let at = 0; at < 30; at++) {
      reading.server.touch();
      await reading.pass(2 * second);
    }
    const last = reading.snapshots.at(-1)?.position ?? 0;
    expect(last).toBeGreaterThanOrEqual(first + 24);
    expect(reading.snapshots.length).toBeLessThanOrEqual(8);
  });

  test("a service whose own index goes back is a reset too", async () => {
    await using reading = await startReading(["order", "pay"]);
    const backup = reading.server.backup();
    reading.server.register("order", [{ ...one, status: "critical" }]);
    await reading.pass(second);
    expect(reading.listed).toEqual({ order: "", pay: "10.42.0.1" });
    reading.server.register("pay", [two]);
    await reading.pass(second);
    // Only this service is as before: the catalog's index is equal, as after a restore in which checks differ.
    const { index } = reading.server.backup();
    reading.server.restore({ ...backup, index, changedAt: new Map(backup.changedAt).set("catalog", index) });
    await reading.pass(2 * minute);
    expect(reading.error).toMatchObject({ code: "RegistryBadResponse", reset: true });
  });
});

describe("one odd service costs nobody else anything", () => {
  test.each([
    ["is refused", { status: 400 }],
    ["has no path", { status: 404 }],
    ["is forbidden by a proxy", { status: 403 }],
    ["is a server's error", { status: 500 }],
    [
      "is redirected elsewhere",
      { status: 301, headers: { location: "http://127.0.0.1:1/v1/health/service/x" } },
    ],
    ["is a page of HTML", { status: 200, body: "<html>" }],
    ["is not of its form", { status: 200, headers: { "x-consul-index": "7" }, body: "{}" }],
  ])("whose answer %s", async (_, answer) => {
    const clock = fakeClock();
    const server = await startFakeConsul({ clock, tokens: { t: readAll } });
    for (const service of ["50%", "order"]) server.register(service, [one]);
    const heal = server.fault(onHealthOf("50%", () => answer));
    await using reading = await readOf(server, clock, { token: "t" });
    expect(reading.listed).toEqual({ "50%": "unknown", order: "10.42.0.1" });
    expect(reading.snapshots.at(-1)?.services.get("50%")?.problems).toMatchObject([
      { code: "Unreadable", detail: expect.stringContaining("spec.services") },
    ]);
    server.register("order", [two]);
    await reading.pass(2 * minute);
    expect(reading.listed).toEqual({ "50%": "unknown", order: "10.42.0.1 10.42.0.2" });
    expect(server.requests.filter(isHealthOf("50%")).length).toBeLessThan(18);
    heal();
    await reading.pass(12 * second);
    expect(reading.listed).toEqual({ "50%": "10.42.0.1", order: "10.42.0.1 10.42.0.2" });
    expect(reading.error).toBeUndefined();
  });

  test.each(["cut", "cut within", "hang"] as const)(
    "of which every connection ends so: %s",
    async (fault) => {
      const clock = fakeClock();
      const server = await startFakeConsul({ clock });
      for (const service of ["../x", "order"]) server.register(service, [one]);
      server.fault(onHealthOf("../x", () => fault));
      await using reading = await readOf(server, clock);
      await reading.pass(10 * second);
      expect(reading.listed).toEqual({ "../x": "unknown", order: "10.42.0.1" });
      server.register("order", [two]);
      await reading.pass(2 * minute);
      expect(reading.listed).toEqual({ "../x": "unknown", order: "10.42.0.1 10.42.0.2" });
      expect(server.requests.filter(isHealthOf("../x")).length).toBeLessThan(18);
      expect(reading.error).toBeUndefined();
    },
  );

  test("whose answer is longer than 64 MiB", async () => {
    const clock = fakeClock();
    const server = await startFakeConsul({ clock });
    for (const service of ["huge", "order"]) server.register(service, [one]);
    const body = Buffer.alloc(65 * 1024 * 1024, " ");
    server.fault(onHealthOf("huge", () => ({ status: 200, headers: { "x-consul-index": "12" }, body })));
    await using reading = await readOf(server, clock);
    await reading.pass(0);
    expect(reading.listed).toEqual({ huge: "unknown", order: "10.42.0.1" });
    expect(reading.error).toBeUndefined();
  });

  test("that begins to be refused stays known to be there", async () => {
    await using reading = await startReading(["50%", "order"]);
    reading.server.fault(onHealthOf("50%", () => ({ status: 400 })));
    reading.server.register("50%", [two]);
    await reading.pass(minute);
    expect(reading.listed).toEqual({ "50%": "unknown", order: "10.42.0.1" });
  });

  test("whose name no URL can hold, or that a server takes for another's", async () => {
    await using reading = await startReading([".", "..", "a//b", "%", "../x", "a\nb", "a/b", "__proto__"]);
    expect(reading.listed).toEqual({
      ".": "unknown",
      "..": "unknown",
      "a//b": "10.42.0.1",
      "%": "10.42.0.1",
      "../x": "10.42.0.1",
      "a\nb": "unknown",
      "a/b": "10.42.0.1",
      ["__proto__"]: "10.42.0.1",
    });
    const others: Fault = ({ path, isWaiting, query }) => {
      const clean = `/v1/health/service/a${encodeURIComponent("/")}b?${query.toString()}`;
      return path.includes("a%2F%2Fb") && !isWaiting
        ? { status: 301, headers: { location: clean } }
        : undefined;
    };
    reading.server.fault(others);
    reading.server.register("a//b", [two]);
    await reading.pass(second);
    expect(reading.listed).toMatchObject({ "a//b": "unknown", "a/b": "10.42.0.1" });
  });

  test("that the cluster has without a name", async () => {
    await using reading = await startReading(["order"], {}, { known: () => ["", "gone"] });
    expect(reading.listed).toEqual({ order: "10.42.0.1" });
    expect(reading.error).toBeUndefined();
  });
});

describe("whose answer it is", () => {
  test("every question is for the leader", async () => {
    await using reading = await startReading(["order"]);
    await reading.pass(minute);
    expect(reading.server.requests.filter(({ query }) => !query.has("leader"))).toEqual([]);
  });

  test.each([
    ["says that it is stale", { "x-consul-effective-consistency": "stale" }, "RegistryBadResponse"],
    ["is a follower's", { "x-consul-lastcontact": "40" }, "RegistryBadResponse"],
    ["knows no leader", { "x-consul-knownleader": "false" }, "RegistryUnreachable"],
  ])("one that %s ends the watch", async (_, headers, code) => {
    await using reading = await startReading(["order"]);
    reading.server.fault((request, truth) =>
      request.isWaiting
        ? undefined
        : truth().then((answer) => ({ ...answer, headers: { ...answer.headers, ...headers } })),
    );
    reading.server.touch();
    await reading.pass(second);
    expect(reading.error).toMatchObject({ code });
    expect(reading.snapshots).toHaveLength(1);
  });
});

describe("a query that waits", () => {
  test("ends before the commonest time limit of a proxy", async () => {
    await using reading = await startReading(["order"]);
    await reading.pass(5 * minute);
    const waits = reading.server.requests.map(({ query }) => Number.parseInt(query.get("wait") ?? "0", 10));
    expect(Math.max(...waits)).toBe(45);
    expect(reading.error).toBeUndefined();
  });

  test.each([504, 502, 500])("may be ended by a proxy with %d, and the watch goes on", async (status) => {
    await using reading = await startReading(["order"]);
    reading.server.fault(async (request, truth) => {
      if (!request.isWaiting) return truth();
      const cut = new Promise<{ readonly status: number }>((resolve) => {
        reading.clock.after(30 * second, () => resolve({ status }));
      });
      return Promise.race([truth(), cut]);
    });
    await reading.pass(5 * minute);
    expect(reading.error).toBeUndefined();
    reading.server.register("order", [two]);
    await reading.pass(2 * second);
    expect(reading.listed).toEqual({ order: "10.42.0.1 10.42.0.2" });
    expect(reading.server.requests.length).toBeLessThan(5 * 20);
  });

  test("that a proxy ends at once does not make a busy loop", async () => {
    await using reading = await startReading(["order"]);
    reading.server.fault(({ isWaiting }) => (isWaiting ? { status: 504 } : undefined));
    await reading.pass(minute);
    expect(reading.server.requests.length).toBeLessThan(200);
    expect(reading.error).toBeUndefined();
  });

  test("ends the watch when the connection breaks, and when the server is silent", async () => {
    await using reading = await startReading(["order"]);
    await reading.server.stop();
    await reading.pass(0);
    expect(reading.error).toMatchObject({ code: "RegistryUnreachable" });
    await reading.server.start();
    await using again = await readOf(reading.server, reading.clock);
    again.server.fault(() => "hang");
    await again.pass(30 * second);
    expect(again.error).toMatchObject({ code: "RegistryUnreachable" });
  });
});

describe("load", () => {
  const many = Array.from({ length: 300 }, (_, at) => `s${at}`);
  const plain = ({ isWaiting, path }: FakeRequest) => !isWaiting && path.startsWith("/v1/health/service/");

  test("one node that flaps makes the reader read at most a quarter of the time", async () => {
    await using reading = await startReading([]);
    for (const [at, service] of many.entries())
      reading.server.register(service, [{ ...one, node: at < 250 ? "good" : "ill" }]);
    await reading.pass(30 * second);
    const before = reading.server.requests.filter(plain).length;
    for (let at = 0; at < 12; at++) {
      reading.server.setNode("ill", at % 2 === 0 ? "critical" : "passing");
      await reading.pass(2 * second);
    }
    const reads = reading.server.requests.filter(plain).length - before;
    expect(reads).toBeLessThan(12 * 50 * 2 + 300); // the 50 services on it, and a round
    expect(Object.keys(reading.listed)).toHaveLength(300);
  });

  test("a server with few connections makes the reader wait with half of its queries, and later with more", async () => {
    const clock = fakeClock();
    const server = await startFakeConsul({ clock });
    for (const service of many) server.register(service, [one]);
    let limit = 40;
    server.fault(({ isWaiting }) => (isWaiting && server.waiting >= limit ? { status: 429 } : undefined));
    await using reading = await readOf(server, clock);
    await reading.pass(30 * second);
    expect(server.waiting).toBeGreaterThanOrEqual(15);
    expect(server.waiting).toBeLessThan(40);
    expect(reading.warnings.length).toBeLessThanOrEqual(2);
    limit = 1_000;
    const before = server.waiting;
    await reading.pass(10 * minute);
    expect(server.waiting).toBeGreaterThanOrEqual(before + 8);
    expect(Object.keys(reading.listed)).toHaveLength(300);
  });

  test("queries that take every connection of a server give half of them to what else is asked", async () => {
    const clock = fakeClock();
    const server = await startFakeConsul({ clock });
    const services = many.slice(0, 60);
    for (const service of services) server.register(service, [one]);
    server.fault(() => (server.waiting >= 29 ? { status: 429 } : undefined));
    await using reading = await readOf(server, clock);
    await reading.pass(30 * second);
    expect(reading.error).toBeUndefined();
    server.register("s59", [{ ...one, port: 81 }]);
    await reading.pass(10 * second);
    expect(reading.listed.s59?.split(" ")).toHaveLength(2);
    expect(Object.keys(reading.listed)).toHaveLength(60);
  });

  test("services that are hidden are asked for every ten seconds, however much else changes", async () => {
    const tokens = { t: { services: ["team-"], nodes: [""] } };
    const known = () => many.slice(0, 50);
    await using reading = await startReading(["team-a"], { tokens }, { token: "t", known });
    for (const service of many.slice(0, 50)) reading.server.register(service, [one]);
    await reading.pass(20 * second);
    const before = reading.server.requests.filter(plain).length;
    for (let at = 0; at < 60; at++) {
      reading.server.touch();
      await reading.pass(second);
    }
    expect(reading.server.requests.filter(plain).length - before).toBeLessThan(7 * 50 + 20);
    expect(Object.values(reading.listed).filter((what) => what === "unknown")).toHaveLength(50);
  });

  test("a list of checks that is too long is not read at every change", async () => {
    await using reading = await startReading([]);
    for (const service of many) reading.server.register(service, [one]);
    await reading.pass(10 * second);
    const huge = JSON.stringify(Array.from({ length: 20_000 }, (_, at) => ({ Node: "n", CheckID: `${at}` })));
    reading.server.fault(({ path, isWaiting }) =>
      path.startsWith("/v1/health/state/") && !isWaiting
        ? {
            status: 200,
            headers: { "x-consul-index": "7", "x-consul-default-acl-policy": "allow" },
            body: huge,
          }
        : undefined,
    );
    const lists = () => reading.server.requests.filter(({ path }) => path === "/v1/health/state/any").length;
    reading.server.touch();
    await reading.pass(5 * second);
    const before = lists();
    for (let at = 0; at < 10; at++) {
      reading.server.register("s299", [{ ...one, port: 100 + at }]);
      await reading.pass(3 * second);
    }
    expect(lists()).toBe(before);
    expect(reading.listed.s299?.split(" ")).toHaveLength(11);
    expect(reading.error).toBeUndefined();
  });
});

test("a service that comes back into sight has one spelling, and the other one is not asked for any more", async () => {
  const tokens = { t: { services: [], nodes: [""] } as { services: string[]; nodes: string[] } };
  tokens.t.services.push("team-");
  await using reading = await startReading(
    ["Order", "team-a"],
    { tokens },
    { token: "t", known: () => ["order"] },
  );
  expect(reading.listed).toEqual({ order: "unknown", "team-a": "10.42.0.1" });
  reading.server.setToken("t", readAll);
  await reading.pass(15 * second);
  expect(reading.listed).toEqual({ Order: "10.42.0.1", "team-a": "10.42.0.1" });
  const before = reading.server.requests.length;
  await reading.pass(minute);
  expect(reading.server.requests.slice(before).filter(isHealthOf("order"))).toEqual([]);
});

test("a service that comes back into sight in another spelling is never absent", async () => {
  const tokens = { t: { services: ["pay"], nodes: [""] } };
  await using reading = await startReading(
    ["Order", "pay"],
    { tokens },
    { token: "t", known: () => ["order"] },
  );
  reading.server.fault(onHealthOf("Order", ({ isWaiting }) => (isWaiting ? undefined : "hang")));
  reading.server.setToken("t", readAll);
  reading.server.touch();
  await reading.pass(second);
  reading.server.register("pay", [two]);
  await reading.pass(4 * second);
  expect(reading.listed).toMatchObject({ pay: "10.42.0.1 10.42.0.2" });
  const spellings = reading.snapshots.map(({ services }) => services.has("order") || services.has("Order"));
  expect(spellings).not.toContain(false);
});
