import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { startDubboConsumer } from "../bed/dubbo-consumer.ts";
import { type Sidecar, type SidecarOptions, startSidecar } from "../bed/envoy.ts";
import type { RetiringProvider } from "../bed/provider-process.ts";
import { newTenant, untilNothingHeld } from "../e2e/world.ts";
import { eventually } from "../support/eventually.ts";
import { ARRIVES_MS, at, openDubboService, startPod, useMesh } from "./world.ts";

/** How long ZooKeeper waits for a provider that is silent. Dubbo's default is 60 s. */
const SESSION_MS = 10_000;
/** If Envoy dies of a consumer's end, it has within this time. */
const DIES_MS = 1_000;

let sidecar: Sidecar;
let sidecarOptions: SidecarOptions;
const mesh = useMesh({
  async start(options) {
    sidecarOptions = options;
    sidecar = await startSidecar(options);
    const present = (_: Sidecar, member: string | symbol): unknown =>
      member === Symbol.asyncDispose ? () => sidecar[Symbol.asyncDispose]() : Reflect.get(sidecar, member);
    return new Proxy<Sidecar>({} as Sidecar, { get: present });
  },
});

/** How a provider ends that nobody has taken out of the registry before. */
const deaths: readonly (readonly [
  how: string,
  net: string,
  die: (one: RetiringProvider) => Promise<void>,
])[] = [
  ["SIGTERM", "10.42.22", (provider) => provider.stop()],
  ["kill -9", "10.42.23", (provider) => provider.kill()],
];

test.each(deaths)(
  "%s of a provider: calls fail until the mesh has dropped it, and none after that",
  async (how, net, die) => {
    const { world } = mesh;
    const tenant = await newTenant(world);
    const registry = `zookeeper://${world.zooKeeper.address}?group=${tenant.root.slice(1)}&zk.session.expire=${SESSION_MS}`;
    await using stays = await startPod(mesh, tenant, { host: `${net}.1`, registry });
    await using dies = await startPod(mesh, tenant, { host: `${net}.2`, registry });
    const service = await openDubboService(mesh, tenant, [at(stays), at(dies)]);
    await untilNothingHeld(tenant);
    const call = { to: { host: service.host, port: service.port, version: "1.0.0" } };

    await using consumer = await startDubboConsumer();
    const loop = await consumer.loop({ ...call, sleepMs: 100 }, { perSecond: 50, parallel: 8 });
    const died = Date.now();
    await Promise.all([die(dies), eventually(() => service.arrives(at(stays)), SESSION_MS + ARRIVES_MS)]);
    const { ok, failed, errors } = await loop.stop();
    const last = Math.max(died, ...errors.map(({ lastAt }) => lastAt));
    expect(await consumer.calls(call, 100)).toMatchObject({ ok: 100, failed: 0 });
    const { active } = await mesh.sidecar.dubboCounters(service.host, service.port);
    await consumer.stop();

    const isDead = await hasDied();
    const counts = errors.map(({ message, count }) => `${count} × ${message}`);
    process.stdout.write(
      [
        `mesh: ${how} of a provider: ${failed} of ${ok + failed} calls failed, the last ${last - died} ms later`,
        `${active} calls that Envoy believes in flight; it ${isDead ? "died" : "lived on"} when the consumer left`,
        ...counts,
        "",
      ].join("\n  "),
    );
    await using another = await startDubboConsumer();
    expect(await another.calls(call, 100)).toMatchObject({ ok: 100, failed: 0 });
  },
);

/** Whether Envoy has died of what the consumer left behind. Then there is another one, as Kubernetes would see to. */
async function hasDied(): Promise<boolean> {
  await delay(DIES_MS);
  if (sidecar.isRunning()) return false;
  await sidecar[Symbol.asyncDispose]();
  sidecar = await startSidecar(sidecarOptions);
  return true;
}
