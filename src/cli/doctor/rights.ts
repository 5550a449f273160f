import { type Resource, resources, typeName } from "../../kube/resources.ts";
import { fieldManagers } from "../../model/labels.ts";
import { type Findings, fault } from "./finding.ts";
import type { Right, Sight } from "./sight.ts";

const read = ["list", "watch"] as const;
const write = ["create", "patch", "delete"] as const;

const { registryhub, dubbo } = fieldManagers;

/** What of the installation is used, which decides what the operator needs. */
export interface Use {
  readonly rootNamespace: string;
  readonly leaderElectNamespace: string;
  /** Of hubs with a secretRef; "" = of any. */
  readonly secretNamespaces: readonly string[];
  /** Whether some hub asks which providers speak mTLS. */
  readonly identity: boolean;
  /** Whether there is any VirtualService. */
  readonly rules: boolean;
}

/** All of config/rbac that is needed. Services and the mesh's ConfigMaps feed warnings alone. */
export function neededRights(use: Use): readonly Right[] {
  const { rootNamespace, leaderElectNamespace } = use;
  const rights = (
    account: string,
    verbs: readonly string[],
    resource: Resource,
    without: string,
    more: Partial<Right> = {},
  ): readonly Right[] =>
    verbs.map((verb) => ({ account, verb, resource, namespace: "", name: "", without, ...more }));
  const leads = (account: string): readonly Right[] => {
    const without = `no process of ${account} can lead`;
    const inLeases = { namespace: leaderElectNamespace };
    return [
      ...rights(account, ["create"], resources.leases, without, inLeases),
      ...rights(account, ["get", "patch"], resources.leases, without, { ...inLeases, name: account }),
    ];
  };
  const inRoot = { namespace: rootNamespace };
  const { registryHubs, serviceEntries, envoyFilters } = resources;
  return [
    ...rights(registryhub, ["get", ...read], registryHubs, "it serves no hub"),
    ...rights(registryhub, ["patch"], registryHubs, "no hub has a status", { subresource: "status" }),
    ...rights(registryhub, [...read, ...write], serviceEntries, "entries do not follow the registries"),
    ...rights(registryhub, read, resources.namespaces, "it writes nothing"),
    ...use.secretNamespaces.flatMap((namespace) =>
      rights(registryhub, ["get"], resources.secrets, "hubs with a secretRef cannot log in", { namespace }),
    ),
    ...(use.identity
      ? [resources.pods, resources.peerAuthentications].flatMap((one) =>
          rights(registryhub, read, one, "new endpoints are called in plain text (IdentityUnknown)"),
        )
      : []),
    ...rights(registryhub, ["create", "patch"], resources.events, "it tells nobody what it does"),
    ...leads(registryhub),
    ...rights(dubbo, read, registryHubs, "new services get no filter"),
    ...rights(dubbo, read, serviceEntries, "services get no filter"),
    ...rights(dubbo, [...read, ...write], envoyFilters, "filters do not follow the services", inRoot),
    ...(use.rules
      ? [resources.virtualServices, resources.destinationRules].flatMap((one) =>
          rights(dubbo, read, one, "it follows no new rules of VirtualServices"),
        )
      : []),
    ...rights(dubbo, ["create", "patch"], resources.events, "it tells nobody what it does"),
    ...leads(dubbo),
  ];
}

/** One finding per ServiceAccount and type of object. */
export function rightFindings({ lacking, settings }: Sight): Findings {
  if (lacking === undefined) return undefined;
  const groups = Map.groupBy(lacking, ({ account, resource, subresource = "", namespace }) =>
    [account, resource.plural, subresource, namespace].join(" "),
  );
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { account, resource, subresource, namespace, without } = first;
    const type = typeName(resource);
    const part = subresource ? ` (subresource ${subresource})` : "";
    const where = namespace === "" ? "in the cluster" : `in namespace ${namespace}`;
    const user = `system:serviceaccount:${settings.leaderElectNamespace}:${account}`;
    return [
      fault(
        `ServiceAccount ${account} lacks rights, so ${without}`,
        `${user} may not ${group.map(({ verb }) => verb).join(", ")} ${type}${part} ${where}`,
        "Grant them as config/rbac does: kubectl apply -k config/rbac",
      ),
    ];
  });
}
