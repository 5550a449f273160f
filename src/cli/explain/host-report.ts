import { hostOfService } from "../../controllers/hub/shadowing-services.ts";
import { strangersAt, type VipContext } from "../../controllers/hub/virtual-ips.ts";
import type { HostObject } from "../../controllers/writes/entry-index.ts";
import { objectKey } from "../../kube/resources.ts";
import type { Entry, EntryEndpoint, HostKey } from "../../model/entry.ts";
import { splitKey } from "../../model/keys.ts";
import type { PortRules } from "../../model/port-rules.ts";
import type { VipPool } from "../../plan/vip.ts";
import { factsOf, type Ownership } from "../../translate/read-back/service-entry.ts";
import type { Asked, KnownHub } from "./asked.ts";
import { stateNow } from "./differences.ts";
import { type FilterReport, filtersOf, lacksFilter } from "./filters.ts";
import { sentenceOf } from "./finding.ts";
import { findingsOf } from "./host-findings.ts";
import { absenceOf, hubsSay, targetsOf } from "./hubs.ts";
import type { Objects } from "./objects.ts";
import type { Readings } from "./registries.ts";
import { type RegistrySays, registriesSay } from "./registry-says.ts";
import type { EndpointReport, EntryReport, HostReport, OtherReport } from "./report.ts";
import { rulesFor } from "./rules.ts";

/** What the operator's settings decide. */
export interface Judging {
  readonly pool: VipPool;
  readonly dubboPorts: PortRules;
  readonly rootNamespace: string;
}

/** What the service of a host is called in registries. */
export function askedOf(key: HostKey, { entry }: HostObject): Asked {
  const [namespace, host] = splitKey(key);
  return { host, namespace, names: entry ? [entry.shape.service.name] : namesIn(host, namespace) };
}

/** Explains a host that has a ServiceEntry. @param readings undefined = no registry was read. */
export function hostReport(
  key: HostKey,
  found: HostObject,
  objects: Objects,
  hubs: readonly KnownHub[],
  judging: Judging,
  readings?: Readings,
): HostReport {
  const [namespace, host] = splitKey(key);
  const { entry } = found;
  const facts = factsOf(found.object);
  const asked = askedOf(key, found);
  const says = registriesSay(hubs, asked, entry, readings);
  const context: VipContext & Judging = {
    ...judging,
    entries: objects.entries,
    objects: objects.serviceEntries,
    targetOf: targetsOf(hubs),
  };
  const filters = filtersOf(found, objects);
  const rules = rulesFor(host, namespace, found, objects);
  const others = othersWith(key, found, objects);
  const findings = findingsOf({
    key,
    found,
    hubs,
    says,
    rules,
    others,
    strangers: strangersAt(context, found),
    copies: objects.entries.copiesAt(key),
    lacksFilter: lacksFilter(found, filters, objects, context),
  });
  const endpoints = [...(entry?.endpoints.values() ?? [])].map((one) =>
    endpointReport(one, entry, hubs, says),
  );
  return {
    host,
    namespace,
    findings,
    answer: findings[0] ? sentenceOf(host, findings[0]) : servedSentence(host, found, filters, says),
    hubs: hubsSay(hubs, asked, facts.hubs, (id) => facts.vouched.get(id) ?? 0, says),
    registries: says,
    entry: entryReport(found),
    endpoints,
    filters,
    rules,
    others,
    unseen: objects.unseen,
  };
}

/** Explains a host or a service that has none. @param readings undefined = no registry was read. */
export function missingReport(
  asked: Asked,
  objects: Objects,
  candidates: readonly KnownHub[],
  readings?: Readings,
): HostReport {
  const { host, namespace } = asked;
  const key = `${namespace}/${host}`;
  const subject = host || (asked.names[0] ?? "");
  const others = host === "" ? [] : othersWith(key, undefined, objects);
  const says = registriesSay(candidates, asked, undefined, readings);
  const finding = absenceOf(candidates, asked, says);
  return {
    host: subject,
    namespace,
    findings: [finding],
    answer: sentenceOf(subject, finding),
    hubs: hubsSay(candidates, asked, new Map(), () => 0, says),
    registries: says,
    endpoints: [],
    filters: [],
    rules: host === "" ? [] : rulesFor(host, namespace, undefined, objects),
    others,
    unseen: objects.unseen,
  };
}

/** The names that the service of a host may have in a registry: a version and a group follow after dashes. */
export function namesIn(host: string, namespace: string): readonly string[] {
  const name = host.endsWith(`.${namespace}`) ? host.slice(0, -(namespace.length + 1)) : host;
  const dashes = [...name.matchAll(/-/g)].map(({ index }) => index);
  return [name, ...dashes.reverse().map((at) => name.slice(0, at))];
}

const owners: Readonly<Record<Ownership, EntryReport["owner"]>> = {
  ours: "the operator",
  adoptable: "the old product",
  foreign: "somebody else",
};

function entryReport({ object, entry, ownership }: HostObject): EntryReport {
  const { namespace = "", name } = object.metadata;
  return {
    namespace,
    name,
    owner: owners[ownership],
    service: entry?.shape.service.name ?? "",
    virtualIp: entry?.vip ?? "",
    port: entry?.shape.port ?? 0,
    protocol: entry?.shape.protocol ?? "",
    l7: entry?.l7 ?? false,
    exportTo: entry?.exportTo ?? [],
    emptySince: entry?.emptySince ?? "",
  };
}

/** An endpoint, and whether the operator believes in it. */
export function endpointReport(
  endpoint: EntryEndpoint,
  entry: Entry | undefined,
  hubs: readonly KnownHub[],
  says: readonly RegistrySays[] = [],
): EndpointReport {
  const { hostPort, by, weight = 1, locality = "", mtls } = endpoint;
  const keys = [...by].map((id) => entry?.hubs.get(id) || `an unknown hub (${id})`).sort();
  const states = keys.map((key) => stateIn(hubs.find((one) => one.key === key)));
  const told = states.find((one) => one === listed) ?? states[0] ?? "kept: no hub vouches for it";
  const state = stateNow(endpoint, keys, hubs, says) ?? told;
  return { address: hostPort, by: keys, state, weight, zone: locality, mtls: mtls === true };
}

const listed = "listed";

/** A hub that cannot say "gone" now keeps what it had. */
function stateIn(known: KnownHub | undefined): string {
  if (known === undefined) return "kept: its hub is missing";
  const { report, hub } = known;
  if (hub === undefined || report.ready !== "True") return `as last written: ${report.reason || "no status"}`;
  if (hub.suspend) return "as last written: Suspended";
  if (report.held) return `listed, or held: ${report.held.reason}`;
  return listed;
}

/** Whoever else answers to the host, in any namespace. */
function othersWith(
  key: HostKey,
  found: HostObject | undefined,
  { serviceEntries, services }: Objects,
): readonly OtherReport[] {
  const host = splitKey(key)[1];
  const entries = [...serviceEntries.values()].flatMap((object): readonly OtherReport[] => {
    if (object === found?.object) return [];
    const { hosts, ownership } = factsOf(object);
    if (!hosts.some((one) => splitKey(one)[1] === host)) return [];
    return [{ kind: "ServiceEntry", key: objectKey(object), owner: owners[ownership] }];
  });
  const shadowing = services.map(objectKey).filter((one) => hostOfService(one) === key);
  return [
    ...entries,
    ...shadowing.map((one) => ({ kind: "Service" as const, key: one, owner: "somebody else" })),
  ];
}

function servedSentence(
  host: string,
  { entry, ownership }: HostObject,
  filters: readonly FilterReport[],
  says: readonly RegistrySays[],
): string {
  if (entry === undefined || ownership !== "ours")
    return `${host} has a ServiceEntry of ${owners[ownership]}, and no RegistryHub vouches for it.`;
  const { shape, vip, endpoints } = entry;
  const how = filters.some(({ does }) => does === "calls") ? ", balanced by call" : "";
  const count = `${endpoints.size} endpoint${endpoints.size === 1 ? "" : "s"}`;
  return `${host} is served: ${vip}:${shape.port} leads to ${count} by ${shape.protocol}${how}${asRead(says)}.`;
}

/** Where nothing differs. */
function asRead(says: readonly RegistrySays[]): string {
  if (says.length === 0) return "";
  const unread = says.filter((one) => one.unread !== "").map(({ hub }) => hub);
  if (unread.length > 0) return `; the registry of ${unread.join(", ")} was not read`;
  return `; the registry of ${says.map(({ hub }) => hub).join(", ")}, read now, agrees`;
}
