import { afterAll, beforeAll, expect, test } from "vitest";
import { type ApiServer, startApiServer } from "../../bed/api-server.ts";
import { eventually } from "../../support/eventually.ts";
import { openScene } from "../scene.ts";

// On the real server only: it is about a process that is stopped or killed, and data that outlive it.
let common: ApiServer;
beforeAll(async () => {
  common = await startApiServer({ controllerManager: false });
});
afterAll(() => common?.[Symbol.asyncDispose]());

test("a server that is frozen is noticed by its silence, and followed again when it thaws", async () => {
  await using scene = await openScene(common, { idleMs: 3_000 });
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

test("a server that is killed and started again is followed again", async () => {
  await using scene = await openScene(common);
  await scene.hold(["before"]);
  await eventually(() => expect(scene.names()).toEqual(["before"]), 10_000);
  await common.kill();
  await eventually(() => expect(scene.reflector.status.state).toBe("stale"), 10_000);
  await common.restart();
  await scene.hold(["after"]);
  await eventually(() => expect(scene.names()).toEqual(["after"]), 40_000);
});
