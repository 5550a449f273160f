import { type NamespacesView, rootOnly } from "../controllers/dubbo/filter-scope.ts";
import {
  FilterWorker,
  type FilterWorkerOptions,
  filterRemovalDelayMs,
} from "../controllers/dubbo/filter-worker.ts";
import { KnownFilters, namespaceOf } from "../controllers/dubbo/known-filters.ts";
import { rulesUnknown } from "../controllers/dubbo/rule-lists.ts";
import { History } from "../controllers/hub/history.ts";
import { entryRemovalDelayMs } from "../controllers/hub/host-memos.ts";
import { type ClaimingHub, type HostContext, HostWorker } from "../controllers/hub/host-worker.ts";
import { HostLedger } from "../controllers/hub/ledger.ts";
import { ListingIndex } from "../controllers/hub/listing-index.ts";
import { UnexplainedEntries } from "../controllers/hub/unexplained-entries.ts";
import type { Outcome } from "../controllers/writes/queue.ts";
import type { Entry, HostKey, Ms } from "../model/entry.ts";
import type { Hub, HubKey } from "../model/hub.ts";
import type { Problem } from "../model/problems.ts";
import type { Snapshot } from "../model/service.ts";
import { rfc3339 } from "../model/time.ts";
import { type ClaimInputs, mayWrite } from "../plan/claims.ts";
import { type TrustState, untrusted } from "../plan/trust-state.ts";
import { vipPool } from "../plan/vip.ts";
import type { Clock } from "../runtime/deps.ts";
import { readHub } from "../translate/read-back/hub.ts";
import { hubsOf } from "../translate/read-back/service-entry.ts";
import type { ClusterCopy } from "./cluster-copy.ts";

/** As in Config. */
export interface GenerateOptions extends Omit<FilterWorkerOptions, "watchNamespaces"> {
  readonly vipCidr: string;
  readonly emptyGraceMs: Ms;
  readonly foreignServiceEntries: boolean;
}

/** The results for a hub, besides the objects. */
export interface Generated {
  readonly problems: readonly Problem[];
  /** Hosts for which no virtual IP was free. */
  readonly withoutVip: readonly HostKey[];
  /** Endpoints that stay because the hub cannot, or by its policy does not, say that they are gone. */
  readonly held: HostLedger["withheld"];
}

/** The longest delay of a plan that only removes. */
const removalDelayMs = Math.max(entryRemovalDelayMs, filterRemovalDelayMs);
const unsynced = untrusted({ settleMs: 0, settleAfterLossMs: 0, shrinkHoldMs: 0, resetHoldMs: 0 });
const trusted: TrustState = { ...unsynced, isSynced: true };

/**
 * Runs the real workers against a copy of the cluster, as if this hub were applied and its listing trusted. A hub
 * that is suspended or only observes is treated as one that writes.
 */
export async function generate(
  hub: Hub,
  snapshot: Snapshot,
  cluster: ClusterCopy,
  options: GenerateOptions,
): Promise<Generated> {
  const { entries, serviceEntries, tools } = cluster;
  const { clock } = tools.deps;
  const listings = new ListingIndex();
  listings.update(snapshot.services, hub);
  const policy = hub.policy === "observe" ? "sync" : hub.policy;
  const ledger = new HostLedger(clock, () => undefined);
  const applicant = claimingHub({ ...hub, policy, suspend: false }, listings, trusted, ledger);
  const hubs = inOrder(applicant, cluster);
  const owned = (): string[] =>
    [...serviceEntries.objects].filter(([, one]) => hubsOf(one).has(hub.id)).map(([key]) => key);
  const ownedBefore = owned();
  const ownedHosts = entries.hostsOf(hub).map(({ host }) => host);
  const hosts = [...listings.hosts(), ...ownedHosts].sort();
  const context = { sessions: () => hubs, goneInMs: () => undefined };
  const withoutVip = await generateEntries(hosts, context, cluster, options);
  await generateFilters([...ownedBefore, ...owned()], hubs, cluster, options);
  const problems = [...snapshot.problems, ...listings.problems, ...ledger.problems];
  return { problems, withoutVip, held: ledger.withheld };
}

/**
 * Does to the copy what the hub-controller would do about these hosts if all hubs might write into their targets. Returns
 * the hosts for which no virtual IP was free.
 */
export async function generateEntries(
  hosts: Iterable<HostKey>,
  hubs: Pick<HostContext, "sessions" | "goneInMs">,
  cluster: ClusterCopy,
  options: Pick<GenerateOptions, "vipCidr" | "emptyGraceMs" | "dubboPorts">,
): Promise<readonly HostKey[]> {
  const { entries, serviceEntries, tools } = cluster;
  const unexplained = new UnexplainedEntries(tools.deps.logger, () => undefined);
  const context = {
    ...hubs,
    entries,
    unexplained,
    history: new History(tools.deps.clock), // nobody asks for it
    serviceEntries,
    serviceAt: () => "no" as const, // a preview does not read Services
    speaksMtls: () => undefined, // nor pods: what the cluster has stays
    isReady: () => true,
    targetProblem: () => undefined,
    claimants: hubs.sessions,
    isOfOtherLane: () => false,
    ownerElsewhere: () => undefined,
  };
  const pool = vipPool(options.vipCidr);
  const { emptyGraceMs: graceMs, dubboPorts } = options;
  const worker = new HostWorker(context, { pool, graceMs, dubboPorts, isLane: false }, tools);
  return workOff(new Set(hosts), worker, cluster);
}

/** What a dubbo-controller with the right to write filters everywhere sees, as far as anybody can tell. */
const everywhere = ({ namespaces }: ClusterCopy): NamespacesView => ({
  known: () => "yes",
  has: (namespace) => namespaces?.has(namespace) ?? true,
});

/**
 * Runs the dubbo-controller's worker against the copy for these ServiceEntries, by key, where these hubs exist. If it has
 * filters in other namespaces than the root namespace, it has the right to.
 */
export async function generateFilters(
  keys: Iterable<string>,
  hubs: readonly Pick<ClaimingHub, "hub">[],
  cluster: ClusterCopy,
  options: Omit<GenerateOptions, "emptyGraceMs">,
): Promise<void> {
  const { entries, serviceEntries, envoyFilters, tools } = cluster;
  const pool = vipPool(options.vipCidr);
  const refused = (error: Error): never => {
    throw error; // a copy takes every write
  };
  const { rootNamespace } = options;
  const known = new KnownFilters(rootNamespace);
  const isScoped = envoyFilters.objects
    .values()
    .some((one) => known.isOurs(one) && namespaceOf(one) !== rootNamespace);
  const waiting = new Set(keys);
  const context = {
    serviceEntries,
    filters: envoyFilters,
    entries,
    foreign: options.foreignServiceEntries,
    accepts: (vip: string) => pool.accepts(vip),
    targetOf: (key: HubKey) => hubs.find(({ hub }) => hub.key === key)?.hub.target,
    knowsHubs: () => true,
    isReady: () => true,
    namespaces: isScoped ? everywhere(cluster) : rootOnly,
    ruleLists: rulesUnknown,
    refused,
    queue: (keys: Iterable<string>): void => {
      for (const key of keys) waiting.add(key);
    },
    keptInRoot: () => undefined,
  };
  const worker = new FilterWorker(context, { ...options, watchNamespaces: [] }, tools);
  for (const key of envoyFilters.objects.keys()) worker.take(key);
  envoyFilters.onChange = (filter) => {
    for (const key of worker.take(filter)) waiting.add(key);
  };
  await workOff(waiting, worker, cluster);
}

/** Works on every key twice, including keys that appear meanwhile, and returns the keys that still fail. */
async function workOff(
  keys: ReadonlySet<string>,
  worker: { work(key: string): Promise<Outcome> },
  cluster: ClusterCopy,
): Promise<readonly string[]> {
  const failed = new Set<string>();
  for (const _look of ["at once", "later"]) {
    for (const key of keys) {
      const outcome = await worker.work(key);
      if (outcome !== undefined && "failed" in outcome) failed.add(key);
      else failed.delete(key);
    }
    cluster.pass(removalDelayMs);
  }
  return [...failed];
}

/** A hub as the host worker asks it, where its registry lists this and is trusted so far. */
export function claimingHub(
  hub: Hub,
  listings: ListingIndex,
  trust: TrustState,
  ledger: ClaimingHub["ledger"],
): ClaimingHub {
  const claimInputs = (host: HostKey, actual: Entry | undefined): ClaimInputs => ({
    hub,
    mayWrite: mayWrite(hub),
    trust,
    listed: listings.listed(host),
    isUnknown: listings.isUnknown(host, actual?.shape.service.name),
  });
  return { hub, listings, ledger, claimInputs };
}

/** Another hub of the cluster: its registry is not read, so it lists what the cluster has of it. */
function bystanderOf(hub: Hub, clock: Clock): ClaimingHub {
  const claimInputs = (_host: HostKey, actual: Entry | undefined): ClaimInputs => ({
    hub,
    mayWrite: mayWrite(hub),
    trust: unsynced,
    listed: [...(actual?.endpoints.values() ?? [])].filter(({ by }) => by.has(hub.id)),
    isUnknown: false,
  });
  const ledger = new HostLedger(clock, () => undefined);
  return { hub, listings: new ListingIndex(), ledger, claimInputs };
}

/** Oldest first. A hub that the cluster does not have yet is the youngest. */
function inOrder(applicant: ClaimingHub, { hubs, tools }: ClusterCopy): readonly ClaimingHub[] {
  const { clock } = tools.deps;
  // A hub that cannot be read lists nothing; its part of the cluster stays, as that of a missing hub.
  const parsed = hubs.map(readHub).flatMap((reading) => ("hub" in reading ? [reading.hub] : []));
  const createdAt = parsed.find(({ key }) => key === applicant.hub.key)?.createdAt ?? rfc3339(clock.now());
  const others = parsed.filter(({ key }) => key !== applicant.hub.key).map((hub) => bystanderOf(hub, clock));
  const age = ({ hub }: ClaimingHub): string =>
    `${hub === applicant.hub ? createdAt : hub.createdAt} ${hub.key}`;
  return [applicant, ...others].sort((a, b) => (age(a) < age(b) ? -1 : 1));
}
