import { expect, onTestFinished, test } from "vitest";
import { createReflector } from "../../../src/kube/reflector.ts";
import { resources } from "../../../src/kube/resources.ts";
import { tooManyRequests } from "../../fakes/api-server/answer.ts";
import { inProcessClient } from "../../fakes/api-server/in-process.ts";
import { createFakeApiServer } from "../../fakes/api-server/server.ts";
import { fakeClock } from "../../support/fake-clock.ts";
import { silentLogger } from "../../support/model.ts";

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** A reflector of so many ConfigMaps that is synced, and what its listener was told meanwhile. */
async function openSynced(count = 0) {
  const clock = fakeClock();
  const server = createFakeApiServer(clock);
  server.person.createNamespace("demo");
  for (let at = 0; at < count; at++)
    server.person.put({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace: "demo", name: `map-${at}` },
    });
  const client = inProcessClient(server, { user: "test", userAgent: "test/1", concurrency: 16 }, clock);
  const deps = { clock, logger: silentLogger, random: () => 0.5 };
  const reflector = createReflector(client, resources.configMaps, {}, deps);
  const told: { readonly what: string; readonly turn: number }[] = [];
  let turn = 0;
  const nextTurn = (): void => {
    turn += 1;
    if (reflector.status.state === "pending") setImmediate(nextTurn);
  };
  nextTurn();
  reflector.subscribe((keys) => {
    clock.advance(3);
    told.push({ what: `${keys.size} ${reflector.status.state}`, turn });
  });
  const stopping = new AbortController();
  const ended = reflector.run(stopping.signal);
  onTestFinished(async () => {
    stopping.abort();
    await ended;
  });
  const asked = (verb: "list" | "watch") => server.requests.filter((one) => one.verb === verb).length;
  const breakWatch = async (): Promise<void> => {
    for (const watch of server.watches()) watch.end(new Error("broken"));
    await settled();
  };
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 250) {
      clock.advance(250);
      await settled();
    }
  };
  await settled();
  expect(reflector.status.state).toBe("synced");
  return { server, reflector, told, asked, breakWatch, pass };
}

test("a short loss goes on from where it was, without a list", async () => {
  const { reflector, asked, breakWatch, pass } = await openSynced();
  await breakWatch();
  expect(reflector.status.state).toBe("stale");
  await pass(1_000);
  expect([reflector.status.state, asked("list"), asked("watch")]).toEqual(["synced", 1, 2]);
});

test("the pause that the server asks for is part of the loss: after a long one it lists (H20)", async () => {
  const { server, reflector, asked, breakWatch, pass } = await openSynced();
  const end = server.refuse({ verb: "watch" }, () => tooManyRequests(20));
  await breakWatch();
  await pass(1_000);
  end();
  await pass(18_000);
  expect([reflector.status.state, asked("list")]).toEqual(["stale", 1]);
  await pass(2_000);
  expect([reflector.status.state, asked("list")]).toEqual(["synced", 2]);
});

test("so is the time until the new watch is open", async () => {
  const { server, reflector, asked, breakWatch, pass } = await openSynced();
  const gate = server.hold({ verb: "watch" });
  await breakWatch();
  await pass(10_000);
  gate.open();
  await settled();
  expect([reflector.status.state, asked("list"), asked("watch")]).toEqual(["synced", 2, 3]);
});

test("a long list is told in parts that leave the event loop its turns, and is complete with the last (I5)", async () => {
  const { told } = await openSynced(300);
  expect(told.map(({ what }) => what)).toEqual([...Array(5).fill("50 pending"), "50 synced"]);
  expect(new Set(told.map(({ turn }) => turn)).size).toBe(3); // of 3 ms each, two are in a turn
});
