import { expect } from "vitest";
import type { ApiServer, ApiServerOptions } from "../bed/api-server.ts";
import { eventually } from "../support/eventually.ts";

/** A quota counts, and `edit` includes hubs, only where these controllers run. */
export const tenancyControllers: ApiServerOptions = {
  moreControllers: ["clusterrole-aggregation-controller", "resourcequota-controller"],
};

/** Somebody with all that a tenant may have: `edit` of one namespace, and ServiceEntries, which `edit` leaves out. */
export interface Member {
  readonly namespace: string;
  /** `system:serviceaccount:<namespace>:member`. */
  readonly user: string;
  /** Runs kubectl as this member; `objects` go to `-f -`. @throws Error with what the API server said. */
  kubectl(args: readonly string[], ...objects: readonly object[]): Promise<string>;
  /** Whether the API server would create these objects. @throws Error with its refusal. */
  wouldCreate(...objects: readonly object[]): Promise<string>;
  create(...objects: readonly object[]): Promise<string>;
}

/** Makes the member, and the namespace if there is none; returns when the rights have arrived. */
export async function newMember(api: ApiServer, namespace: string): Promise<Member> {
  const account = { kind: "ServiceAccount", name: "member", namespace };
  const bind = (kind: "Role" | "ClusterRole", name: string): object => ({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: { name, namespace },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind, name },
    subjects: [account],
  });
  const entries = {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    metadata: { name: "entries", namespace },
    rules: [{ apiGroups: ["networking.istio.io"], resources: ["serviceentries"], verbs: ["*"] }],
  };
  const made = [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "member", namespace } },
    entries,
    bind("Role", "entries"),
    bind("ClusterRole", "edit"),
  ];
  await api.kubectl(["apply", "-f", "-"], { input: listOf(made) });
  const token = await api.kubectl(["create", "token", "member", "-n", namespace, "--duration=2h"]);
  const kubeconfig = await api.kubeconfigFor(token.trim());
  const kubectl: Member["kubectl"] = (args, ...objects) =>
    api.kubectl(args, { kubeconfig, ...(objects.length > 0 && { input: listOf(objects) }) });
  for (const right of ["registryhubs.ecns.easystack.cn", "serviceentries.networking.istio.io"])
    await eventually(async () => {
      const answer = await kubectl(["auth", "can-i", "create", right, "-n", namespace]);
      expect(answer.trim()).toBe("yes");
    }, 30_000);
  return {
    namespace,
    user: `system:serviceaccount:${namespace}:member`,
    kubectl,
    wouldCreate: (...objects) => kubectl(["create", "--dry-run=server", "-f", "-"], ...objects),
    create: (...objects) => kubectl(["create", "-f", "-"], ...objects),
  };
}

const listOf = (items: readonly object[]): string =>
  JSON.stringify({ apiVersion: "v1", kind: "List", items });

/** Labels and annotations of an object. */
export interface Marks {
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** A hub of the namespace, for a ZooKeeper where `spec` does not say otherwise. */
export function hubOf(namespace: string, spec: object = {}, name = "hub", marks: Marks = {}): object {
  return {
    apiVersion: "ecns.easystack.cn/v1alpha1",
    kind: "RegistryHub",
    metadata: { name, namespace, ...marks },
    spec: { generate_to: namespace, type: "zookeeper", address: "zookeeper:2181", ...spec },
  };
}

/** A ServiceEntry as a person writes it. */
export function entryOf(namespace: string, name: string, marks: Marks = {}, spec: object = {}): object {
  return {
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: { name, namespace, ...marks },
    spec: {
      hosts: [`${name}.${namespace}`],
      location: "MESH_INTERNAL",
      resolution: "STATIC",
      ports: [{ name: "tcp-metaprotocol-dubbo", number: 20_880, protocol: "tcp" }],
      ...spec,
    },
  };
}

/** A write that the policies refuse: they work from some seconds after they were applied. */
export async function untilPoliciesWork(member: Member): Promise<void> {
  const { namespace } = member;
  const forged = entryOf(namespace, "probe", { labels: { "app.kubernetes.io/managed-by": "registryhub" } });
  const attempts = [forged, hubOf(namespace, { generate_to: "elsewhere" })];
  for (const attempt of attempts)
    await eventually(
      () => expect(member.wouldCreate(attempt)).rejects.toThrow("ValidatingAdmissionPolicy"),
      60_000,
    );
}
