import { beforeAll, expect, test } from "vitest";
import { type DubboConsumer, startDubboConsumer } from "../bed/dubbo-consumer.ts";
import { startSidecar } from "../bed/envoy.ts";
import { newTenant, untilNothingHeld } from "../e2e/world.ts";
import { eventually } from "../support/eventually.ts";
import {
  ARRIVES_MS,
  at,
  openDubboService,
  openService,
  retire,
  type Service,
  startPod,
  useMesh,
} from "./world.ts";

/** Dubbo's own limit for an answer is 8 MB, on both sides. */
const BIG = 16_000_000;
const payload = String(2 * BIG);

// In an installation a connection through a listener that changed may go on for 45 s.
const mesh = useMesh({ start: (options) => startSidecar({ ...options, drainSeconds: 5 }) });
let consumer: DubboConsumer;
beforeAll(async () => {
  consumer = await startDubboConsumer();
  return () => consumer[Symbol.asyncDispose]();
});

test("ten Dubbo services on one port: each call finds its own", async () => {
  const tenant = await newTenant(mesh.world);
  await using pods = new AsyncDisposableStack();
  const services: Service[] = [];
  for (let one = 1; one <= 10; one++) {
    const pod = pods.use(await startPod(mesh, tenant, { host: `10.42.18.${one}`, version: `${one}.0.0` }));
    services.push(await openDubboService(mesh, tenant, [at(pod)]));
  }
  expect(new Set(services.map(({ port }) => port))).toEqual(new Set([20_880]));
  for (const [index, { host, port }] of services.entries()) {
    const to = { host, port, version: `${index + 1}.0.0` };
    const answer = `Hello world from 10.42.18.${index + 1}`;
    expect(await consumer.calls({ to }, 20)).toMatchObject({ failed: 0, answers: { [answer]: 20 } });
    expect(await mesh.sidecar.dubboCounters(host, port)).toMatchObject({
      request: 20,
      success: 20,
      active: 0,
    });
  }
});

test("an answer of 16 MB", async () => {
  const tenant = await newTenant(mesh.world);
  const properties = { "dubbo.protocol.payload": payload };
  await using pod = await startPod(mesh, tenant, { host: "10.42.19.1", properties });
  const { host, port } = await openDubboService(mesh, tenant, [at(pod)]);
  const to = { host, port, version: "1.0.0", timeoutMs: 20_000, parameters: { payload } };
  expect((await consumer.call({ to, length: BIG })).length).toBe(BIG);
});

test("the filter comes after the consumer has connected: its next connection has it, and the call in flight may fail", async () => {
  const tenant = await newTenant(mesh.world);
  await using pod = await startPod(mesh, tenant, { host: "10.42.20.1" });
  await mesh.world.controllers.dubbo.terminate();
  const { host, port, virtualIp } = await openService(mesh, tenant, [at(pod)]);
  await untilNothingHeld(tenant);
  expect(await mesh.sidecar.filters(virtualIp, port)).toEqual([expect.stringContaining("tcp_proxy")]);
  const to = { host, port, version: "1.0.0" };
  const loop = await consumer.loop({ to }, { perSecond: 50 });
  await mesh.world.controllers.dubbo.restart();
  await eventually(async () => {
    expect(await mesh.sidecar.filters(virtualIp, port)).toEqual([expect.stringContaining("dubbo_proxy")]);
  }, ARRIVES_MS);
  await eventually(async () => {
    expect((await mesh.sidecar.dubboCounters(host, port)).request).toBeGreaterThan(0);
  }, ARRIVES_MS);
  const { failed } = await loop.stop();
  expect(failed).toBeLessThanOrEqual(1); // what is in flight when the connection is cut
});

test("a provider moves to another port: an SDK that calls on and on does not notice", async () => {
  const tenant = await newTenant(mesh.world);
  await using before = await startPod(mesh, tenant, { host: "10.42.21.1" });
  const service = await openDubboService(mesh, tenant, [at(before)]);
  await untilNothingHeld(tenant);
  const to = { host: service.host, port: service.port, version: "1.0.0" };
  const loop = await consumer.loop({ to }, { perSecond: 50 });
  await using after = await startPod(mesh, tenant, { host: "10.42.21.1", port: 20_990, id: "moved" });
  await service.arrives(at(before), at(after));
  await retire(service, [before], [after]);
  const { errors, answers } = await loop.stop();
  expect(errors).toEqual([]);
  expect(Object.keys(answers)).toContain("Hello world from moved");
});
