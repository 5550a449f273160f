import { expect, test } from "vitest";
import { newTenant } from "../e2e/world.ts";
import { connectDubbo, type DubboCall } from "../support/dubbo-client.ts";
import { eventually } from "../support/eventually.ts";
import { ARRIVES_MS, hello, openDubboService, startPod, useMesh } from "./world.ts";

const mesh = useMesh();

test("generic calls, echoes and calls without an answer pass the Dubbo filter; the provider refuses what it has not", async () => {
  const tenant = await newTenant(mesh.world);
  await using _pod = await startPod(mesh, tenant, { host: "10.42.2.1", id: "p1" });
  const service = await openDubboService(mesh, tenant, ["10.42.2.1:20880"]);
  using client = await connectDubbo(service.host, service.port);

  const generic: DubboCall = {
    ...hello,
    method: "$invoke",
    types: "Ljava/lang/String;[Ljava/lang/String;[Ljava/lang/Object;",
    args: ["sayHello", { type: "[string", items: ["java.lang.String"] }, { type: "[object", items: ["you"] }],
  };
  expect(await client.call(generic)).toBe("Hello you from p1");
  const echo = { ...hello, method: "$echo", types: "Ljava/lang/Object;", args: ["back"] };
  expect(await client.call(echo)).toBe("back");
  client.send(hello);
  await eventually(async () => {
    const oneWay = await mesh.sidecar.stats(/^dubbo\..*request_oneway$/);
    expect([...oneWay.values()]).toEqual([1]);
  }, ARRIVES_MS);
  // A path need not be an interface's name, so the provider decides.
  await expect(client.call({ ...hello, interface: "org.example.Other" })).rejects.toThrow(
    "Service not found:org.example.Other",
  );
  expect(await client.call(hello)).toBe("Hello you from p1");
  expect(await mesh.sidecar.dubboCounters(service.host, service.port)).toMatchObject({ active: 0 });
});

test("groups and versions have hosts of their own, on one port", async () => {
  const tenant = await newTenant(mesh.world);
  const services: readonly Pick<DubboCall, "version" | "group">[] = [
    { version: "1.0.0" },
    { version: "2.0.0" },
    { version: "1.0.0", group: "g1" },
  ];
  await using pods = new AsyncDisposableStack();
  const hosts = services.map((_, index) => `10.42.6.${index + 1}`);
  for (const [index, host] of hosts.entries())
    pods.use(await startPod(mesh, tenant, { ...services[index], host }));
  for (const [index, host] of hosts.entries()) {
    const service = await openDubboService(mesh, tenant, [`${host}:20880`]);
    using client = await connectDubbo(service.host, service.port);
    expect(service.port).toBe(20_880);
    expect(await client.call({ ...hello, ...services[index] })).toBe(`Hello you from ${host}`);
  }
});
