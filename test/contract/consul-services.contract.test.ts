import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Snapshot } from "../../src/model/service.ts";
import { startConsul } from "../bed/consul.ts";
import { startProxy } from "../bed/fault-proxy.ts";
import { type ConsulInstance, consulRegistrant, readAll } from "../support/consul-registrant.ts";
import { type ConsulHarness, openReader, type ReaderOptions, startConsulHarness } from "./consul-harness.ts";
import { addressesOf, firstSnapshot, instancesOf, observe, serviceOf } from "./observe.ts";

const one: ConsulInstance = { service: "order", address: "10.42.0.1", port: 80 };
const two: ConsulInstance = { service: "order", address: "10.42.0.2", port: 80 };

describe("Consul: which instances count, and what is told of them", () => {
  let registry: ConsulHarness;
  beforeAll(async () => {
    registry = await startConsulHarness();
  });
  afterAll(() => registry[Symbol.asyncDispose]());
  beforeEach(() => registry.clear());
  const open = (options: Partial<ReaderOptions> = {}) =>
    openReader({ address: registry.address, credentials: registry.credentials, ...options });

  test("an instance without an address has its node's; weight, zone and metadata are kept", async () => {
    const meta = { zone: "a", secure: "true", version: "v1" };
    const weights = { Passing: 3, Warning: 1 };
    await registry.registrant.register([{ ...one, serviceAddress: "", meta, weights }, two]);
    expect(instancesOf(await firstSnapshot(open()), "order")).toEqual([
      expect.objectContaining({ address: "10.42.0.1", weight: 3, locality: "dc1/a", metadata: meta }),
      { address: "10.42.0.2", port: 80, protocol: "tcp", version: "", group: "", metadata: {} },
    ]);
  });

  test("a warning counts by choice, with its own weight; maintenance and critical checks never", async () => {
    const weights = { Passing: 10, Warning: 2 };
    await registry.registrant.register([{ ...one, status: "warning", weights }, two]);
    await registry.registrant.register([{ ...one, address: "10.42.0.3", status: "critical" }]);
    expect(addressesOf(await firstSnapshot(open()), "order")).toEqual(["10.42.0.2:80"]);
    const snapshot = await firstSnapshot(open({ includeWarning: true }));
    expect(instancesOf(snapshot, "order").map(({ address, weight }) => [address, weight])).toEqual([
      ["10.42.0.1", 2],
      ["10.42.0.2", undefined],
    ]);
  });

  test("what a hub asks for is told: metadata, and tags", async () => {
    await registry.registrant.register([
      { ...one, tags: ["gray"], meta: { env: "prod", gray: "metadata wins" } },
      { ...two, tags: ["gray"] },
    ]);
    const found = instancesOf(await firstSnapshot(open({ keys: ["env", "gray", "none"] })), "order");
    expect(found.map(({ facts }) => facts)).toEqual([{ env: "prod", gray: "metadata wins" }, { gray: "" }]);
  });

  test("all tags have to match", async () => {
    await registry.registrant.register([
      { ...one, tags: ["blue", "prod"] },
      { ...two, tags: ["blue"] },
    ]);
    expect(addressesOf(await firstSnapshot(open({ tags: ["prod", "blue"] })), "order")).toEqual([
      "10.42.0.1:80",
    ]);
  });

  test("proxies of Consul's own mesh are no endpoints", async () => {
    await registry.registrant.register([one, { ...two, service: "order-proxy", kind: "connect-proxy" }]);
    expect(instancesOf(await firstSnapshot(open()), "order-proxy")).toEqual([]);
  });

  test("a service that the hub does not want is not read", async () => {
    await registry.registrant.register([one, { ...two, service: "order-management" }]);
    const snapshot = await firstSnapshot(open({ wants: (name) => !name.endsWith("-management") }));
    expect([...snapshot.services.keys()]).toEqual(["order"]);
  });

  test("services that no URL can name, or that Consul refuses, are unknown while they are there, and cost nothing else", async () => {
    const odd = [".", "..", "a\nb"];
    await registry.registrant.register([one, ...odd.map((service) => ({ ...one, service }))]);
    await using observer = observe(open());
    await observer.until((it) => expect(addressesOf(it, "order")).toEqual(["10.42.0.1:80"]));
    const snapshot = observer.snapshots.at(-1) as Snapshot;
    for (const name of odd) expect(serviceOf(snapshot, name).instances).toBe("unknown");
    await registry.registrant.register([two]);
    await observer.until((it) => expect(addressesOf(it, "order")).toHaveLength(2));
    await registry.registrant.deregister(odd.map((service) => ({ ...one, service })));
    await observer.until((it) => expect([...it.services.keys()]).toEqual(["order"]), 15_000);
  });

  test("a datacenter that does not exist is named, with the field to look at", async () => {
    await using observer = observe(open({ datacenter: "mars" }));
    expect(await observer.ended).toMatchObject({
      code: "RegistryBadResponse",
      detail: expect.stringContaining("no datacenter mars"),
      nextStep: "Check spec.consul.datacenter.",
    });
    await registry.registrant.register([one]);
    expect(addressesOf(await firstSnapshot(open({ datacenter: "dc1" })), "order")).toHaveLength(1);
  });

  test("150 services: those without a query of their own are followed too, on at most 150 connections", async () => {
    const all = Array.from({ length: 150 }, (_, at) => ({
      ...one,
      service: `many-${String(at).padStart(3, "0")}`,
    }));
    await registry.registrant.register(all);
    await using observer = observe(open());
    await observer.until((it) => expect(it.services.size).toBe(150));
    const last = { ...one, service: "many-149" };
    const soon = 20_000; // 8 s are three rounds, should each of the changes come just after one began
    await registry.registrant.register([{ ...last, status: "critical" }]);
    await observer.until((it) => expect(addressesOf(it, "many-149")).toEqual([]), soon);
    await registry.registrant.register([last, { ...last, address: "10.42.0.9" }]);
    await observer.until((it) => expect(addressesOf(it, "many-149")).toHaveLength(2), soon);
    await registry.registrant.register([{ ...last, meta: { version: "v2" } }]);
    await observer.until(
      (it) => expect(instancesOf(it, "many-149")[0]?.metadata).toEqual({ version: "v2" }),
      soon,
    );
    await registry.registrant.deregister([last, { ...last, address: "10.42.0.9" }]);
    await observer.until((it) => expect(it.services.has("many-149")).toBe(false), soon);
    expect(registry.proxy.open).toBeLessThanOrEqual(150);
    expect(registry.proxy.open).toBeGreaterThan(100); // those with a query of their own
  });
});

describe("Consul: servers that are not as usual", () => {
  test("a redirect to another origin ends the watch before anybody answers without the token", async () => {
    await using server = await startConsul({ acl: true });
    const registrant = consulRegistrant(server);
    const { secret: token } = await registrant.createToken(readAll);
    await registrant.register([one]);
    const redirect = createServer(({ url = "" }, answer) => {
      answer.writeHead(301, { location: `${server.url}${url}` }).end();
    }).listen(0, "127.0.0.1");
    await once(redirect, "listening");
    const { port } = redirect.address() as AddressInfo;
    // What the redirect leads to: an answer with no service in it, and with no word of that.
    const blind = await fetch(`http://127.0.0.1:${port}/v1/catalog/services`, { redirect: "follow" });
    expect([blind.status, await blind.json()]).toEqual([200, {}]);
    expect(blind.headers.get("x-consul-results-filtered-by-acls")).toBeNull();
    await using observer = observe(
      openReader({ address: `http://127.0.0.1:${port}`, credentials: { token } }),
    );
    expect(await observer.ended).toMatchObject({
      code: "RegistryBadResponse",
      detail: expect.stringContaining(`redirected to ${server.url}`),
      nextStep: expect.stringContaining("spec.address"),
    });
    expect(observer.snapshots).toEqual([]);
    redirect.closeAllConnections();
    redirect.close();
  });

  test("an agent that answers from any server is asked for the leader's answers", async () => {
    await using server = await startConsul({ settings: { discovery_max_stale: "60s" } });
    const unasked = await fetch(`${server.url}/v1/catalog/services`);
    expect(unasked.headers.get("x-consul-effective-consistency")).toBe("stale");
    await consulRegistrant(server).register([one]);
    await using observer = observe(openReader({ address: server.url }));
    await observer.until((it) => expect(addressesOf(it, "order")).toEqual(["10.42.0.1:80"]));
  });

  test("a server that takes few connections is read all the same", async () => {
    await using server = await startConsul({ settings: { limits: { http_max_conns_per_client: 30 } } });
    await using proxy = await startProxy("127.0.0.1", server.port, { halfOpen: false });
    const registrant = consulRegistrant(server);
    await registrant.register(Array.from({ length: 60 }, (_, at) => ({ ...one, service: `s${at}` })));
    await using observer = observe(openReader({ address: `http://${proxy.address}` }));
    await observer.until((it) => expect(it.services.size).toBe(60), 20_000);
    const all = Array.from({ length: 60 }, (_, at) => `s${at}`); // with a query of their own, without, or refused one
    for (const service of all) await registrant.register([{ ...two, service }]);
    await observer.until((it) => {
      expect(all.filter((service) => addressesOf(it, service).length < 2)).toEqual([]);
    }, 20_000);
  });

  test("what answers with a page of HTML is no Consul", async () => {
    const server = createServer((_, answer) => answer.end("<html>sign in</html>")).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await using observer = observe(openReader({ address: `http://127.0.0.1:${port}` }));
    expect(await observer.ended).toMatchObject({
      code: "RegistryBadResponse",
      detail: `GET /v1/catalog/services at 127.0.0.1:${port}: the answer has no header X-Consul-Index`,
    });
    server.closeAllConnections();
    server.close();
  });

  test("a server that lost its data shows it by its index", async () => {
    await using server = await startConsul();
    const registrant = consulRegistrant(server);
    for (let at = 0; at < 20; at++) await registrant.register([{ ...one, port: 80 + at }]);
    const before = await firstSnapshot(openReader({ address: server.url }));
    await server.restart({ wipe: true });
    const after = await firstSnapshot(openReader({ address: server.url }));
    expect([before.services.size, after.services.size]).toEqual([1, 0]);
    expect(after.position).toBeLessThan(before.position ?? 0);
  });
});
