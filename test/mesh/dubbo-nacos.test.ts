import { beforeAll, expect, test } from "vitest";
import { type DubboConsumer, startDubboConsumer } from "../bed/dubbo-consumer.ts";
import { type Nacos, startNacos } from "../bed/nacos.ts";
import { newTenant, untilNothingHeld } from "../e2e/world.ts";
import { at, openDubboService, retire, startPod, useMesh } from "./world.ts";

const mesh = useMesh();
let nacos: Nacos;
let consumer: DubboConsumer;
beforeAll(async () => {
  const owned = new AsyncDisposableStack();
  [nacos, consumer] = await Promise.all([startNacos({ version: "2.3" }), startDubboConsumer()]);
  owned.use(nacos);
  owned.use(consumer);
  return () => owned.disposeAsync();
});

test("through Nacos: providers join and leave, all leave and one comes back", async () => {
  const tenant = await newTenant(mesh.world);
  const registry = `nacos://${nacos.address}`;
  const pod = (host: string, dubbo: "2.7" | "3.3" = "2.7") =>
    startPod(mesh, tenant, { host, dubbo, registry });
  await using first = await pod("10.42.10.1");
  const hub = { type: "nacos", address: nacos.address } as const;
  const service = await openDubboService(mesh, tenant, [at(first)], hub);
  await untilNothingHeld(tenant);
  const call = { to: { host: service.host, port: service.port, version: "1.0.0" } };
  const loop = await consumer.loop(call, { perSecond: 50, parallel: 2 });

  await using second = await pod("10.42.10.2", "3.3");
  await service.arrives(at(first), at(second));
  await retire(service, [first], [second]);
  const { ok, failed, errors, answers } = await loop.stop();
  expect({ failed, errors }).toEqual({ failed: 0, errors: [] });
  expect(Object.keys(answers).sort()).toEqual(["Hello world from 10.42.10.1", "Hello world from 10.42.10.2"]);
  expect(await mesh.sidecar.dubboCounters(service.host, service.port)).toMatchObject({
    request: ok,
    success: ok,
    error: 0,
    active: 0,
  });

  await second.offline();
  await service.arrives();
  const since = performance.now();
  await expect(consumer.call(call)).rejects.toThrow("RpcException"); // Envoy's answer is none that an SDK can read
  expect(performance.now() - since).toBeLessThan(2_500); // it waits for 3 s where nobody answers
  await using back = await pod("10.42.10.3");
  await service.arrives(at(back));
  expect(await consumer.calls(call, 50)).toMatchObject({ ok: 50, failed: 0 });
});
