import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { connectZkWriter, type DigestUser } from "../support/zk-writer.ts";
import {
  endpointsOf,
  newTenant,
  providerUrl,
  RETRY_MS,
  SOON_MS,
  STATUS_MS,
  type Tenant,
  untilFailed,
  untilReady,
  useWorld,
} from "./world.ts";

const world = useWorld();

describe.concurrent("an address at which there is no ZooKeeper", () => {
  test("a name that does not exist", async () => {
    const tenant = await newTenant(world);
    await tenant.applyHub({ address: "zookeeper1.invalid:2181" });
    const { status } = await untilFailed(
      tenant,
      "RegistryUnreachable",
      /^lookup zookeeper1\.invalid: (no such host|the name server does not answer)$/,
    );
    expect(status).toMatchObject({ address: "zookeeper1.invalid:2181", serviceentries: {}, services: 0 });
  });

  test("nothing listens", async () => {
    const tenant = await newTenant(world);
    const address = `127.0.0.1:${await freePort()}`;
    await tenant.applyHub({ address });
    await untilFailed(tenant, "RegistryUnreachable", `connect ${address}: connection refused`);
  });

  test("it accepts and is silent", async () => {
    const tenant = await newTenant(world);
    await using server = await listen(() => undefined);
    await tenant.applyHub({ address: server.address });
    await untilFailed(
      tenant,
      "RegistryUnreachable",
      `connect ${server.address}: accepted, but silent for 2 s`,
    );
  });

  test("it speaks another protocol", async () => {
    const tenant = await newTenant(world);
    await using server = await listen((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await tenant.applyHub({ address: server.address });
    await untilFailed(
      tenant,
      "RegistryBadResponse",
      `connect ${server.address}: the answer is not ZooKeeper's`,
    );
  });
});

describe.concurrent("what the registry does not show", () => {
  test("no root yet: success with a warning, and it is watched until it is there", async () => {
    const tenant = await newTenant(world);
    await tenant.applyHub();
    const { status } = await untilReady(tenant);
    expect(status?.problems).toEqual([
      {
        at: tenant.root,
        problem: expect.stringMatching(`^RootMissing: there is no ${tenant.root} yet: `),
        severity: "warning",
      },
    ]);
    await tenant.provide(providerUrl("org.example.Late", "10.42.1.1:20880"));
    await untilEntries(tenant, [["10.42.1.1:20880"]]);
    await eventually(async () => expect((await tenant.hub()).status?.problems).toEqual([]), STATUS_MS);
  });

  test("an interface without rights: named, and what the cluster has of it stays", async () => {
    const tenant = await newTenant(world);
    const [secret = "", open = ""] = await tenant.provide(
      providerUrl("org.example.Secret", "10.42.1.2:20880"),
      providerUrl("org.example.Open", "10.42.1.3:20880"),
    );
    await tenant.applyHub();
    await untilReady(tenant);
    const user = { username: "somebody", password: "else" };
    const folder = secret.slice(0, secret.lastIndexOf("/"));
    await using owner = await connectZkWriter(world.zooKeeper.address, { user });
    await world.writer.setAcl(folder, { users: [user] });
    await owner.delete(secret); // only who has the rights may see that it is gone
    await tenant.applyHub({ services: { exclude: ["org.example.None"] } }); // reads everything anew
    await eventually(async () => {
      const { status } = await tenant.hub();
      expect(status).toMatchObject({ phase: "success", services: 2, endpoints: 2 });
      expect(status?.problems).toEqual([
        {
          at: "org.example.Secret",
          problem: `Unreadable: the hub's user may not list ${folder}, so the operator keeps what the cluster has; grant READ to the hub's user`,
          severity: "warning",
        },
      ]);
    }, STATUS_MS);
    await world.writer.delete(open); // believed, while the other is not
    await untilEntries(tenant, [["10.42.1.2:20880"]]);
  });

  test("a Secret that is missing, wrong, and right: failed with the reason, then success; never shown", async () => {
    const tenant = await newTenant(world);
    const user = { username: "hub", password: "canary-c0ffee" };
    await using owner = await connectZkWriter(world.zooKeeper.address, { user });
    await owner.create(tenant.root, { acl: "creator" });
    await owner.registerProviders([providerUrl("org.example.Guarded", "10.42.1.4:20880")], tenant.root);
    await tenant.applyHub({ secretRef: { name: "login" } });
    await untilFailed(tenant, "SecretInvalid", `Secret ${tenant.namespace}/login does not exist`);

    await applySecret(tenant, { username: "hub", password: "canary-wrong" });
    await untilFailed(
      tenant,
      "RegistryUnauthorized",
      `list ${tenant.root} on ${world.zooKeeper.address}: the hub's user may not read it`,
    );

    await applySecret(tenant, user);
    const hub = await untilReady(tenant, { deadlineMs: RETRY_MS });
    await untilEntries(tenant, [["10.42.1.4:20880"]]);
    const events = await world.api.kubectl(["get", "events", "-A", "-o", "yaml"]);
    const told = [JSON.stringify(hub), events, world.controllers.hub.readLog()];
    told.push((await world.controllers.hub.get("/metrics")).body);
    expect(told.filter((text) => text.includes("canary"))).toEqual([]);
  });
});

/** 5 minutes, as `quickly` has it. */
const REREAD_MS = 15_000;

describe.concurrent("a login that is rotated", () => {
  const admin = { username: "admin", password: "of-the-test" };
  const [first, second, third] = ["canary-1", "canary-2", "canary-3"].map((password) => ({
    username: "hub",
    password,
  })) as [DigestUser, DigestUser, DigestUser];

  test("the Secret first, the registry first, or both at once: the hub follows by itself, and nothing is written", async () => {
    const tenant = await newTenant(world);
    await using owner = await connectZkWriter(world.zooKeeper.address, { user: admin });
    const admit = (...users: readonly DigestUser[]) =>
      owner.setAcl(tenant.root, { users: [admin, ...users] });
    const provide = (host: string) =>
      owner.registerProviders([providerUrl("org.example.Rotated", host)], tenant.root);
    const reconnects = () =>
      world.controllers.hub
        .log()
        .filter(
          ({ msg, hub }) => msg === "credentials changed, reconnecting" && hub === `${tenant.namespace}/hub`,
        ).length;
    await provide("10.42.3.1:20880");
    await admit(first);
    await applySecret(tenant, first);
    await tenant.applyHub({ secretRef: { name: "login" } });
    await untilReady(tenant);
    await untilEntries(tenant, [["10.42.3.1:20880"]]);
    const since = new Date();

    // The Secret has what the registry does not know yet.
    await applySecret(tenant, second);
    await untilFailed(tenant, "RegistryUnauthorized", `list ${tenant.root} on `, REREAD_MS + STATUS_MS);
    expect(reconnects()).toBe(1);
    await admit(second);
    await untilReady(tenant, { deadlineMs: RETRY_MS });

    // The registry does not know any more what the Secret has.
    await admit(third);
    await untilFailed(tenant, "RegistryUnauthorized", `list ${tenant.root} on `);
    await applySecret(tenant, third);
    await untilReady(tenant, { deadlineMs: RETRY_MS });

    // The registry knows both for a while: nobody notices.
    await admit(third, first);
    await applySecret(tenant, first);
    await eventually(() => expect(reconnects()).toBe(2), REREAD_MS + SOON_MS);
    await admit(first);
    expect(
      await world.api.writes({ namespace: tenant.namespace, resource: "serviceentries", since }),
    ).toEqual([]);
    await provide("10.42.3.2:20880");
    await untilEntries(tenant, [["10.42.3.1:20880", "10.42.3.2:20880"]]);
    await untilReady(tenant);
    expect(world.controllers.hub.readLog()).not.toContain("canary");
  });
});

describe.concurrent("what providers register", () => {
  test("everything odd at once: what can be called is there, the rest is named", async () => {
    const tenant = await newTenant(world);
    const good = providerUrl("org.example.Good", "10.42.2.1:20880");
    await tenant.provide(
      good,
      providerUrl("org.example.Good", "[2001:db8::57]:20880"),
      providerUrl("org.Example.UPPER_Case$Inner", "10.42.2.2:20880"),
      providerUrl("i".repeat(300), "10.42.2.3:20880"),
      providerUrl(Array(30).fill("p12345678").join("."), "10.42.2.4:20880"),
      providerUrl("org.example.Bad", "10.42.2.5:0"),
      providerUrl("org.example.Bad", "provider-7.example:20880"),
      providerUrl("org.example.Bad", "127.0.0.1:20880"),
    );
    // What no URL parser would write.
    const providers = `${tenant.root}/org.example.Bad/providers`;
    await world.writer.create(`${providers}/not-a-url`);
    await world.writer.create(
      `${providers}/dubbo%3A%2F%2F10.42.2.6%3A70000%2Forg.example.Bad%3Ftoken%3Dcanary-7`,
    );
    await world.writer.create(`${providers}/%ZZ`);
    await tenant.applyHub();
    await untilReady(tenant);

    const entries = await tenant.entries();
    const byHost = Object.fromEntries(entries.map((entry) => [entry.spec.hosts?.[0], endpointsOf(entry)]));
    const cut = `${"i".repeat(54)}-${h8(`${"i".repeat(300)}-1`)}`;
    const legal = `upper-case-inner-1-${h8("UPPER_Case$Inner-1")}`;
    expect(byHost).toEqual({
      [`org.example.good-1.0.0.${tenant.namespace}`]: ["10.42.2.1:20880", "[2001:db8::57]:20880"],
      [`org.example.${legal}.0.0.${tenant.namespace}`]: ["10.42.2.2:20880"],
      [`${cut}.0.0.${tenant.namespace}`]: ["10.42.2.3:20880"],
    });
    await eventually(async () => {
      const { status } = await tenant.hub();
      const problems = (status?.problems ?? []).map(({ at, problem }) => `${at} | ${problem}`);
      expect(problems).toEqual([
        "org.example.Bad %ZZ | BadUrl: the node's name has a malformed % escape",
        "org.example.Bad 10.42.2.5:0 | BadPort: port 0 is not 1..65535",
        "org.example.Bad 10.42.2.6:70000 | BadPort: port 70000 is not 1..65535",
        "org.example.Bad 127.0.0.1:20880 | BadAddress: 127.0.0.1 is a loopback address; have the provider register a routable address",
        "org.example.Bad not-a-url | BadUrl: the node's name is not a URL",
        "org.example.Bad provider-7.example:20880 | BadAddress: provider-7.example is not an IP address; have the provider register an IP address",
        expect.stringMatching(
          /^p12345678\.p12345678.*… \| NameTooLong: the host would be longer than 253 characters/,
        ),
        "org.example.Bad | TokenRequired: providers demand a token, which the operator never copies; consumers must send it themselves",
      ]);
      expect(status?.rejected).toBe(7);
      expect(JSON.stringify(status)).not.toContain("canary-7");
    }, STATUS_MS);
    expect(world.controllers.hub.readLog()).not.toContain("canary-7");
  });
});

/** What makes a host's label unique where it is not what the registry has. */
const h8 = (label: string): string => createHash("sha256").update(label).digest("hex").slice(0, 8);

async function untilEntries(tenant: Tenant, expected: readonly (readonly string[])[]): Promise<void> {
  await eventually(async () => {
    expect((await tenant.entries()).map(endpointsOf)).toEqual(expected);
  }, SOON_MS);
}

async function applySecret({ namespace }: Tenant, { username, password }: DigestUser): Promise<void> {
  await world.api.kubectl(["apply", "-f", "-"], {
    input: JSON.stringify({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "login", namespace },
      stringData: { username, password },
    }),
  });
}

/** A server that does with each connection what `onConnection` does, at its first bytes. */
async function listen(
  onFirstBytes: (socket: Socket) => void,
): Promise<AsyncDisposable & { readonly address: string }> {
  const sockets = new Set<Socket>();
  const port = await freePort();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("data", () => onFirstBytes(socket));
    socket.on("error", () => socket.destroy());
  }).listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
