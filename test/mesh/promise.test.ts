import { expect, test } from "vitest";
import { type Consul, startConsul } from "../bed/consul.ts";
import type { CallCounts, CallLoop } from "../bed/consumer-process.ts";
import { startDubboConsumer } from "../bed/dubbo-consumer.ts";
import { startHttpConsumer } from "../bed/http-consumer.ts";
import { startSpringProvider } from "../bed/spring-provider.ts";
import { newTenant, RETRY_MS, type Tenant, untilNothingHeld, untilReady } from "../e2e/world.ts";
import { faults, move, replaceOldest, SETTLE_FACTOR, type Stage } from "./faults.ts";
import { at, openDubboService, openService, type Service, startPod, useMesh } from "./world.ts";

/** How often everything happens; once is for the suite. */
const rounds = Number(process.env.PROMISE_ROUNDS ?? 1);
const perSecond = 60;

const mesh = useMesh({ settleFactor: SETTLE_FACTOR });
const { world } = mesh;

type Loops = Readonly<Record<string, CallLoop>>;
interface Row {
  readonly what: string;
  readonly calls: number;
  readonly failed: number;
}

test("no call fails while what is behind the mesh does", { timeout: 600_000 * (rounds + 1) }, async () => {
  await using stack = new AsyncDisposableStack();
  const consul = stack.use(await startConsul());
  const [orders, greetings] = [await newTenant(world), await newTenant(world)];
  const spring = await openSpring(orders, consul, stack);
  const pods = [
    stack.use(await startPod(mesh, greetings, { host: "10.42.7.1" })),
    stack.use(await startPod(mesh, greetings, { host: "10.42.7.2", dubbo: "3.3" })),
  ];
  const service = await openDubboService(mesh, greetings, pods.map(at));
  await untilNothingHeld(greetings, { deadlineMs: RETRY_MS });
  const stage: Stage = { mesh, consul, tenant: greetings, service, pods, stack };
  const loops = await callAll(service, spring, stack);

  const rows: Row[] = [];
  const during = async (what: string, run: () => Promise<void>): Promise<void> => {
    const before = await totalOf(loops);
    await run();
    const after = await totalOf(loops);
    rows.push({ what, calls: after.calls - before.calls, failed: after.failed - before.failed });
  };
  const recovers = async (): Promise<void> => {
    await replaceOldest(stage); // a status may be that of an operator that is dead
    for (const tenant of [orders, greetings]) await untilReady(tenant, { deadlineMs: RETRY_MS });
    await untilNothingHeld(greetings, { deadlineMs: RETRY_MS });
  };
  const changes = await mesh.sidecar.listenerChanges();
  try {
    for (let round = 0; round < rounds; round++)
      for (const { what, happen } of faults) await during(what, () => happen(stage).then(recovers));
    await during(move.what, () => move.happen(stage));
  } finally {
    process.stdout.write(`${tableOf(rows)}\n`);
  }

  const counts = await Promise.all(
    Object.entries(loops).map(async ([who, loop]) => [who, await loop.stop()] as const),
  );
  expect(Object.fromEntries(counts.map(([who, all]) => [who, failuresOf(all)]))).toEqual({
    "Dubbo 2.7": [],
    "Dubbo 3.3": [],
    Spring: [],
  });
  for (const [, { ok, longestGapMs }] of counts) {
    expect(ok).toBeGreaterThan(perSecond * 150 * rounds); // they went on all the time
    expect(longestGapMs).toBeLessThan(3_000);
  }
  const ok = counts.reduce((sum, [who, all]) => sum + (who === "Spring" ? 0 : all.ok), 0);
  const counters = await mesh.sidecar.dubboCounters(service.host, service.port);
  expect(counters).toMatchObject({ request: ok, success: ok, error: 0, active: 0 });
  expect(await mesh.sidecar.listenerChanges()).toEqual(changes);
});

async function openSpring(tenant: Tenant, consul: Consul, stack: AsyncDisposableStack): Promise<Service> {
  const application = { registry: "consul", address: consul.address, application: "orders" } as const;
  const address = { ip: "10.42.8.1", port: 9000, listensOnHost: true };
  stack.use(await startSpringProvider({ ...application, ...address }));
  const spec = { type: "consul", address: consul.url, protocol: "http" } as const;
  return openService(mesh, tenant, [`${address.ip}:${address.port}`], spec);
}

/** Consumers of three kinds, each of which calls on and on. */
async function callAll(dubbo: Service, spring: Service, stack: AsyncDisposableStack): Promise<Loops> {
  const pace = { perSecond, parallel: 2 };
  const to = { host: dubbo.host, port: dubbo.port, version: "1.0.0" };
  const loops: Record<string, CallLoop> = {};
  for (const version of ["2.7", "3.3"] as const) {
    const application = `caller-${version}`;
    const consumer = stack.use(await startDubboConsumer({ dubbo: version, application }));
    loops[`Dubbo ${version}`] = await consumer.loop({ to }, pace);
  }
  const url = `http://${spring.host}:${spring.port}/greeting`;
  loops.Spring = await stack.use(await startHttpConsumer()).loop({ url }, pace);
  return loops;
}

async function totalOf(loops: Loops): Promise<{ readonly calls: number; readonly failed: number }> {
  const all = await Promise.all(Object.values(loops).map((loop) => loop.counts()));
  const sum = (of: (counts: CallCounts) => number): number => all.reduce((total, one) => total + of(one), 0);
  return { calls: sum(({ ok, failed }) => ok + failed), failed: sum(({ failed }) => failed) };
}

const failuresOf = ({ errors }: CallCounts) => errors.map(({ message, count }) => `${count} × ${message}`);

function tableOf(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(({ what }) => what.length));
  const lines = rows.map(
    ({ what, calls, failed }) => `${what.padEnd(width)}  ${calls} calls, ${failed} failed`,
  );
  const calls = rows.reduce((sum, row) => sum + row.calls, 0);
  return ["The promise:", ...lines, `${calls} calls in all`].join("\n");
}
