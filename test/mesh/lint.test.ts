import { expect, test } from "vitest";
import { istioBinaries } from "../bed/istio-binaries.ts";
import { run } from "../bed/run.ts";
import { newTenant } from "../e2e/world.ts";
import { openDubboService, startPod, useMesh } from "./world.ts";

const mesh = useMesh();

/** What `istioctl analyze` says of each: a namespace without injection, and an EnvoyFilter, whatever it does. */
const EXPLAINED = ["IST0102", "IST0133"];

test("istioctl finds nothing in what is generated but that there are EnvoyFilters", async () => {
  const tenant = await newTenant(mesh.world);
  await using _pod = await startPod(mesh, tenant, { host: "10.42.8.1" });
  await openDubboService(mesh, tenant, ["10.42.8.1:20880"]);
  const { istioctl } = await istioBinaries(["istioctl"]);
  const { api, cluster } = mesh.world;

  const analyze = ["analyze", "--all-namespaces", "--output=json", `--kubeconfig=${api.kubeconfig}`];
  const findings = JSON.parse(await run(istioctl, analyze)) as readonly { readonly code: string }[];
  expect(findings.filter(({ code }) => !EXPLAINED.includes(code))).toEqual([]);
  expect(findings.map(({ code }) => code)).toContain("IST0133");

  const entries = await tenant.entries();
  const objects = [...entries, ...(await cluster.envoyFilters("servicemesh"))];
  expect(objects).toHaveLength(3);
  // One document each: of the items of a List, istioctl validate tells no errors.
  const validate = (documents: readonly object[]) =>
    run(istioctl, ["validate", "--filename=-"], {
      input: documents.map((one) => JSON.stringify(one)).join("\n---\n"),
    });
  await validate(objects);
  const broken = entries.map(({ spec, ...rest }) => ({ ...rest, spec: { ...spec, addresses: ["nowhere"] } }));
  await expect(validate(broken)).rejects.toThrow("nowhere");
});
