import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const passphrase = "changeit";

/** A server's key with the certificate that it signed itself. */
export interface SelfSigned {
  readonly pfx: Buffer;
  readonly passphrase: string;
  /** PEM. */
  readonly certificate: string;
}

/** Makes one, in `folder`, for 127.0.0.1 only, with the JDK that the registries run on. */
export async function selfSigned(folder: string): Promise<SelfSigned> {
  const store = join(folder, "server.p12");
  const file = join(folder, "server.pem");
  const common = ["-keystore", store, "-storepass", passphrase, "-alias", "server"];
  const names = ["-dname", "CN=registry", "-ext", "san=ip:127.0.0.1", "-ext", "bc:c"];
  const kind = ["-keyalg", "EC", "-storetype", "PKCS12", "-validity", "2"];
  await run("keytool", ["-genkeypair", ...kind, ...names, ...common]);
  await run("keytool", ["-exportcert", "-rfc", "-file", file, ...common]);
  return { pfx: await readFile(store), passphrase, certificate: await readFile(file, "utf8") };
}
