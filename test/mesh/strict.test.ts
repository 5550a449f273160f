import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { startAgentSidecar } from "../bed/istio-agent.ts";
import { newTenant, RETRY_MS, type Tenant } from "../e2e/world.ts";
import { eventually } from "../support/eventually.ts";
import {
  applyPolicy,
  createPod,
  drainSeconds,
  type MeshPod,
  setMtls,
  startInPod,
  startMeshPod,
} from "./mesh-pod.ts";
import { ARRIVES_MS, at, openDubboService, type Service, startPod, useConsumers, useMesh } from "./world.ts";

const NAMESPACE = "prov";
const EXCLUDED_PORT = 20_881;
const [CALLS, THREADS] = [2_000, 8];
/** So long after a pod has gone nobody counts on it any more. */
const FORGOTTEN_MS = 70_000;
const PACE = { perSecond: 50, parallel: 2 };

const mesh = useMesh({ start: startAgentSidecar, mutualTls: true });
const consumers = useConsumers();
let pod: MeshPod;
beforeAll(async () => {
  await mesh.world.api.kubectl(["create", "namespace", NAMESPACE]);
  await setMtls(mesh, NAMESPACE, "STRICT");
  pod = await startMeshPod(mesh, {
    namespace: NAMESPACE,
    address: "10.42.30.1",
    excludedPorts: [EXCLUDED_PORT],
  });
  return () => pod[Symbol.asyncDispose]();
});

const callOf = ({ host, port }: Service) => ({ to: { host, port, version: "1.0.0" } });
const loopsTo = (service: Service) => Promise.all(consumers.map((one) => one.loop(callOf(service), PACE)));

/** Waits until the consumers' sidecar calls these by mTLS, and no others. */
async function calledByMtls({ host, port }: Service, ...endpoints: readonly string[]): Promise<void> {
  await eventually(async () => {
    expect(await mesh.sidecar.mtlsEndpoints(host, port)).toEqual(endpoints.toSorted());
  }, ARRIVES_MS);
}

/** Has every consumer call 2,000 times: no call may fail, and exactly these providers answer. */
async function answeredBy(service: Service, ...ids: readonly string[]): Promise<void> {
  for (const one of consumers) {
    const { ok, failed, errors, answers } = await one.calls(callOf(service), CALLS, THREADS);
    expect({ ok, failed, errors }).toEqual({ ok: CALLS, failed: 0, errors: [] });
    expect(Object.keys(answers).sort()).toEqual(ids.map((id) => `Hello world from ${id}`).sort());
  }
}

/** Waits until these are all the warnings of the tenant's hub. */
async function warnedOf(tenant: Tenant, ...codes: readonly string[]): Promise<void> {
  await eventually(async () => {
    const { problems = [] } = (await tenant.hub()).status ?? {};
    expect(problems.map(({ problem }) => problem.split(":")[0])).toEqual(codes);
  }, RETRY_MS);
}

test("a pod whose namespace is STRICT and a provider outside the mesh, in one entry: both answer, the pod by mTLS", async () => {
  const tenant = await newTenant(mesh.world);
  await using inside = await startInPod(mesh, tenant, pod);
  await using outside = await startPod(mesh, tenant, { host: "10.42.31.1" });
  const service = await openDubboService(mesh, tenant, [at(inside), at(outside)]);
  await calledByMtls(service, at(inside));
  await answeredBy(service, inside.host, outside.host);
  expect(await mesh.sidecar.handshakes(service.host, service.port)).toBeGreaterThan(0);
});

test("a port that the pod excludes from its sidecar is called in plain text, its other port by mTLS", async () => {
  const tenant = await newTenant(mesh.world);
  await using captured = await startInPod(mesh, tenant, pod, { id: "captured" });
  await using excluded = await startInPod(mesh, tenant, pod, { id: "excluded", port: EXCLUDED_PORT });
  const service = await openDubboService(mesh, tenant, [at(captured), at(excluded)]);
  await calledByMtls(service, at(captured));
  await answeredBy(service, "captured", "excluded");
});

test("an operator that starts without the right to read pods leaves everything as it is, and says so", async () => {
  const { api, controllers } = mesh.world;
  const tenant = await newTenant(mesh.world);
  await using inside = await startInPod(mesh, tenant, pod);
  await using outside = await startPod(mesh, tenant, { host: "10.42.32.1" });
  const service = await openDubboService(mesh, tenant, [at(inside), at(outside)]);
  await calledByMtls(service, at(inside));
  const loops = await loopsTo(service);
  const binding = ["clusterrolebinding", "registryhub-identity"];
  const right = await api.kubectl(["get", ...binding, "--output=json"]);
  const giveBack = () => api.kubectl(["apply", "--server-side", "-f", "-"], { input: withoutVersion(right) });
  await api.kubectl(["delete", ...binding]);
  onTestFinished(async () => void (await giveBack()));
  await controllers.hub.restart();
  await warnedOf(tenant, "IdentityUnknown");
  await using late = await startPod(mesh, tenant, { host: "10.42.32.2" }); // so that the entry is written
  await service.arrives(at(inside), at(outside), at(late));
  await calledByMtls(service, at(inside));
  await answeredBy(service, inside.host, outside.host, late.host);
  await giveBack();
  await warnedOf(tenant);
  for (const loop of loops) expect(await loop.stop()).toMatchObject({ failed: 0, errors: [] });
});

test("identity: none has every call to the pod fail, until the hub says auto again", async () => {
  const tenant = await newTenant(mesh.world);
  await using inside = await startInPod(mesh, tenant, pod);
  // With the Dubbo filter the consumers' Envoy would not survive it: the pod's sidecar closes with a call in flight.
  const service = await openDubboService(mesh, tenant, [at(inside)], { l7: false, identity: "none" });
  await calledByMtls(service);
  // Not that of Dubbo 3, which takes long to call a provider again that it has given up.
  const [consumer] = consumers;
  expect(await consumer?.calls(callOf(service), 20)).toMatchObject({ ok: 0, failed: 20 });
  await tenant.applyHub({ l7: false });
  await calledByMtls(service, at(inside));
  await eventually(() => consumer?.call(callOf(service)), ARRIVES_MS);
  await answeredBy(service, inside.host);
});

test("subjectAltNames: every call fails if the pod is none of them, until it is one", async () => {
  const tenant = await newTenant(mesh.world);
  await using inside = await startInPod(mesh, tenant, pod);
  const spiffe = (account: string): string => `spiffe://cluster.local/ns/${NAMESPACE}/sa/${account}`;
  const hubOf = (...accounts: readonly string[]) => ({ l7: false, subjectAltNames: accounts.map(spiffe) });
  const service = await openDubboService(mesh, tenant, [at(inside)], hubOf("another"));
  await calledByMtls(service, at(inside));
  const [consumer] = consumers; // as above
  expect(await consumer?.calls(callOf(service), 20)).toMatchObject({ ok: 0, failed: 20 });
  await tenant.applyHub(hubOf("another", "default"));
  await eventually(() => consumer?.call(callOf(service)), ARRIVES_MS);
  await answeredBy(service, inside.host);
});

test("a policy for the workload, and one for its port, say how it is called, and their end", async () => {
  const tenant = await newTenant(mesh.world);
  await using inside = await startInPod(mesh, tenant, pod);
  const service = await openDubboService(mesh, tenant, [at(inside)]);
  const selector = { matchLabels: { app: "pod" } };
  const endPolicy = () =>
    mesh.world.api.kubectl([
      "delete",
      "peerauthentication",
      "of-workload",
      "--ignore-not-found",
      "-n",
      NAMESPACE,
    ]);
  onTestFinished(async () => void (await endPolicy()));
  for (const [spec, isMtls] of [
    [{ selector, mtls: { mode: "DISABLE" } }, false],
    [{ selector, mtls: { mode: "DISABLE" }, portLevelMtls: { [inside.port]: { mode: "STRICT" } } }, true],
    [{ selector, mtls: { mode: "STRICT" }, portLevelMtls: { [inside.port]: { mode: "DISABLE" } } }, false],
    [undefined, true],
  ] as const) {
    if (spec) await applyPolicy(mesh, NAMESPACE, "of-workload", spec);
    else await endPolicy();
    await calledByMtls(service, ...(isMtls ? [at(inside)] : []));
    await delay(2_000 * drainSeconds); // then the pod's sidecar has cut what it took under the earlier policy
    await answeredBy(service, inside.host);
  }
});

test("a pod that another one with its address takes the place of is called by mTLS all the time", async () => {
  const tenant = await newTenant(mesh.world);
  await using inside = await startInPod(mesh, tenant, pod);
  const service = await openDubboService(mesh, tenant, [at(inside)]);
  await calledByMtls(service, at(inside));
  const loops = await loopsTo(service);
  const { kubectl } = mesh.world.api;
  const { address } = pod.network;
  for (const [old, name] of [
    ["pod", "other"],
    ["other", "pod"],
  ] as const) {
    await kubectl(["delete", "pod", old, "--namespace", NAMESPACE, "--grace-period=0", "--force"]);
    await createPod(mesh.world, { namespace: NAMESPACE, name, address, excludedPorts: [EXCLUDED_PORT] });
  }
  await delay(FORGOTTEN_MS);
  await calledByMtls(service, at(inside));
  for (const loop of loops) expect(await loop.stop()).toMatchObject({ failed: 0, errors: [] });
});

// Before, a new connection may meet a sidecar that takes the other kind only, and a drain later it cuts the old ones.
// The last one, since a call that is cut may leave an Envoy that dies when the consumer's connection closes.
test("a policy that moves to DISABLE, PERMISSIVE and STRICT under connected consumers: once it has arrived no call fails, and before at most those in flight", async () => {
  const tenant = await newTenant(mesh.world);
  await using inside = await startInPod(mesh, tenant, pod);
  await using outside = await startPod(mesh, tenant, { host: "10.42.33.1" });
  const service = await openDubboService(mesh, tenant, [at(inside), at(outside)]);
  await calledByMtls(service, at(inside));
  await answeredBy(service, inside.host, outside.host);
  for (const mode of ["DISABLE", "PERMISSIVE", "STRICT"] as const) {
    const loops = await loopsTo(service);
    const since = Date.now();
    await setMtls(mesh, NAMESPACE, mode);
    await calledByMtls(service, ...(mode === "DISABLE" ? [] : [at(inside)]));
    const arrivedMs = Date.now() - since;
    await delay(2_000 * drainSeconds);
    const counts = await Promise.all(loops.map((loop) => loop.stop()));
    const [ok, failed] = [counts.map((one) => one.ok), counts.map((one) => one.failed)];
    const whenMs = counts.flatMap((one) => one.errors.map(({ firstAt }) => firstAt - since));
    process.stdout.write(`strict: ${JSON.stringify({ mode, arrivedMs, ok, failed, whenMs })}\n`);
    for (const one of failed) expect(one).toBeLessThanOrEqual(PACE.parallel);
    await answeredBy(service, inside.host, outside.host);
  }
});

/** An object as it can be applied again. */
function withoutVersion(json: string): string {
  const { metadata, ...object } = JSON.parse(json) as { metadata: { name: string; labels: object } };
  return JSON.stringify({ ...object, metadata: { name: metadata.name, labels: metadata.labels } });
}
