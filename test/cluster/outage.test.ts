import { afterAll, beforeAll, expect, test } from "vitest";
import type { Reflector } from "../../src/kube/reflector.ts";
import type { KubeObject } from "../../src/model/kubernetes.ts";
import { eventually } from "../support/eventually.ts";
import { openScene } from "./scene.ts";
import { startServer, type TestServer } from "./server.ts";

let common: TestServer;
beforeAll(async () => {
  common = await startServer();
});
afterAll(() => common?.[Symbol.asyncDispose]());

const states = (reflector: Reflector<KubeObject>): string[] => {
  const seen: string[] = [reflector.status.state];
  reflector.subscribe(() => {
    if (seen.at(-1) !== reflector.status.state) seen.push(reflector.status.state);
  });
  return seen;
};

test("a cut: the view stays, is called stale, and catches up by itself", async () => {
  await using scene = await openScene(common);
  await scene.hold(["a", "b"]);
  await eventually(() => expect(scene.names()).toEqual(["a", "b"]), 10_000);
  const seen = states(scene.reflector);
  await scene.proxy.refuse();
  await eventually(
    () => expect(scene.reflector.status).toMatchObject({ state: "stale", error: { status: 0 } }),
    10_000,
  );
  await scene.hold(["b", "c"]);
  expect(scene.names()).toEqual(["a", "b"]);
  await scene.proxy.heal();
  await eventually(() => expect(scene.names()).toEqual(["b", "c"]), 20_000);
  expect(seen).toEqual(["synced", "stale", "synced"]);
});

test("history that was compacted meanwhile: a new list finds what was deleted (410)", async () => {
  // One that remembers history by itself would have to be restarted, and a long loss ends with a list of its own.
  await using server = await startServer({ uncached: ["configmaps"] });
  await using scene = await openScene(server);
  await scene.hold(["a", "b", "c"]);
  await eventually(() => expect(scene.names()).toEqual(["a", "b", "c"]), 10_000);
  await scene.proxy.refuse();
  await scene.hold(["c", "d"]);
  await server.compact();
  await scene.proxy.heal();
  await eventually(() => expect(scene.names()).toEqual(["c", "d"]), 30_000);
  const reasons = scene.bench.log.map(({ fields }) => String(fields.error));
  expect(reasons.filter((reason) => reason.includes("is too old"))).not.toEqual([]);
});

test("a resource where nothing happens is watched anew now and then, and counts as watched all the while", async () => {
  await using scene = await openScene(common, { idleMs: 2_000 }); // in which a watch has to be opened, too
  const told: string[] = [];
  scene.reflector.subscribe(() => told.push(scene.reflector.status.state));
  const { accepted } = scene.proxy;
  await eventually(() => expect(scene.proxy.accepted).toBeGreaterThanOrEqual(accepted + 3), 30_000);
  const opened = scene.bench.log.filter(({ message }) => message === "not watching");
  expect([told, opened]).toEqual([[], []]);
  await scene.hold(["late"]);
  await eventually(() => expect(scene.names()).toEqual(["late"]), 5_000);
});

test("a connection that carries bytes in pieces delivers whole objects", async () => {
  await using scene = await openScene(common);
  scene.proxy.trickle(3_000);
  await scene.hold(["slow-1", "slow-2", "slow-3"]);
  await eventually(() => expect(scene.names()).toEqual(["slow-1", "slow-2", "slow-3"]), 20_000);
  expect(scene.reflector.status).toEqual({ state: "synced" });
});

test("a cut in the middle of an object loses nothing", async () => {
  await using scene = await openScene(common);
  scene.proxy.trickle(1_000);
  const holding = scene.hold(["one", "two", "three", "four"]);
  for (let cut = 0; cut < 3; cut++) {
    const { accepted } = scene.proxy;
    scene.proxy.cut();
    await eventually(() => expect(scene.proxy.accepted).toBeGreaterThan(accepted), 20_000);
  }
  await holding;
  await scene.proxy.heal();
  await eventually(() => expect(scene.names()).toEqual(["four", "one", "three", "two"]), 30_000);
});
