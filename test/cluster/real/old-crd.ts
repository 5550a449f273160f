import { expect } from "vitest";
import type { RegistryHub } from "../../../src/model/registryhub.ts";
import { type ApiServer, untilEstablished } from "../../bed/api-server.ts";
import { eventually } from "../../support/eventually.ts";

/** A CRD without any schema, as the old product's was. */
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

const hubOf = (name: string, spec: object): string =>
  JSON.stringify({ apiVersion: "ecns.easystack.cn/v1alpha1", kind: "RegistryHub", metadata: { name }, spec });

/** Stores hubs, by name, under a CRD that accepts everything, and then puts crds/registryhub.yaml into force. */
export async function upgradeOver(
  server: ApiServer,
  hubs: Readonly<Record<string, { readonly spec: object; readonly status?: object }>>,
): Promise<void> {
  await server.kubectl(["create", "-f", "-"], { input: JSON.stringify(oldCrd) });
  await untilEstablished(server.kubectl);
  for (const [name, { spec, status }] of Object.entries(hubs)) {
    await server.kubectl(["create", "-f", "-"], { input: hubOf(name, spec) });
    const patch = ["--subresource=status", "--type=merge", "-p", JSON.stringify({ status })];
    if (status) await server.kubectl(["patch", "registryhubs", name, ...patch]);
  }
  await server.kubectl(["apply", "-f", "crds/registryhub.yaml"]);
  await untilEstablished(server.kubectl);
  await eventually(async () => {
    const input = hubOf("new", { generate_to: "default", type: "etcd", address: "etcd:2379" });
    const dryRun = server.kubectl(["create", "--dry-run=server", "-f", "-"], { input });
    await expect(dryRun, "the new schema is in force").rejects.toThrow("spec.type");
  }, 20_000);
}

/** A hub of the namespace `default`, as it is stored. */
export async function storedHub(server: ApiServer, name: string): Promise<RegistryHub> {
  return JSON.parse(await server.kubectl(["get", "registryhubs", name, "-o", "json"])) as RegistryHub;
}
