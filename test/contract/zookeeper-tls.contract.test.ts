import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream";
import { createServer } from "node:tls";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../bed/watchdog.ts";
import { startZooKeeper, type ZooKeeper } from "../bed/zookeeper.ts";
import { firstSnapshot, observe } from "./observe.ts";
import { openReader, tickTime } from "./zookeeper-harness.ts";

const run = promisify(execFile);
const password = "changeit";

/** A key with a self-signed certificate for 127.0.0.1, made by the JDK that ZooKeeper runs on. */
async function selfSigned(folder: string): Promise<{ readonly pfx: Buffer; readonly certificate: string }> {
  const store = join(folder, "server.p12");
  const certificate = join(folder, "server.pem");
  const common = ["-keystore", store, "-storepass", password, "-alias", "server"];
  const names = ["-dname", "CN=zookeeper", "-ext", "san=ip:127.0.0.1", "-ext", "bc:c"];
  await run("keytool", [
    "-genkeypair",
    "-keyalg",
    "EC",
    "-storetype",
    "PKCS12",
    "-validity",
    "2",
    ...names,
    ...common,
  ]);
  await run("keytool", ["-exportcert", "-rfc", "-file", certificate, ...common]);
  return { pfx: await readFile(store), certificate: await readFile(certificate, "utf8") };
}

describe("ZooKeeper over TLS", () => {
  const stack = new AsyncDisposableStack();
  let server: ZooKeeper;
  let address: string;
  let certificate: string;

  beforeAll(async () => {
    const keys = await selfSigned(stack.use(temporaryFolder("zookeeper-tls")).path);
    certificate = keys.certificate;
    server = stack.use(await startZooKeeper({ tickTime }));
    const front = createServer({ pfx: keys.pfx, passphrase: password }, (client) => {
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
