import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseManifests } from "../../src/kube/manifests.ts";
import type { KubeObject } from "../../src/model/kubernetes.ts";
import { type ApiServer, untilEstablished } from "../bed/api-server.ts";
import { kubeBinaries } from "../bed/kube-binaries.ts";
import { run } from "../bed/run.ts";

/** A folder of config/ that kustomize makes an installation of; `crd` is that alone. */
export type Overlay = "default" | "multi-tenant" | "istio-system" | "crd";

/** The names of the Deployments, ServiceAccounts and Leases. */
export type Workload = "registryhub" | "dubbo-controller";

/** Where the manifests put the operator. */
export const installNamespace = "servicemesh";

/** The part of a Deployment that the tests read. Source: k8s.io/api/apps/v1/types.go, core/v1/types.go. */
export interface Deployment extends KubeObject {
  readonly spec: {
    readonly replicas: number;
    readonly template: {
      readonly metadata: object;
      readonly spec: { readonly serviceAccountName: string; readonly containers: readonly [Container] };
    };
  };
}

interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string }[];
}

/** A Role or a ClusterRole. Source: k8s.io/api/rbac/v1/types.go. */
export interface Role extends KubeObject {
  readonly rules: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
    readonly resourceNames?: readonly string[];
  }[];
}

/** This checkout. */
export const checkout = fileURLToPath(new URL("../..", import.meta.url));
const folderOf = (overlay: Overlay, root = checkout): string => join(root, "config", overlay);

/** Every object that kustomize makes of the overlay. */
export async function renderInstall(overlay: Overlay): Promise<readonly KubeObject[]> {
  const { kubectl } = await kubeBinaries(["kubectl"]);
  const text = await run(kubectl, ["kustomize", folderOf(overlay)]);
  return parseManifests(text) as readonly KubeObject[];
}

/** The object of that kind and name. @throws Error when there is none. */
export function findObject<T extends KubeObject>(
  objects: readonly KubeObject[],
  kind: string,
  name: string,
): T {
  const found = objects.find((one) => one.kind === kind && one.metadata.name === name);
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
  return found as T;
}

/** `kubectl apply -k`, of this checkout or another one at `root`; returns when hubs can be created. */
export async function applyInstall(
  api: ApiServer,
  overlay: Overlay = "default",
  root?: string,
): Promise<void> {
  await api.kubectl(["apply", "-k", folderOf(overlay, root)]);
  await untilEstablished(api.kubectl);
}

/** A kubeconfig with a token of the ServiceAccount that the manifests create for the workload. */
export async function kubeconfigAs(api: ApiServer, workload: Workload): Promise<string> {
  const token = await api.kubectl(["create", "token", workload, "-n", installNamespace, "--duration=2h"]);
  return api.kubeconfigFor(token.trim());
}

/** The container's flags, without the command, and without the port, which has to be free here. */
export function flagsOf(objects: readonly KubeObject[], workload: Workload): readonly string[] {
  const { args } = findObject<Deployment>(objects, "Deployment", workload).spec.template.spec.containers[0];
  return args.slice(1).filter((arg) => !arg.startsWith("--http-bind-address"));
}

/** What starts the controllers as the manifests do. The hub-controller has no page, whose port may be taken here. */
export async function asInstalled(api: ApiServer, objects: readonly KubeObject[]) {
  return {
    hubKubeconfig: await kubeconfigAs(api, "registryhub"),
    dubboKubeconfig: await kubeconfigAs(api, "dubbo-controller"),
    hub: [...flagsOf(objects, "registryhub"), "--page-port=0"],
    dubbo: flagsOf(objects, "dubbo-controller"),
  };
}

/** All Roles and ClusterRoles. */
export function rolesIn(objects: readonly KubeObject[]): readonly Role[] {
  const isRole = (one: KubeObject): one is Role => one.kind === "ClusterRole" || one.kind === "Role";
  return objects.filter(isRole);
}
