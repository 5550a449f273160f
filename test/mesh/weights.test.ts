import { beforeAll, expect, test } from "vitest";
import { type Nacos, startNacos } from "../bed/nacos.ts";
import { newTenant } from "../e2e/world.ts";
import { eventually } from "../support/eventually.ts";
import {
  ARRIVES_MS,
  at,
  hello,
  openDubboService,
  shareOf,
  startPod,
  useConsumers,
  useMesh,
} from "./world.ts";

/** Where weights are equal, calls go to the provider that is less busy, in percent of all. */
const ROUGHLY = 20;

const mesh = useMesh();
const consumers = useConsumers();
let nacos: Nacos;
beforeAll(async () => {
  nacos = await startNacos({ version: "2.3" });
  return () => nacos[Symbol.asyncDispose]();
});

test("a canary by the registry's weights: 0, 5, 50 and 100 % of the calls of connected consumers, exactly and without a failure", async () => {
  const { sidecar } = mesh;
  const tenant = await newTenant(mesh.world);
  const registry = `nacos://${nacos.address}`;
  await using stable = await startPod(mesh, tenant, { host: "10.42.19.1", registry });
  await using canary = await startPod(mesh, tenant, { host: "10.42.19.2", registry });
  const service = await openDubboService(mesh, tenant, [at(stable), at(canary)], {
    type: "nacos",
    address: nacos.address,
  });
  const setWeight = (of: typeof stable, weight: number) =>
    nacos.setWeight(`providers:${hello.interface}:1.0.0:`, { ip: of.host, port: of.port }, weight);
  const shown = (weights: Readonly<Record<string, number>>) =>
    eventually(async () => {
      expect(await sidecar.weights(service.host, service.port)).toEqual(weights);
    }, ARRIVES_MS);
  const call = { to: { host: service.host, port: service.port, version: "1.0.0" } };
  const loops = await Promise.all(consumers.map((one) => one.loop(call, { perSecond: 50, parallel: 2 })));
  const before = await sidecar.stats(/^(listener_manager\.lds|cluster_manager\.cds)\.update_success$/);
  const share = () => shareOf(canary, consumers, call);
  const isAbout = (percent: number, wanted: number, within = 1): void =>
    expect(Math.abs(percent - wanted)).toBeLessThanOrEqual(within);

  isAbout(await share(), 50, ROUGHLY);
  await setWeight(stable, 19);
  await shown({ [at(stable)]: 1_900, [at(canary)]: 100 });
  isAbout(await share(), 5);
  await setWeight(canary, 0);
  await service.arrives(at(stable));
  isAbout(await share(), 0);
  await setWeight(canary, 19);
  await service.arrives(at(stable), at(canary));
  await shown({ [at(stable)]: 1_900, [at(canary)]: 1_900 });
  isAbout(await share(), 50, ROUGHLY);
  await setWeight(stable, 0);
  await service.arrives(at(canary));
  isAbout(await share(), 100);

  for (const loop of loops) expect(await loop.stop()).toMatchObject({ failed: 0, errors: [] });
  expect(await sidecar.stats(/^(listener_manager\.lds|cluster_manager\.cds)\.update_success$/)).toEqual(
    before,
  );
});

test("a rule of somebody else keeps its way of balancing, not its ring size", async () => {
  const { world, sidecar } = mesh;
  const tenant = await newTenant(world);
  await using pod = await startPod(mesh, tenant, { host: "10.42.19.3" });
  const { host, port } = await openDubboService(mesh, tenant, [at(pod)]);
  const bias = { runtime_key: "registryhub.least_request_bias" }; // Envoy does not print a 0
  const ours = { least_request_lb_config: { active_request_bias: bias } };
  expect(await sidecar.balancing(host, port)).toMatchObject({ lb_policy: "LEAST_REQUEST", ...ours });
  const rule = {
    apiVersion: "networking.istio.io/v1",
    kind: "DestinationRule",
    metadata: { name: "ring", namespace: tenant.namespace },
    spec: {
      host,
      trafficPolicy: { loadBalancer: { consistentHash: { useSourceIp: true, minimumRingSize: 4_096 } } },
    },
  };
  await world.api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(rule) });
  await eventually(async () => {
    const balancing = await sidecar.balancing(host, port);
    expect(balancing).toMatchObject({ lb_policy: "RING_HASH", ...ours });
    expect(balancing).not.toHaveProperty("ring_hash_lb_config");
  }, ARRIVES_MS);
  const call = { to: { host, port, version: "1.0.0" } };
  for (const one of consumers) expect(await one.calls(call, 50)).toMatchObject({ ok: 50, failed: 0 });
});
