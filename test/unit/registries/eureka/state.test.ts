import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { Credentials } from "../../../../src/model/hub.ts";
import { createEurekaAdapter } from "../../../../src/registries/eureka/adapter.ts";
import { countingDeps } from "../../../contract/counting-deps.ts";
import { type Observer, observe } from "../../../contract/observe.ts";
import { eventually } from "../../../support/eventually.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

interface Said {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
}

/** What no real server can be made to do within a test: it has any age, answers XML, is a proxy. */
async function startScripted() {
  const script = {
    apps: { status: 200, body: listOf("ORDERS"), type: "application/json" } as Said,
    about: { status: 200, body: about("first", "5 days 00:00") } as Said,
    asked: [] as IncomingMessage[],
    address: "",
  };
  const server = createServer((request, response) => {
    script.asked.push(request);
    const { status, body, type = "text/plain" } = request.url === "/eureka/apps" ? script.apps : script.about;
    response.writeHead(status, { "content-type": type }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  script.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/eureka`;
  return script;
}

const about = (process: string, uptime: string): string =>
  `<server-uptime>${uptime}</server-uptime><instanceId>${process}</instanceId><lastUpdatedTimestamp>1</lastUpdatedTimestamp>`;

/** An application with one instance, which was renewed at some moment. */
const listOf = (name: string, renewedAt = 0): string =>
  JSON.stringify({
    applications: {
      application: [
        {
          name,
          instance: [
            {
              ipAddr: "10.42.0.7",
              status: "UP",
              port: { $: 80, "@enabled": "true" },
              leaseInfo: { lastRenewalTimestamp: renewedAt },
            },
          ],
        },
      ],
    },
  });

function read(
  address: string,
  credentials: Credentials = {},
  wants: (name: string) => boolean = () => true,
): Observer {
  const tls = { enabled: false, insecureSkipVerify: false };
  const registry = { type: "eureka", address, pollIntervalMs: 20, tls } as const;
  return observe(createEurekaAdapter({ registry, credentials, wants }, countingDeps()));
}

const names = (observer: Observer) => observer.snapshots.map(({ services }) => [...services.keys()].join());

describe("a Eureka server that answers", () => {
  test.each<[string, Partial<Said>, string, string]>([
    ["401", { status: 401 }, "RegistryUnauthorized", "HTTP 401, the login is missing or not valid"],
    ["404", { status: 404 }, "RegistryBadResponse", "HTTP 404"],
    ["500", { status: 500 }, "RegistryBadResponse", "HTTP 500"],
    ["503", { status: 503 }, "RegistryUnreachable", "HTTP 503"],
    [
      "XML",
      { type: "application/xml", body: "<x/>" },
      "RegistryBadResponse",
      "the answer is XML, but the operator asked for JSON",
    ],
    ["a page", { type: "text/html", body: "<html>" }, "RegistryBadResponse", "the answer is not JSON"],
    [
      "something else",
      { body: '{"ok":true}' },
      "RegistryBadResponse",
      "the answer is not a list of applications",
    ],
  ])("%s", async (_, said, code, detail) => {
    const server = await startScripted();
    server.apps = { ...server.apps, ...said };
    await using observer = read(server.address);
    const { host } = new URL(server.address);
    expect(await observer.ended).toMatchObject({ code, detail: `GET /apps at ${host}: ${detail}` });
    expect(observer.snapshots).toEqual([]);
  });

  test("403 and says how it is, is starting; one that says nothing at all refuses", async () => {
    const server = await startScripted();
    server.apps = { status: 403, body: "" };
    await using starting = read(server.address);
    expect(await starting.ended).toMatchObject({ code: "RegistryUnreachable" });
    server.about = server.apps;
    await using refused = read(server.address);
    expect(await refused.ended).toMatchObject({ code: "RegistryUnauthorized" });
  });

  test("is asked for JSON with the login of the Secret, and never told it by the URL", async () => {
    const server = await startScripted();
    await using observer = read(server.address, { username: "jürgen", password: "p:ss" });
    await observer.until(() => {});
    const [request] = server.asked;
    expect(request?.headers).toMatchObject({
      accept: "application/json",
      "accept-encoding": "gzip",
      authorization: `Basic ${Buffer.from("jürgen:p:ss").toString("base64")}`,
    });
    expect(request?.url).toBe("/eureka/apps");
  });

  test("lists only what the hub wants", async () => {
    const server = await startScripted();
    await using observer = read(server.address, {}, (name) => name !== "ORDERS");
    expect((await observer.until(() => {})).services.size).toBe(0);
  });
});

describe("a change", () => {
  test("of renewals alone is none", async () => {
    const server = await startScripted();
    await using observer = read(server.address);
    await observer.until(() => {});
    server.apps = { ...server.apps, body: listOf("ORDERS", 1) };
    const { length } = server.asked;
    await eventually(() => expect(server.asked.length).toBeGreaterThan(length + 6), 5_000);
    server.apps = { ...server.apps, body: listOf("STOCK") };
    await eventually(() => expect(names(observer)).toEqual(["ORDERS", "STOCK"]), 5_000);
  });
});

describe("another process behind the address", () => {
  test.each([
    ["has just been started", about("second", "00:00")],
    ["was started almost two minutes ago", about("second", "00:01")],
  ])("that %s ends the watch before its list is told", async (_, status) => {
    const server = await startScripted();
    await using observer = read(server.address);
    await observer.until(() => {});
    server.about = { status: 200, body: status };
    server.apps = { ...server.apps, body: listOf("STOCK") };
    const { host } = new URL(server.address);
    expect(await observer.ended).toMatchObject({
      code: "RegistryUnreachable",
      detail: `${host} restarted, or another server that started recently answers there`,
    });
    expect(names(observer)).toEqual(["ORDERS"]);
  });

  test.each([
    ["has been there for two minutes", about("second", "00:02")],
    ["does not say how it is", "<html>"],
  ])("that %s is as good as the first", async (_, status) => {
    const server = await startScripted();
    await using observer = read(server.address);
    await observer.until(() => {});
    server.about = { status: 200, body: status };
    server.apps = { ...server.apps, body: listOf("STOCK") };
    await eventually(() => expect(names(observer)).toEqual(["ORDERS", "STOCK"]), 5_000);
  });

  test("is no other one, however young the first was", async () => {
    const server = await startScripted();
    server.about = { status: 200, body: about("first", "00:00") };
    await using observer = read(server.address);
    await observer.until(() => {});
    server.apps = { ...server.apps, body: listOf("STOCK") };
    await eventually(() => expect(names(observer)).toEqual(["ORDERS", "STOCK"]), 5_000);
  });
});

test("of several servers one is stayed with, and another is found when it is gone", async () => {
  const servers = [await startScripted(), await startScripted()];
  const address = servers.map((server) => server.address).join(",");
  await using observer = read(address);
  await observer.until(() => {});
  await eventually(
    () => expect(Math.max(...servers.map(({ asked }) => asked.length))).toBeGreaterThan(6),
    5_000,
  );
  expect(servers.filter(({ asked }) => asked.length > 0)).toHaveLength(1);
  for (const server of servers) if (server.asked.length > 0) server.apps = { status: 503, body: "" };
  expect(await observer.ended).toMatchObject({ code: "RegistryUnreachable" });
  for (let again = 0; again < 4; again++) {
    await using next = read(address);
    await next.until(() => {});
  }
});
