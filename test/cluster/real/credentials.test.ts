import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type ApiServer, startApiServer } from "../../bed/api-server.ts";
import { editedKubeconfig, failure, getDefaultNamespace, openBench, testFolder } from "../cluster.ts";

// On the real server only: the fake one has neither TLS nor tokens that change.
let server: ApiServer;
beforeAll(async () => {
  server = await startApiServer({ controllerManager: false });
});
afterAll(() => server?.[Symbol.asyncDispose]());

test("a server with another certificate is not believed", async () => {
  const strange = await editedKubeconfig(server, ({ clusters }) => {
    delete (clusters[0].cluster as { "certificate-authority"?: string })["certificate-authority"];
  });
  const error = await failure(getDefaultNamespace(openBench(strange)));
  expect(error.message).toMatch(/SELF_SIGNED_CERT|UNABLE_TO_VERIFY|self-signed/i);
});

test("a token file that changes is read again as soon as the old token is refused", async () => {
  const tokenFile = join(testFolder(), "token");
  await writeFile(tokenFile, `${server.adminToken}\n`);
  const bench = openBench(await withTokenFile(tokenFile));
  await getDefaultNamespace(bench);
  await replaceFile(tokenFile, "revoked");
  // What the client still has is the good token; a fresh client proves that the new one is refused.
  expect(await failure(getDefaultNamespace(openBench(await withTokenFile(tokenFile))))).toMatchObject({
    status: 401,
  });
  const refusedFirst = openBench(await withTokenFile(tokenFile));
  expect(await failure(getDefaultNamespace(refusedFirst))).toMatchObject({
    status: 401,
    reason: "Unauthorized",
  });
  await replaceFile(tokenFile, server.adminToken);
  expect((await getDefaultNamespace(refusedFirst)).metadata.name).toBe("default");
});

test("a credential plugin's token is used", async () => {
  const exec = await editedKubeconfig(server, ({ users }) => {
    const credential = { apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential" };
    const output = JSON.stringify({ ...credential, status: { token: server.adminToken } });
    Object.assign(users[0], {
      user: {
        exec: {
          apiVersion: credential.apiVersion,
          command: "echo",
          args: [output],
          interactiveMode: "Never",
        },
      },
    });
  });
  expect((await getDefaultNamespace(openBench(exec))).metadata.name).toBe("default");
});

test("a CA that changes is followed without a restart", async () => {
  const caFile = join(testFolder(), "ca.crt");
  const good = await readFile(server.caFile, "utf8");
  await writeFile(caFile, await otherCertificate());
  const bench = openBench(
    await editedKubeconfig(server, ({ clusters }) => {
      clusters[0].cluster["certificate-authority"] = caFile;
    }),
  );
  await failure(getDefaultNamespace(bench));
  await replaceFile(caFile, good);
  await expect
    .poll(() => getDefaultNamespace(bench).catch(() => undefined), { timeout: 15_000 })
    .toBeDefined();
});

const withTokenFile = (tokenFile: string): Promise<string> =>
  editedKubeconfig(server, ({ users }) => {
    users[0].user = { tokenFile };
  });

async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

async function otherCertificate(): Promise<string> {
  const other = await startApiServer({ controllerManager: false });
  onTestFinished(() => other[Symbol.asyncDispose]());
  return readFile(other.caFile, "utf8");
}
