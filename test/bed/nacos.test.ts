import { once } from "node:events";
import { readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Certificate, selfSigned } from "../support/certificate.ts";
import { eventually } from "../support/eventually.ts";
import { type Nacos, type NacosTls, startNacos } from "./nacos.ts";
import { type NacosAgent, type NacosConnection, startNacosAgent } from "./nacos-agent.ts";
import type { NacosUser, Permission } from "./nacos-api.ts";
import { ask } from "./tcp.ts";
import { type TemporaryFolder, temporaryFolder } from "./watchdog.ts";

const reader = { username: "reader", password: "secret" };
const readPublic: Readonly<Record<"2.3" | "3.1", Permission>> = {
  "2.3": { resource: ":*:*", action: "r" },
  "3.1": { resource: "public:*:*", action: "r" },
};

const GROUP = "DEFAULT_GROUP";
const one = { ip: "10.42.0.1", port: 80, metadata: { zone: "a" } };
const two = { ip: "10.42.0.2", port: 80, weight: 3, clusterName: "east" };
const three = { ip: "10.42.0.3", port: 80 };

// A server tells of a change within half a second, a client registers again 3 s after it has its server back.
const RETURN_MS = 20_000;

// A start takes several seconds, so each version is restarted in one of the two ways only.
const versions = [
  { version: "2.3", wipe: false },
  { version: "3.1", wipe: true },
] as const;

describe.each(versions)("Nacos $version", { timeout: 120_000 }, ({ version, wipe }) => {
  const stack = new AsyncDisposableStack();
  const keys = selfSigned("nacos");
  let folder: TemporaryFolder;
  let nacos: Nacos;
  let agent: NacosAgent;

  beforeAll(async () => {
    folder = temporaryFolder("nacos-test");
    const tls = await writeTls(stack.use(temporaryFolder("nacos-test")).path, keys);
    vi.stubEnv("TMPDIR", folder.path);
    nacos = stack.use(await startNacos({ version, auth: true, tls }));
    agent = stack.use(await startNacosAgent({ address: nacos.address, ...nacos.adminLogin }));
  }, 120_000);
  afterAll(async () => {
    await stack.disposeAsync();
    vi.unstubAllEnvs();
    await folder[Symbol.asyncDispose]();
  });

  test("gives and takes rights at once", async () => {
    await nacos.createUser(reader, [readPublic[version]]);
    const token = await logIn(nacos, reader);
    expect(await listServices(nacos, token)).toBe(200);
    expect(await listServices(nacos, "")).toBe(403);
    const connection = agent.connection("reader", reader);
    expect(await connection.services(GROUP)).toEqual([]);
    await expect(connection.register("orders", GROUP, [one])).rejects.toThrow("authorization failed");

    await nacos.revoke("reader", readPublic[version]);
    expect(await listServices(nacos, token)).toBe(403);
    await nacos.deleteUser("reader");
    await expect(logIn(nacos, reader)).rejects.toThrow("500");
  });

  test("speaks TLS with those who have a certificate, and plain gRPC with those who do not want it", async () => {
    expect(await greet(nacos.port + 1000, keys.certificate, keys)).not.toHaveLength(0);
    await expect(greet(nacos.port + 1000, keys.certificate)).rejects.toThrow("certificate required");
    expect(await agent.services(GROUP)).toEqual([]);
  });

  test("its client adds instances and takes them away, over as many connections as wanted", async () => {
    await agent.register("stock", GROUP, [one]);
    await agent.register("stock", GROUP, [two, three]);
    await agent.deregister("stock", GROUP, [three]);
    await lists(agent, "stock", [one, two]);
    await agent.deregister("stock", GROUP, [one, two]);
    await lists(agent, "stock", []);
    await agent.register("stock", GROUP, [one]);

    const other = agent.connection("other");
    await other.register("stock", GROUP, [three]);
    await lists(agent, "stock", [one, three]);
    await other.drop();
    await lists(agent, "stock", [one]);

    const elsewhere = agent.connection("elsewhere", { namespace: "elsewhere" });
    await elsewhere.register("stock", GROUP, [two]);
    await lists(elsewhere, "stock", [two]);
    await lists(agent, "stock", [one]);
  });

  test(`freezes, restarts ${wipe ? "without" : "with"} its data, and its client registers again`, async () => {
    await agent.register("single", GROUP, [one]);
    await agent.register("batch", GROUP, [two, three]);
    await agent.register("fixed", GROUP, [{ ...one, ephemeral: false }]);
    await agent.publishConfig("settings", GROUP, "here");

    nacos.freeze();
    expect(await ask(nacos.port, "GET /nacos/ HTTP/1.0\r\n\r\n")).toBe("");
    nacos.resume();
    await nacos.kill();
    await nacos.restart({ wipe });
    await lists(agent, "single", [one]);
    await lists(agent, "batch", [two, three]);
    await lists(agent, "fixed", wipe ? [] : [one]);
    expect(await agent.config("settings", GROUP)).toBe(wipe ? undefined : "here");
  });

  test("its client registers 500 services of 20 instances in seconds", async () => {
    const ports = Array.from({ length: 20 }, (_, index) => 20_000 + index);
    const services = Array.from({ length: 500 }, (_, index) => `service-${index}`);
    const instances = ports.map((port) => ({ ip: "10.42.0.1", port }));
    await Promise.all(services.map((service) => agent.register(service, "load", instances)));
    await eventually(async () => {
      expect(await agent.services("load")).toHaveLength(500);
      expect(await agent.instances("service-499", "load")).toHaveLength(20);
    }, RETURN_MS);
  });

  test("leaves nothing behind", async () => {
    await stack.disposeAsync();
    expect(readdirSync(folder.path)).toEqual([]);
    expect(await ask(nacos.port, "GET /nacos/ HTTP/1.0\r\n\r\n")).toBe("");
  });
});

/** The certificate is everybody's: the server's, its clients', and the CA of both. */
async function writeTls(folder: string, { certificate, key }: Certificate): Promise<NacosTls> {
  const certificateFile = join(folder, "certificate.pem");
  const keyFile = join(folder, "key.pem");
  await writeFile(certificateFile, certificate);
  await writeFile(keyFile, key);
  return { certificateFile, keyFile, clientCaFile: certificateFile };
}

/** What a server answers first to a client that begins HTTP/2 over TLS. @throws Error when it refuses the client. */
async function greet(port: number, ca: string, own?: Certificate): Promise<Buffer> {
  const identity = own && { cert: own.certificate, key: own.key };
  const socket = connect({ host: "127.0.0.1", port, ca, ALPNProtocols: ["h2"], ...identity });
  try {
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    const [answer] = (await once(socket, "data")) as [Buffer];
    return answer;
  } finally {
    socket.destroy();
  }
}

/** Waits until the server lists exactly these, in any order. */
async function lists(connection: NacosConnection, service: string, instances: readonly object[]) {
  await eventually(async () => {
    const listed = await connection.instances(service, GROUP);
    expect(listed).toHaveLength(instances.length);
    expect(listed).toEqual(
      expect.arrayContaining(instances.map((instance) => expect.objectContaining(instance) as object)),
    );
  }, RETURN_MS);
}

/** The session that a user of this name and password is given. @throws Error with the status of a refusal. */
async function logIn(nacos: Nacos, user: NacosUser): Promise<string> {
  const url = `http://${nacos.address}/nacos/v1/auth/users/login`;
  const response = await fetch(url, { method: "POST", body: new URLSearchParams({ ...user }) });
  if (!response.ok) throw new Error(`${response.status}`);
  return ((await response.json()) as { accessToken: string }).accessToken;
}

/** The status with which a list of services is answered. */
async function listServices(nacos: Nacos, accessToken: string): Promise<number> {
  const query = new URLSearchParams({ pageNo: "1", pageSize: "10", accessToken }).toString();
  return (await fetch(`http://${nacos.address}/nacos/v1/ns/service/list?${query}`)).status;
}
