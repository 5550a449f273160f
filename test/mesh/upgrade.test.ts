import { expect, test } from "vitest";
import { earlierVersion } from "../bed/earlier-version.ts";
import { newTenant } from "../e2e/world.ts";
import { checkout } from "../support/install.ts";
import { builtProgram } from "../support/program.ts";
import { operatorOn } from "../upgrade/operator.ts";
import { at, openDubboService, retire, startPod, useConsumers, useMesh } from "./world.ts";

const mesh = useMesh();
const consumers = useConsumers();
const pace = { perSecond: 60, parallel: 2 };
const callsPerVersion = 2_000;

test("connected consumers notice neither an upgrade nor the way back, and no listener changes", {
  timeout: 400_000,
}, async () => {
  const { sidecar, world } = mesh;
  await Promise.all([world.controllers.hub.terminate(), world.controllers.dubbo.terminate()]);
  const [earlier, present] = [
    await earlierVersion(),
    { program: await builtProgram(), folder: checkout },
  ] as const;
  await using operator = operatorOn(world.api);
  await operator.run(earlier, ["--settle-factor=0.05"]);
  const tenant = await newTenant(world);
  await using stack = new AsyncDisposableStack();
  const pod = async (last: number, dubbo: "2.7" | "3.3") =>
    stack.use(await startPod(mesh, tenant, { host: `10.42.21.${last}`, dubbo }));
  let pods = [await pod(1, "2.7"), await pod(2, "3.3")];
  const service = await openDubboService(mesh, tenant, pods.map(at));
  const call = { to: { host: service.host, port: service.port, version: "1.0.0" } };
  const loops = await Promise.all(consumers.map((one) => one.loop(call, pace)));
  const listeners = await sidecar.listenerChanges();
  const answered = async () => (await Promise.all(loops.map((loop) => loop.counts()))).map(({ ok }) => ok);

  for (const [round, version] of [present, earlier, present].entries()) {
    const before = await answered();
    await operator.run(version, ["--settle-factor=0.05"]);
    const [oldest, ...others] = pods;
    pods = [...others, await pod(3 + round, round % 2 === 0 ? "2.7" : "3.3")];
    await service.arrives(...[oldest, ...pods].flatMap((one) => (one ? [at(one)] : [])));
    if (oldest) await retire(service, [oldest], pods);
    await expect
      .poll(async () => Math.min(...(await answered()).map((ok, one) => ok - (before[one] ?? 0))), {
        timeout: 90_000,
      })
      .toBeGreaterThanOrEqual(callsPerVersion);
  }

  for (const loop of loops) expect(await loop.stop()).toMatchObject({ failed: 0, errors: [] });
  expect(await sidecar.listenerChanges()).toEqual(listeners);
});
