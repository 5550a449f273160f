import { beforeAll, expect, test } from "vitest";
import { type DubboConsumer, startDubboConsumer } from "../bed/dubbo-consumer.ts";
import { startAgentSidecar } from "../bed/istio-agent.ts";
import { newTenant, untilReady } from "../e2e/world.ts";
import { connectDubbo } from "../support/dubbo-client.ts";
import { eventually } from "../support/eventually.ts";
import { oldObjects, oldPort, oldVirtualIp } from "./old-product.ts";
import { ARRIVES_MS, at, hello, startPod, useMesh } from "./world.ts";

const TIMEOUT_MS = 1_000;

const mesh = useMesh({ start: startAgentSidecar, mutualTls: true });
let consumer: DubboConsumer;
beforeAll(async () => {
  consumer = await startDubboConsumer();
  return () => consumer[Symbol.asyncDispose]();
});

test("the manual's serviceAccount makes every call to a provider outside the mesh run into its time-out, until a hub takes the entry over", async () => {
  const { world, sidecar } = mesh;
  const tenant = await newTenant(world);
  await using pod = await startPod(mesh, tenant, { host: "10.42.18.1", id: "p1" });
  const host = `org.apache.dubbo.samples.api.greetingservice-1.0.0.${tenant.namespace}`;
  const old = oldObjects(tenant, { host, address: pod.host, serviceAccount: "default" });
  await world.api.kubectl(["apply", "-f", "-"], { input: old });
  await eventually(async () => {
    expect(await sidecar.filters(oldVirtualIp, oldPort)).toEqual(["envoy.filters.network.dubbo_proxy"]);
    expect(await sidecar.endpoints(host, oldPort)).toEqual([at(pod)]);
  }, ARRIVES_MS);
  const call = { to: { host: oldVirtualIp, port: oldPort, version: "1.0.0", timeoutMs: TIMEOUT_MS } };
  for (let calls = 0; calls < 5; calls++)
    await expect(consumer.call(call)).rejects.toThrow("Waiting server-side response timeout");

  await tenant.applyHub();
  await untilReady(tenant);
  await eventually(async () => {
    using client = await connectDubbo(oldVirtualIp, oldPort);
    expect(await client.call(hello)).toBe("Hello you from p1");
  }, ARRIVES_MS);
  const [entry] = await tenant.entries();
  expect(entry?.spec.endpoints).toEqual([expect.not.objectContaining({ serviceAccount: "default" })]);
});
