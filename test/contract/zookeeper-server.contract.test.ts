import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ask } from "../bed/tcp.ts";
import { startZooKeeper } from "../bed/zookeeper.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { connectZkWriter } from "../support/zk-writer.ts";
import { firstSnapshot, observe, supervised } from "./observe.ts";
import {
  openReader,
  providerNode,
  providerUrl,
  startZooKeeperHarness,
  tickTime,
  type ZooKeeperHarness,
} from "./zookeeper-harness.ts";

/** What a user reads when the address is no good. */
async function failureAt(address: string): Promise<unknown> {
  await using observer = observe(openReader({ address }));
  return await observer.ended;
}

/** A listener on 127.0.0.1, closed at disposal. */
async function listening(server: Server): Promise<AsyncDisposable & { readonly address: string }> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => sockets.add(socket));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

const greeting = providerNode("a.B", providerUrl("a.B", { address: "10.42.0.1", port: 20_880 }));

describe("ZooKeeper: servers that are no good", () => {
  test("nothing listens", async () => {
    const address = `127.0.0.1:${await freePort()}`;
    expect(await failureAt(address)).toMatchObject({
      code: "RegistryUnreachable",
      message: `connect ${address}: connection refused. Check spec.address.`,
    });
  });

  test("the name does not resolve", async () => {
    expect(await failureAt("zookeeper1.invalid:2181")).toMatchObject({
      code: "RegistryUnreachable",
      message: expect.stringMatching(
        /^lookup zookeeper1\.invalid: (no such host|the name server does not answer)\. Check spec\.address\.$/,
      ),
    });
  });

  test("the address may not be dialled", async () => {
    expect(await failureAt("169.254.169.254:2181")).toMatchObject({
      code: "RegistryUnreachable",
      detail:
        "lookup 169.254.169.254: 169.254.169.254 is link-local, unspecified, multicast or a cloud's metadata service",
    });
  });

  test("the address is none", async () => {
    expect(await failureAt("zk-1:2181:2181")).toMatchObject({
      code: "InvalidSpec",
      detail: '"zk-1:2181:2181" is not host:port',
    });
  });

  test("an HTTP server answers", async () => {
    await using http = await listening(createHttpServer((_, response) => response.end("hello")));
    expect(await failureAt(http.address)).toMatchObject({
      code: "RegistryBadResponse",
      detail: expect.stringMatching(
        /^connect 127\.0\.0\.1:\d+: the answer is not ZooKeeper's: .*starts with "HTTP\/1\.1 400 Bad"$/,
      ),
    });
  });

  test("a server that closes at once", async () => {
    await using closing = await listening(createServer((socket) => socket.end()));
    expect(await failureAt(closing.address)).toMatchObject({
      code: "RegistryUnreachable",
      detail: `connect ${closing.address}: the server closed the connection without an answer: it is starting, has no quorum, or expects TLS`,
    });
  });

  test("a server that accepts and stays silent is left after 2 s, for one that answers", async () => {
    await using silent = await listening(createServer());
    expect(await failureAt(silent.address)).toMatchObject({
      code: "RegistryUnreachable",
      detail: `connect ${silent.address}: accepted, but silent for 2 s: the server is starting, frozen, slow, or not a ZooKeeper server`,
    });
    await using server = await startZooKeeper({ tickTime });
    const snapshot = await firstSnapshot(openReader({ address: `${silent.address},${server.address}` }));
    expect(snapshot.services.size).toBe(0);
  });

  test("each server that was tried is named, in the order of the address", async () => {
    const [one, two] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
    expect(await failureAt(`${one}, ${two}/chroot`)).toMatchObject({
      detail: `connect ${one}: connection refused; connect ${two}: connection refused`,
    });
  });
});

describe("ZooKeeper: a server that goes bad", () => {
  test("frozen: noticed within its session, and read again when it thaws", async () => {
    await using server = await startZooKeeper({ tickTime });
    await using observer = observe(openReader({ address: server.address }));
    await observer.until(() => {});
    server.freeze();
    expect(await observer.ended).toMatchObject({
      code: "RegistryUnreachable",
      detail: `connection to ${server.address}: the server stopped answering`,
    });
    expect(await failureAt(server.address)).toMatchObject({
      detail: expect.stringContaining("silent for 2 s"),
    });
    server.resume();
    await eventually(() => firstSnapshot(openReader({ address: server.address })), 10_000);
  });

  test("stopped: told at once", async () => {
    await using server = await startZooKeeper({ tickTime });
    await using observer = observe(openReader({ address: server.address }));
    await observer.until(() => {});
    await server.stop();
    expect(await observer.ended).toMatchObject({
      detail: `connection to ${server.address}: closed by the server`,
    });
  });

  test("restarted without its data: another origin, and supervise says reset", async () => {
    await using server = await startZooKeeper({ tickTime });
    const fill = async (): Promise<void> => {
      await using writer = await connectZkWriter(server.address);
      await writer.create(greeting);
    };
    await fill();
    await using reader = supervised(() => openReader({ address: server.address }));
    const { states } = reader;
    await eventually(() => expect(states.at(-1)?.state).toBe("synced"), 10_000);
    const before = states.at(-1);
    await server.restart({ wipe: true });
    await eventually(
      () => expect(states.some((one) => one.state === "stale" && one.error?.reset)).toBe(true),
      15_000,
    );
    await fill();
    await eventually(() => {
      const after = states.at(-1);
      if (before?.state !== "synced" || after?.state !== "synced") throw new Error("not synced");
      expect(before.snapshot.origin).toMatch(/^0x[0-9a-f]+\/\d{13}$/);
      expect(after.snapshot.origin).toMatch(/^0x[0-9a-f]+\/\d{13}$/);
      expect(after.snapshot.origin).not.toBe(before.snapshot.origin);
    }, 10_000);
  });

  test("a watch that ends takes its session along", async () => {
    await using server = await startZooKeeper({ tickTime });
    const sessions = async (): Promise<number> =>
      [...(await ask(server.port, "dump")).matchAll(/^\t0x/gm)].length;
    for (let at = 0; at < 5; at++) {
      await using observer = observe(openReader({ address: server.address }));
      await observer.until(() => {});
      expect(await sessions()).toBeGreaterThan(0);
    }
    await eventually(async () => expect(await sessions()).toBe(0), 3_000); // by itself one ends after 4 s
  });
});

describe("ZooKeeper: who may read what", () => {
  let zk: ZooKeeperHarness;
  beforeAll(async () => {
    zk = await startZooKeeperHarness();
  });
  afterAll(async () => zk[Symbol.asyncDispose]());
  beforeEach(async () => zk.clear());

  const right = { username: "dubbo", password: "right" };
  const wrong = { username: "dubbo", password: "wrong" };
  const closed = { users: [right] };
  const a = { address: "10.42.0.1", port: 20_880 };

  test("with the right password everything is read, with a wrong one the user reads why not", async () => {
    await zk.register("a.B", [a]);
    await zk.writer.setAcl(`${zk.chroot()}/dubbo`, closed);
    expect(
      (await firstSnapshot(openReader({ address: zk.address(), credentials: right }))).services.size,
    ).toBe(1);
    await using observer = observe(openReader({ address: zk.address(), credentials: wrong }));
    const error = await observer.ended;
    expect(error).toMatchObject({
      code: "RegistryUnauthorized",
      message:
        `list /dubbo on ${zk.proxy.address}: the hub's user may not read it. ` +
        "Check username and password in the Secret of spec.secretRef, and the ACL of the node.",
    });
    expect(JSON.stringify(error)).not.toContain("wrong");
  });

  test("half a login is no login", async () => {
    await using observer = observe(openReader({ address: zk.address(), credentials: { username: "dubbo" } }));
    expect(await observer.ended).toMatchObject({ code: "SecretInvalid" });
  });

  test("a right that is revoked from one interface is noticed, though no event tells it", async () => {
    await zk.register("a.Open", [a]);
    await zk.register("a.Closed", [a]);
    await using observer = observe(openReader({ address: zk.address() }));
    const before = await observer.until((one) => expect(one.services.size).toBe(2));
    await zk.writer.setAcl(`${zk.chroot()}/dubbo/a.Closed/providers`, closed);
    const after = await observer.until((one) => {
      expect(one.services.get("a.Closed")?.instances).toBe("unknown");
    }, 15_000);
    expect(after.services.get("a.Open")).toBe(before.services.get("a.Open"));
  });

  test("one forbidden interface is unknown, the rest is read, and a granted right is noticed", async () => {
    await zk.register("a.Open", [a]);
    await zk.register("a.Closed", [a]);
    const path = `${zk.chroot()}/dubbo/a.Closed/providers`;
    await zk.writer.setAcl(path, closed);
    await using observer = observe(openReader({ address: zk.address() }));
    const first = await observer.until(() => {});
    expect(first.services.get("a.Open")?.instances).toHaveLength(1);
    expect(first.services.get("a.Closed")).toMatchObject({
      instances: "unknown",
      problems: [{ at: "a.Closed", code: "Unreadable", severity: "warning" }],
    });
    await using owner = await connectZkWriter(zk.server.address, { user: right });
    await owner.setAcl(path, "open");
    await observer.until((one) =>
      expect(one.services.get("a.Closed")).toMatchObject({ instances: [a], problems: [] }),
    );
  });

  test("a right that is taken away ends the watch, though no event tells of it", async () => {
    await zk.register("a.B", [a]);
    await using observer = observe(openReader({ address: zk.address() }));
    await observer.until(() => {});
    await zk.writer.setAcl(`${zk.chroot()}/dubbo`, closed);
    await eventually(() => expect(observer.isOver()).toBe(true), 15_000);
    expect(await observer.ended).toMatchObject({ code: "RegistryUnauthorized" });
  });
});
