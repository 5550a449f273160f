import { expect, test } from "vitest";
import { newTenant } from "../e2e/world.ts";
import { eventually } from "../support/eventually.ts";
import { ARRIVES_MS, at, openDubboService, startPod, useConsumers, useMesh } from "./world.ts";

const mesh = useMesh();
const consumers = useConsumers();

test("a selector keeps a provider out, an edit lets it in and out again, and no call of connected consumers fails", async () => {
  const tenant = await newTenant(mesh.world);
  const pod = (host: string, env: string) => startPod(mesh, tenant, { host, parameters: { env } });
  await using blue = await pod("10.42.20.1", "blue");
  await using gray = await pod("10.42.20.2", "gray");
  const onlyBlue = { selector: { matchLabels: { env: "blue" } }, labels: ["env"] };
  const service = await openDubboService(mesh, tenant, [at(blue)], { instances: onlyBlue });
  const excluded = (count: number | undefined) =>
    eventually(async () => expect((await tenant.hub()).status?.excluded).toBe(count), ARRIVES_MS);
  await excluded(1);
  const call = { to: { host: service.host, port: service.port, version: "1.0.0" } };
  const loops = await Promise.all(consumers.map((one) => one.loop(call, { perSecond: 50, parallel: 2 })));

  await tenant.applyHub({ instances: { labels: ["env"] } });
  await service.arrives(at(blue), at(gray));
  await excluded(undefined);
  for (const one of consumers) expect(await one.calls(call, 100)).toMatchObject({ ok: 100, failed: 0 });
  await tenant.applyHub({ instances: onlyBlue });
  await service.arrives(at(blue));

  for (const loop of loops) {
    const { failed, errors, answers } = await loop.stop();
    expect({ failed, errors }).toEqual({ failed: 0, errors: [] });
    expect(Object.keys(answers).sort()).toEqual([blue, gray].map(({ host }) => `Hello world from ${host}`));
  }
  const [entry] = await tenant.entries();
  expect(entry?.spec.endpoints?.map(({ labels }) => labels?.env)).toEqual(["blue"]);
});
