import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Sidecar, startSidecar } from "../bed/envoy.ts";
import { newTenant } from "../e2e/world.ts";
import { eventually } from "../support/eventually.ts";
import { checkout } from "../support/install.ts";
import { ARRIVES_MS, at, openDubboService, type Service, startPod, useConsumers, useMesh } from "./world.ts";

/** A listener that changed closes its connections after 45 s. */
const DRAIN_MS = 50_000;

const mesh = useMesh();
const consumers = useConsumers();

/** Waits until a proxy has the endpoint and the filter of the service, or nothing of it. */
const sees = (who: Sidecar, { host, port, virtualIp }: Service, endpoint: string | undefined) =>
  eventually(async () => {
    const [endpoints, filters] = [await who.endpoints(host, port), await who.filters(virtualIp, port)];
    const nothing = { endpoints: undefined, filters: undefined };
    const all = { endpoints: [endpoint], filters: [expect.stringContaining("dubbo_proxy")] };
    expect({ endpoints, filters }).toEqual(endpoint === undefined ? nothing : all);
  }, ARRIVES_MS);

test("exportTo: proxies of the namespaces that a hub names have the service and its filter, others have nothing of it", async () => {
  const tenant = await newTenant(mesh.world);
  await using pod = await startPod(mesh, tenant, { host: "10.42.26.1" });
  const service = await openDubboService(mesh, tenant, [at(pod)], { exportTo: ["consumer"] });
  const call = { to: { host: service.host, port: service.port, version: "1.0.0" } };
  for (const one of consumers) expect(await one.calls(call, 100)).toMatchObject({ ok: 100, failed: 0 });
  {
    await using other = await startSidecar({ istiod: mesh.istiod, namespace: "other", name: "other" });
    await sees(other, service, undefined);
    await tenant.applyHub({ exportTo: ["consumer", "other"] });
    await sees(other, service, at(pod));
    await tenant.applyHub({ exportTo: ["other"] });
    await sees(mesh.sidecar, service, undefined);
    await sees(other, service, at(pod));
    // Two hubs with one service: all that either names, and everywhere if one names none.
    await tenant.applyHub({ exportTo: ["consumer"] }, "second");
    await sees(mesh.sidecar, service, at(pod));
    await sees(other, service, at(pod));
    await tenant.applyHub({ exportTo: ["."] }, "second");
    await sees(mesh.sidecar, service, undefined);
    await tenant.applyHub({}, "second");
    await sees(mesh.sidecar, service, at(pod));
  }
  for (const one of consumers) expect(await one.calls(call, 100)).toMatchObject({ ok: 100, failed: 0 });
});

test("scoped filters: they are where the entry is seen, and a move cuts no connection", async () => {
  const { api } = mesh.world;
  const rights = ["-f", join(checkout, "config/components/scoped-filters/rights.yaml")];
  for (const name of ["consumer", "other"]) await api.kubectl(["create", "namespace", name]);
  const tenant = await newTenant(mesh.world);
  await using pod = await startPod(mesh, tenant, { host: "10.42.26.2" });
  const service = await openDubboService(mesh, tenant, [at(pod)], { exportTo: ["consumer"] });
  /** Waits until the service has its filter in these namespaces alone. */
  const filtersIn = (...wanted: string[]) =>
    eventually(async () => {
      const rows = "jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{'\\n'}{end}";
      const all = (await api.kubectl(["get", "envoyfilters", "--all-namespaces", "-o", rows])).split("\n");
      const own = all.filter((row) => row.includes(`-${service.virtualIp}-`));
      expect(own.map((row) => row.split(" ")[0])).toEqual(wanted);
    }, ARRIVES_MS);
  await filtersIn("servicemesh");
  const call = { to: { host: service.host, port: service.port, version: "1.0.0" } };
  const loops = await Promise.all(consumers.map((each) => each.loop(call, { perSecond: 20, parallel: 2 })));
  await api.kubectl(["apply", ...rights]);
  await filtersIn("consumer");
  await sees(mesh.sidecar, service, at(pod));
  {
    await using other = await startSidecar({ istiod: mesh.istiod, namespace: "other", name: "other" });
    await tenant.applyHub({ exportTo: ["consumer", "other"] });
    await filtersIn("consumer", "other");
    for (const who of [mesh.sidecar, other]) await sees(who, service, at(pod));
    await tenant.applyHub({ exportTo: ["consumer"] });
    await filtersIn("consumer");
    await sees(other, service, undefined);
    await tenant.applyHub({});
    await filtersIn("servicemesh");
    for (const who of [mesh.sidecar, other]) await sees(who, service, at(pod));
  }
  await delay(DRAIN_MS);
  for (const loop of loops) expect(await loop.stop()).toMatchObject({ failed: 0, errors: [] });
  await api.kubectl(["delete", ...rights]);
});
