import { expect, test } from "vitest";
import { overUsr } from "../bed/debian.ts";
import { networkTools } from "../bed/mesh-namespace.ts";
import { run } from "../bed/run.ts";
import { newTenant, providerUrl } from "../e2e/world.ts";
import { eventually } from "../support/eventually.ts";
import {
  ARRIVES_MS,
  at,
  DEAD_SHARE,
  hello,
  openDubboService,
  startPod,
  useConsumers,
  useMesh,
} from "./world.ts";

const CALLS = 600;
const PARALLEL = 2;
/** Each of the connections under way may meet the dead endpoint three times before it is out, and again when it is tried. */
const FEW = 5;
/** What a black hole may cost all calls together. */
const HOLE_MS = 5_000;
/** Longer than Envoy waits for a connection. */
const PATIENT_MS = 20_000;

const mesh = useMesh();
const consumers = useConsumers();

/** A provider that the registry lists for good, where nobody listens. */
const dead = (address: string): string => providerUrl(hello.interface, address);

test("an endpoint where nobody listens costs a few calls, not every other one, until outlierDetection: false", async () => {
  const tenant = await newTenant(mesh.world);
  const gone = "10.42.24.2:20880";
  await tenant.provide(dead(gone));
  await using lives = await startPod(mesh, tenant, { host: "10.42.24.1" });
  const service = await openDubboService(mesh, tenant, [at(lives), gone]);
  const call = { to: { host: service.host, port: service.port, version: "1.0.0" } };
  for (const consumer of consumers) {
    const { ok, failed } = await consumer.calls(call, CALLS, PARALLEL);
    expect(ok + failed).toBe(CALLS);
    expect(failed).toBeLessThanOrEqual(FEW);
  }
});

test("a port whose hubs all say outlierDetection: false has none, and one that does not say so is enough", async () => {
  const tenant = await newTenant(mesh.world);
  const [gone, port] = ["10.42.24.4:20990", 20_990]; // a port of its own
  await tenant.provide(dead(gone));
  await using lives = await startPod(mesh, tenant, { host: "10.42.24.3", port });
  const service = await openDubboService(mesh, tenant, [at(lives), gone], { outlierDetection: false });
  const ejects = (wanted: boolean) =>
    eventually(async () => {
      const { outlier_detection: detection } = await mesh.sidecar.balancing(service.host, port);
      expect(detection !== undefined).toBe(wanted);
    }, ARRIVES_MS);
  await ejects(false);
  const call = { to: { host: service.host, port, version: "1.0.0" } };
  const [consumer] = consumers;
  const without = await consumer?.calls(call, CALLS, PARALLEL);
  expect(without?.failed).toBeGreaterThan(CALLS * DEAD_SHARE);
  await tenant.applyHub({});
  await ejects(true);
  await consumer?.calls(call, 50, PARALLEL); // those that were tried meanwhile
  expect((await consumer?.calls(call, CALLS, PARALLEL))?.failed).toBeLessThanOrEqual(FEW);
});

test("a black hole costs all calls together less than 5 s", async () => {
  const tenant = await newTenant(mesh.world);
  const hole = "10.42.24.6:20880";
  await using _ = await swallow("10.42.24.6");
  await using lives = await startPod(mesh, tenant, { host: "10.42.24.5" });
  const service = await openDubboService(mesh, tenant, [at(lives)]);
  const to = { host: service.host, port: service.port, version: "1.0.0", timeoutMs: PATIENT_MS };
  const [consumer] = consumers;
  const calls = async () => {
    const started = performance.now();
    const { failed = CALLS } = (await consumer?.calls({ to }, 200)) ?? {};
    return { failed, tookMs: performance.now() - started };
  };
  await calls(); // a consumer's first ones are slow
  const without = await calls();
  await tenant.provide(dead(hole));
  await service.arrives(at(lives), hole);
  const withIt = await calls();
  expect(withIt.failed).toBeLessThanOrEqual(FEW);
  expect(withIt.tookMs - without.tookMs).toBeLessThan(HOLE_MS);
  expect((await calls()).failed).toBe(0); // it is out
});

test("a provider that throws business exceptions is never ejected", async () => {
  const tenant = await newTenant(mesh.world);
  await using first = await startPod(mesh, tenant, { host: "10.42.24.7" });
  await using second = await startPod(mesh, tenant, { host: "10.42.24.8" });
  const service = await openDubboService(mesh, tenant, [at(first), at(second)]);
  const call = { to: { host: service.host, port: service.port, version: "1.0.0" } };
  const ejections = () => mesh.sidecar.stats(/outlier_detection\.ejections_enforced_total$/);
  const before = await ejections();
  const [consumer] = consumers;
  const throwing = { ...call, attachments: { "bed.sleep": "no number" } };
  expect(await consumer?.calls(throwing, 200, PARALLEL)).toMatchObject({ ok: 0, failed: 200 });
  const { businessException } = await mesh.sidecar.dubboCounters(service.host, service.port);
  expect(businessException).toBe(200);
  expect(await ejections()).toEqual(before);
  const { answers = {} } = (await consumer?.calls(call, 200, PARALLEL)) ?? {};
  expect(Object.keys(answers)).toHaveLength(2);
});

/** What is sent to this address is lost, until disposal. */
async function swallow(address: string): Promise<AsyncDisposable> {
  const tools = await networkTools();
  const rule = (action: "A" | "D") =>
    run("unshare", [
      "--mount",
      "sh",
      "-euc",
      `${overUsr(tools)}\niptables-nft -${action} INPUT -p tcp -d ${address} --syn -j DROP`,
    ]);
  await rule("A");
  return { [Symbol.asyncDispose]: async () => void (await rule("D")) };
}
