import { expect, test } from "vitest";
import { newTenant } from "../e2e/world.ts";
import { eventually } from "../support/eventually.ts";
import { ARRIVES_MS, at, openDubboService, shareOf, startPod, useConsumers, useMesh } from "./world.ts";

const mesh = useMesh();
const consumers = useConsumers();

test("a canary by shares: 0, 5, 50 and 100 % of the calls of connected consumers, and back, exactly and without a failure", async () => {
  const { sidecar } = mesh;
  const tenant = await newTenant(mesh.world);
  const pod = (host: string, tag: string) => startPod(mesh, tenant, { host, parameters: { tag } });
  await using one = await pod("10.42.25.1", "stable");
  await using two = await pod("10.42.25.2", "stable");
  await using canary = await pod("10.42.25.3", "gray");
  const doses = (percent: number) => ({
    instances: { shares: [{ name: "canary", selector: { matchLabels: { tag: "gray" } }, percent }] },
  });
  const service = await openDubboService(mesh, tenant, [one, two, canary].map(at), doses(5));
  const dose = async (percent: number, weights: readonly number[]) => {
    await tenant.applyHub(doses(percent));
    const wanted = [one, two, canary].flatMap((pod, index) => {
      const weight = weights[index] ?? 0;
      return weight > 0 ? [[at(pod), weight]] : [];
    });
    await eventually(async () => {
      expect(await sidecar.weights(service.host, service.port)).toEqual(Object.fromEntries(wanted));
    }, ARRIVES_MS);
  };
  const call = { to: { host: service.host, port: service.port, version: "1.0.0" } };
  const loops = await Promise.all(consumers.map((each) => each.loop(call, { perSecond: 50, parallel: 2 })));
  const before = await sidecar.stats(/^(listener_manager\.lds|cluster_manager\.cds)\.update_success$/);
  const share = () => shareOf(canary, consumers, call);

  await dose(0, [150, 150]);
  expect(await share()).toBe(0);
  for (const [percent, weights] of [
    [5, [142, 142, 15]],
    [50, [75, 75, 150]],
  ] as const) {
    await dose(percent, weights);
    expect(Math.abs((await share()) - percent)).toBeLessThanOrEqual(1);
  }
  await dose(100, [0, 0, 300]);
  expect(await share()).toBe(100);
  await dose(5, [142, 142, 15]);
  expect(Math.abs((await share()) - 5)).toBeLessThanOrEqual(1);

  for (const loop of loops) expect(await loop.stop()).toMatchObject({ failed: 0, errors: [] });
  expect(await sidecar.stats(/^(listener_manager\.lds|cluster_manager\.cds)\.update_success$/)).toEqual(
    before,
  );
});
