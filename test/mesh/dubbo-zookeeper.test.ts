import { expect, test } from "vitest";
import { newTenant, untilNothingHeld } from "../e2e/world.ts";
import { connectDubbo } from "../support/dubbo-client.ts";
import { eventually } from "../support/eventually.ts";
import { callSteadily } from "../support/steady-calls.ts";
import { ARRIVES_MS, hello, openDubboService, retire, type Service, startPod, useMesh } from "./world.ts";

const mesh = useMesh();

const answerOf = (ip: string): string => `Hello you from ${ip}`;
const at = (ip: string): string => `${ip}:20880`;

test("calls by name are answered by every provider, one by one through the Dubbo filter", async () => {
  const tenant = await newTenant(mesh.world);
  await using _one = await startPod(mesh, tenant, { host: "10.42.1.1" });
  await using _two = await startPod(mesh, tenant, { host: "10.42.1.2" });
  const service = await openDubboService(mesh, tenant, [at("10.42.1.1"), at("10.42.1.2")]);
  using client = await connectDubbo(service.host, service.port);
  const answers: string[] = [];
  for (let i = 0; i < 40; i++) answers.push(await client.call(hello));
  expect(new Set(answers)).toEqual(new Set([answerOf("10.42.1.1"), answerOf("10.42.1.2")]));
  expect(await countersOf(service)).toEqual({
    request: 40,
    success: 40,
    error: 0,
    businessException: 0,
    active: 0,
  });
});

test("a provider joins, moves to another port and leaves: no call fails", async () => {
  const tenant = await newTenant(mesh.world);
  await using first = await startPod(mesh, tenant, { host: "10.42.3.1" });
  const service = await openDubboService(mesh, tenant, [at("10.42.3.1")]);
  await untilNothingHeld(tenant);
  using client = await connectDubbo(service.host, service.port);
  await using calls = callSteadily(() => client.call(hello));
  await answeredBy(calls.look, "10.42.3.1");

  await using second = await startPod(mesh, tenant, { host: "10.42.3.2" });
  await service.arrives(at("10.42.3.1"), at("10.42.3.2"));
  await answeredBy(calls.look, "10.42.3.1", "10.42.3.2");

  await using moved = await startPod(mesh, tenant, { host: "10.42.3.2", port: 20_881, id: "moved" });
  await retire(service, [second], [first, moved]);
  await answeredBy(calls.look, "10.42.3.1", "moved");

  await retire(service, [first], [moved]);
  await answeredBy(calls.look, "moved");
  const { failures } = await calls.stop();
  expect(failures).toEqual([]);
});

test("all providers leave: calls fail at once over the same connection, and succeed again when one is back", async () => {
  const tenant = await newTenant(mesh.world);
  await using only = await startPod(mesh, tenant, { host: "10.42.4.1" });
  const service = await openDubboService(mesh, tenant, [at("10.42.4.1")]);
  await untilNothingHeld(tenant);
  using client = await connectDubbo(service.host, service.port);
  expect(await client.call(hello)).toBe(answerOf("10.42.4.1"));

  await only.stop();
  await service.arrives();
  const since = performance.now();
  await expect(client.call(hello)).rejects.toThrow("no healthy upstream");
  expect(performance.now() - since).toBeLessThan(3_000); // as long as an SDK waits by default

  await using _back = await startPod(mesh, tenant, { host: "10.42.4.2" });
  await service.arrives(at("10.42.4.2"));
  expect(await client.call(hello)).toBe(answerOf("10.42.4.2"));
});

test("without L7 a connection has one provider, and the Dubbo filter sees nothing", async () => {
  const tenant = await newTenant(mesh.world);
  await using _one = await startPod(mesh, tenant, { host: "10.42.5.1" });
  await using _two = await startPod(mesh, tenant, { host: "10.42.5.2" });
  const service = await openDubboService(mesh, tenant, [at("10.42.5.1"), at("10.42.5.2")], { l7: false });
  using client = await connectDubbo(service.host, service.port);
  const answers = new Set<string>();
  for (let i = 0; i < 20; i++) answers.add(await client.call(hello));
  expect(answers.size).toBe(1);
  expect(await countersOf(service)).toMatchObject({ request: 0 });
});

const countersOf = ({ host, port }: Service) => mesh.sidecar.dubboCounters(host, port);

/** Waits until the calls since the last look were answered by exactly these. */
async function answeredBy(
  look: () => { readonly answers: ReadonlyMap<string, number> },
  ...providers: string[]
): Promise<void> {
  look();
  await eventually(
    () => expect([...look().answers.keys()].sort()).toEqual(providers.map(answerOf).sort()),
    ARRIVES_MS,
    1_000,
  );
}
