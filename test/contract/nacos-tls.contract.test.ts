import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Nacos, startNacos } from "../bed/nacos.ts";
import { type NacosAgent, startNacosAgent } from "../bed/nacos-agent.ts";
import { temporaryFolder } from "../bed/watchdog.ts";
import { type Certificate, selfSigned } from "../support/certificate.ts";
import { DEFAULT_GROUP, openReader } from "./nacos-harness.ts";
import { addressesOf, firstSnapshot, observe } from "./observe.ts";

/** In seconds: shorter than the time between two lists. */
const TOKEN_TTL = 5;

describe("Nacos with TLS for gRPC, client certificates, and tokens that expire soon", () => {
  const stack = new AsyncDisposableStack();
  const keys: Certificate = selfSigned("nacos");
  let nacos: Nacos;
  let agent: NacosAgent;

  beforeAll(async () => {
    const folder = stack.use(temporaryFolder("nacos-tls")).path;
    const [certificateFile, keyFile] = [join(folder, "tls.crt"), join(folder, "tls.key")];
    await writeFile(certificateFile, keys.certificate);
    await writeFile(keyFile, keys.key);
    const properties = { "nacos.core.auth.plugin.nacos.token.expire.seconds": String(TOKEN_TTL) };
    const tls = { certificateFile, keyFile, clientCaFile: certificateFile };
    nacos = stack.use(await startNacos({ version: "2.3", auth: true, tls, properties }));
    agent = stack.use(await startNacosAgent({ address: nacos.address, ...nacos.adminLogin }));
    await agent.register("order", DEFAULT_GROUP, [{ ip: "10.42.0.1", port: 8080 }]);
  });
  afterAll(() => stack.disposeAsync());

  const verify = { enabled: true, insecureSkipVerify: false };
  const open = (tls = verify, certificates: object = {}) =>
    openReader({ address: nacos.address, tls, credentials: { ...nacos.adminLogin, ...certificates } });
  const client = { clientCert: keys.certificate, clientKey: keys.key };

  test("a server whose CA is in the Secret is read, with the Secret's own certificate", async () => {
    const snapshot = await firstSnapshot(open(verify, { caCert: keys.certificate, ...client }));
    expect(addressesOf(snapshot, "order")).toEqual(["10.42.0.1:8080"]);
  });

  test("an unknown CA is refused, unless verification is off", async () => {
    await using observer = observe(open(verify, client));
    expect(await observer.ended).toMatchObject({
      code: "RegistryUnreachable",
      detail: expect.stringContaining("unknown CA"),
      nextStep: expect.stringContaining("ca.crt"),
    });
    const snapshot = await firstSnapshot(open({ enabled: true, insecureSkipVerify: true }, client));
    expect(addressesOf(snapshot, "order")).toHaveLength(1);
  });

  test("a server that demands a certificate does not get along without", async () => {
    await using observer = observe(open(verify, { caCert: keys.certificate }));
    expect(await observer.ended).toMatchObject({ code: "RegistryUnreachable" });
  });

  test("PEM that is none is SecretInvalid", async () => {
    await using observer = observe(
      open(verify, { caCert: keys.certificate, clientCert: "s3cret", clientKey: "s3cret" }),
    );
    const error = await observer.ended;
    expect(error).toMatchObject({ code: "SecretInvalid" });
    expect(String(error)).not.toContain("s3cret");
  });

  test("a watch outlives its tokens", async () => {
    await using observer = observe(
      openReader({ address: nacos.address, credentials: { ...nacos.adminLogin } }),
    );
    await observer.until((one) => expect(addressesOf(one, "order")).toHaveLength(1));
    await new Promise((resolve) => setTimeout(resolve, 2 * TOKEN_TTL * 1_000)); // the time that passes is what is tested
    await agent.register("late", DEFAULT_GROUP, [{ ip: "10.42.0.2", port: 8080 }]);
    await observer.until((one) => expect(addressesOf(one, "late")).toHaveLength(1), 15_000);
  });
});
