import type { Change, ClusterCopy } from "../../src/cli/cluster-copy.ts";
import { objectKey } from "../../src/kube/resources.ts";
import type { HostKey } from "../../src/model/entry.ts";
import type { EnvoyFilter, ServiceEntry } from "../../src/model/istio.ts";
import type { KubeObject } from "../../src/model/kubernetes.ts";
import { annotations } from "../../src/model/labels.ts";
import type { StoryHub } from "./hub.ts";

/** What one step of a story comes to. */
export interface StepResult {
  /** What the hubs' registries were read as. */
  readonly snapshots: readonly object[];
  readonly serviceEntries: readonly ServiceEntry[];
  readonly envoyFilters: readonly EnvoyFilter[];
  /** What was done about each host that something was done about, or is to be said of. */
  readonly plan: readonly object[];
}

/** `deletions` = why entries were deleted, by host. */
export function resultOf(
  { serviceEntries, envoyFilters }: ClusterCopy,
  hubs: readonly StoryHub[],
  deletions: ReadonlyMap<HostKey, unknown>,
): StepResult {
  const changed = serviceEntries.changes() as readonly Change<ServiceEntry>[];
  const changes = new Map(changed.map((change) => [hostOf(change), change]));
  const hosts = new Set([...changes.keys(), ...hubs.flatMap(({ findings }) => [...findings.keys()])]);
  return {
    snapshots: hubs.map(({ claiming, listings, snapshot }) => ({
      hub: claiming.hub.key,
      services: [...snapshot.services.values()],
      problems: [...snapshot.problems, ...listings.problems],
    })),
    serviceEntries: ([...serviceEntries.objects.values()] as ServiceEntry[])
      .map(bare)
      .sort(byOrder(objectKey)),
    envoyFilters: ([...envoyFilters.objects.values()] as EnvoyFilter[])
      .map(bare)
      .sort(byOrder(orderOfFilter)),
    plan: [...hosts].sort().map((host) => ({
      host,
      ...stepOf(changes.get(host), deletions.get(host)),
      ...findingsOn(host, hubs),
    })),
  };
}

/** What was done to a ServiceEntry, in words that a reader of the golden file can check. */
function stepOf(change: Change<ServiceEntry> | undefined, why: unknown): object {
  if (change === undefined) return { op: "nothing" };
  const [had, has] = [addressesOf(change.before), addressesOf(change.after)];
  const [added, removed] = [has.filter((one) => !had.includes(one)), had.filter((one) => !has.includes(one))];
  return {
    op: change.before === undefined ? "create" : change.after === undefined ? "delete" : "change",
    ...(why !== undefined && { why }),
    ...(added.length > 0 && { added }),
    ...(removed.length > 0 && { removed }),
  };
}

function addressesOf(object: ServiceEntry | undefined): readonly string[] {
  return (object?.spec.endpoints ?? []).map(
    ({ address, ports }) => `${address} ${Object.values(ports ?? {}).join()}`,
  );
}

/** What stays only because a hub cannot vouch for its absence, and what a hub lists and cannot have; by hub. */
function findingsOn(host: HostKey, hubs: readonly StoryHub[]): object {
  const found = hubs.flatMap(({ claiming, findings }) => {
    const finding = findings.get(host);
    return finding ? [[claiming.hub.id, finding] as const] : [];
  });
  const withheld = found.flatMap(([id, one]) => (one.withheld > 0 ? [[id, one.withheld]] : []));
  const problems = found.flatMap(([id, one]) => (one.problems.length > 0 ? [[id, one.problems]] : []));
  return {
    ...(withheld.length > 0 && { withheld: Object.fromEntries(withheld) }),
    ...(problems.length > 0 && { problems: Object.fromEntries(problems) }),
  };
}

function hostOf({ before, after }: Change<ServiceEntry>): HostKey {
  const { metadata, spec } = after ?? before ?? { metadata: { name: "" }, spec: {} };
  return `${metadata.namespace}/${spec.hosts?.[0]}`;
}

/** As the API server prints it, but for who set its fields. */
function bare<T extends KubeObject>(object: T): T {
  const { managedFields: _, ...metadata } = object.metadata;
  const { labels, annotations: notes } = metadata;
  const maps = { ...(labels && { labels: sorted(labels) }), ...(notes && { annotations: sorted(notes) }) };
  return { ...object, metadata: { ...metadata, ...maps } };
}

const sorted = (map: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));

/** By ServiceEntry; those of ports last. */
function orderOfFilter({ metadata }: EnvoyFilter): string {
  const owner = metadata.annotations?.[annotations.serviceEntry];
  return `${owner === undefined ? 1 : 0} ${owner} ${metadata.name}`;
}

const byOrder =
  <T>(order: (one: T) => string) =>
  (a: T, b: T): number =>
    order(a) < order(b) ? -1 : 1;
