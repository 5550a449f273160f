import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { connectZkWriter } from "../support/zk-writer.ts";
import { startApiServer } from "./api-server.ts";
import { startDubboProvider } from "./dubbo-provider.ts";
import { ask } from "./tcp.ts";
import { temporaryFolder } from "./watchdog.ts";
import { startZooKeeper, type ZooKeeper } from "./zookeeper.ts";

const PROVIDERS = "/dubbo/org.apache.dubbo.samples.api.GreetingService/providers";

describe("the control plane", { timeout: 120_000 }, () => {
  test("serves Istio's kinds, counts writes, knows users, forgets history and restarts with its data", async () => {
    await using api = await startApiServer();
    await api.applyCrds();
    expect(await api.kubectl(["get", "serviceentries", "-A", "-o", "name"])).toBe("");

    const serviceEntry = {
      apiVersion: "networking.istio.io/v1beta1",
      kind: "ServiceEntry",
      metadata: { name: "greeting", namespace: "shop" },
      spec: {
        hosts: ["greeting.shop"],
        resolution: "STATIC",
        ports: [{ number: 80, name: "http", protocol: "HTTP" }],
      },
    };
    await api.kubectl(["create", "namespace", "shop"]);
    await api.kubectl(["apply", "--server-side", "-f", "-"], { input: JSON.stringify(serviceEntry) });
    const writes = await api.writes({ user: "admin", resource: "serviceentries" });
    expect(writes).toMatchObject([
      { verb: "patch", namespace: "shop", name: "greeting", user: "admin", code: 201 },
    ]);

    const kubeconfig = await api.kubeconfigFor(api.aliceToken);
    await expect(api.kubectl(["get", "serviceentries", "-n", "shop"], { kubeconfig })).rejects.toThrow(
      "Forbidden",
    );

    await api.compact();
    await api.restart();
    const oldWatch = "/api/v1/configmaps?watch=1&resourceVersion=1&timeoutSeconds=5";
    expect(await api.kubectl(["get", "--raw", oldWatch])).toContain('"code":410');
    expect(await api.kubectl(["get", "serviceentries", "-n", "shop", "-o", "name"])).toContain("/greeting");

    await api.kubectl(["delete", "namespace", "shop"]); // waits; only kube-controller-manager ends it
    const folder = dirname(api.auditLog);
    await api[Symbol.asyncDispose]();
    expect(existsSync(folder)).toBe(false);
  });
});

describe("ZooKeeper and Dubbo", { timeout: 60_000 }, () => {
  test("a real provider registers, and deregisters when it is stopped", async () => {
    await using zooKeeper = await startZooKeeper();
    await using witness = await connectZkWriter(zooKeeper.address);
    await using provider = await startDubboProvider({
      registry: `zookeeper://${zooKeeper.address}`,
      version: "1.0.0",
      parameters: { weight: "7" },
    });
    const urls = (await witness.getChildren(PROVIDERS)).map((name) => new URL(decodeURIComponent(name)));
    expect(urls.map((url) => url.host)).toEqual([`10.42.0.57:${provider.port}`]);
    expect(Object.fromEntries(urls[0]?.searchParams ?? [])).toMatchObject({ version: "1.0.0", weight: "7" });

    await provider.stop();
    expect(await witness.getChildren(PROVIDERS)).toEqual([]);
  });

  test("the witness registers as Dubbo does; the server freezes, and keeps its data over a kill but not a wipe", async () => {
    await using zooKeeper = await startZooKeeper();
    await using writer = await connectZkWriter(zooKeeper.address);
    await writer.create("/persistent/child", { data: "here" });
    const [path = ""] = await writer.registerProviders([
      "dubbo://10.42.0.1:20880/a.B?interface=a.B&side=provider",
    ]);
    expect(path).toBe(
      "/dubbo/a.B/providers/dubbo%3A%2F%2F10.42.0.1%3A20880%2Fa.B%3Finterface%3Da.B%26side%3Dprovider",
    );

    zooKeeper.freeze();
    expect(await ask(zooKeeper.port, "srvr")).toBe("");
    zooKeeper.resume();
    expect(await ask(zooKeeper.port, "srvr")).toContain("Mode: standalone");

    await zooKeeper.kill();
    await zooKeeper.restart();
    expect(await readData(zooKeeper, "/persistent/child")).toBe("here");
    await writer.close();
    await zooKeeper.restart({ wipe: true });
    await expect(readData(zooKeeper, "/persistent/child")).rejects.toThrow("NO_NODE");
  });

  test("digest users see what others may not", async () => {
    await using zooKeeper = await startZooKeeper();
    const user = { username: "operator", password: "secret" };
    await using owner = await connectZkWriter(zooKeeper.address, { user });
    await owner.create("/private", { data: "mine", acl: { users: [user] } });
    expect(await owner.getData("/private")).toBe("mine");
    await expect(readData(zooKeeper, "/private")).rejects.toThrow("NO_AUTH");
  });
});

test("nothing is left of a process that is killed with its servers up", { timeout: 60_000 }, async () => {
  await using folder = temporaryFolder("watchdog-test");
  const module = import.meta.resolve("./zookeeper.ts");
  const program = `const { startZooKeeper } = await import("${module}"); console.log((await startZooKeeper()).port)`;
  const victim = spawn(process.execPath, ["--input-type=module", "-e", program], {
    env: { ...process.env, TMPDIR: folder.path },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [port] = (await once(victim.stdout, "data")).map(Number) as [number];
  expect(await ask(port, "srvr")).toContain("Mode: standalone");
  expect(readdirSync(folder.path)).toHaveLength(1);

  victim.kill("SIGKILL");
  await eventually(() => expect(readdirSync(folder.path)).toEqual([]), 10_000);
  expect(await ask(port, "srvr")).toBe("");
});

async function readData(zooKeeper: ZooKeeper, path: string): Promise<string> {
  await using witness = await connectZkWriter(zooKeeper.address);
  return await witness.getData(path);
}
