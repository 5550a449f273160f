import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type EurekaRest, eurekaRest } from "../support/eureka-rest.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { type Eureka, startEureka } from "./eureka.ts";
import { startSpringProvider } from "./spring-provider.ts";
import { ask } from "./tcp.ts";
import { type TemporaryFolder, temporaryFolder } from "./watchdog.ts";

const one = { ip: "10.42.0.1", port: 80 };

// What is listed is at most half a second old; a lease that ran out is noticed after twice its time and a second.
const TELL_MS = 10_000;

describe("two Eureka servers with a login", { timeout: 120_000 }, () => {
  const stack = new AsyncDisposableStack();
  let folder: TemporaryFolder;
  let servers: readonly [Eureka, Eureka];
  let rests: readonly [EurekaRest, EurekaRest];

  beforeAll(async () => {
    folder = temporaryFolder("eureka-test");
    vi.stubEnv("TMPDIR", folder.path);
    const ports = [await freePort(), await freePort()] as const;
    const start = (at: 0 | 1) =>
      startEureka({ auth: true, port: ports[at], peers: [ports[1 - at] as number] });
    servers = await Promise.all([start(0), start(1)]);
    for (const server of servers) stack.use(server);
    rests = [stack.use(eurekaRest(servers[0])), stack.use(eurekaRest(servers[1]))];
  }, 120_000);
  afterAll(async () => {
    await stack.disposeAsync();
    vi.unstubAllEnvs();
    await folder[Symbol.asyncDispose]();
  });

  const lists = (rest: EurekaRest, apps: Readonly<Record<string, readonly string[]>>) =>
    eventually(async () => expect(Object.fromEntries(await rest.listed())).toEqual(apps), TELL_MS);

  test("refuse strangers", async () => {
    const { address } = servers[0];
    expect((await fetch(`${address}/apps`)).status).toBe(401);
    await using stranger = eurekaRest({ address, login: undefined });
    await expect(stranger.register("ORDERS", one)).rejects.toThrow("401");
  });

  test("tell each other what is registered, and forget what is not renewed", async () => {
    await rests[0].register("ORDERS", one);
    await rests[0].register("STOCK", { ...one, leaseSeconds: 2 });
    await lists(rests[1], { ORDERS: ["10.42.0.1:80"], STOCK: ["10.42.0.1:80"] });
    await lists(rests[1], { ORDERS: ["10.42.0.1:80"] });
    expect(await rests[1].renew("ORDERS", one)).toBe(true);
    expect(await rests[1].renew("STOCK", one)).toBe(false);
  });

  test("a restarted one has what its peer has; without a peer it has nothing", async () => {
    servers[1].freeze();
    expect(await ask(servers[1].port, "GET /eureka/apps HTTP/1.0\r\n\r\n")).toBe("");
    servers[1].resume();
    await servers[1].restart();
    await lists(rests[1], { ORDERS: ["10.42.0.1:80"] });
    await servers[1].kill();
    await servers[0].restart();
    await lists(rests[0], {});
    await servers[1].restart();
  });

  test("a Spring application registers, comes back by itself after a restart, and deregisters", async () => {
    const options = {
      registry: "eureka",
      address: servers[0].address,
      application: "order-service",
    } as const;
    const login = servers[0].login;
    await using provider = await startSpringProvider({
      ...options,
      ...(login && { login }),
      ip: "10.42.0.7",
    });
    const there = { "ORDER-SERVICE": [`10.42.0.7:${provider.port}`] };
    await lists(rests[0], there);
    expect(await (await fetch(`http://127.0.0.1:${provider.port}/hello`)).text()).toBe("Hello");
    await Promise.all(servers.map((server) => server.kill()));
    await servers[0].restart();
    await lists(rests[0], there);
    await provider.stop();
    await lists(rests[0], {});
  });

  test("leave nothing behind", async () => {
    await stack.disposeAsync();
    expect(readdirSync(folder.path)).toEqual([]);
    expect(await ask(servers[0].port, "GET /eureka/ HTTP/1.0\r\n\r\n")).toBe("");
  });
});
