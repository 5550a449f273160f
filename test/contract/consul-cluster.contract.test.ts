import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { RegistryError } from "../../src/model/errors.ts";
import { type Consul, startConsul, startConsulServers } from "../bed/consul.ts";
import { startProxy } from "../bed/fault-proxy.ts";
import { temporaryFolder } from "../bed/watchdog.ts";
import { selfSigned } from "../support/certificate.ts";
import { consulRegistrant, readAll } from "../support/consul-registrant.ts";
import { eventually } from "../support/eventually.ts";
import { openReader } from "./consul-harness.ts";
import { countingDeps } from "./counting-deps.ts";
import { addressesOf, firstSnapshot, observe } from "./observe.ts";

const order = { service: "order", address: "10.42.0.1", port: 80 };
/** Until the others have elected a leader, and agents know it. */
const ELECTION_MS = 60_000;

describe("Consul: three servers, and an agent", () => {
  test("while the leader is lost nothing is listed with less, and then everything again", async () => {
    await using stack = new AsyncDisposableStack();
    const servers = await startConsulServers(3, { acl: true });
    for (const server of servers) stack.use(server);
    const leads = await Promise.all(servers.map((server) => consulRegistrant(server).leads()));
    const leader = servers[leads.indexOf(true)] as Consul;
    const followers = servers.filter((server) => server !== leader);
    const registrant = consulRegistrant(leader);
    const { secret } = await registrant.createToken(readAll);
    await registrant.register(Array.from({ length: 5 }, (_, at) => ({ ...order, service: `order-${at}` })));
    const address = followers.map(({ url }) => url).join(",");
    const open = () => openReader({ address, credentials: { token: secret } });

    await using before = observe(open());
    await before.until((one) => expect(one.services.size).toBe(5), ELECTION_MS); // followers learn of the token
    await leader.kill();
    await using during = observe(open());
    const after = consulRegistrant(followers[0] as Consul);
    await eventually(() => after.register([{ ...order, service: "order-5" }]), ELECTION_MS, 250);
    expect((await eventually(() => firstSnapshot(open()), ELECTION_MS)).services.size).toBe(6);

    // A query that waited all the time notices nothing; one that was asked meanwhile is refused. None tells of less.
    let refused: RegistryError | undefined;
    void during.ended.then((error) => (refused = error as RegistryError));
    const fate = () => (during.snapshots.length > 0 ? "listed" : refused?.code);
    await eventually(() => expect(["listed", "RegistryUnreachable"]).toContain(fate()), ELECTION_MS);
    const seen = [...before.snapshots, ...during.snapshots].map(({ services }) => services.size);
    expect(Math.min(...seen)).toBe(5);
  });

  test("a client agent is as good an address as a server", async () => {
    await using stack = new AsyncDisposableStack();
    const server = stack.use(await startConsul());
    const cluster = { role: "client", servers: 1, join: [server.gossipPort] } as const;
    const agent = stack.use(await startConsul({ cluster }));
    await using observer = observe(openReader({ address: agent.url }));
    await consulRegistrant(server).register([order]);
    await observer.until((one) => expect(addressesOf(one, "order")).toEqual(["10.42.0.1:80"]));
    await server.kill();
    expect(await observer.ended).toMatchObject({ code: "RegistryUnreachable" });
  });
});

describe("Consul over TLS", () => {
  test("is read with the Secret's CA and certificate; an unknown CA is refused, unless verification is off", async () => {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(temporaryFolder("consul-tls")).path;
    const keys = selfSigned("consul");
    const [certificateFile, keyFile] = [join(folder, "tls.crt"), join(folder, "tls.key")];
    await writeFile(certificateFile, keys.certificate);
    await writeFile(keyFile, keys.key);
    const tls = { certificateFile, keyFile, clientCaFile: certificateFile };
    const { url: address } = stack.use(await startConsul({ tls }));
    const client = { clientCert: keys.certificate, clientKey: keys.key };

    const snapshot = await firstSnapshot(
      openReader({ address, credentials: { caCert: keys.certificate, ...client } }),
    );
    expect(snapshot.services.size).toBe(0);
    await firstSnapshot(openReader({ address, credentials: client, insecureSkipVerify: true }));
    await using unknown = observe(openReader({ address, credentials: client }));
    expect(await unknown.ended).toMatchObject({
      code: "RegistryUnreachable",
      detail: expect.stringContaining("unknown CA"),
    });
    await using anonymous = observe(openReader({ address, credentials: { caCert: keys.certificate } }));
    expect(await anonymous.ended).toMatchObject({ code: "RegistryUnreachable" });
  });

  test("takes one connection for all queries, and the watch ends when that breaks or falls silent", async () => {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(temporaryFolder("consul-tls")).path;
    const keys = selfSigned("consul");
    const [certificateFile, keyFile] = [join(folder, "tls.crt"), join(folder, "tls.key")];
    await writeFile(certificateFile, keys.certificate);
    await writeFile(keyFile, keys.key);
    const server = stack.use(await startConsul({ tls: { certificateFile, keyFile } }));
    const proxy = stack.use(await startProxy("127.0.0.1", server.port, { halfOpen: false }));
    const address = `https://${proxy.address}`;
    const registrant = consulRegistrant(server, keys.certificate);
    const names = Array.from({ length: 150 }, (_, at) => `s${at}`);
    await registrant.register(names.map((service) => ({ ...order, service })));
    const deps = countingDeps();
    const open = () => openReader({ address, insecureSkipVerify: true }, deps);

    await using observer = observe(open());
    await observer.until((it) => expect(it.services.size).toBe(150));
    await registrant.register([
      { ...order, service: "s149", port: 81 },
      { ...order, service: "s0", port: 81 },
    ]);
    await observer.until((it) => expect(addressesOf(it, "s0")).toHaveLength(2));
    await observer.until((it) => expect(addressesOf(it, "s149")).toHaveLength(2));
    expect(proxy.open).toBe(1);
    proxy.cut();
    expect(await observer.ended).toMatchObject({ code: "RegistryUnreachable" });

    await using silent = observe(open());
    await silent.until((it) => expect(it.services.size).toBe(150));
    proxy.stall();
    expect(await silent.ended).toMatchObject({ code: "RegistryUnreachable" });
    await proxy.heal();

    await using aborted = observe(open());
    await aborted.until((it) => expect(it.services.size).toBe(150));
    await aborted.abort();
    expect(await aborted.ended).toBeUndefined();
    await eventually(() => expect([proxy.open, deps.waiting()]).toEqual([0, 0]), 1_000);

    await using restarted = observe(open());
    await restarted.until((it) => expect(it.services.size).toBe(150));
    await server.stop();
    expect(await restarted.ended).toMatchObject({ code: "RegistryUnreachable" });
  });
});
