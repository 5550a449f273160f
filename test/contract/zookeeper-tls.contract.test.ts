import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { pipeline } from "node:stream";
import { createServer } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startZooKeeper, type ZooKeeper } from "../bed/zookeeper.ts";
import { selfSigned } from "../support/certificate.ts";
import { firstSnapshot, observe } from "./observe.ts";
import { openReader, tickTime } from "./zookeeper-harness.ts";

describe("ZooKeeper over TLS", () => {
  const stack = new AsyncDisposableStack();
  let server: ZooKeeper;
  let address: string;
  let certificate: string;

  beforeAll(async () => {
    const keys = selfSigned("zookeeper");
    certificate = keys.certificate;
    server = stack.use(await startZooKeeper({ tickTime }));
    const front = createServer({ cert: keys.certificate, key: keys.key }, (client) => {
      const plain = connect(server.port, "127.0.0.1");
      pipeline(client, plain, client, () => {}); // whichever side ends, ends the other
    });
    front.listen(0, "127.0.0.1");
    await once(front, "listening");
    stack.defer(() => void front.close());
    address = `127.0.0.1:${(front.address() as AddressInfo).port}`;
  });
  afterAll(() => stack.disposeAsync());

  const verify = { enabled: true, insecureSkipVerify: false };

  test("a server whose CA is in the Secret is read", async () => {
    const snapshot = await firstSnapshot(
      openReader({ address, tls: verify, credentials: { caCert: certificate } }),
    );
    expect(snapshot.problems).toMatchObject([{ code: "RootMissing" }]);
  });

  test("an unknown CA is refused, unless verification is off", async () => {
    await using observer = observe(openReader({ address, tls: verify }));
    expect(await observer.ended).toMatchObject({
      code: "RegistryUnreachable",
      message:
        `connect ${address}: the server's certificate is signed by an unknown CA. ` +
        "Check spec.address and ca.crt, tls.crt and tls.key of the Secret; the operator retries by itself.",
    });
    const trusting = openReader({ address, tls: { enabled: true, insecureSkipVerify: true } });
    expect((await firstSnapshot(trusting)).services.size).toBe(0);
  });

  test("a Secret without PEM is named", async () => {
    await using observer = observe(
      openReader({ address, tls: verify, credentials: { caCert: "nonsense", clientCert: "x" } }),
    );
    expect(await observer.ended).toMatchObject({ code: "SecretInvalid" });
  });

  test("plain against TLS, and TLS against plain", async () => {
    await using plain = observe(openReader({ address }));
    expect(await plain.ended).toMatchObject({
      code: expect.stringMatching(/^Registry(Unreachable|BadResponse)$/),
    });
    await using tls = observe(openReader({ address: server.address, tls: verify }));
    expect(await tls.ended).toMatchObject({ code: "RegistryUnreachable" });
  });
});
