import type { SidecarResource } from "../../translate/read-back/sidecar-resource.ts";
import { counted } from "../output.ts";
import { caution, type Finding, type Findings, fault, named } from "./finding.ts";
import { isExportedTo, type OwnHost, ownHosts } from "./hosts.ts";
import { missesVip, sees, sidecarFor } from "./scope.ts";
import { isWhole, type Sight } from "./sight.ts";

/** Which namespaces do not see hosts of hubs, and which see them and do not reach them. */
export function sidecarFindings(sight: Sight): Findings {
  const { sidecars, settings } = sight;
  if (sidecars === undefined) return undefined;
  const hosts = ownHosts(sight);
  return [
    ...sidecars.flatMap((one) => missedFindings(one, hosts)),
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

function missedFindings(sidecar: SidecarResource, hosts: readonly OwnHost[]): readonly Finding[] {
  const missed = hosts.flatMap((host) => {
    const why = missesVip(sidecar, sidecar.namespace, host, host.entry.shape.protocol === "dubbo");
    return why === undefined ? [] : [{ host, why }];
  });
  const [first] = missed;
  if (first === undefined) return [];
  return [
    fault(
      `calls to ${named(missed.map(({ host }) => host.host))} miss their virtual IP in proxies`,
      `Sidecar ${sidecar.key} has egress by which they ${first.why}`,
      `Take that out of it, or add an egress without: kubectl edit sidecar -n ${sidecar.key.replace("/", " ")}`,
    ),
  ];
}

/** Hosts of one target that the proxies of one namespace do not see. */
interface Hidden {
  readonly sidecar: SidecarResource;
  readonly target: string;
  readonly from: string;
  readonly count: number;
}

/** One finding for all: hundreds of namespaces may follow one Sidecar, or each its own, and most of that is as somebody wants it. */
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
  if (hidden.length === 0) return [];
  const most = [...Map.groupBy(hidden, ({ target }) => target).values()].map((group) =>
    Math.max(...group.map(({ count }) => count)),
  );
  const hostCount = counted(
    most.reduce((sum, one) => sum + one, 0),
    "host",
  );
  const places = named(hidden.map(({ target }) => `${target}/*`));
  return [
    caution(
      `pods in ${named(hidden.map(({ from }) => from))} do not see ${hostCount} of ${named(hidden.map(({ target }) => target))}`,
      `Sidecar ${named(hidden.map(({ sidecar }) => sidecar.key))} restricts egress, and lacks ${places}`,
      "Give those that call them a Sidecar in their namespace, with that in egress.hosts besides what they see now; doctor --pod tells it of one.",
      "4.3",
    ),
  ];
}
