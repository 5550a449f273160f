import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConsulRegistrant, consulRegistrant } from "../support/consul-registrant.ts";
import { eventually } from "../support/eventually.ts";
import { type Consul, startConsul, startConsulServers } from "./consul.ts";

const order = { service: "order", address: "10.42.0.1", port: 80 };

const servicesOf = async (registrant: ConsulRegistrant): Promise<readonly string[]> =>
  Object.keys(await registrant.ask<object>("GET", "/v1/catalog/services"));

describe("Consul, one server that denies what nobody allowed", { timeout: 60_000 }, () => {
  let server: Consul;
  let registrant: ConsulRegistrant;
  beforeAll(async () => {
    server = await startConsul({ acl: true });
    registrant = consulRegistrant(server);
    await registrant.register([order]);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test("shows an instance to who may see it, and hides it from others without a word", async () => {
    expect(await servicesOf(registrant)).toEqual(["consul", "order"]);
    const path = `${server.url}/v1/catalog/services`;
    expect(await (await fetch(path)).json()).toEqual({});
    const token = await registrant.createToken('key_prefix "" { policy = "read" }');
    const narrow = await fetch(path, { headers: { "x-consul-token": token.secret } });
    expect(narrow.headers.get("x-consul-results-filtered-by-acls")).toBe("true");
    expect(await narrow.json()).toEqual({});
  });

  test("frozen it answers nothing, and then everything", async () => {
    server.freeze();
    const silent = fetch(server.url, { signal: AbortSignal.timeout(500) });
    await expect(silent).rejects.toThrow("timeout");
    server.resume();
    expect(await servicesOf(registrant)).toEqual(["consul", "order"]);
  });

  test("restarted it has its data, wiped it has none", async () => {
    await server.restart();
    await eventually(async () => expect(await servicesOf(registrant)).toEqual(["consul", "order"]), 10_000);
    await server.restart({ wipe: true });
    await eventually(async () => expect(await servicesOf(registrant)).toEqual(["consul"]), 10_000);
  });
});

test("three servers have one catalog", { timeout: 60_000 }, async () => {
  await using stack = new AsyncDisposableStack();
  const servers = await startConsulServers(3);
  const [one, two] = servers.map((server) => consulRegistrant(stack.use(server)));
  await one?.register([order]);
  expect(await servicesOf(two as ConsulRegistrant)).toEqual(["consul", "order"]);
});
