import type { ConsumerPod } from "../../translate/read-back/consumer-pod.ts";
import { isAmbient } from "../../translate/read-back/namespace.ts";
import { counted } from "../output.ts";
import type { Finding } from "./finding.ts";
import { ownHosts } from "./hosts.ts";
import { podFacts, unsureOf } from "./pod-facts.ts";
import { noDns, noSidecar, obstaclesFor } from "./pod-obstacles.ts";
import type { Sight } from "./sight.ts";

/** Whether one consumer can call the hosts of hubs. */
export interface PodReport {
  /** "<namespace>/<name>". */
  readonly pod: string;
  readonly findings: readonly Finding[];
  /** What is known of it, as names and texts. */
  readonly facts: Readonly<Record<string, string>>;
  readonly hosts: number;
  /** Hosts of which its proxy takes the calls. */
  readonly reachable: number;
  /** Whether it can resolve their names; undefined = nobody can tell. */
  readonly resolves: boolean | undefined;
  readonly unseen: readonly string[];
  /** One sentence. */
  readonly answer: string;
}

/** Looks at one pod. */
export function podReport(pod: ConsumerPod, sight: Sight): PodReport {
  const hosts = ownHosts(sight);
  const ambient = isAmbientPod(pod, sight);
  const base = {
    pod: `${pod.namespace}/${pod.name}`,
    facts: podFacts(pod, sight, ambient),
    hosts: hosts.length,
    unseen: sight.unseen,
  };
  if (pod.sidecar === undefined && !ambient) {
    const answer = `Pod ${base.pod} reaches no host of hubs, neither by name nor by virtual IP: it has no sidecar.`;
    return { ...base, findings: [noSidecar(pod, sight)], reachable: 0, resolves: false, answer };
  }
  const obstacles = obstaclesFor(pod, sight, hosts, ambient);
  const blocked = new Set(obstacles.flatMap((one) => one.hosts));
  const reachable = hosts.length - blocked.size;
  const resolves = ambient ? undefined : pod.sidecar?.capturesDns === true;
  const findings = [...(resolves === false ? [noDns(pod)] : []), ...obstacles.map(({ finding }) => finding)];
  const unsure = reachable === 0 ? [] : unsureOf(pod, sight, ambient);
  const limits =
    unsure.length === 0 ? "" : `, unless what you may not see keeps it from them: ${unsure.join(", ")}`;
  return {
    ...base,
    findings,
    reachable,
    resolves,
    answer: `${answerFor(base, reachable, resolves)}${limits}.`,
  };
}

function answerFor(
  { pod, hosts }: Pick<PodReport, "pod" | "hosts">,
  reachable: number,
  resolves: boolean | undefined,
): string {
  if (hosts === 0) return `There are no hosts of hubs for Pod ${pod} to call`;
  if (reachable === 0) return `Pod ${pod} reaches no host of hubs, neither by name nor by virtual IP`;
  const which = reachable === hosts ? counted(hosts, "host") : `${reachable} of ${counted(hosts, "host")}`;
  if (resolves === false) return `Pod ${pod} reaches ${which} of hubs by virtual IP, and none by name`;
  if (resolves === undefined)
    return `Pod ${pod} reaches ${which} of hubs by virtual IP, and by name if ztunnel answers DNS`;
  return `Pod ${pod} reaches ${which} of hubs, by name and by virtual IP`;
}

/** The CNI says it of a pod that it has taken in; labels are what somebody asked for. */
function isAmbientPod(pod: ConsumerPod, { namespaces }: Sight): boolean {
  if (pod.sidecar !== undefined) return false;
  const mode = pod.labels["istio.io/dataplane-mode"];
  const namespace = namespaces?.get(pod.namespace);
  const isAsked = mode === "ambient" || (mode !== "none" && namespace !== undefined && isAmbient(namespace));
  return pod.isAmbient || (isAsked && !pod.isOnHostNetwork);
}
