import type { Claim, Entry, HostKey } from "../../model/entry.ts";
import type { HubId } from "../../model/hub.ts";
import { splitKey } from "../../model/keys.ts";
import { isPortAllowed, type PortRules } from "../../model/port-rules.ts";
import type { Problem } from "../../model/problems.ts";
import type { HostPlan, Step } from "../../plan/host.ts";
import { weightOf } from "../../translate/service-entry.ts";
import type { HostObject } from "../writes/entry-index.ts";
import { strangersAt, type VipContext } from "./virtual-ips.ts";

/** The host is a stranger's. */
export function foreignHost(host: HostKey, { object }: HostObject): Problem {
  const { namespace, name } = object.metadata;
  const detail = `ServiceEntry ${namespace}/${name} already has this host and does not belong to the operator; delete it or change its host`;
  return { at: splitKey(host)[1], code: "HostConflict", detail, severity: "rejected" };
}

/** Somebody duplicated the entry: Istio adds the copy's endpoints, dead ones too, to those of the entry. */
function copyOfEntry(host: HostKey, copy: string): Problem {
  const detail = `ServiceEntry ${copy} is a copy of the entry of this host; delete it, because callers reach the endpoints of both`;
  return { at: splitKey(host)[1], code: "HostConflict", detail, severity: "warning" };
}

/** ServiceEntries that are not ours have the virtual IP of the entry. */
function sharedVip(host: HostKey, [first = "", ...others]: readonly string[]): Problem {
  const more = others.length > 0 ? ` and ${others.length} more` : "";
  const detail = `ServiceEntry ${first}${more}, which does not belong to the operator, has this host's virtual IP; give it another address, because connections may reach either`;
  return { at: splitKey(host)[1], code: "VipShared", detail, severity: "warning" };
}

/** The dubbo-controller makes no new filter for the entry. Nobody can see from here whether it has one. */
function portNotAllowed(entry: Entry | undefined, dubboPorts: PortRules): readonly Problem[] {
  if (entry === undefined || !entry.l7 || entry.shape.protocol !== "dubbo") return [];
  const { port } = entry.shape;
  if (isPortAllowed(port, dubboPorts)) return [];
  const detail = `port ${port} is not one of the operator's --dubbo-ports, so the service gets no new EnvoyFilter, and without one it is called as plain TCP; use another port, allow this one, or set l7: false`;
  return [{ at: splitKey(entry.host)[1], code: "PortNotAllowed", detail, severity: "warning" }];
}

/** Whether a new entry like this gets the filter of Dubbo. */
function hasDubboFilter(
  entry: Entry | undefined,
  found: HostObject | undefined,
  dubboPorts: PortRules,
): boolean {
  if (entry?.shape.protocol !== "dubbo" || !isPortAllowed(entry.shape.port, dubboPorts)) return false;
  return entry.l7 && found?.entry?.l7 !== false; // somebody may have annotated the object
}

/** Istio's own choice, the least busy of two, gives a small weight two to four times its share of parallel calls. */
function approximateWeights(entry: Entry | undefined, isExact: boolean): readonly Problem[] {
  if (entry === undefined || isExact) return [];
  const weights = new Set([...entry.endpoints.values()].map(weightOf));
  if (weights.size <= 1) return [];
  return [roughWeights(splitKey(entry.host)[1], 0)];
}

/** The same problems, in which one tells of all hosts with weights that are followed roughly: there may be thousands. */
export function oneAboutWeights(problems: readonly Problem[]): readonly Problem[] {
  const isAbout = ({ code }: Problem): boolean => code === "WeightsApproximate";
  const [first, ...more] = [...new Set(problems.filter(isAbout).map(({ at }) => at))].sort();
  if (first === undefined || more.length === 0) return problems;
  return [...problems.filter((one) => !isAbout(one)), roughWeights(first, more.length)];
}

function roughWeights(at: string, others: number): Problem {
  const whose = others > 0 ? `its endpoints, and of those of ${others} more hosts,` : "its endpoints";
  const detail = `the weights of ${whose} differ, and Istio follows them roughly: 5 % become 10 to 22 % of parallel calls; if shares have to be exact, give the host's DestinationRule loadBalancer.simple: ROUND_ROBIN, and copy into a new rule what the one for * says, which it replaces`;
  return { at, code: "WeightsApproximate", detail, severity: "warning" };
}

/** What is the matter with the host's entry in the cluster, or with the one that it gets. */
export function problemsOf(
  host: HostKey,
  found: HostObject | undefined,
  step: Step,
  context: VipContext & { readonly dubboPorts: PortRules },
): readonly Problem[] {
  const copies = context.entries.copiesAt(host).map((copy) => copyOfEntry(host, copy));
  const strangers = found ? strangersAt(context, found) : [];
  const entry = step.op === "apply" ? step.entry : found?.entry;
  return [
    ...copies,
    ...(strangers.length > 0 ? [sharedVip(host, strangers)] : []),
    ...portNotAllowed(entry, context.dubboPorts),
    ...approximateWeights(entry, hasDubboFilter(entry, found, context.dubboPorts)),
  ];
}

/** The plan with these problems of the host for every hub that claims it. */
export function withProblems(
  plan: HostPlan,
  claims: ReadonlyMap<HubId, Claim>,
  problems: readonly Problem[],
): HostPlan {
  if (problems.length === 0) return plan;
  const all = [...claims.keys()].map((id) => [id, [...(plan.problems.get(id) ?? []), ...problems]] as const);
  return { ...plan, problems: new Map(all) };
}
