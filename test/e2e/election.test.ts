import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, expect, test } from "vitest";
import { startProxy } from "../bed/fault-proxy.ts";
import { type ControllerProcess, startController } from "../support/controllers.ts";
import { eventually } from "../support/eventually.ts";
import { showLogsOnFailure } from "../support/show-logs.ts";
import { newTenant, providerUrl, quickly, SOON_MS, untilReady, useWorld } from "./world.ts";

const flags = [...quickly, "--leader-elect"];
/** A Lease that is given back is taken at the next look; one that is not, when it has run out. */
const HANDOVER_MS = 10_000;
const FAILOVER_MS = 30_000;
const PAUSE_MS = 60_000;
const MANY = 400;
/** A busy machine writes 20 of them in a second, and an EnvoyFilter for each. */
const MANY_MS = 45_000;

const world = useWorld({ hub: flags, dubbo: ["--leader-elect"] });
/** As alice, so that the API server tells the writes of the two apart. */
let second: ControllerProcess;
beforeAll(async () => {
  const admin = ["clusterrolebinding", "alice", "--clusterrole=cluster-admin", "--user=alice"];
  await world.api.kubectl(["create", ...admin]);
  const kubeconfig = await world.api.kubeconfigFor(world.api.aliceToken);
  await takesOver(first(), 0, SOON_MS);
  second = await startController("hub-controller", kubeconfig, flags);
  return () => second[Symbol.asyncDispose]();
});
const first = (): ControllerProcess => world.controllers.hub;
showLogsOnFailure(() => [second]);

const linesOf = (one: ControllerProcess, message: string) => one.log().filter(({ msg }) => msg === message);

/** Waits until the process leads once more than `before` times. */
const takesOver = (one: ControllerProcess, before: number, deadlineMs: number): Promise<void> =>
  eventually(() => expect(linesOf(one, "leading")).toHaveLength(before + 1), deadlineMs);

const metric = async ({ get }: ControllerProcess): Promise<string | undefined> =>
  /^registryhub_leader (\d)$/m.exec((await get("/metrics")).body)?.[1];

/** What the controllers wrote, other than Leases; as one of the two users. */
async function writesSince(since: Date, user?: string): Promise<readonly string[]> {
  const writes = await world.api.writes({
    since,
    userAgent: "registryhub-hub-controller",
    ...(user && { user }),
  });
  return writes
    .filter(({ resource }) => resource !== "leases")
    .map(({ verb, resource, subresource, name }) => `${verb} ${resource}/${subresource} ${name}`);
}

test("one works, the other stands by: ready, without a connection to a registry", async () => {
  const tenant = await newTenant(world);
  const [host = "", port = ""] = world.zooKeeper.address.split(":");
  await using proxy = await startProxy(host, Number(port));
  await tenant.provide(providerUrl("org.example.One", "10.42.7.1:20880"));
  await tenant.applyHub({ address: proxy.address });
  await untilReady(tenant);

  expect(proxy.open).toBe(1);
  expect(await second.get("/readyz")).toMatchObject({ status: 200 });
  expect(await second.get("/healthz")).toMatchObject({ status: 200 });
  expect([await metric(first()), await metric(second)]).toEqual(["1", "0"]);
  await eventually(() => expect(linesOf(second, "standing by")).toHaveLength(1), SOON_MS);

  const since = new Date();
  expect(await first().terminate()).toMatchObject({ exitCode: 0 });
  await takesOver(second, 0, HANDOVER_MS);
  await eventually(() => expect(proxy.open).toBe(1), SOON_MS);
  await untilReady(tenant);
  await tenant.provide(providerUrl("org.example.One", "10.42.7.2:20880"));
  await eventually(async () => expect((await tenant.entries())[0]?.spec.endpoints).toHaveLength(2), SOON_MS);
  const writes = await writesSince(since);
  expect(writes.filter((write) => write.includes(" serviceentries/"))).toHaveLength(1);
  await first().restart();
});

test("a leader that is killed is replaced in seconds, and nothing is written for that", async () => {
  const tenant = await newTenant(world);
  await tenant.provide(providerUrl("org.example.Two", "10.42.7.3:20880"));
  await tenant.applyHub();
  await untilReady(tenant);
  await eventually(() => expect(linesOf(first(), "standing by").length).toBeGreaterThan(0), SOON_MS);
  const before = linesOf(first(), "leading").length;
  const since = new Date();
  await second.kill();
  await takesOver(first(), before, FAILOVER_MS);
  await eventually(
    async () => expect((await first().get("/metrics")).body).toMatch(/registry_up\{.*\} 1/),
    SOON_MS,
  );
  await tenant.provide(providerUrl("org.example.Three", "10.42.7.4:20880"));
  await eventually(async () => expect(await tenant.entries()).toHaveLength(2), SOON_MS);
  const writes = await writesSince(since);
  expect(writes.filter((write) => write.includes(" serviceentries/"))).toHaveLength(1);
  await second.restart();
});

test("a leader that is stopped in the middle of its work writes nothing when it wakes up, and ends", async () => {
  const tenant = await newTenant(world);
  const urls = Array.from({ length: MANY }, (_, at) =>
    providerUrl(`org.example.Many${at}`, `10.42.8.${(at % 250) + 1}:20880`),
  );
  const paths = await tenant.provide(...urls);
  await eventually(() => expect(linesOf(second, "standing by").length).toBeGreaterThan(1), SOON_MS);
  const before = linesOf(second, "leading").length;
  await tenant.applyHub();
  await eventually(async () => expect((await tenant.entries()).length).toBeGreaterThan(20), SOON_MS, 5);
  first().freeze();
  const pause = delay(PAUSE_MS);
  const written = (await tenant.entries()).length;
  expect(written).toBeLessThan(MANY);
  await takesOver(second, before, FAILOVER_MS);
  await untilReady(tenant, { deadlineMs: MANY_MS });
  expect(await tenant.entries()).toHaveLength(MANY);
  const named = async (iface: string) =>
    (await tenant.entries()).find(({ spec }) => spec.hosts?.[0]?.startsWith(`org.example.${iface}-`));
  const deleted = (await named("many1"))?.metadata;
  await world.api.kubectl(["delete", "serviceentry", "-n", tenant.namespace, deleted?.name ?? ""]);
  await world.writer.delete(paths[0] ?? "");
  await eventually(async () => {
    expect(await named("many0")).toBeUndefined();
    const restored = await named("many1");
    expect(restored).toBeDefined();
    expect(restored?.metadata.uid).not.toBe(deleted?.uid);
  }, 2 * SOON_MS);
  await pause;

  const since = new Date();
  first().resume();
  await eventually(() => expect(first().isRunning()).toBe(false), SOON_MS);
  expect(linesOf(first(), "controller failed").at(-1)).toMatchObject({
    error: {
      type: "LeadershipLost",
      message: expect.stringMatching(/lost the Lease servicemesh\/registryhub: /),
    },
  });
  expect(await writesSince(since, "system:serviceaccount:servicemesh:registryhub")).toEqual([]);
  await first().restart();
  await eventually(() => expect(linesOf(first(), "standing by").length).toBeGreaterThan(1), SOON_MS);
});
