import assert from "node:assert/strict";
import { startSidecar } from "../../test/bed/envoy.ts";
import { startIstiod } from "../../test/bed/istiod.ts";
import { setHost } from "../../test/bed/mesh-namespace.ts";
import { connectDubbo } from "../../test/support/dubbo-client.ts";
import { eventually } from "../../test/support/eventually.ts";
import { terminal } from "./terminal.ts";

/** A service as the consumer knows it, and the one provider that it has. */
export interface Called {
  readonly host: string;
  readonly virtualIp: string;
  readonly port: number;
  /** "ip:port". */
  readonly endpoint: string;
  readonly speaksDubbo: boolean;
}

const ARRIVES_MS = 30_000;

/**
 * Starts Istio and a sidecar on the demo's API server, calls the service as an application beside that sidecar does, and
 * shows the answer and what Envoy counted. @throws Error outside of the mesh's namespace, or when no call arrives.
 */
export async function callThroughMesh(
  api: Parameters<typeof startIstiod>[0]["api"],
  service: Called,
): Promise<void> {
  const { host, port, virtualIp, endpoint, speaksDubbo } = service;
  await using istiod = await startIstiod({ api });
  await using sidecar = await startSidecar({ istiod });
  terminal.started("istiod, and Envoy as the sidecar of a consumer, whose connections all end at it");
  await setHost(host, virtualIp);
  await eventually(async () => {
    assert.deepEqual(await sidecar.endpoints(host, port), [endpoint]);
    const [filter = ""] = (await sidecar.filters(virtualIp, port)) ?? [];
    if (speaksDubbo) assert.match(filter, /dubbo_proxy/);
  }, ARRIVES_MS);
  terminal.say(`Envoy knows the provider ${endpoint} behind ${host}. The consumer asks no registry:`);
  if (speaksDubbo) {
    terminal.command(`dubbo://${host}:${port}  sayHello("mesh")`, await sayHello(host, port));
    const counted = await sidecar.dubboCounters(host, port);
    assert.deepEqual([counted.request, counted.success, counted.error], [1, 1, 0]);
    terminal.command("Envoy's counters of its Dubbo filter", JSON.stringify(counted));
  } else {
    const url = `http://${host}:${port}/greeting`;
    const answer = await fetch(url);
    const text = await answer.text();
    assert.ok(answer.ok, `${answer.status} ${text}`);
    terminal.command(`curl ${url}`, text);
    const ofHost = /^cluster\.outbound\|.*\.upstream_(cx_total|cx_connect_fail|rq_total)$/;
    const counted = [...(await sidecar.stats(ofHost))].filter(([name]) => name.includes(host));
    assert.ok(counted.some(([name, value]) => name.endsWith("upstream_cx_total") && value > 0));
    const lines = counted.map(([name, value]) => `${name}: ${value}`).join("\n");
    terminal.command("Envoy's counters of the service", lines);
  }
  terminal.observed("a real call went through Envoy to the provider, and the answer came back");
}

async function sayHello(host: string, port: number): Promise<string> {
  using client = await connectDubbo(host, port);
  return await client.call({
    interface: "org.apache.dubbo.samples.api.GreetingService",
    version: "1.0.0",
    method: "sayHello",
    args: ["mesh"],
  });
}
