import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import {
  createHttpClient,
  type HttpBytes,
  type HttpClient,
  type HttpClientOptions,
} from "../../../../src/registries/transport/http-client.ts";
import { HttpError } from "../../../../src/registries/transport/http-error.ts";
import { systemClock } from "../../../../src/runtime/clock.ts";
import { createRegistryLimits } from "../../../../src/runtime/registry-limits.ts";
import { countingDeps } from "../../../contract/counting-deps.ts";
import { eventually } from "../../../support/eventually.ts";
import { fakeClock } from "../../../support/fake-clock.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

type Listener = (...exchange: Parameters<RequestListener>) => unknown;

/** The URL of a local server that answers as `listener` does. */
async function serve(listener: Listener): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer((request, response) => void listener(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

/** The URL of a local server that says `text`, whatever it is asked, and closes. */
async function say(text: string): Promise<string> {
  const server = createTcpServer((socket: Socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end(text, "latin1"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function client(options: HttpClientOptions = {}): HttpClient {
  const stop = new AbortController();
  closers.push(() => stop.abort());
  return createHttpClient(options, systemClock, stop.signal);
}

async function failure(promise: Promise<unknown>): Promise<HttpError> {
  const error = await promise.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(HttpError);
  return error as HttpError;
}

const connections = (server: Server): Promise<number> =>
  new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );

const bodyOf = async (request: IncomingMessage): Promise<string> =>
  (await request.toArray()).map(String).join("");

describe("an answer", () => {
  test("has status, headers and text, whatever the status", async () => {
    const { url } = await serve((_, response) => {
      response.writeHead(418, { "X-Index": "7", "set-cookie": ["a=1", "b=2"] });
      response.end("käse");
    });
    expect(await client().get(`${url}/x`)).toMatchObject({
      status: 418,
      headers: { "x-index": "7", "set-cookie": "a=1, b=2" },
      text: "käse",
    });
  });

  test("may be gzip", async () => {
    const { url } = await serve((request, response) => {
      expect(request.headers["accept-encoding"]).toBe("gzip");
      response.writeHead(200, { "content-encoding": "gzip" });
      response.end(gzipSync("many instances"));
    });
    expect((await client().get(url)).text).toBe("many instances");
  });

  test("a form is in the body and nowhere else", async () => {
    const { url } = await serve(async (request, response) => {
      response.end(
        `${request.method} ${request.url} ${request.headers["content-type"]} ${await bodyOf(request)}`,
      );
    });
    const { text } = await client().postForm(`${url}/login`, { username: "o+p", password: "a b&c=ü" });
    expect(text).toBe(
      "POST /login application/x-www-form-urlencoded username=o%2Bp&password=a+b%26c%3D%C3%BC",
    );
  });

  test("JSON is sent as such", async () => {
    const { url } = await serve(async (request, response) => {
      response.end(`${request.method} ${request.headers["content-type"]} ${await bodyOf(request)}`);
    });
    expect((await client().postJson(url, [{ a: 1 }])).text).toBe('POST application/json [{"a":1}]');
  });

  test("connections are kept and bounded", async () => {
    let most = 0;
    let running = 0;
    const { url, server } = await serve((_, response) => {
      most = Math.max(most, ++running);
      setTimeout(() => {
        running--;
        response.end("ok");
      }, 5);
    });
    const http = client({ connections: 3 });
    await Promise.all(Array.from({ length: 30 }, () => http.get(url)));
    expect(most).toBe(3);
    expect(await connections(server)).toBeLessThanOrEqual(3);
  });
});

describe("an answer that is none", () => {
  test.each([
    ["an odd status line, as Nacos 2.3.2 has written", "HTTP/1.1 0 \r\nContent-Length: 2\r\n\r\nhi"],
    ["something else", "220 mail ready\r\n"],
    ["an upgrade that nobody asked for", "HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n"],
    ["a length that is no number", "HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n"],
    ["a TLS alert", "\x15\x03\x01\x00\x02\x02\x46"],
  ])("%s", async (_, text) => {
    const url = await say(text);
    expect(await failure(client().get(`${url}/?accessToken=secret`))).toMatchObject({
      kind: "bad-answer",
      message: "the answer is not HTTP",
    });
  });

  test.each([
    ["nothing at all", ""],
    ["half a body", "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi"],
  ])("%s", async (_, text) => {
    const error = await failure(client().get(await say(text)));
    expect(error).toMatchObject({ kind: "unreachable", message: "connection closed" });
  });

  test.each([
    ["http://nothing.invalid/?token=secret", /^(no such host|the name server does not answer)$/],
    ["http://127.0.0.1:1/?token=secret", /^connection refused$/],
    [
      "http://169.254.169.254/?token=secret",
      /^169\.254\.169\.254 is link-local, unspecified, multicast or a cloud's metadata service$/,
    ],
    [
      "http://[fe80::1]:8848/",
      /^fe80::1 is link-local, unspecified, multicast or a cloud's metadata service$/,
    ],
    ["http://0.0.0.0:8848/", /^0\.0\.0\.0 is link-local/],
  ])("%s", async (url, message) => {
    const error = await failure(client().get(url));
    expect(error.kind).toBe("unreachable");
    expect(error.message).toMatch(message);
  });

  test("a server without TLS", async () => {
    const { url } = await serve((_, response) => response.end());
    const error = await failure(client().get(url.replace("http:", "https:")));
    expect(error).toMatchObject({ kind: "unreachable", message: "the server does not speak TLS" });
  });

  test("certificates that are none", async () => {
    const error = await failure(client({ tls: { ca: "x", key: "s3cret" } }).get("https://127.0.0.1:1/"));
    expect(error.kind).toBe("bad-tls-options");
    expect(error.message).not.toContain("s3cret");
  });
});

describe("lists", () => {
  const mib = 1_024 * 1_024;
  const quarter = "the answer is larger than 2097152 bytes, which is a quarter of --max-answer-bytes";
  const limits = () => createRegistryLimits({ maxAnswerBytes: 8 * mib });
  const sizeOf = async ({ bytes }: HttpBytes): Promise<number> => bytes.length;

  test.each([
    ["of the fleet", true, "the answer is larger than 8388608 bytes, which is --max-answer-bytes"],
    ["of anything else", false, quarter],
  ])("%s have their own limit, however small they are on the wire", async (_, isOfFleet, message) => {
    const bomb = gzipSync(Buffer.alloc(40 * mib));
    const { url } = await serve((__, response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.end(bomb);
    });
    const error = await failure(client({ limits: limits() }).getList(url, { isOfFleet }, sizeOf));
    expect(error).toMatchObject({ kind: "too-large", message });
  });

  test("are whole, up to the limit", async () => {
    const { url } = await serve(({ url: path }, response) => {
      response.end(Buffer.alloc(path === "/less" ? 2 * mib : 2 * mib + 1, "x"));
    });
    const http = client({ limits: limits() });
    expect(await http.getList(`${url}/less`, { isOfFleet: false }, sizeOf)).toBe(2 * mib);
    expect(await failure(http.getList(`${url}/more`, { isOfFleet: false }, sizeOf))).toMatchObject({
      message: quarter,
    });
  });

  test("that are large wait until those of other hubs have been used, small ones do not, and who waits too long is told", async () => {
    const { url } = await serve(({ url: path }, response) => {
      response.end(Buffer.alloc(path === "/small" ? 1_000 : mib, "x"));
    });
    const shared = limits();
    const used = Promise.withResolvers<number>();
    const held = [1, 2].map(() =>
      client({ limits: shared }).getList(`${url}/large`, { isOfFleet: true }, () => used.promise),
    );
    const third = client({ limits: shared });
    const impatient = { isOfFleet: true, timeoutMs: 300 };
    await eventually(async () => {
      expect(await failure(third.getList(`${url}/large`, impatient, sizeOf))).toMatchObject({
        kind: "unreachable",
        message: expect.stringMatching(/^no room for the answer within 0.3 s/),
      });
    }, 5_000);
    const waiting = third.getList(`${url}/large`, { isOfFleet: true }, sizeOf);
    expect(await third.getList(`${url}/small`, { isOfFleet: true }, sizeOf)).toBe(1_000);
    used.resolve(7);
    expect(await Promise.all([...held, waiting])).toEqual([7, 7, mib]);
  });

  test("that take memory from others end in time, however long their query may wait for news", async () => {
    const { url } = await serve((_, response) => void response.write(Buffer.alloc(mib, "x"))); // and no more
    const shared = limits();
    const clock = fakeClock();
    const stop = new AbortController();
    closers.push(() => stop.abort());
    const patient = { isOfFleet: true, timeoutMs: 60_000 };
    const endless = createHttpClient({ limits: shared }, clock, stop.signal).getList(url, patient, sizeOf);
    const other = new AbortController();
    closers.push(() => other.abort());
    const isHeld = (): boolean => {
      const whole = shared.memory.take({}, shared.memory.bytes, other.signal).catch(() => undefined);
      void whole.then((free) => free?.());
      return shared.memory.isAwaitedBy(other.signal);
    };
    await eventually(() => expect(isHeld()).toBe(true), 5_000);
    clock.advance(10_000);
    const message = "the answer did not end within 10 s";
    expect(await failure(endless)).toMatchObject({ kind: "unreachable", message });
    await eventually(() => expect(shared.memory.isAwaitedBy(other.signal)).toBe(false), 5_000);
  });

  test("give back what they took when their use fails, and when the watch ends", async () => {
    const { url } = await serve((_, response) => void response.end(Buffer.alloc(mib, "x")));
    const shared = limits();
    for (let at = 0; at < 5; at++) {
      const bad = new Error("of no use");
      const use = (): Promise<never> => Promise.reject(bad);
      await expect(client({ limits: shared }).getList(url, { isOfFleet: true }, use)).rejects.toBe(bad);
    }
    const stop = new AbortController();
    const http = createHttpClient({ limits: shared }, systemClock, stop.signal);
    const never = Promise.withResolvers<never>();
    const begun = Promise.withResolvers<AbortSignal>();
    const open = http.getList(url, { isOfFleet: true }, (_, signal) => {
      begun.resolve(signal);
      signal.addEventListener("abort", () => never.reject(signal.reason));
      return never.promise;
    });
    await begun.promise;
    stop.abort(new Error("the watch ends"));
    await expect(open).rejects.toThrow("the watch ends");
    expect(await client({ limits: shared }).getList(url, { isOfFleet: true }, sizeOf)).toBe(mib);
  });
});

describe("limits", () => {
  test("of size, of a text that never ends", async () => {
    const { url, server } = await serve((_, response) => {
      response.on("error", () => {});
      const more = (): void => {
        while (!response.destroyed && response.write("x".repeat(10_000)));
      };
      response.on("drain", more);
      more();
    });
    const error = await failure(client().get(url, { maxBytes: 50_000 }));
    expect(error).toMatchObject({ kind: "bad-answer", message: "the answer is larger than 50000 bytes" });
    await eventually(async () => expect(await connections(server)).toBe(0), 2_000);
  });

  test("of size, of a text that grows when it is decoded", async () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000));
    expect(bomb.length).toBeLessThan(50_000);
    const { url } = await serve((_, response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.end(bomb);
    });
    const error = await failure(client().get(url, { maxBytes: 50_000 }));
    expect(error.message).toBe("the answer is larger than 50000 bytes");
  });

  test.each([
    ["gzip that is none", "gzip", "the answer is labelled as gzip but is not gzip"],
    ["an unknown encoding", "br", 'the answer has the unknown encoding "br"'],
  ])("%s", async (_, encoding, message) => {
    const { url } = await serve((__, response) => {
      response.writeHead(200, { "content-encoding": encoding });
      response.end("plain");
    });
    expect(await failure(client().get(url))).toMatchObject({ kind: "bad-answer", message });
  });

  test("of time, before the headers", async () => {
    const { url } = await serve(() => {});
    const error = await failure(client().get(url, { timeoutMs: 50 }));
    expect(error).toMatchObject({ kind: "unreachable", message: "no answer within 0.05 s" });
  });

  test("of time, while the body trickles", async () => {
    const { url, server } = await serve((_, response) => {
      const timer = setInterval(() => response.write("x"), 10);
      response.on("close", () => clearInterval(timer));
    });
    const error = await failure(client().get(url, { timeoutMs: 100 }));
    expect(error).toMatchObject({ kind: "unreachable", message: "no answer within 0.1 s" });
    await eventually(async () => expect(await connections(server)).toBe(0), 2_000);
  });
});

describe("redirects", () => {
  /** Answers /start with a redirect to `to`, and every other path with what it was asked. */
  const redirectTo =
    (to: string): RequestListener =>
    (request, response) => {
      if (request.url !== "/start") {
        response.end(
          `${request.url} ${request.headers.authorization ?? "no token"} ${request.headers.accept}`,
        );
        return;
      }
      response.writeHead(302, { location: to });
      response.end();
    };
  const headers = { authorization: "Bearer secret" };

  test("within an origin keep the headers", async () => {
    const { url } = await serve(redirectTo("/end?a=1"));
    expect((await client().get(`${url}/start`, { headers })).text).toBe(
      "/end?a=1 Bearer secret application/json",
    );
  });

  test("to another origin are followed without a login, and the answer says so", async () => {
    const other = await serve(redirectTo("/nowhere"));
    const { url } = await serve(redirectTo(`${other.url}/end`));
    expect(await client().get(`${url}/start`, { accept: "text/xml" })).toMatchObject({
      text: "/end no token text/xml",
      redirectedTo: other.url,
    });
  });

  test("to another origin are refused with a login, because an answer without it would be another's", async () => {
    const other = await serve(redirectTo("/nowhere"));
    const { url } = await serve(redirectTo(`${other.url}/end?token=secret`));
    expect(await failure(client().get(`${url}/start`, { headers }))).toMatchObject({
      kind: "redirected",
      message: `redirected to ${other.url}, where the login is not sent`,
    });
  });

  test.each([
    [
      "http://169.254.169.254/latest/meta-data?token=secret",
      "unreachable",
      /^redirected to http:\/\/169\.254\.169\.254: .* is link-local/,
    ],
    [
      "http://[ff02::1]:80/",
      "unreachable",
      /is link-local, unspecified, multicast or a cloud's metadata service$/,
    ],
    ["file:///etc/passwd", "bad-answer", /^redirected to something that is not http or https$/],
    ["/start", "bad-answer", /^more than 3 redirects$/],
  ])("to %s are refused", async (to, kind, message) => {
    const { url } = await serve(redirectTo(to));
    const error = await failure(client().get(`${url}/start`));
    expect(error.kind).toBe(kind);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain("secret");
  });

  test("of a form are not followed", async () => {
    const { url } = await serve(redirectTo("/end"));
    expect((await client().postForm(`${url}/start`, { password: "x" })).status).toBe(302);
  });
});

describe("a connection that the server closes", () => {
  /** Answers the first request of each connection; what comes later on it is closed upon. */
  async function serveOnce() {
    const seen = new Map<Socket, number>();
    const { url } = await serve(({ socket }, response) => {
      seen.set(socket, (seen.get(socket) ?? 0) + 1);
      if (seen.get(socket) === 1) response.end("answered");
      else socket.destroy();
    });
    return { url, seen };
  }

  test("without an answer is asked again over another one, once, if the caller says so", async () => {
    const { url, seen } = await serveOnce();
    const http = client({ connections: 1 });
    for (let at = 0; at < 4; at++) expect((await http.get(url, { askAgain: true })).text).toBe("answered");
    expect([...seen.values()]).toEqual([2, 2, 2, 1]);
    expect((await failure(http.get(url))).message).toMatch(/^connection (closed|reset)$/);
    expect((await failure(client().get(await say(""), { askAgain: true }))).message).toBe(
      "connection closed",
    );
  });

  test("in the middle of an answer is not asked again", async () => {
    let asked = 0;
    const { url } = await serve((_, response) => {
      asked++;
      response.writeHead(200, { "content-length": 20 }).write("hi", () => response.destroy());
    });
    expect((await failure(client().get(url, { askAgain: true }))).message).toMatch(
      /^connection (closed|reset)$/,
    );
    expect(asked).toBe(1);
  });

  test("is asked again for no form", async () => {
    const { url, seen } = await serveOnce();
    const http = client({ connections: 1 });
    await http.postForm(url, {});
    await failure(http.postForm(url, {}, { askAgain: true }));
    expect([...seen.values()]).toEqual([2]);
  });
});

test("a login that no header can carry is the Secret's matter, and not quoted", async () => {
  const { url } = await serve((_, response) => response.end());
  for (const token of ["s3cret\n\n", "s3cret\u{1f600}"]) {
    const error = await failure(client().get(url, { headers: { "x-token": token } }));
    expect(error).toMatchObject({ kind: "bad-header" });
    expect(JSON.stringify([error.message, error.cause])).not.toContain("s3cret");
  }
});

describe("abort", () => {
  test("ends what is under way with its reason, and leaves no socket and no timer", async () => {
    let asked = 0;
    const { url, server } = await serve((request, response) => {
      asked++;
      if (request.url === "/idle") response.end();
      else if (request.url === "/body") response.write("x");
    });
    const deps = countingDeps();
    const stop = new AbortController();
    const http = createHttpClient({}, deps.clock, stop.signal);
    await http.get(`${url}/idle`);
    const open = ["/headers", "/body", "/headers"].map((path) => http.get(`${url}${path}`));
    await eventually(() => expect(asked).toBe(4), 5_000);
    const reason = new Error("enough");
    stop.abort(reason);
    for (const result of await Promise.allSettled(open))
      expect(result).toEqual({ status: "rejected", reason });
    await eventually(async () => expect(await connections(server)).toBe(0), 1_000);
    expect(deps.waiting()).toBe(0);
    await expect(http.get(url)).rejects.toBe(reason);
  });

  test("of one exchange ends no other, and gives its connection back", async () => {
    const { url, server } = await serve((request, response) => {
      if (request.url !== "/wait") response.end("answered");
    });
    const deps = countingDeps();
    const http = createHttpClient({}, deps.clock, new AbortController().signal);
    const own = new AbortController();
    const ended = http.get(`${url}/wait`, { signal: own.signal });
    const other = http.get(url);
    const reason = new Error("not needed");
    own.abort(reason);
    await expect(ended).rejects.toBe(reason);
    expect((await other).text).toBe("answered");
    await eventually(async () => expect(await connections(server)).toBeLessThan(2), 1_000);
    expect(deps.waiting()).toBe(0);
    await expect(http.get(url, { signal: own.signal })).rejects.toBe(reason);
  });

  test("ends a connection that is still being made", async () => {
    const deps = countingDeps();
    const stop = new AbortController();
    // Reserved for documentation: nothing answers there.
    const open = createHttpClient({}, deps.clock, stop.signal).get("http://192.0.2.1/");
    setTimeout(() => stop.abort(), 30);
    await expect(open).rejects.toBeDefined();
    await eventually(() => expect(deps.waiting()).toBe(0), 1_000);
  });
});
