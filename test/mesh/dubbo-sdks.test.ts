import { beforeAll, expect, test } from "vitest";
import { type DubboConsumer, startDubboConsumer } from "../bed/dubbo-consumer.ts";
import { newTenant, untilNothingHeld } from "../e2e/world.ts";
import { eventually } from "../support/eventually.ts";
import { ARRIVES_MS, at, openDubboService, openService, retire, startPod, useMesh } from "./world.ts";

const mesh = useMesh();
let consumers: { readonly "2.7": DubboConsumer; readonly "3.3": DubboConsumer };
beforeAll(async () => {
  const owned = new AsyncDisposableStack();
  const start = (dubbo: "2.7" | "3.3") => startDubboConsumer({ dubbo, later: true });
  const [older, newer] = await Promise.all([start("2.7"), start("3.3")]);
  consumers = { "2.7": owned.use(older), "3.3": owned.use(newer) };
  return () => owned.disposeAsync();
});

test("a method that the provider gets later: no listener changes, and calls of it arrive", async () => {
  const tenant = await newTenant(mesh.world);
  await using before = await startPod(mesh, tenant, { host: "10.42.14.1" });
  const service = await openDubboService(mesh, tenant, [at(before)]);
  await untilNothingHeld(tenant);
  const to = { host: service.host, port: service.port, version: "1.0.0" };
  const later = { to, method: "sayGoodbye" };
  for (const consumer of Object.values(consumers)) {
    expect((await consumer.call({ to })).text).toBe("Hello world from 10.42.14.1");
    await expect(consumer.call(later)).rejects.toThrow("RpcException");
  }
  const changes = await mesh.sidecar.listenerChanges();

  await using after = await startPod(mesh, tenant, { host: "10.42.14.2", later: true });
  await service.arrives(at(before), at(after));
  await retire(service, [before], [after]);
  for (const consumer of Object.values(consumers)) {
    expect(await consumer.calls(later, 50)).toMatchObject({
      failed: 0,
      answers: { "Goodbye world from 10.42.14.2": 50 },
    });
    expect((await consumer.call({ to, length: 2_000_000 })).length).toBe(2_000_000);
  }
  expect(await mesh.sidecar.listenerChanges()).toEqual(changes);
});

test("Triple: calls go by Envoy's HTTP to every provider; one joins, one leaves, and none fails", async () => {
  const tenant = await newTenant(mesh.world);
  const pod = (host: string) => startPod(mesh, tenant, { host, dubbo: "3.3", protocol: "tri", port: 50_051 });
  await using first = await pod("10.42.15.1");
  const service = await openService(mesh, tenant, [at(first)]);
  await untilNothingHeld(tenant);
  const { host, port } = service;
  const to = { host, port, protocol: "tri", version: "1.0.0" } as const;
  const loop = await consumers["3.3"].loop({ to }, { perSecond: 50, parallel: 2 });
  await using second = await pod("10.42.15.2");
  await service.arrives(at(first), at(second));
  await retire(service, [first], [second]);
  const { ok, errors, answers } = await loop.stop();
  expect(errors).toEqual([]);
  expect(Object.keys(answers).sort()).toEqual(["Hello world from 10.42.15.1", "Hello world from 10.42.15.2"]);
  expect(await mesh.sidecar.httpCounters(host, port)).toEqual({ completed: ok, ok });
});

test("a service at another path than its interface's name: the consumer says the path", async () => {
  const tenant = await newTenant(mesh.world);
  await using pod = await startPod(mesh, tenant, { host: "10.42.16.1", path: "greeting" });
  const { host, port } = await openDubboService(mesh, tenant, [at(pod)]);
  const to = { host, port, path: "greeting", version: "1.0.0" };
  for (const consumer of Object.values(consumers))
    expect(await consumer.calls({ to }, 20)).toMatchObject({ ok: 20, failed: 0 });
  const counters = await mesh.sidecar.dubboCounters(host, port);
  expect(counters).toMatchObject({ request: 40, success: 40, error: 0, active: 0 });
});

test("fastjson2: Envoy's filter passes no call of a consumer that is set to it; with `l7: false` its calls arrive", async () => {
  const tenant = await newTenant(mesh.world);
  const properties = { "dubbo.protocol.prefer-serialization": "fastjson2,hessian2" };
  await using pod = await startPod(mesh, tenant, { host: "10.42.24.1", dubbo: "3.3", properties });
  const service = await openDubboService(mesh, tenant, [at(pod)]);
  const { host, port } = service;
  const to = { host, port, version: "1.0.0" };
  const fastjson2 = { to: { ...to, timeoutMs: 1_000, parameters: { serialization: "fastjson2" } } };
  await using consumer = await startDubboConsumer({ dubbo: "3.3" }); // what one connection begins with stays
  const refused = () => mesh.sidecar.stats(/^dubbo\..*request_decoding_error$/);
  const before = await refused();
  await expect(consumer.call(fastjson2)).rejects.toThrow("TimeoutException");
  expect(await refused()).not.toEqual(before);
  // What the provider prefers does not matter: it answers in what it is asked in.
  for (const one of Object.values(consumers))
    expect(await one.calls({ to }, 20)).toMatchObject({ ok: 20, failed: 0 });

  await openDubboService(mesh, tenant, [at(pod)], { l7: false });
  await eventually(async () => {
    expect((await consumer.call(fastjson2)).text).toBe("Hello world from 10.42.24.1");
  }, ARRIVES_MS);
});
