import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { startSidecar } from "../bed/envoy.ts";
import { setHost } from "../bed/mesh-namespace.ts";
import { newTenant, untilReady } from "../e2e/world.ts";
import { eventually } from "../support/eventually.ts";
import { oldObjects, oldPort, oldVirtualIp } from "./old-product.ts";
import { ARRIVES_MS, at, startPod, useConsumers, useMesh } from "./world.ts";

/** How long a connection through a listener that changed may go on: in an installation 45 s. */
const DRAIN_SECONDS = 5;
/** A change is at the sidecar within this time. */
const PUSH_MS = 3_000;

const mesh = useMesh({ start: (options) => startSidecar({ ...options, drainSeconds: DRAIN_SECONDS }) });
const consumers = useConsumers();

test("what the old product made is taken over under live consumers: the entry without a trace, the filter by one cut", async () => {
  const { world, sidecar } = mesh;
  const tenant = await newTenant(world);
  await using pod = await startPod(mesh, tenant, { host: "10.42.17.1" });
  const host = `org.apache.dubbo.samples.api.greetingservice-1.0.0.${tenant.namespace}`;
  await world.controllers.dubbo.terminate(); // as docs/operations.md has it: first the one, then the other
  await world.api.kubectl(["apply", "-f", "-"], { input: oldObjects(tenant, { host, address: pod.host }) });
  await eventually(async () => {
    expect(await sidecar.filters(oldVirtualIp, oldPort)).toEqual(["envoy.filters.network.dubbo_proxy"]);
    expect(await sidecar.endpoints(host, oldPort)).toEqual([at(pod)]);
  }, ARRIVES_MS);
  await setHost(host, oldVirtualIp);
  const to = { host, port: oldPort, version: "1.0.0" };
  const loops = await Promise.all(consumers.map((one) => one.loop({ to }, { perSecond: 50 })));
  const echo = { to, method: "$echo", arguments: ["there?"] };
  for (const one of consumers) await expect(one.call(echo)).rejects.toThrow("RpcException");
  const updates = () => sidecar.stats(/listener_in_place_updated$/);
  const before = await updates();

  const changes = await sidecar.listenerChanges();
  await tenant.applyHub();
  await untilReady(tenant);
  await delay(1_000 * DRAIN_SECONDS + PUSH_MS); // what was pushed by then, and cut, shows
  expect(await sidecar.listenerChanges()).toEqual(changes);
  for (const loop of loops) expect(await loop.counts()).toMatchObject({ failed: 0, errors: [] });

  await world.controllers.dubbo.restart();
  await eventually(async () => expect(await updates()).not.toEqual(before), ARRIVES_MS);
  // Over the new connection the route is the new one, and whoever is cut connects anew by itself.
  await eventually(
    async () => {
      for (const one of consumers) expect((await one.call(echo)).text).toBe("there?");
    },
    1_000 * DRAIN_SECONDS + ARRIVES_MS,
  );
  const [older, newer] = await Promise.all(loops.map((loop) => loop.stop()));
  expect(older?.failed).toBeLessThanOrEqual(1); // what is in flight
  // Dubbo 3.3 waits for a second before it connects again: 50 calls here, more on a busy machine.
  expect(newer?.failed).toBeLessThanOrEqual(100);
  expect(newer?.longestGapMs).toBeLessThan(5_000); // a call in flight may wait for its time-out, 3 s
  const waiting = newer?.errors.find(({ message }) => message.includes("No provider available"));
  const inFlight = (newer?.failed ?? 0) - (waiting?.count ?? 0);
  expect(inFlight).toBeLessThanOrEqual(1);
});
