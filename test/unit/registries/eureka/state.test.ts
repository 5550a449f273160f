import { setImmediate as turn } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { RegistryError } from "../../../../src/model/errors.ts";
import type { Credentials } from "../../../../src/model/hub.ts";
import { createEurekaAdapter } from "../../../../src/registries/eureka/adapter.ts";
import type { EurekaApi } from "../../../../src/registries/eureka/api.ts";
import { EurekaReader } from "../../../../src/registries/eureka/state.ts";
import type { Deps } from "../../../../src/runtime/deps.ts";
import { startProxy } from "../../../bed/fault-proxy.ts";
import { countingDeps } from "../../../contract/counting-deps.ts";
import { addressesOf, type Observer, observe } from "../../../contract/observe.ts";
import type { Fault } from "../../../fakes/eureka/faults.ts";
import { type FakeEureka, type FakeEurekaOptions, startFakeEureka } from "../../../fakes/eureka/server.ts";
import { eventually } from "../../../support/eventually.ts";
import { fakeClock } from "../../../support/fake-clock.ts";

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});
const closers: (() => PromiseLike<void>)[] = [];

const [one, two] = [
  { address: "10.42.0.1", port: 80 },
  { address: "10.42.0.2", port: 80 },
];

/** A server that has run for five minutes and lists ORDERS with two instances. */
async function start(options: FakeEurekaOptions = {}): Promise<FakeEureka> {
  const server = await startFakeEureka(options);
  closers.push(() => server[Symbol.asyncDispose]());
  server.register("ORDERS", [one, two]);
  return server;
}

interface Reading {
  readonly credentials?: Credentials;
  readonly wants?: (name: string) => boolean;
  readonly known?: () => Iterable<string>;
  readonly pollIntervalMs?: number;
}

function read(address: string, reading: Reading = {}, deps: Deps = countingDeps()): Observer {
  const tls = { enabled: false, insecureSkipVerify: false };
  const registry = { type: "eureka", address, pollIntervalMs: reading.pollIntervalMs ?? 10, tls } as const;
  const observer = observe(
    createEurekaAdapter({ registry, credentials: {}, wants: () => true, ...reading }, deps),
  );
  closers.push(() => observer.abort());
  return observer;
}

/** A reader that has listed what the server has. */
async function reading(address: string, more: Reading = {}): Promise<Observer> {
  const observer = read(address, more);
  await observer.until(() => {});
  return observer;
}

/** Resolves when the server has been polled a few times more. */
async function polled({ asked }: FakeEureka): Promise<void> {
  const { length } = asked;
  await eventually(() => expect(asked.length).toBeGreaterThan(length + 5), 5_000, 5);
}

const hostOf = ({ address }: FakeEureka): string => new URL(address).host;
const told = ({ snapshots }: Observer) =>
  snapshots.map(({ services }) =>
    [...services.values()].reduce((sum, { instances }) => sum + instances.length, 0),
  );

describe("a server that answers a list with", () => {
  test.each<[string, Fault, string, string]>([
    ["401", { status: 401 }, "RegistryUnauthorized", ": HTTP 401, the login is missing or not valid"],
    ["404", { status: 404 }, "RegistryBadResponse", ": HTTP 404"],
    ["500", { status: 500 }, "RegistryUnreachable", ": HTTP 500"],
    ["503", { status: 503 }, "RegistryUnreachable", ": HTTP 503"],
    [
      "XML",
      { status: 200, headers: { "content-type": "application/xml" }, body: "<x/>" },
      "RegistryBadResponse",
      ": the answer is XML, but the operator asked for JSON",
    ],
    ["a page", { status: 200, body: "<html>" }, "RegistryBadResponse", ": the answer is not JSON"],
    [
      "something else",
      { status: 200, body: '{"ok":true}' },
      "RegistryBadResponse",
      ": the answer does not have the form of a Eureka server's",
    ],
    ["half of it", "cut", "RegistryUnreachable", ": connection closed"],
    ["no HTTP", { raw: "220 mail ready\r\n" }, "RegistryBadResponse", ": the answer is not HTTP"],
    [
      "gzip that is none",
      { status: 200, headers: { "content-encoding": "gzip" }, body: "{}" },
      "RegistryBadResponse",
      ": the answer is labelled as gzip but is not gzip",
    ],
    [
      "more than memory has room for",
      { status: 200, headers: { "content-encoding": "gzip" }, body: gzipSync(Buffer.alloc(70_000_000)) },
      "RegistryBadResponse",
      ": the answer is larger than 67108864 bytes, which is --max-answer-bytes",
    ],
    [
      "an end that never comes",
      "endless",
      "RegistryBadResponse",
      ": the answer is larger than 67108864 bytes, which is --max-answer-bytes",
    ],
  ])("%s", async (_, fault, code, what) => {
    const server = await start();
    server.fault("/apps", fault);
    const first = read(server.address);
    expect(await first.ended).toMatchObject({ code, detail: `GET /apps at ${hostOf(server)}${what}` });
    expect(first.snapshots).toEqual([]);
    server.heal();
    const later = await reading(server.address);
    server.fault("/apps", fault);
    expect(await later.ended).toMatchObject({ code });
    expect(told(later)).toEqual([2]);
  });

  test("403 and a status is starting; without a status it refuses", async () => {
    const server = await start();
    server.fault("/apps", { status: 403 });
    expect(await read(server.address).ended).toMatchObject({
      code: "RegistryUnreachable",
      detail: expect.stringContaining("the server is starting"),
    });
    server.fault("/status", { status: 403 });
    expect(await read(server.address).ended).toMatchObject({ code: "RegistryUnauthorized" });
  });
});

describe("a redirect to another address", () => {
  const redirectTo = (target: string): Fault => ({ status: 301, headers: { location: target } });

  test("is followed without a login, and asked for JSON there too", async () => {
    const [server, target] = [await start(), await start()];
    server.fault("/apps", redirectTo(`${target.address}/apps`));
    await reading(server.address);
    expect(target.asked[0]?.headers.accept).toBe("application/json");
    target.fault("/apps", { status: 401 });
    expect(await read(server.address).ended).toMatchObject({
      detail: `GET /apps at ${hostOf(server)}, redirected to http://${hostOf(target)}: HTTP 401, the login is missing or not valid`,
    });
  });

  test("is refused with a login, and the error says what to write", async () => {
    const [server, target] = [await start(), await start()];
    server.fault("/apps", redirectTo(`${target.address}/apps?x=s3cret`));
    expect(await read(server.address, { credentials: { username: "a", password: "b" } }).ended).toMatchObject(
      {
        code: "RegistryBadResponse",
        detail: `GET /apps at ${hostOf(server)}: redirected to http://${hostOf(target)}, where the login is not sent`,
        nextStep: "Write the address that it redirects to into spec.address.",
      },
    );
    expect(target.asked).toEqual([]);
  });
});

test("the login of the Secret is a header, and never in the URL", async () => {
  const server = await start();
  await reading(server.address, { credentials: { username: "jürgen", password: "p:ss" } });
  expect(server.asked[0]).toMatchObject({
    path: "/apps",
    headers: {
      accept: "application/json",
      "accept-encoding": "gzip",
      authorization: `Basic ${Buffer.from("jürgen:p:ss").toString("base64")}`,
    },
  });
});

test("only what the hub wants is listed", async () => {
  const server = await start();
  const observer = await reading(server.address, { wants: (name) => name !== "ORDERS" });
  expect(told(observer)).toEqual([0]);
});

describe("a list", () => {
  test("that differs in renewals alone is no change", async () => {
    const server = await start();
    const observer = await reading(server.address);
    server.register("ORDERS", [{ ...one, fields: { leaseInfo: { lastRenewalTimestamp: 1 } } }]);
    await polled(server);
    expect(told(observer)).toEqual([2]);
    server.deregister("ORDERS", [two]);
    await observer.until((snapshot) => expect(addressesOf(snapshot, "ORDERS")).toEqual(["10.42.0.1:80"]));
  });

  test("with a nameless application says so, and knows nothing of what it does not list", async () => {
    const server = await start();
    const body = JSON.stringify({ applications: { application: [{ instance: [] }] } });
    const observer = await reading(server.address, {
      known: () => ["orders", "other"],
      wants: (name) => name !== "OTHER",
    });
    server.fault("/apps", { status: 200, body });
    const snapshot = await observer.until(({ problems }) => expect(problems).toHaveLength(1));
    expect(snapshot.problems).toMatchObject([{ at: "/apps", code: "BadInstance" }]);
    expect([...snapshot.services.values()]).toMatchObject([{ id: "ORDERS", instances: "unknown" }]);
  });
});

describe("another process behind the address", () => {
  const restarted = (server: FakeEureka): string =>
    `${hostOf(server)} restarted, or another server that started recently answers there`;
  const lessKnown = (host: string): string => `another server than before answers at ${host}, and lists less`;

  test.each<[string, boolean, number, (host: FakeEureka) => string]>([
    ["that has just been started", true, 0, restarted],
    ["that was started almost two minutes ago", true, 119_000, restarted],
    ["that has just been started, and knows everything", false, 0, restarted],
    ["that has run for two minutes, and lists nothing", true, 120_000, (server) => lessKnown(hostOf(server))],
  ])("%s ends the watch before its list is told", async (_, lose, uptimeMs, detail) => {
    const server = await start();
    const observer = await reading(server.address);
    await server.restart({ lose, uptimeMs });
    expect(await observer.ended).toMatchObject({ code: "RegistryUnreachable", detail: detail(server) });
    expect(told(observer)).toEqual([2]);
  });

  test.each<[string, Fault, string]>([
    ["503", { status: 503 }, "HTTP 503"],
    ["a page", { status: 200, body: "<html>" }, "the answer is not that of a Eureka server"],
    ["no answer", "close", "connection closed"],
  ])("that has %s for its status ends the watch, for it may have restarted", async (_, fault, why) => {
    const server = await start();
    const observer = await reading(server.address);
    server.fault("/status", fault);
    await server.restart({ lose: true });
    const detail = expect.stringMatching(
      new RegExp(`^GET /status at ${hostOf(server)}, which says .*${why}$`),
    );
    expect(await observer.ended).toMatchObject({ code: "RegistryUnreachable", detail });
    expect(told(observer)).toEqual([2]);
  });

  test.each<[string, Fault]>([
    ["is refused", { status: 403 }],
    ["is no status", { status: 200, body: "<html>" }],
    ["is reset", "close"],
    ["never ends", "endless"],
  ])(
    "cannot be told from the first where the status %s, and lists are read all the same",
    async (_, fault) => {
      const server = await start();
      server.fault("/status", fault);
      const observer = await reading(server.address);
      server.deregister("ORDERS", [two]);
      await observer.until((snapshot) => expect(addressesOf(snapshot, "ORDERS")).toHaveLength(1));
    },
  );

  test("whose status comes to be known may be another one, so it must not list less", async () => {
    const server = await start();
    server.fault("/status", { status: 403 });
    const observer = await reading(server.address);
    server.heal();
    server.deregister("ORDERS", [two]);
    expect(await observer.ended).toMatchObject({ detail: lessKnown(hostOf(server)) });
  });

  test("is none while the first goes on, however young it is", async () => {
    const server = await start({ uptimeMs: 0 });
    const observer = await reading(server.address);
    server.deregister("ORDERS", [two]);
    await observer.until((snapshot) => expect(addressesOf(snapshot, "ORDERS")).toHaveLength(1));
  });

  test("that lists at least as much is a peer, and goes on", async () => {
    const server = await start();
    const observer = await reading(server.address);
    server.register("STOCK", [one]);
    await server.restart({ lose: false, uptimeMs: 300_000 });
    await observer.until((snapshot) => expect(addressesOf(snapshot, "STOCK")).toHaveLength(1));
    server.deregister("ORDERS", [two]);
    await observer.until((snapshot) => expect(addressesOf(snapshot, "ORDERS")).toHaveLength(1));
  });

  test("that lists less ends the watch, of two that take turns", async () => {
    const rich = await start();
    const poor = await start();
    poor.deregister("ORDERS", [two]);
    const balancer = await startProxy("127.0.0.1", [rich.port, poor.port]);
    closers.push(() => balancer[Symbol.asyncDispose]());
    const observer = await reading(`http://${balancer.address}/eureka`);
    await polled(rich);
    expect(told(observer)).toEqual([2]);
    balancer.cut();
    expect(await observer.ended).toMatchObject({ detail: lessKnown(balancer.address) });
    expect(told(observer)).toEqual([2]);
  });

  test("that lists less and goes before it says who it is, is not read", async () => {
    const [rich, poor] = [await start(), await start()];
    poor.deregister("ORDERS", [two]);
    poor.fault("/status", "close");
    const balancer = await startProxy("127.0.0.1", [rich.port, poor.port]);
    closers.push(() => balancer[Symbol.asyncDispose]());
    const observer = await reading(`http://${balancer.address}/eureka`, { pollIntervalMs: 1_500 }); // cut between two polls
    balancer.cut();
    await eventually(() => expect(poor.asked.length).toBeGreaterThan(0), 5_000, 5);
    rich.register("ORDERS", [{ address: "10.42.0.3", port: 80 }]);
    await observer.until((snapshot) => expect(addressesOf(snapshot, "ORDERS")).toHaveLength(3));
    expect(told(observer)).toEqual([2, 3]);
  });

  test("that lists less and goes again is not read", async () => {
    const [rich, poor] = [await start(), await start()];
    poor.deregister("ORDERS", [two]);
    const balancer = await startProxy("127.0.0.1", [rich.port, poor.port]);
    closers.push(() => balancer[Symbol.asyncDispose]());
    const observer = await reading(`http://${balancer.address}/eureka`, { pollIntervalMs: 1_500 });
    balancer.cut();
    await eventually(() => expect(poor.asked.length).toBeGreaterThan(1), 5_000, 5);
    balancer.cut();
    rich.register("ORDERS", [{ address: "10.42.0.3", port: 80 }]);
    await observer.until((snapshot) => expect(addressesOf(snapshot, "ORDERS")).toHaveLength(3));
    expect(told(observer)).toEqual([2, 3]);
  });
});

/** A server with an eye on each list: the connections that were opened since are told with the one after it. */
function scripted(
  lists: readonly { readonly instances: readonly (typeof one)[]; readonly opened: number }[],
) {
  let asked = 0;
  let connections = 1;
  const api: EurekaApi = {
    server: { name: "eureka:8761", baseUrl: "http://eureka:8761/eureka", host: "eureka", port: 8_761 },
    connections: () => connections,
    applications(use) {
      const { instances, opened } = lists[Math.min(asked++, lists.length - 1)] ?? {
        instances: [],
        opened: 0,
      };
      connections += opened;
      const instance = instances.map(({ address, port }) => ({ ipAddr: address, status: "UP", port }));
      const text = JSON.stringify({ applications: { application: [{ name: "ORDERS", instance }] } });
      const answer = { status: 200, headers: {}, bytes: Buffer.from(text) };
      return use({ doing: "", product: "", answer }, new AbortController().signal);
    },
    status: async () => ({ process: "first", uptimeMinutes: 5 }),
  };
  return new EurekaReader(api, { wants: () => true }, fakeClock());
}

describe("a list that came while connections changed", () => {
  const first = { instances: [one, two], opened: 0 };

  test("twice may be anybody's: if it has less, it is read once more", async () => {
    const reader = scripted([first, { instances: [one], opened: 2 }, first]);
    expect((await reader.read())?.services.get("ORDERS")?.instances).toHaveLength(2);
    expect(await reader.read()).toBeUndefined();
  });

  test("all the time counts when it says the same again, as where no connection is kept", async () => {
    const reader = scripted([first, { instances: [one], opened: 3 }, { instances: [one], opened: 3 }]);
    await reader.read();
    expect((await reader.read())?.services.get("ORDERS")?.instances).toHaveLength(1);
  });

  test("once is the one of who answered before or after it, and counts", async () => {
    const reader = scripted([first, { instances: [one], opened: 1 }, first]);
    await reader.read();
    expect((await reader.read())?.services.get("ORDERS")?.instances).toHaveLength(1);
  });
});

describe("a poll that fails", () => {
  test.each<[string, "/apps" | "/status", Fault]>([
    ["as a proxy fails", "/apps", { status: 503 }],
    ["with a page", "/apps", { status: 404, body: "<html>" }],
    ["in the middle of a list", "/apps", "cut"],
    ["at the status", "/status", { status: 500 }],
  ])("%s is read again, and the watch goes on if the same process answers then", async (_, path, fault) => {
    const server = await start();
    const observer = await reading(server.address, { pollIntervalMs: 1_500 }); // twice that is how long it is patient
    server.fault(path, fault, 2);
    server.deregister("ORDERS", [two]);
    await observer.until((snapshot) => expect(addressesOf(snapshot, "ORDERS")).toHaveLength(1));
    expect(told(observer)).toEqual([2, 1]);
  });

  test("is not read again for longer than two polls", async () => {
    const server = await start();
    const clock = fakeClock();
    const observer = read(server.address, { pollIntervalMs: 5_000 }, { ...countingDeps(), clock });
    await observer.until(() => {});
    server.fault("/apps", { status: 503 });
    const listsAsked = () => server.asked.filter(({ path }) => path === "/apps").length;
    const before = listsAsked();
    let end: unknown;
    void observer.ended.then((error) => {
      end = error;
    });
    // Each second of the clock one more request is answered, until none is sent.
    await eventually(
      () => {
        clock.advance(100);
        expect(end).toBeDefined();
      },
      5_000,
      2,
    );
    expect(end).toMatchObject({ code: "RegistryUnreachable" });
    expect(listsAsked() - before).toBeGreaterThan(2);
    expect(listsAsked() - before).toBeLessThan(13);
  });

  test.each<[string, Fault, boolean]>([
    ["for want of a login", { status: 401 }, true],
    ["where nobody can tell whether the process is the same", { status: 503 }, false],
  ])("%s ends the watch at once", async (_, fault, hasStatus) => {
    const server = await start();
    if (!hasStatus) server.fault("/status", { status: 404 });
    const observer = await reading(server.address, { pollIntervalMs: 300 });
    server.fault("/apps", fault, 1);
    expect(await observer.ended).toBeInstanceOf(RegistryError);
  });
});

describe("of several servers", () => {
  const several = (...servers: readonly FakeEureka[]): string =>
    servers.map(({ address }) => address).join(",");

  test("the one that lists most is read and stayed with, wherever it stands", async () => {
    const [rich, poor] = [await start(), await start()];
    poor.deregister("ORDERS", [two]);
    for (const address of [several(rich, poor), several(poor, rich)]) {
      const observer = await reading(address);
      const { length } = poor.asked;
      await polled(rich);
      expect(poor.asked).toHaveLength(length);
      expect(told(observer)).toEqual([2]);
    }
  });

  test("one that has just started is read only if there is no other", async () => {
    const [young, old] = [await start({ uptimeMs: 60_000 }), await start()];
    old.deregister("ORDERS", [two]);
    expect(told(await reading(several(young, old)))).toEqual([1]);
    old.fault("/apps", { status: 503 });
    expect(told(await reading(several(young, old)))).toEqual([2]);
  });

  test("one that is silent costs 5 s, and the others are read", async () => {
    const [silent, other] = [await start(), await start()];
    silent.fault("/apps", "hang");
    const clock = fakeClock();
    const observer = read(several(silent, other), {}, { ...countingDeps(), clock });
    await eventually(() => expect(other.asked).toHaveLength(2), 5_000, 5);
    clock.advance(4_999);
    await turn();
    expect(observer.snapshots).toEqual([]);
    clock.advance(1);
    await observer.until(() => {});
    expect(told(observer)).toEqual([2]);
  });

  test("that all fail, each is named", async () => {
    const [here, there] = [await start(), await start()];
    here.fault("/apps", { status: 503 });
    there.fault("/apps", { status: 401 });
    expect(await read(several(here, there)).ended).toMatchObject({
      code: "RegistryUnauthorized",
      detail: expect.stringMatching(
        new RegExp(`GET /apps at ${hostOf(here)}: HTTP 503; GET /apps at ${hostOf(there)}: HTTP 401`),
      ),
    });
  });
});

test("a connection that the server closes as it is used again ends no watch", async () => {
  const server = await start();
  const observer = await reading(server.address);
  server.fault("/apps", "close", 1);
  await polled(server);
  server.register("STOCK", [one]);
  await observer.until((snapshot) => expect(addressesOf(snapshot, "STOCK")).toHaveLength(1));
});
