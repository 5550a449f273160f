import { expect, test } from "vitest";
import type { NacosConnection } from "../../../../src/registries/nacos/connection.ts";
import type { Login } from "../../../../src/registries/nacos/login.ts";
import { NamingClient, noAnswer } from "../../../../src/registries/nacos/requests.ts";

/** A client whose every request gets this answer. */
function answered(body: unknown): NamingClient {
  const connection: Partial<NacosConnection> = { request: () => Promise.resolve({ isOk: true, body }) };
  const login: Partial<Login> = { token: () => Promise.resolve(undefined) };
  return new NamingClient(connection as NacosConnection, login as Login, "");
}

test.each([
  ["has all that it counts", 2, ["a", "b"], ["a", "b"]],
  ["has fewer than it counts", 3, ["a", "b"], noAnswer],
  ["is longer than was asked for", 1, Array.from({ length: 100_001 }, (_, at) => `s${at}`), noAnswer],
])("a list of names that %s", async (_what, count, serviceNames, expected) => {
  expect(await answered({ count, serviceNames }).list("g")).toEqual(expected);
});
