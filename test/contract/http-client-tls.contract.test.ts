import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHttpClient } from "../../src/registries/transport/http-client.ts";
import { selfSigned } from "../support/certificate.ts";
import { countingDeps } from "./counting-deps.ts";

describe("HTTP over TLS", () => {
  const stack = new AsyncDisposableStack();
  const stop = new AbortController();
  let port: number;
  let certificate: string;

  beforeAll(async () => {
    const keys = selfSigned("http");
    certificate = keys.certificate;
    const server = createServer({ cert: keys.certificate, key: keys.key }, ({ url }, response) => {
      if (url === "/plain") response.writeHead(302, { location: `http://127.0.0.1:${port}/` });
      response.end("read");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    stack.defer(() => server.closeAllConnections());
    stack.defer(() => void server.close());
    port = (server.address() as AddressInfo).port;
  });
  afterAll(async () => {
    stop.abort();
    await stack.disposeAsync();
  });

  const open = (tls = {}) => createHttpClient({ tls }, countingDeps().clock, stop.signal);

  test("a server whose CA is known is read", async () => {
    expect((await open({ ca: certificate }).get(`https://127.0.0.1:${port}/`)).text).toBe("read");
  });

  test("an unknown CA is refused, unless verification is off", async () => {
    const url = `https://127.0.0.1:${port}/`;
    await expect(open().get(url)).rejects.toMatchObject({
      kind: "unreachable",
      message: "the server's certificate is signed by an unknown CA",
    });
    expect((await open({ insecureSkipVerify: true }).get(url)).text).toBe("read");
  });

  test("a certificate for another name is refused, though the address that is dialled is its own", async () => {
    await expect(open({ ca: certificate }).get(`https://localhost:${port}/`)).rejects.toMatchObject({
      kind: "unreachable",
      message: "the server's certificate is for another name",
    });
  });

  test("a redirect away from TLS is refused", async () => {
    await expect(open({ ca: certificate }).get(`https://127.0.0.1:${port}/plain`)).rejects.toMatchObject({
      kind: "bad-answer",
      message: `redirected from https to http://127.0.0.1:${port}`,
    });
  });
});
