import { expect, test } from "vitest";
import { conditionOf, newTenant, type Tenant } from "../e2e/world.ts";
import { eventually } from "../support/eventually.ts";
import { ARRIVES_MS, openDubboService, startPod, useMesh } from "./world.ts";

const meshConfig = {
  serviceEntryVisibility: {
    defaultVisibility: "NAMESPACE",
    applyToSidecars: true,
    policies: [
      { visibility: "PUBLIC", matchingRules: [{ namespaceSelector: { matchLabels: { seen: "yes" } } }] },
    ],
  },
};
const mesh = useMesh({ meshConfig });

/** Waits until the status has these warnings. */
const untilWarned = (tenant: Tenant, ...codes: readonly string[]) =>
  eventually(async () => {
    const hub = await tenant.hub();
    expect(conditionOf(hub, "Applied").status).toBe("True");
    const { problems = [] } = hub.status ?? {};
    expect(problems.map(({ problem }) => problem.split(":")[0])).toEqual(codes);
  }, ARRIVES_MS);

test("a hub says that istiod hides its entries as long as the sidecars do not have them", async () => {
  const { api, controllers } = mesh.world;
  const configMap = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "istio", namespace: "servicemesh" },
    data: { mesh: JSON.stringify(meshConfig) },
  };
  await api.kubectl(["apply", "-f", "-"], { input: JSON.stringify(configMap) });
  await controllers.hub.restart(); // it has found nothing to read, and looks again after minutes only
  const [hidden, seen] = [await newTenant(mesh.world), await newTenant(mesh.world)];
  const show = (tenant: Tenant) => api.kubectl(["label", "namespace", tenant.namespace, "seen=yes"]);
  await using _one = await startPod(mesh, hidden, { host: "10.42.9.7" });
  await using _two = await startPod(mesh, seen, { host: "10.42.9.8" });

  await hidden.applyHub();
  await untilWarned(hidden, "HiddenByMesh");
  const [entry] = await eventually(async () => {
    const entries = await hidden.entries();
    expect(entries).toHaveLength(1);
    return entries;
  }, ARRIVES_MS);
  await show(seen);
  await openDubboService(mesh, seen, ["10.42.9.8:20880"]); // made later than the hidden one
  await untilWarned(seen);
  expect(await mesh.sidecar.filters(entry?.spec.addresses?.[0] ?? "", 20_880)).toBeUndefined();

  await show(hidden);
  await openDubboService(mesh, hidden, ["10.42.9.7:20880"]);
  await untilWarned(hidden);
});
