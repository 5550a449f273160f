import { lookup } from "node:dns/promises";
import { expect, test } from "vitest";
import { startAgentSidecar } from "../bed/istio-agent.ts";
import { newTenant } from "../e2e/world.ts";
import { connectDubbo } from "../support/dubbo-client.ts";
import { eventually } from "../support/eventually.ts";
import { ARRIVES_MS, hello, openDubboService, startPod, useMesh } from "./world.ts";

const mesh = useMesh({ start: startAgentSidecar });

test("behind Istio's agent names resolve to virtual IPs by its DNS, and calls arrive", async () => {
  const tenant = await newTenant(mesh.world, "agent");
  await using _pod = await startPod(mesh, tenant, { host: "10.42.7.1", id: "p1" });
  const service = await openDubboService(mesh, tenant, ["10.42.7.1:20880"]);
  await eventually(async () => {
    expect(await lookup(service.host)).toEqual({ address: service.virtualIp, family: 4 });
  }, ARRIVES_MS);
  using client = await connectDubbo(service.host, service.port);
  expect(await client.call(hello)).toBe("Hello you from p1");
  expect(await mesh.sidecar.dubboCounters(service.host, service.port)).toMatchObject({
    request: 1,
    success: 1,
  });
});
