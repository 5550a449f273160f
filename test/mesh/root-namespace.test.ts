import { expect, test } from "vitest";
import { newTenant } from "../e2e/world.ts";
import { connectDubbo } from "../support/dubbo-client.ts";
import { hello, openDubboService, startPod, useMesh } from "./world.ts";

const mesh = useMesh({ rootNamespace: "istio-system" });

test("in a mesh whose root namespace is istio-system calls pass the Dubbo filter", async () => {
  const tenant = await newTenant(mesh.world);
  await using _pod = await startPod(mesh, tenant, { host: "10.42.9.3", id: "p1" });
  const service = await openDubboService(mesh, tenant, ["10.42.9.3:20880"]);
  using client = await connectDubbo(service.host, service.port);
  expect(await client.call(hello)).toBe("Hello you from p1");
  expect(await mesh.sidecar.dubboCounters(service.host, service.port)).toMatchObject({
    request: 1,
    success: 1,
  });
});
