import { expect, test, vi } from "vitest";
import { startFakeNacos } from "../../../fakes/nacos/server.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { settle, startStage, told } from "./stage.ts";

vi.mock("node:dns/promises", () => ({
  lookup: async () => ["127.0.0.1", "127.0.0.2"].map((address) => ({ address, family: 4 })),
}));

test.each([
  ["frozen", (it: Awaited<ReturnType<typeof startFakeNacos>>) => it.front.freeze()],
  ["starting", (it: Awaited<ReturnType<typeof startFakeNacos>>) => (it.front.isStarting = true)],
  ["broken", (it: Awaited<ReturnType<typeof startFakeNacos>>) => it.fault("ServerCheckRequest", "cut")],
])("of a name with several addresses the next one is read when one is %s", async (_, harm) => {
  await using stage = await startStage();
  const { nacos, clock } = stage;
  await using second = await startFakeNacos({ clock, host: "127.0.0.2", port: nacos.port });
  harm(nacos);
  second.register("order", [{ ip: "10.42.0.1", port: 8080 }]);
  for (const random of [() => 0, Math.random, Math.random]) {
    const watch = stage.watch({ address: `nacos:${nacos.port}`, random });
    await settle();
    await watch.within(20_000, (one) => expect(told(one)).toEqual({ order: ["10.42.0.1"] }));
    await watch.abort();
  }
});

test("hubs are spread over the addresses of a name", async () => {
  const clock = fakeClock();
  await using stage = await startStage();
  await using second = await startFakeNacos({ clock, host: "127.0.0.2", port: stage.nacos.port });
  let drawn = 0;
  for (let at = 0; at < 4; at++)
    await stage
      .watch({ address: `nacos:${stage.nacos.port}`, random: () => (++drawn % 3) / 3 })
      .until((one) => expect(one.services.size).toBe(0));
  expect(stage.nacos.connections + second.connections).toBe(4);
  expect(second.connections).toBeGreaterThan(0);
  expect(stage.nacos.connections).toBeGreaterThan(0);
});
