import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { Credentials } from "../../../../src/model/hub.ts";
import type { Snapshot } from "../../../../src/model/service.ts";
import { parseNacosAddress } from "../../../../src/registries/nacos/address.ts";
import { watchHttp } from "../../../../src/registries/nacos/watch-http.ts";
import type { Deps } from "../../../../src/runtime/deps.ts";
import { countingDeps } from "../../../contract/counting-deps.ts";
import { eventually } from "../../../support/eventually.ts";
import { fakeClock } from "../../../support/fake-clock.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

type Handler = (
  url: URL,
  request: IncomingMessage,
) => { readonly status: number; readonly body: unknown } | undefined;

/** A Nacos with the v1 API of 2.x. What `script` answers comes first. */
async function startNacos() {
  const hosts = new Map<string, readonly object[]>();
  const asked: string[] = [];
  const nacos = {
    hosts,
    asked,
    /** Names that lists leave out, though they are there. */
    hidden: new Set<string>(),
    /** Overrides the answer to a request. */
    script: (() => undefined) as Handler,
    address: "",
    list: () => [...hosts.keys()].filter((key) => !nacos.hidden.has(key)),
  };
  const server = createServer((request, response) => void answer(request, response));
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", "http://x");
    asked.push(`${request.url}`);
    await request.toArray();
    const said = nacos.script(url, request) ?? ordinary(url);
    response.writeHead(said.status);
    response.end(typeof said.body === "string" ? said.body : JSON.stringify(said.body));
  }
  function ordinary({ pathname, searchParams }: URL) {
    const size = Number(searchParams.get("pageSize"));
    const page = <T>(all: readonly T[]): readonly T[] => {
      const from = (Number(searchParams.get("pageNo")) - 1) * size;
      return all.slice(from, from + size);
    };
    const names = nacos.list().map((key) => key.split("@@") as [string, string]);
    switch (pathname) {
      case "/nacos/v1/ns/catalog/services": {
        const serviceList = page(names).map(([groupName, name]) => ({ name, groupName }));
        return { status: 200, body: { count: names.length, serviceList } };
      }
      case "/nacos/v1/ns/service/list": {
        const doms = names
          .filter(([group]) => group === searchParams.get("groupName"))
          .map(([, name]) => name);
        return { status: 200, body: { count: doms.length, doms: page(doms) } };
      }
      case "/nacos/v1/ns/instance/list": {
        const key = searchParams.get("serviceName") ?? "";
        return { status: 200, body: { name: key, hosts: hosts.get(key) ?? [] } };
      }
      default:
        return { status: 404, body: "" };
    }
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  nacos.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return nacos;
}

const host = (ip: string) => ({ ip, port: 20_880, metadata: {} });

/** What 5 s less a jitter of a quarter amounts to; tells the pause from what else sleeps. */
const pauseMs = 4_750;

interface Setup {
  readonly groups?: readonly string[];
  readonly credentials?: Credentials;
  readonly namespace?: string;
  readonly wants?: (name: string) => boolean;
}

function watchAt(address: string, setup: Setup, deps: Deps, signal: AbortSignal): AsyncGenerator<Snapshot> {
  const { groups = [], credentials = {}, namespace = "", wants = () => true } = setup;
  const tls = { enabled: false, insecureSkipVerify: false };
  const registry = { type: "nacos", address, namespace, groups, tls } as const;
  return watchHttp({ registry, credentials, wants }, parseNacosAddress(address).servers, deps, signal);
}

/** A watch whose rounds are made on demand. */
function observe(address: string, setup: Setup = {}) {
  const clock = fakeClock();
  let isPausing = false;
  const sleep: typeof clock.sleep = async (ms, signal) => {
    isPausing = ms === pauseMs;
    await clock.sleep(ms, signal);
    isPausing = false;
  };
  const stop = new AbortController();
  closers.push(() => stop.abort());
  const deps = { ...countingDeps(), clock: { ...clock, sleep }, random: () => 0.25 };
  const watch = watchAt(address, setup, deps, stop.signal);
  const snapshots: Snapshot[] = [];
  let failure: unknown;
  const ended = (async () => {
    try {
      for await (const snapshot of watch) snapshots.push(snapshot);
    } catch (error) {
      failure = error;
    }
  })();
  let isEnded = false;
  void ended.finally(() => {
    isEnded = true;
  });
  const idle = () => eventually(() => expect(isEnded || isPausing).toBe(true), 5_000, 5);
  return {
    snapshots,
    /** The newest snapshot at the end of the running round. */
    async latest(): Promise<Snapshot> {
      await idle();
      const snapshot = snapshots.at(-1);
      if (snapshot === undefined) throw failure;
      return snapshot;
    },
    /** The same after one more round. */
    async next(): Promise<Snapshot | undefined> {
      await idle();
      isPausing = false;
      clock.advance(pauseMs);
      await idle();
      return snapshots.at(-1);
    },
    async failure(): Promise<unknown> {
      await ended;
      return failure;
    },
    async abort(): Promise<number> {
      stop.abort();
      await ended;
      return clock.pending;
    },
  };
}

const shown = (snapshot: Snapshot | undefined) =>
  Object.fromEntries(
    [...(snapshot?.services ?? [])].map(([id, { instances }]) => [
      id,
      instances === "unknown" ? instances : instances.map(({ address }) => address),
    ]),
  );

describe("a round", () => {
  test("lists all groups, and each service", async () => {
    const nacos = await startNacos();
    nacos.hosts.set("DEFAULT_GROUP@@providers:org.x.Foo:1.0.0:", [host("10.42.0.1")]);
    nacos.hosts.set("g1@@order", [host("10.42.0.2"), host("10.42.0.3")]);
    const watch = observe(nacos.address);
    const snapshot = await watch.latest();
    expect(shown(snapshot)).toEqual({
      "DEFAULT_GROUP@@org.x.Foo": ["10.42.0.1"],
      "g1@@order": ["10.42.0.2", "10.42.0.3"],
    });
    expect(snapshot.problems).toEqual([]);
    expect(await watch.abort()).toBe(0);
    expect(await watch.failure()).toBeUndefined();
  });

  test("reads the groups that are named, and what is wanted", async () => {
    const nacos = await startNacos();
    for (const key of ["a@@one", "a@@two", "b@@one", "c@@one"]) nacos.hosts.set(key, [host("10.42.0.1")]);
    nacos.hosts.set("a@@providers:org.x.Two::", [host("10.42.0.1")]);
    const wants = (name: string): boolean => name === "one";
    const watch = observe(nacos.address, { groups: ["a", "b"], wants, namespace: "public" });
    expect(Object.keys(shown(await watch.latest()))).toEqual(["a@@one", "b@@one"]);
    expect(nacos.asked.join(" ")).not.toMatch(/Two|c%40|namespaceId=public/);
  });

  test("that finds nothing new says nothing, and what has not changed keeps its identity", async () => {
    const nacos = await startNacos();
    nacos.hosts.set("g@@same", [host("10.42.0.1")]);
    nacos.hosts.set("g@@other", [host("10.42.0.2")]);
    const watch = observe(nacos.address);
    const first = await watch.latest();
    expect(await watch.next()).toBe(first);
    nacos.hosts.set("g@@other", []);
    const second = await watch.next();
    expect(shown(second)).toEqual({ "g@@same": ["10.42.0.1"], "g@@other": [] });
    expect(second?.services.get("g@@same")).toBe(first.services.get("g@@same"));
  });

  test("an empty registry is a snapshot", async () => {
    const nacos = await startNacos();
    expect(shown(await observe(nacos.address).latest())).toEqual({});
  });

  test("where the server protects, all are there, with a warning", async () => {
    const nacos = await startNacos();
    nacos.hosts.set("g@@s", [host("10.42.0.1"), host("10.42.0.2")]);
    nacos.script = ({ searchParams }) =>
      searchParams.has("serviceName")
        ? { status: 200, body: { hosts: nacos.hosts.get("g@@s"), reachProtectionThreshold: true } }
        : undefined;
    const snapshot = await observe(nacos.address).latest();
    expect(shown(snapshot)).toEqual({ "g@@s": ["10.42.0.1", "10.42.0.2"] });
    expect(snapshot.services.get("g@@s")?.problems).toMatchObject([
      { at: "s", code: "Protected", severity: "warning" },
    ]);
  });
});

describe("what is gone", () => {
  test("is what has no instance either", async () => {
    const nacos = await startNacos();
    nacos.hosts.set("g@@gone", [host("10.42.0.1")]);
    nacos.hosts.set("g@@stays", [host("10.42.0.2")]);
    const watch = observe(nacos.address);
    await watch.latest();
    nacos.hosts.delete("g@@gone");
    expect(shown(await watch.next())).toEqual({ "g@@stays": ["10.42.0.2"] });
  });

  test("is not what a list has missed", async () => {
    const nacos = await startNacos();
    for (let n = 0; n < 73; n++) nacos.hosts.set(`g@@s${n}`, [host("10.42.0.1")]);
    const watch = observe(nacos.address);
    const first = await watch.latest();
    for (const key of nacos.hosts.keys()) nacos.hidden.add(key);
    expect(await watch.next()).toBe(first);
    nacos.hosts.delete("g@@s7");
    expect((await watch.next())?.services.size).toBe(72);
  });
});

describe("a server that caps its pages", () => {
  /** At most 10 names a page, whatever is asked for; `churn` runs before each page. */
  const capped =
    (nacos: Awaited<ReturnType<typeof startNacos>>, churn: (pageNo: number) => void): Handler =>
    ({ pathname, searchParams }) => {
      if (!pathname.endsWith("/service/list")) return undefined;
      const pageNo = Number(searchParams.get("pageNo"));
      churn(pageNo);
      const names = nacos.list().map((key) => key.slice("g@@".length));
      return { status: 200, body: { count: names.length, doms: names.slice(pageNo * 10 - 10, pageNo * 10) } };
    };

  test("is read page by page", async () => {
    const nacos = await startNacos();
    for (let n = 0; n < 35; n++) nacos.hosts.set(`g@@s${n}`, [host("10.42.0.1")]);
    nacos.script = capped(nacos, () => {});
    expect((await observe(nacos.address, { groups: ["g"] }).latest()).services.size).toBe(35);
  });

  test("and changes once meanwhile, is read again", async () => {
    const nacos = await startNacos();
    for (let n = 0; n < 35; n++) nacos.hosts.set(`g@@s${n}`, [host("10.42.0.1")]);
    let pages = 0;
    nacos.script = capped(nacos, () => {
      // The first of the list goes, all others move up, and one that was at a page's start is on no page.
      if (++pages === 2) nacos.hosts.delete("g@@s0");
    });
    expect((await observe(nacos.address, { groups: ["g"] }).latest()).services.size).toBe(34);
  });

  test.each([
    [
      "as many go as come",
      (nacos: Awaited<ReturnType<typeof startNacos>>, n: number) => {
        nacos.hosts.delete([...nacos.hosts.keys()][0] ?? "");
        nacos.hosts.set(`g@@new${n}`, [host("10.42.0.1")]);
      },
    ],
    [
      "they only go",
      (nacos: Awaited<ReturnType<typeof startNacos>>) => {
        nacos.hosts.delete([...nacos.hosts.keys()][0] ?? "");
      },
    ],
  ])("and never stands still cannot be read: %s", async (_, churn) => {
    const nacos = await startNacos();
    for (let n = 0; n < 95; n++) nacos.hosts.set(`g@@s${n}`, [host("10.42.0.1")]);
    let pages = 0;
    nacos.script = capped(nacos, () => churn(nacos, pages++));
    const error = await observe(nacos.address, { groups: ["g"] }).failure();
    expect(error).toMatchObject({
      code: "RegistryBadResponse",
      detail: expect.stringContaining("too many pages"),
    });
  });

  test("and says it has some, but shows none, cannot be read", async () => {
    const nacos = await startNacos();
    nacos.script = ({ pathname }) =>
      pathname.endsWith("/service/list") ? { status: 200, body: { count: 3, doms: [] } } : undefined;
    const error = await observe(nacos.address, { groups: ["g"] }).failure();
    expect(error).toMatchObject({ code: "RegistryBadResponse" });
  });
});

const forbidden = (message: string) => ({ status: 403, body: { status: 403, error: "Forbidden", message } });

describe("refusals", () => {
  test("one service that may not be read is unknown, also when it is listed no more", async () => {
    const nacos = await startNacos();
    nacos.hosts.set("g@@mine", [host("10.42.0.1")]);
    nacos.hosts.set("g@@theirs", [host("10.42.0.2")]);
    nacos.script = ({ searchParams }) =>
      searchParams.get("serviceName") === "g@@theirs" ? forbidden("authorization failed!") : undefined;
    const watch = observe(nacos.address);
    const first = await watch.latest();
    expect(shown(first)).toEqual({ "g@@mine": ["10.42.0.1"], "g@@theirs": "unknown" });
    nacos.hidden.add("g@@theirs");
    expect(await watch.next()).toBe(first);
  });

  test("a server without a list of all groups asks for their names", async () => {
    const nacos = await startNacos();
    nacos.hosts.set("DEFAULT_GROUP@@a", [host("10.42.0.1")]);
    nacos.script = ({ pathname }) =>
      pathname.includes("/catalog/") ? { status: 410, body: { status: 410, error: "Gone" } } : undefined;
    expect(await observe(nacos.address).failure()).toMatchObject({
      code: "RegistryBadResponse",
      detail: expect.stringContaining("the operator cannot list the groups of the namespace"),
      nextStep: expect.stringContaining("spec.nacos.groups"),
    });
  });

  test.each([
    [
      "no right",
      forbidden("authorization failed!"),
      "RegistryUnauthorized",
      "HTTP 403, the user may not read it",
    ],
    [
      "no login",
      forbidden("user not found!"),
      "RegistryUnauthorized",
      "HTTP 403, the login is missing or not valid",
    ],
    ["no v1 API", { status: 404, body: "" }, "RegistryBadResponse", "HTTP 404"],
    ["v1 API gone", { status: 410, body: "" }, "RegistryBadResponse", "HTTP 410"],
    [
      "starting",
      { status: 503, body: "server is DOWN now, please try again later!" },
      "RegistryUnreachable",
      "HTTP 503",
    ],
    [
      "starting, by its text",
      { status: 500, body: "server is STARTING now" },
      "RegistryUnreachable",
      "HTTP 500",
    ],
    ["broken", { status: 500, body: "s3cret" }, "RegistryBadResponse", "HTTP 500"],
    ["HTML", { status: 200, body: "<html>s3cret</html>" }, "RegistryBadResponse", "the answer is not JSON"],
    [
      "another JSON",
      { status: 200, body: { code: 0, data: "s3cret" } },
      "RegistryBadResponse",
      "the answer is not a list of services",
    ],
  ])("%s", async (_, said, code, detail) => {
    const nacos = await startNacos();
    nacos.script = () => said;
    const error = await observe(nacos.address, { groups: ["g"] }).failure();
    const name = nacos.address.slice("http://".length);
    expect(error).toMatchObject({ code, detail: `GET /v1/ns/service/list at ${name}: ${detail}` });
    expect(String(error)).not.toContain("s3cret");
    expect(String(error).includes("gRPC")).toBe(/HTTP 4(04|10)$/.test(detail));
  });

  test.each([
    ["HTML", { status: 200, body: "<html>" }, "RegistryBadResponse"],
    ["an error", { status: 500, body: "" }, "RegistryBadResponse"],
    ["a proxy's word", { status: 502, body: "" }, "RegistryUnreachable"],
  ])("one service that answers with %s twice fails the round, once does not", async (_, said, code) => {
    const nacos = await startNacos();
    nacos.hosts.set("g@@s", [host("10.42.0.1")]);
    let failures = 1;
    nacos.script = ({ searchParams }) =>
      searchParams.has("serviceName") && failures-- > 0 ? said : undefined;
    const watch = observe(nacos.address);
    expect(shown(await watch.latest())).toEqual({ "g@@s": ["10.42.0.1"] });
    failures = 2;
    await watch.next();
    expect(await watch.failure()).toMatchObject({ code });
    expect(watch.snapshots).toHaveLength(1);
  });
});

describe("a login", () => {
  const credentials: Credentials = { username: "reader", password: "s3cret" };

  /** Takes only the newest token, t1 at first; `expire` makes it refuse that. */
  async function startLocked() {
    const nacos = await startNacos();
    nacos.hosts.set("g@@s", [host("10.42.0.1")]);
    let issued = 0;
    let valid = 0;
    nacos.script = ({ pathname }, { headers, method }) => {
      if (pathname === "/nacos/v1/auth/users/login" && method === "POST") {
        valid = ++issued;
        return { status: 200, body: { accessToken: `t${issued}`, tokenTtl: 18_000 } };
      }
      if (pathname.includes("/auth/")) return { status: 404, body: "" };
      const { authorization, accesstoken } = headers;
      const isValid = authorization === `Bearer t${valid}` && accesstoken === `t${valid}`;
      return isValid ? undefined : forbidden(authorization ? "token invalid!" : "user not found!");
    };
    return {
      nacos,
      issued: () => issued,
      expire: () => {
        valid = -1;
      },
    };
  }

  test("is renewed when the token is refused, and nothing of it is ever in a URL", async () => {
    const { nacos, issued, expire } = await startLocked();
    const watch = observe(nacos.address, { credentials });
    const first = await watch.latest();
    await watch.next();
    await watch.next();
    expire();
    expect(await watch.next()).toBe(first);
    expect(issued()).toBe(2);
    expect(nacos.asked.join(" ")).not.toMatch(/s3cret|reader|t1|t2/i);
  });

  test("is not tried again and again", async () => {
    const { nacos, issued, expire } = await startLocked();
    const watch = observe(nacos.address, { credentials });
    await watch.latest();
    expire();
    await watch.next();
    expect(await watch.failure()).toMatchObject({ code: "RegistryUnauthorized" });
    expect(issued()).toBe(1);
  });

  test("is needed", async () => {
    const { nacos } = await startLocked();
    expect(await observe(nacos.address).failure()).toMatchObject({ code: "RegistryUnauthorized" });
  });
});

describe("several servers", () => {
  test("the first that answers is read, and only that one", async () => {
    const [down, up] = [await startNacos(), await startNacos()];
    down.script = () => ({ status: 503, body: "" });
    up.hosts.set("g@@s", [host("10.42.0.1")]);
    const watch = observe(`${down.address},http://127.0.0.1:1,${up.address}`);
    expect(shown(await watch.latest())).toEqual({ "g@@s": ["10.42.0.1"] });
    const asked = down.asked.length;
    await watch.next();
    expect(down.asked).toHaveLength(asked);
  });

  test("none that answers is one error, in the address' order, with the most telling code", async () => {
    const nacos = await startNacos();
    nacos.script = () => forbidden("authorization failed!");
    const error = await observe(`http://127.0.0.1:1,${nacos.address}`).failure();
    expect(error).toMatchObject({
      code: "RegistryUnauthorized",
      detail: expect.stringMatching(
        /^GET .* at 127\.0\.0\.1:1: connection refused; GET .*: HTTP 403, the user may not read it/,
      ),
    });
  });
});

test("an abort ends a round under way and leaves nothing", async () => {
  const nacos = await startNacos();
  nacos.hosts.set("g@@s", [host("10.42.0.1")]);
  const deps = countingDeps();
  const stop = new AbortController();
  nacos.script = ({ searchParams }) => {
    if (searchParams.has("serviceName")) stop.abort();
    return undefined;
  };
  const snapshots: Snapshot[] = [];
  for await (const snapshot of watchAt(nacos.address, {}, deps, stop.signal)) snapshots.push(snapshot);
  expect(snapshots).toEqual([]);
  expect(deps.waiting()).toBe(0);
});
