import { type Resource, resources } from "../../kube/resources.ts";
import { fieldManagers } from "../../model/labels.ts";
import { type Findings, fault } from "./finding.ts";
import type { Right, Sight } from "./sight.ts";

const read = ["list", "watch"] as const;
const write = ["create", "patch", "delete"] as const;

const { registryhub, dubbo } = fieldManagers;

/** All of config/rbac but what is optional and shows itself elsewhere: the ConfigMaps of the mesh. */
export function neededRights({
  rootNamespace,
  leaderElectNamespace,
}: {
  readonly rootNamespace: string;
  readonly leaderElectNamespace: string;
}): readonly Right[] {
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
    ...rights(registryhub, read, resources.services, "nobody sees hosts that Services have (ShadowsService)"),
    ...rights(registryhub, ["get"], resources.secrets, "hubs with a secretRef cannot log in"),
    ...rights(registryhub, read, resources.pods, "new endpoints are called in plain text (IdentityUnknown)"),
    ...rights(registryhub, read, resources.peerAuthentications, "new endpoints are called in plain text"),
    ...rights(registryhub, ["create", "patch"], resources.events, "it tells nobody what it does"),
    ...leads(registryhub),
    ...rights(dubbo, read, registryHubs, "new services get no filter"),
    ...rights(dubbo, read, serviceEntries, "services get no filter"),
    ...rights(dubbo, [...read, ...write], envoyFilters, "filters do not follow the services", inRoot),
    ...rights(dubbo, read, resources.virtualServices, "rules are not followed"),
    ...rights(dubbo, read, resources.destinationRules, "rules with subsets are not followed"),
    ...rights(dubbo, ["create", "patch"], resources.events, "it tells nobody what it does"),
    ...leads(dubbo),
  ];
}

/** One finding per ServiceAccount and type of object. */
export function rightFindings({ lacking, settings }: Sight): Findings {
  if (lacking === undefined) return undefined;
  const groups = Map.groupBy(lacking, ({ account, resource }) => `${account} ${resource.plural}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { account, resource, subresource, namespace, without } = first;
    const type = `${resource.plural}${subresource ? `/${subresource}` : ""}${resource.group === "" ? "" : `.${resource.group}`}`;
    const where = namespace === "" ? "in the cluster" : `in namespace ${namespace}`;
    const user = `system:serviceaccount:${settings.leaderElectNamespace}:${account}`;
    return [
      fault(
        `ServiceAccount ${account} lacks rights, so ${without}`,
        `${user} may not ${group.map(({ verb }) => verb).join(", ")} ${type} ${where}`,
        `kubectl apply -k config/rbac; kubectl auth can-i ${first.verb} ${type}${namespace === "" ? " -A" : ` -n ${namespace}`} --as=${user} tells whether it has them.`,
      ),
    ];
  });
}
