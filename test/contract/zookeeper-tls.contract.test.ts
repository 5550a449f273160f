import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Credentials } from "../../src/model/hub.ts";
import { startZooKeeper, type ZooKeeper } from "../bed/zookeeper.ts";
import { type Certificate, selfSigned } from "../support/certificate.ts";
import { connectZkWriter } from "../support/zk-writer.ts";
import { addressesOf, firstSnapshot, observe } from "./observe.ts";
import { openReader, providerUrl, tickTime } from "./zookeeper-harness.ts";

const verify = { enabled: true, insecureSkipVerify: false };
const trust = { enabled: true, insecureSkipVerify: true };
const advice = "Check spec.address and ca.crt, tls.crt and tls.key of the Secret.";

/** A server whose provider is read through its port for TLS. */
async function startSecured(server: Certificate, clientCa?: string): Promise<ZooKeeper> {
  const zooKeeper = await startZooKeeper({ tickTime, tls: { server, ...(clientCa && { clientCa }) } });
  await using writer = await connectZkWriter(zooKeeper.address);
  const url = providerUrl("a.B", { address: "10.42.0.1", port: 20_880 });
  await writer.create(`/dubbo/a.B/providers/${encodeURIComponent(url)}`);
  return zooKeeper;
}

/** What a user reads when the server cannot be read. */
async function failureAt(address: string, credentials: Credentials, tls = verify): Promise<unknown> {
  await using observer = observe(openReader({ address, tls, credentials }));
  return await observer.ended;
}

async function reads(address: string, credentials: Credentials, tls = verify): Promise<void> {
  const snapshot = await firstSnapshot(openReader({ address, tls, credentials }));
  expect(addressesOf(snapshot, "a.B")).toEqual(["10.42.0.1:20880"]);
}

describe("ZooKeeper's port for TLS", () => {
  const keys = selfSigned("zookeeper");
  const ca = { caCert: keys.certificate };
  let server: ZooKeeper;
  beforeAll(async () => {
    server = await startSecured(keys);
  });
  afterAll(async () => server[Symbol.asyncDispose]());

  test("a server whose CA is in the Secret is read", () => reads(server.secureAddress, ca));

  test("an unknown CA is refused, with another CA and without any, unless verification is off", async () => {
    for (const credentials of [{}, { caCert: selfSigned("another").certificate }])
      expect(await failureAt(server.secureAddress, credentials)).toMatchObject({
        code: "RegistryUnreachable",
        message: `connect ${server.secureAddress}: the server's certificate is signed by an unknown CA. ${advice}`,
      });
    await reads(server.secureAddress, {}, trust);
  });

  test("a certificate for another name is refused, unless verification is off", async () => {
    const address = server.secureAddress.replace("127.0.0.1", "localhost");
    expect(await failureAt(address, ca)).toMatchObject({
      code: "RegistryUnreachable",
      detail: `connect ${address}: the server's certificate is for another name`,
    });
    await reads(address, ca, trust);
  });

  test("a Secret without PEM is named", async () => {
    const credentials = { caCert: "nonsense", clientCert: "x" };
    expect(await failureAt(server.secureAddress, credentials)).toMatchObject({ code: "SecretInvalid" });
  });

  test("plain against TLS, and TLS against plain", async () => {
    const plain = { enabled: false, insecureSkipVerify: false };
    expect(await failureAt(server.secureAddress, {}, plain)).toMatchObject({
      code: "RegistryUnreachable",
      detail: expect.stringContaining("expects TLS"),
    });
    expect(await failureAt(server.address, ca)).toMatchObject({ code: "RegistryUnreachable" });
  });
});

describe("ZooKeeper's port for TLS, with client certificates", () => {
  const keys = selfSigned("zookeeper");
  const client = selfSigned("hub");
  const ca = { caCert: keys.certificate };
  let server: ZooKeeper;
  beforeAll(async () => {
    server = await startSecured(keys, client.certificate);
  });
  afterAll(async () => server[Symbol.asyncDispose]());

  test("with its certificate a hub reads", () =>
    reads(server.secureAddress, { ...ca, clientCert: client.certificate, clientKey: client.key }));

  test("without one, or with one that the server does not know, the user reads why not", async () => {
    const stranger = selfSigned("stranger");
    const strange = { clientCert: stranger.certificate, clientKey: stranger.key };
    for (const credentials of [ca, { ...ca, ...strange }])
      expect(await failureAt(server.secureAddress, credentials)).toMatchObject({
        code: "RegistryUnreachable",
        message: `connect ${server.secureAddress}: the server refuses the client's certificate, or demands one. ${advice}`,
      });
  });

  test("a certificate and a key that do not belong together are named", async () => {
    const credentials = { ...ca, clientCert: client.certificate, clientKey: keys.key };
    expect(await failureAt(server.secureAddress, credentials)).toMatchObject({ code: "SecretInvalid" });
  });
});
