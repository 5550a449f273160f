import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { proxyGroup, setHost } from "../bed/mesh-namespace.ts";
import { run } from "../bed/run.ts";

/** Connects to an address and prints what it is greeted with. */
const greeted = (address: string, port: number) =>
  `require("net").connect(${port}, "${address}").on("data", (data) => process.stdout.write(data))`;

async function listen(port: number, address: string): Promise<AsyncDisposable> {
  const server = createServer((socket) => socket.end(`${address}:${port}`));
  await once(server.listen(port, address), "listening");
  return { [Symbol.asyncDispose]: async () => void (await once(server.close(), "close")) };
}

test("all TCP goes to the sidecar's port, but what goes to this machine and what the sidecar sends", async () => {
  await using _sidecar = await listen(15_001, "127.0.0.1");
  await using _provider = await listen(20_880, "10.42.9.1");
  await using _neighbour = await listen(20_880, "10.42.9.2");
  await using _registry = await listen(20_880, "127.0.0.1");
  const asApplication = (address: string) => run(process.execPath, ["-e", greeted(address, 20_880)]);
  const asSidecar = (address: string) =>
    run("setpriv", [
      "--regid",
      `${proxyGroup}`,
      "--clear-groups",
      process.execPath,
      "-e",
      greeted(address, 20_880),
    ]);

  expect(await asApplication("240.241.1.2")).toBe("127.0.0.1:15001");
  expect(await asApplication("10.42.9.1")).toBe("127.0.0.1:15001");
  expect(await asApplication("127.0.0.1")).toBe("127.0.0.1:20880");
  expect(await asSidecar("10.42.9.1")).toBe("10.42.9.1:20880");
  expect(await asSidecar("10.42.9.2")).toBe("10.42.9.2:20880");
});

test("names that are set resolve, and others are unknown at once", async () => {
  await setHost("greeting.namespace-test", "240.241.1.1");
  await setHost("greeting.namespace-test", "240.241.1.2");
  expect(await lookup("greeting.namespace-test")).toEqual({ address: "240.241.1.2", family: 4 });
  await expect(lookup("nobody.namespace-test")).rejects.toThrow("EAI_AGAIN");
});
