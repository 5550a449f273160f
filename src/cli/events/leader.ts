import type { Lease } from "../../kube/lease.ts";
import { resources } from "../../kube/resources.ts";
import type { Changes } from "../../model/change.ts";
import { fieldManagers } from "../../model/labels.ts";
import type { Access } from "../access.ts";
import { controllerOf } from "../leases.ts";
import { listAll, noneIfForbidden } from "../list-all.ts";

/** Where the manifests have the operator answer. */
export const pagePort = 8081;

/**
 * The identities of the processes that lead as hub-controllers of the cluster, one for each lane, by the Leases of a namespace;
 * undefined = they may not be listed. @throws KubeError when there is no answer.
 */
export async function leadersOf(
  { client }: Pick<Access, "client">,
  namespace: string,
): Promise<readonly string[] | undefined> {
  const leases = await listAll<Lease>(client, resources.leases, { namespace }).catch(noneIfForbidden);
  return leases
    ?.filter((lease) => controllerOf(lease) === fieldManagers.registryhub)
    .flatMap(({ spec }) => spec?.holderIdentity || []);
}

/** What is known of an operator that answers: whether it is the cluster's, and a word about that for the person. */
export interface Standing {
  readonly isBelieved: boolean;
  /** "" = nothing is to be said. */
  readonly note: string;
}

/** Judges who answers: a port-forward that is left over from another cluster, or from an earlier leader, tells another story. */
export function standingOf(
  { identity, lease }: Pick<Changes, "identity" | "lease">,
  leaders: readonly string[] | undefined,
): Standing {
  if (leaders === undefined) {
    const note = `you may not list Leases, so nobody has checked that ${identity} leads this cluster`;
    return { isBelieved: true, note };
  }
  if (leaders.includes(identity)) return { isBelieved: true, note: "" };
  if (lease === "" && leaders.length === 0) {
    const note = `${identity} runs without leader election, so nobody has checked that it serves this cluster`;
    return { isBelieved: true, note };
  }
  const leader = leaders.length > 0 ? `${leaders.join(", ")} does` : "nobody does";
  return { isBelieved: false, note: `${identity} answers there and does not lead this cluster: ${leader}` };
}

/** How to get at the changes of the leader from a port of this machine. An identity begins with the name of its pod. */
export function howToReach(leaders: readonly string[] | undefined, namespace: string, port: number): string {
  const pods = (leaders ?? []).map((one) => one.slice(0, Math.max(0, one.lastIndexOf("_"))));
  const pod = pods[0] || "<that holds the Lease registryhub>";
  const ports = port === pagePort ? port : `${port}:${pagePort}`;
  return `kubectl -n ${namespace} port-forward pod/${pod} ${ports}`;
}
