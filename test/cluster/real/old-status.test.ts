import { expect, test } from "vitest";
import { writeStatus } from "../../../src/kube/status.ts";
import type { HubStatus, RegistryHub } from "../../../src/model/registryhub.ts";
import { isMergeable } from "../../../src/translate/read-back/hub-status.ts";
import { startApiServer } from "../../bed/api-server.ts";
import { eventually } from "../../support/eventually.ts";
import { openBench } from "../cluster.ts";

// On the real server only: it is about a CRD that is replaced by one with another schema.

/** A CRD without a schema of the status, as the old product's was. */
const anything = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
const oldCrd = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "registryhubs.ecns.easystack.cn" },
  spec: {
    group: "ecns.easystack.cn",
    scope: "Namespaced",
    names: { kind: "RegistryHub", plural: "registryhubs", singular: "registryhub" },
    versions: [
      {
        name: "v1alpha1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: "object", properties: { spec: anything, status: anything } } },
      },
    ],
  },
};
const spec = { generate_to: "default", type: "zookeeper", address: "zookeeper1.default:2181" };
const oldStatus = {
  phase: "failed",
  conditions: [{ failed_reason: "no such host", record_time: "2024-02-04T02:53:25Z" }],
  serviceentries: {},
};
const status: HubStatus = {
  address: spec.address,
  type: spec.type,
  generate_to: spec.generate_to,
  phase: "pending",
  serviceentries: {},
  conditions: [],
  observedGeneration: 1,
  services: 0,
  endpoints: 0,
  rejected: 0,
  problems: [],
  origin: "",
  truncated: 0,
};

test("a status that the old product left behind is replaced, though no apply could merge it", async () => {
  await using server = await startApiServer({ controllerManager: false });
  const established = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
  await server.kubectl(["create", "-f", "-"], { input: JSON.stringify(oldCrd) });
  await server.kubectl(established);
  const hub = {
    apiVersion: "ecns.easystack.cn/v1alpha1",
    kind: "RegistryHub",
    metadata: { name: "old" },
    spec,
  };
  await server.kubectl(["create", "-f", "-"], { input: JSON.stringify(hub) });
  const patch = JSON.stringify({ status: oldStatus });
  await server.kubectl(["patch", "registryhubs", "old", "--subresource=status", "--type=merge", "-p", patch]);
  await server.kubectl(["apply", "-f", "crds/registryhub.yaml"]);
  await server.kubectl(established);

  const bench = openBench(server.kubeconfig);
  const read = async (): Promise<RegistryHub> =>
    JSON.parse(await server.kubectl(["get", "registryhubs", "old", "-o", "json"])) as RegistryHub;
  const refused = { ...hub, metadata: { name: "new" }, spec: { ...spec, type: "etcd" } };
  await eventually(async () => {
    const dryRun = server.kubectl(["create", "--dry-run=server", "-f", "-"], {
      input: JSON.stringify(refused),
    });
    await expect(dryRun, "the new schema is in force").rejects.toThrow("spec.type");
  }, 20_000);

  const of = { name: "old", namespace: "default" };
  const replaces = !isMergeable((await read()).status);
  const written = await writeStatus(bench.client, of, { status, replaces }, bench.signal);
  expect(written).toMatchObject({ ok: { spec, status } });
  expect((await read()).status).toEqual(status);
});
