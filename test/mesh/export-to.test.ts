import { expect, test } from "vitest";
import { type Sidecar, startSidecar } from "../bed/envoy.ts";
import { newTenant } from "../e2e/world.ts";
import { eventually } from "../support/eventually.ts";
import { ARRIVES_MS, at, openDubboService, startPod, useConsumers, useMesh } from "./world.ts";

const mesh = useMesh();
const consumers = useConsumers();

test("exportTo: proxies of the namespaces that a hub names have the service and its filter, others have nothing of it", async () => {
  const tenant = await newTenant(mesh.world);
  await using pod = await startPod(mesh, tenant, { host: "10.42.26.1" });
  const service = await openDubboService(mesh, tenant, [at(pod)], { exportTo: ["consumer"] });
  const call = { to: { host: service.host, port: service.port, version: "1.0.0" } };
  for (const one of consumers) expect(await one.calls(call, 100)).toMatchObject({ ok: 100, failed: 0 });
  const sees = (who: Sidecar, wanted: boolean) =>
    eventually(async () => {
      const { host, port, virtualIp } = service;
      const [endpoints, filters] = [await who.endpoints(host, port), await who.filters(virtualIp, port)];
      const nothing = { endpoints: undefined, filters: undefined };
      const all = { endpoints: [at(pod)], filters: [expect.stringContaining("dubbo_proxy")] };
      expect({ endpoints, filters }).toEqual(wanted ? all : nothing);
    }, ARRIVES_MS);
  {
    await using other = await startSidecar({ istiod: mesh.istiod, namespace: "other", name: "other" });
    await sees(other, false);
    await tenant.applyHub({ exportTo: ["consumer", "other"] });
    await sees(other, true);
    await tenant.applyHub({ exportTo: ["other"] });
    await sees(mesh.sidecar, false);
    await sees(other, true);
    // Two hubs with one service: all that either names, and everywhere if one names none.
    await tenant.applyHub({ exportTo: ["consumer"] }, "second");
    await sees(mesh.sidecar, true);
    await sees(other, true);
    await tenant.applyHub({ exportTo: ["."] }, "second");
    await sees(mesh.sidecar, false);
    await tenant.applyHub({}, "second");
    await sees(mesh.sidecar, true);
  }
  for (const one of consumers) expect(await one.calls(call, 100)).toMatchObject({ ok: 100, failed: 0 });
});
