import type { SidecarResource } from "../../translate/read-back/sidecar-resource.ts";
import { counted } from "../output.ts";
import { caution, type Finding, type Findings, fault, named } from "./finding.ts";
import { isExportedTo, type OwnHost, ownHosts } from "./hosts.ts";
import { sees, sidecarFor, trapFor } from "./scope.ts";
import { isWhole, type Sight } from "./sight.ts";

/** Which namespaces do not see hosts of hubs, and which see them and reach something else. */
export function sidecarFindings(sight: Sight): Findings {
  const { sidecars, settings } = sight;
  if (sidecars === undefined) return undefined;
  const hosts = ownHosts(sight);
  return [
    ...sidecars.flatMap((one) => trapFindings(one, hosts)),
    ...(isWhole(sight, "sidecars")
      ? hiddenFindings(sidecars, hosts, consumersIn(sight), settings.rootNamespace)
      : []),
  ];
}

/** Namespaces with pods that have a sidecar; where pods are not seen, those with a Sidecar. */
function consumersIn({ pods, sidecars = [] }: Sight): readonly string[] {
  const withProxy = pods?.filter(({ sidecar }) => sidecar !== undefined) ?? sidecars;
  return [...new Set(withProxy.map(({ namespace }) => namespace))].sort();
}

function trapFindings(sidecar: SidecarResource, hosts: readonly OwnHost[]): readonly Finding[] {
  const caught = hosts.filter(
    (host) =>
      ["dubbo", "tcp"].includes(host.entry.shape.protocol) && trapFor(sidecar, sidecar.namespace, host),
  );
  const [first] = caught;
  if (first === undefined) return [];
  return [
    fault(
      `calls to ${named(caught.map(({ host }) => host))} may reach any other service on the port`,
      `Sidecar ${sidecar.key} has egress with port ${first.port}, so proxies listen there at all addresses, not at virtual IPs (istio#41312)`,
      `Take port out of that egress: kubectl edit sidecar -n ${sidecar.key.replace("/", " ")}`,
    ),
  ];
}

/** Hosts that proxies of several namespaces do not see, because of one Sidecar. */
interface Hidden {
  readonly sidecar: SidecarResource;
  readonly target: string;
  readonly from: string;
  readonly count: number;
}

/** By Sidecar and target, because many namespaces may follow the one of the root namespace. */
function hiddenFindings(
  sidecars: readonly SidecarResource[],
  hosts: readonly OwnHost[],
  consumers: readonly string[],
  rootNamespace: string,
): readonly Finding[] {
  const byTarget = Map.groupBy(hosts, ({ namespace }) => namespace);
  const hidden = consumers.flatMap((from): readonly Hidden[] => {
    const sidecar = sidecarFor(sidecars, from, undefined, rootNamespace);
    if (sidecar === undefined) return [];
    return [...byTarget].flatMap(([target, own]) => {
      const count = own.filter((host) => isExportedTo(host, from) && !sees(sidecar, from, host)).length;
      return count === 0 ? [] : [{ sidecar, target, from, count }];
    });
  });
  return [...Map.groupBy(hidden, ({ sidecar, target }) => `${sidecar.key} ${target}`).values()].flatMap(
    hiddenFinding,
  );
}

function hiddenFinding(group: readonly Hidden[]): readonly Finding[] {
  const [first] = group;
  if (first === undefined) return [];
  const { sidecar, target } = first;
  const count = Math.max(...group.map((one) => one.count));
  return [
    caution(
      `pods in ${named(group.map(({ from }) => from))} do not see ${counted(count, "host")} of ${target}`,
      `Sidecar ${sidecar.key} restricts egress, and lacks ${target}/*`,
      `Give those that call them a Sidecar in their namespace, with ${target}/* in egress.hosts besides what that one has.`,
      "4.3",
    ),
  ];
}
