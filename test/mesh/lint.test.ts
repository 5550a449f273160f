import { expect, test } from "vitest";
import { newTenant } from "../e2e/world.ts";
import { analyze, unexplained, validate } from "../support/istio-lint.ts";
import { openDubboService, startPod, useMesh } from "./world.ts";

const mesh = useMesh();

test("istioctl finds nothing in what the operator wrote but what is explained", async () => {
  const tenant = await newTenant(mesh.world);
  await using _pod = await startPod(mesh, tenant, { host: "10.42.8.1" });
  await openDubboService(mesh, tenant, ["10.42.8.1:20880"]);
  const { api, cluster } = mesh.world;

  const all = await analyze(api.kubeconfig);
  // The bed's istiod judges from 127.0.0.1, which no cluster's does.
  const findings = all.filter(({ origin }) => !origin.startsWith("ValidatingWebhookConfiguration "));
  expect(unexplained(findings)).toEqual([]);
  expect(findings.map(({ code }) => code)).toContain("IST0133");

  const objects = [...(await tenant.entries()), ...(await cluster.envoyFilters("servicemesh"))];
  expect(objects).toHaveLength(3);
  await validate(objects);
});
