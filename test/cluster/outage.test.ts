import { afterAll, beforeAll, expect, test } from "vitest";
import { apply } from "../../src/kube/apply.ts";
import type { ListWatchOptions } from "../../src/kube/list-watch.ts";
import type { Reflector } from "../../src/kube/reflector.ts";
import type { KubeObject } from "../../src/kube/resources.ts";
import { type ApiServer, startApiServer } from "../bed/api-server.ts";
import { type FaultProxy, startProxy } from "../bed/fault-proxy.ts";
import { eventually } from "../support/eventually.ts";
import {
  type Bench,
  configMaps,
  createNamespace,
  kubeconfigThrough,
  openBench,
  openReflector,
} from "./cluster.ts";

let common: ApiServer;
beforeAll(async () => {
  common = await startApiServer({ controllerManager: false });
});
afterAll(() => common?.[Symbol.asyncDispose]());

/** A reflector behind a proxy, and a direct way to change what it watches. */
interface Scene extends AsyncDisposable {
  readonly proxy: FaultProxy;
  readonly bench: Bench;
  readonly reflector: Reflector<KubeObject>;
  /** Makes the namespace hold exactly these ConfigMaps. */
  hold(names: readonly string[]): Promise<void>;
  names(): string[];
}

async function openScene(
  options: ListWatchOptions<KubeObject> = {},
  server: ApiServer = common,
): Promise<Scene> {
  const proxy = await startProxy("127.0.0.1", Number(new URL(server.url).port));
  const direct = openBench(server.kubeconfig);
  const namespace = await createNamespace(direct, "outage");
  const bench = openBench(await kubeconfigThrough(server, proxy));
  const reflector = await openReflector<KubeObject>(bench, configMaps, { namespace, ...options });
  const kubectl = (...args: string[]): Promise<string> => server.kubectl([...args, "-n", namespace]);
  return {
    proxy,
    bench,
    reflector,
    names: () => [...reflector.objects.values()].map(({ metadata }) => metadata.name).sort(),
    async hold(names) {
      const present = (await kubectl("get", "configmaps", "-o", "name")).split("\n").filter(Boolean);
      const gone = present.filter((name) => !names.includes(name.replace("configmap/", "")));
      if (gone.length > 0) await kubectl("delete", ...gone);
      for (const name of names)
        await apply(
          direct.client,
          configMaps,
          { metadata: { namespace, name } },
          { fieldManager: "test", signal: direct.signal },
        );
    },
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}

const states = (reflector: Reflector<KubeObject>): string[] => {
  const seen: string[] = [reflector.status.state];
  reflector.subscribe(() => {
    if (seen.at(-1) !== reflector.status.state) seen.push(reflector.status.state);
  });
  return seen;
};

test("a cut: the view stays, is called stale, and catches up by itself", async () => {
  await using scene = await openScene();
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
  await using server = await startApiServer({ controllerManager: false, uncached: ["configmaps"] });
  await using scene = await openScene({}, server);
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

test("a server that is frozen is noticed by its silence, and followed again when it thaws", async () => {
  await using scene = await openScene({ idleMs: 3_000 });
  common.freeze();
  try {
    await eventually(() => {
      expect(scene.reflector.status).toMatchObject({ state: "stale", error: { reason: "Timeout" } });
    }, 15_000);
    const { accepted } = scene.proxy; // the kernel accepts new connections, which lead nowhere
    await eventually(() => expect(scene.proxy.accepted).toBeGreaterThan(accepted + 1), 30_000);
    expect(scene.reflector.status.state).toBe("stale");
  } finally {
    common.resume();
  }
  await scene.hold(["thawed"]);
  await eventually(() => expect(scene.names()).toEqual(["thawed"]), 40_000);
  expect(scene.reflector.status).toEqual({ state: "synced" });
});

test("a resource where nothing happens is watched anew now and then, and counts as watched all the while", async () => {
  await using scene = await openScene({ idleMs: 500 });
  const told: string[] = [];
  scene.reflector.subscribe(() => told.push(scene.reflector.status.state));
  const { accepted } = scene.proxy;
  await eventually(() => expect(scene.proxy.accepted).toBeGreaterThanOrEqual(accepted + 3), 10_000);
  const opened = scene.bench.log.filter(({ message }) => message === "not watching");
  expect([told, opened]).toEqual([[], []]);
  await scene.hold(["late"]);
  await eventually(() => expect(scene.names()).toEqual(["late"]), 5_000);
});

test("a server that is killed and started again is followed again", async () => {
  await using scene = await openScene();
  await scene.hold(["before"]);
  await eventually(() => expect(scene.names()).toEqual(["before"]), 10_000);
  await common.kill();
  await eventually(() => expect(scene.reflector.status.state).toBe("stale"), 10_000);
  await common.restart();
  await scene.hold(["after"]);
  await eventually(() => expect(scene.names()).toEqual(["after"]), 40_000);
});

test("a connection that carries bytes in pieces delivers whole objects", async () => {
  await using scene = await openScene();
  scene.proxy.trickle(3_000);
  await scene.hold(["slow-1", "slow-2", "slow-3"]);
  await eventually(() => expect(scene.names()).toEqual(["slow-1", "slow-2", "slow-3"]), 20_000);
  expect(scene.reflector.status).toEqual({ state: "synced" });
});

test("a cut in the middle of an object loses nothing", async () => {
  await using scene = await openScene();
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
