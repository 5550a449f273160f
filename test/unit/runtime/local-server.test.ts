import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ListeningServer } from "../../../src/runtime/listen.ts";
import { type Routes, serveLocally } from "../../../src/runtime/local-server.ts";
import { silentLogger } from "../../support/model.ts";

let server: ListeningServer;
let asked: URLSearchParams[];
let errors: unknown[];
let gone: Promise<void>;

beforeEach(async () => {
  asked = [];
  errors = [];
  const leaves = Promise.withResolvers<void>();
  gone = leaves.promise;
  const routes: Routes = {
    "/": async () => ({ file: Buffer.from("<!doctype html>"), type: "text/html" }),
    "/facts": async (query) => {
      asked.push(query);
      return { json: { is: "fine" } };
    },
    "/nothing": async () => undefined,
    "/bug": async () => {
      throw new Error("broken");
    },
    "/slow": (_, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          leaves.resolve();
          reject(signal.reason);
        });
        asked.push(new URLSearchParams());
      }),
  };
  const logger = { ...silentLogger, error: (_: string, fields = {}) => void errors.push(fields) };
  server = await serveLocally(0, routes, logger);
});
afterEach(() => server[Symbol.asyncDispose]());

/** With a Host of one's own choice, which fetch does not allow. */
async function get(path: string, { host = `127.0.0.1:${server.port}`, method = "GET" } = {}) {
  const sent = request({ host: "127.0.0.1", port: server.port, path, method, headers: { host } }).end();
  const [response] = await once(sent, "response");
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(parts).toString() };
}

describe("the local server", () => {
  test("answers with JSON or a file, and hands on the query", async () => {
    expect(await get("/facts?hub=demo%2Fhub")).toMatchObject({ status: 200, body: '{"is":"fine"}' });
    expect(asked[0]?.get("hub")).toBe("demo/hub");
    expect(await get("/")).toMatchObject({ status: 200, body: "<!doctype html>" });
    expect(await get("/", { method: "HEAD" })).toMatchObject({ status: 200, body: "" });
  });

  test("lets a page of its own do nothing but read, and a page of another origin nothing", async () => {
    for (const path of ["/", "/facts", "/nothing"]) {
      const { headers } = await get(path);
      expect(headers["content-security-policy"]).toMatch(/^default-src 'none'; script-src 'self'; /);
      expect(headers).toMatchObject({ "x-content-type-options": "nosniff", "cache-control": "no-store" });
      expect(headers).not.toHaveProperty("access-control-allow-origin");
    }
  });

  test.each(["localhost", "localhost:9000", "127.0.0.1", "127.0.0.1:8081", "[::1]:8081"])(
    "is %s",
    async (host) => {
      expect((await get("/facts", { host })).status).toBe(200);
    },
  );

  test.each(["example.org", "example.org:8081", "127.0.0.1.example.org", "localhost.example.org:80", "."])(
    "is not %s, to which somebody may have led a name",
    async (host) => {
      expect((await get("/facts", { host })).status).toBeGreaterThanOrEqual(400);
      expect(asked).toEqual([]);
    },
  );

  test.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])("refuses %s", async (method) => {
    expect(await get("/facts", { method })).toMatchObject({ status: 405 });
    expect(asked).toEqual([]);
  });

  test.each([
    "/none",
    "/nothing",
    "//",
    "/__proto__",
    "/constructor",
    "/../facts",
    "/%2e%2e/etc/passwd",
    "*",
  ])("has no %s", async (path) => {
    expect(await get(path)).toMatchObject({ status: 404, body: expect.stringContaining("/facts") });
    expect(errors).toEqual([]);
  });

  test("survives a route with a bug, says so in the log, and tells nobody else what it was", async () => {
    const { status, body } = await get("/bug");
    expect(status).toBe(500);
    expect(body).not.toContain("broken");
    expect(errors).toMatchObject([{ path: "/bug", error: new Error("broken") }]);
    expect((await get("/facts")).status).toBe(200);
  });

  test("works on few requests of a connection at once, and ends one that asks for more", async () => {
    const socket = connect(server.port, "127.0.0.1").resume();
    const closed = new Promise((resolve) => socket.on("error", () => undefined).on("close", resolve));
    socket.write(`GET /slow HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`.repeat(20_000));
    await closed;
    await gone; // what was begun for it has ended
    expect(asked.length).toBeLessThanOrEqual(16);
    expect((await get("/facts")).status).toBe(200);
    expect(errors).toEqual([]);
  });

  test("stops working for somebody who has left", async () => {
    const socket = connect(server.port, "127.0.0.1");
    socket.write(`GET /slow HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`);
    await expect.poll(() => asked.length).toBe(1);
    socket.destroy();
    await gone;
    expect((await get("/facts")).status).toBe(200);
    expect(errors).toEqual([]);
  });

  test("does not live beyond its end, whoever is connected", async () => {
    const socket = connect(server.port, "127.0.0.1");
    await once(socket, "connect");
    const closed = once(socket, "close");
    await server[Symbol.asyncDispose]();
    await closed;
    await expect(fetch(`http://127.0.0.1:${server.port}/facts`)).rejects.toThrow("fetch failed");
  });

  test("says which port it cannot have", async () => {
    await expect(serveLocally(server.port, {}, silentLogger)).rejects.toThrow("EADDRINUSE");
  });
});
