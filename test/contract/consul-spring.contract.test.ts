import { describe, expect, test } from "vitest";
import type { ProviderProcess } from "../bed/provider-process.ts";
import { startSpringProvider } from "../bed/spring-provider.ts";
import { freePort } from "../support/free-port.ts";
import { type ConsulHarness, startConsulHarness } from "./consul-harness.ts";
import { addressesOf, observe } from "./observe.ts";

/** A heartbeat is good for 3 s. */
const EXPIRED_MS = 15_000;

describe("Consul: applications of Spring Cloud", () => {
  test("an application is shown as it registers itself, with dashes in its name", async () => {
    await using registry = await startConsulHarness();
    await using provider = await start(registry, "order_service", "10.42.0.57", {
      "spring.cloud.consul.discovery.instance-zone": "a",
      "spring.cloud.consul.discovery.metadata.version": "v1",
    });
    await using observer = observe(registry.open());
    const { services, problems } = await observer.until((it) =>
      expect(addressesOf(it, "order-service")).toHaveLength(1),
    );
    expect([...services.values(), ...problems]).toEqual([
      {
        id: "order-service",
        kind: "spring",
        name: "order-service",
        instances: [
          {
            address: "10.42.0.57",
            port: provider.port,
            protocol: "tcp",
            version: "",
            group: "",
            locality: "dc1/a",
            metadata: { secure: "false", version: "v1", zone: "a" },
          },
        ],
        problems: [],
      },
    ]);
  });

  test("one that is stopped goes at once; one that is killed, when its heartbeat expires, and is listed on", async () => {
    await using registry = await startConsulHarness();
    await using one = await start(registry, "stock", "10.42.0.57");
    await using two = await start(registry, "stock", "10.42.0.58");
    await using observer = observe(registry.open());
    await observer.until((it) => expect(addressesOf(it, "stock")).toEqual([at(one), at(two)]));
    await one.stop();
    expect(await registry.registrant.ask("GET", "/v1/catalog/service/stock")).toHaveLength(1);
    await observer.until((it) => expect(addressesOf(it, "stock")).toEqual([at(two)]));
    await two.kill();
    await observer.until((it) => expect(addressesOf(it, "stock")).toEqual([]), EXPIRED_MS);
    expect(await registry.registrant.ask("GET", "/v1/catalog/service/stock")).toHaveLength(1);
    await using again = await start(registry, "stock", "10.42.0.58", {}, two.port);
    await observer.until((it) => expect(addressesOf(it, "stock")).toEqual([at(again)]));
    await again.stop();
    await observer.until((it) => expect(it.services.size).toBe(0));
  });

  test("behind one agent the later of two with one port takes the other's place, unless it has an id of its own", async () => {
    await using registry = await startConsulHarness();
    const port = await freePort();
    const elsewhere = { "server.address": "127.0.0.2" };
    await using _ = await start(registry, "pay", "10.42.0.57", {}, port);
    await using observer = observe(registry.open());
    await observer.until((it) => expect(addressesOf(it, "pay")).toEqual([`10.42.0.57:${port}`]));
    await using other = await start(registry, "pay", "10.42.0.58", elsewhere, port);
    await observer.until((it) => expect(addressesOf(it, "pay")).toEqual([`10.42.0.58:${port}`]));
    await other.stop();
    await observer.until((it) => expect(it.services.size).toBe(0)); // the first still runs

    const named = { ...elsewhere, "spring.cloud.consul.discovery.instance-id": "pay-58" };
    await using __ = await start(registry, "pay", "10.42.0.58", named, port);
    const third = { "server.address": "127.0.0.3" };
    await using ___ = await start(registry, "pay", "10.42.0.59", third, port);
    await observer.until((it) =>
      expect(addressesOf(it, "pay")).toEqual([`10.42.0.58:${port}`, `10.42.0.59:${port}`]),
    );
  });
});

/** Registers with the token that may write. */
async function start(
  { server }: ConsulHarness,
  application: string,
  ip: string,
  settings: Readonly<Record<string, string>> = {},
  port?: number,
): Promise<ProviderProcess> {
  return startSpringProvider({
    registry: "consul",
    address: server.address,
    application,
    ip,
    port: port ?? (await freePort()),
    properties: { "spring.cloud.consul.discovery.acl-token": server.managementToken ?? "", ...settings },
  });
}

const at = ({ host, port }: ProviderProcess): string => `${host}:${port}`;
