import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { describe, expect, test } from "vitest";
import { type Nacos, startNacos } from "./nacos.ts";
import type { NacosUser, Permission } from "./nacos-api.ts";
import { ask } from "./tcp.ts";

const reader = { username: "reader", password: "secret" };
const readPublic: Readonly<Record<"2.3" | "3.1", Permission>> = {
  "2.3": { resource: ":*:*", action: "r" },
  "3.1": { resource: "public:*:*", action: "r" },
};

describe.each(["2.3", "3.1"] as const)("Nacos %s", { timeout: 120_000 }, (version) => {
  test("knows users and their rights, freezes, keeps its data over a kill but not a wipe, leaves nothing", async () => {
    const before = foldersLeft();
    await using nacos = await startNacos({ version, auth: true });
    await nacos.createUser(reader, [readPublic[version]]);
    const token = await logIn(nacos, reader);
    expect(await listServices(nacos, token)).toBe(200);
    expect(await listServices(nacos, "")).toBe(403);
    await nacos.revoke("reader", readPublic[version]);
    expect(await listServices(nacos, token)).toBe(403);
    await nacos.grant("reader", readPublic[version]);

    nacos.freeze();
    expect(await ask(nacos.port, "GET /nacos/ HTTP/1.0\r\n\r\n")).toBe("");
    nacos.resume();
    expect(await listServices(nacos, token)).toBe(200);

    await nacos.kill();
    await nacos.restart();
    expect(await listServices(nacos, await logIn(nacos, reader))).toBe(200);
    await nacos.restart({ wipe: true });
    await expect(logIn(nacos, reader)).rejects.toThrow("500");
    await nacos.createUser(reader);
    await nacos.deleteUser("reader");
    await expect(logIn(nacos, reader)).rejects.toThrow("500");

    await nacos[Symbol.asyncDispose]();
    expect(foldersLeft()).toEqual(before);
    expect(await ask(nacos.port, "GET /nacos/ HTTP/1.0\r\n\r\n")).toBe("");
  });
});

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

function foldersLeft(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith("registryhub-bed-nacos-"));
}
