import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Snapshot } from "../../src/model/service.ts";
import { nodeOf, readAll } from "../support/consul-registrant.ts";
import { type ConsulHarness, openReader, type ReaderOptions, startConsulHarness } from "./consul-harness.ts";
import { addressesOf, firstSnapshot, observe, serviceOf } from "./observe.ts";

/** A right that was taken away shows at the second catalog after it, 10 s each; one that is back, at the next. */
const NOTICED_MS = 30_000;
/** What a query for one service that waits lacks, shows only at its end. */
const SERVICE_WAIT_MS = 75_000;

const onlyTeam = 'service_prefix "team-" { policy = "read" } node_prefix "" { policy = "read" }';
const nothing = 'key_prefix "" { policy = "read" }';
const team = { service: "team-shop", address: "10.42.0.1", port: 80 };
const other = { service: "Order-Service", address: "10.42.0.2", port: 80 };

describe("Consul: rights that are missing look like services that are", () => {
  let registry: ConsulHarness;
  beforeAll(async () => {
    registry = await startConsulHarness();
  });
  afterAll(() => registry[Symbol.asyncDispose]());
  beforeEach(async () => {
    await registry.clear();
    await registry.registrant.register([team, other]);
    await registry.registrant.setAnonymousRules(nothing);
  });
  const open = (token?: string, options: Partial<ReaderOptions> = {}) =>
    openReader({
      address: registry.address,
      ...(token !== undefined && { credentials: { token } }),
      ...options,
    });
  const stateOf = (snapshot: Snapshot, name: string): unknown => serviceOf(snapshot, name).instances;
  const unreadable = expect.objectContaining({ code: "Unreadable", severity: "warning" });

  test("what a token may not read is unknown if the cluster has it, and gone only if it is", async () => {
    const { secret } = await registry.registrant.createToken(onlyTeam);
    const known = () => ["order-service", "long-gone", "team-shop"]; // the cluster has names in lower case
    const snapshot = await firstSnapshot(open(secret, { known }));
    expect([...snapshot.services.keys()].toSorted()).toEqual(["order-service", "team-shop"]);
    expect(addressesOf(snapshot, "team-shop")).toEqual(["10.42.0.1:80"]);
    expect(stateOf(snapshot, "order-service")).toBe("unknown");
    expect(serviceOf(snapshot, "order-service").problems).toEqual([unreadable]);
    expect(snapshot.problems).toMatchObject([{ code: "Hidden", severity: "warning" }]);
  });

  test("rights that are narrowed make services unknown, and known again when they return", async () => {
    const token = await registry.registrant.createToken(readAll);
    await using observer = observe(open(token.secret));
    await observer.until((one) => expect(addressesOf(one, "Order-Service")).toHaveLength(1));
    await token.setRules(onlyTeam);
    await observer.until((one) => expect(stateOf(one, "Order-Service")).toBe("unknown"), NOTICED_MS);
    await token.setRules(readAll);
    await observer.until((one) => {
      expect(addressesOf(one, "Order-Service")).toEqual(["10.42.0.2:80"]);
      expect([one.services.size, one.problems]).toEqual([2, []]);
    }, NOTICED_MS);
    for (const { services } of observer.snapshots) expect(services.size).toBe(2);
  });

  test("a service that comes back into sight has one spelling, whatever the cluster calls it", async () => {
    const token = await registry.registrant.createToken(onlyTeam);
    await using observer = observe(open(token.secret, { known: () => ["order-service"] }));
    await observer.until((one) => expect(stateOf(one, "order-service")).toBe("unknown"));
    await token.setRules(readAll);
    await observer.until(
      (one) => expect([...one.services.keys()].toSorted()).toEqual(["Order-Service", "team-shop"]),
      NOTICED_MS,
    );
  });

  test("nodes that may not be read make the services on them unknown, at the start and under a waiting query", async () => {
    const oneNode = `service_prefix "" { policy = "read" } node "${nodeOf(other)}" { policy = "read" }`;
    const token = await registry.registrant.createToken(oneNode);
    const isHalfKnown = (one: Snapshot): void => {
      expect(stateOf(one, "team-shop")).toBe("unknown");
      expect(addressesOf(one, "Order-Service")).toHaveLength(1);
    };
    await using observer = observe(open(token.secret, { known: () => ["team-shop"] }));
    await observer.until(isHalfKnown);
    await token.setRules(readAll);
    await observer.until((one) => expect(addressesOf(one, "team-shop")).toHaveLength(1), NOTICED_MS);
    await token.setRules(oneNode);
    await observer.until(isHalfKnown, SERVICE_WAIT_MS);
    for (const { services } of observer.snapshots) expect(services.size).toBe(2);
  });

  test("rights that are all taken away end the watch, and take nothing with them", async () => {
    const token = await registry.registrant.createToken(readAll);
    await using observer = observe(open(token.secret));
    await observer.until((one) => expect(one.services.size).toBe(2));
    await token.setRules(nothing);
    expect(await observer.ended).toMatchObject({
      code: "RegistryUnauthorized",
      nextStep: expect.stringContaining("service_prefix"),
    });
    for (const { services } of observer.snapshots) expect(services.size).toBe(2);
  });

  test("a token that is deleted while queries wait ends the watch at once", async () => {
    const token = await registry.registrant.createToken(readAll);
    await using observer = observe(open(token.secret));
    await observer.until((one) => expect(one.services.size).toBe(2));
    await token.delete();
    expect(await observer.ended).toMatchObject({ code: "RegistryUnauthorized" });
    expect(observer.snapshots).toHaveLength(1);
    await using again = observe(open(token.secret));
    expect(await again.ended).toMatchObject({ code: "RegistryUnauthorized" });
  });

  test("without a token everything is read where everybody may, and nothing is believed where not", async () => {
    await using refused = observe(open());
    expect(await refused.ended).toMatchObject({ code: "RegistryUnauthorized" });

    await registry.registrant.setAnonymousRules(readAll);
    await using observer = observe(open());
    await observer.until((one) => expect(one.services.size).toBe(2));
    await registry.registrant.deregister([other]);
    await observer.until((one) => expect([...one.services.keys()]).toEqual(["team-shop"]));

    await registry.registrant.setAnonymousRules('service_prefix "" { policy = "read" }');
    expect(await observer.ended).toMatchObject({ code: "RegistryUnauthorized" });
    for (const { services } of observer.snapshots) expect(services.has("team-shop")).toBe(true);
  });

  test("without a token what nobody may read is unknown if the cluster has it, and gone only if it may be read", async () => {
    await registry.registrant.setAnonymousRules(onlyTeam);
    const known = () => ["order-service", "team-gone"];
    const snapshot = await firstSnapshot(open(undefined, { known }));
    expect([...snapshot.services.keys()].toSorted()).toEqual(["order-service", "team-shop"]);
    expect(stateOf(snapshot, "order-service")).toBe("unknown");
  });
});
