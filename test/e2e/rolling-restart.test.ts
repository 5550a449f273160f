import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { type FakeInstance, startFakeEureka } from "../fakes/eureka/server.ts";
import { eventually } from "../support/eventually.ts";
import { endpointsOf, newTenant, useWorld } from "./world.ts";

/** As many as one entry takes. */
const INSTANCES = 2_000;
/** A rolling restart replaces so many at once, so often. */
const STEP = 20;
const STEP_MS = 250;
/** One write may go out at once; from then on so many bytes in a second. */
const BYTES_PER_S = 200_000;
/** The longest that a change waits for its turn. */
const LAST_MS = 10_000;
const FIRST_MS = 60_000;

const world = useWorld();

test("a rolling restart of a service with 2,000 instances stays within the bytes of its host (I11)", async () => {
  await using eureka = await startFakeEureka();
  const tenant = await newTenant(world);
  const instance = (generation: number, at: number): FakeInstance => ({
    address: `10.${50 + generation}.${Math.floor(at / 250)}.${(at % 250) + 1}`,
    port: 8_080,
    metadata: { zone: "a", "management.port": "8081" },
  });
  const all = (generation: number) => Array.from({ length: INSTANCES }, (_, at) => instance(generation, at));
  const wanted = async (instances: readonly FakeInstance[], deadlineMs: number): Promise<void> => {
    const endpoints = instances.map(({ address, port }) => `${address}:${port}`).sort();
    await eventually(async () => {
      const [entry] = await tenant.entries();
      expect(entry && endpointsOf(entry)).toEqual(endpoints);
    }, deadlineMs);
  };
  eureka.register("crowd", all(0));
  await tenant.applyHub({ type: "eureka", address: eureka.address, eureka: { pollIntervalSeconds: 1 } });
  await wanted(all(0), FIRST_MS);

  const started = Date.now();
  for (let at = 0; at < INSTANCES; at += STEP) {
    const concerned = Array.from({ length: STEP }, (_, one) => at + one);
    eureka.register(
      "crowd",
      concerned.map((one) => instance(1, one)),
    );
    eureka.deregister(
      "crowd",
      concerned.map((one) => instance(0, one)),
    );
    await delay(STEP_MS);
  }
  // A busy machine is given the same again for the way of the last write.
  await wanted(all(1), 2 * LAST_MS);

  const written = world.recorder
    .changes(tenant.namespace)
    .filter(({ kind, at, object }) => kind === "serviceentries" && at >= started && object !== undefined)
    .map(({ object }) => JSON.stringify(object).length);
  const bytes = written.reduce((sum, one) => sum + one, 0);
  const seconds = (Date.now() - started) / 1_000;
  expect(written.length).toBeGreaterThan(3);
  expect(bytes).toBeLessThan(seconds * BYTES_PER_S * 1.1 + 2 * Math.max(...written));
});
