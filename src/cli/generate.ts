import {
  FilterWorker,
  type FilterWorkerOptions,
  filterRemovalDelayMs,
} from "../controllers/filter-worker.ts";
import type { Speaker } from "../controllers/host-claims.ts";
import { HostLedger } from "../controllers/host-ledger.ts";
import { entryRemovalDelayMs, HostWorker } from "../controllers/host-worker.ts";
import { hubClaim } from "../controllers/hub-claim.ts";
import { ListingIndex } from "../controllers/listing-index.ts";
import type { Outcome } from "../controllers/queue.ts";
import type { HostKey, Ms } from "../model/entry.ts";
import { type Hub, parseHub } from "../model/hub.ts";
import type { ServiceEntry } from "../model/istio.ts";
import type { Problem } from "../model/problems.ts";
import type { Snapshot } from "../model/service.ts";
import { rfc3339 } from "../model/time.ts";
import { vipPool } from "../plan/vip.ts";
import type { Clock } from "../runtime/deps.ts";
import { hubIdOf } from "../translate/names.ts";
import { hubsOf } from "../translate/service-entry.ts";
import type { ClusterCopy } from "./cluster-copy.ts";

/** As in Config. */
export interface GenerateOptions extends Omit<FilterWorkerOptions, "watchNamespaces"> {
  readonly vipCidr: string;
  readonly emptyGraceMs: Ms;
  readonly foreignServiceEntries: boolean;
}

/** What came of a hub, besides the objects. */
export interface Generated {
  readonly problems: readonly Problem[];
  /** Hosts for which no virtual IP was free. */
  readonly withoutVip: readonly HostKey[];
  /** Endpoints that stay only because the hub cannot, or by its policy does not, say that they are gone. */
  readonly held: HostLedger["withheld"];
}

/** What only removes waits for this long at most, in case it comes back. */
const removalDelayMs = Math.max(entryRemovalDelayMs, filterRemovalDelayMs);

/**
 * Does to the copy of a cluster what the controllers would do to the cluster if the hub were applied, its registry listed
 * this and were believed: their own workers do it. A hub that is suspended or only observes is taken to write.
 */
export async function generate(
  hub: Hub,
  snapshot: Snapshot,
  cluster: ClusterCopy,
  options: GenerateOptions,
): Promise<Generated> {
  const { entries, serviceEntries, tools } = cluster;
  const speaker = speakerOf(hub, snapshot, tools.deps.clock);
  const speakers = inOrder(speaker, cluster);
  const world = {
    entries,
    serviceEntries,
    isReady: () => true,
    sessions: () => speakers,
    targetProblem: () => undefined,
    goneInMs: () => undefined,
  };
  const pool = vipPool(options.vipCidr);
  const worker = new HostWorker(world, { pool, graceMs: options.emptyGraceMs }, tools);
  const owned = (): string[] =>
    [...serviceEntries.objects].filter(([, one]) => hubsOf(one).has(speaker.id)).map(([key]) => key);
  const ownedBefore = owned();
  const ownedHosts = [...entries.hostsOf(speaker.id)].map(({ host }) => host);
  const hosts = new Set([...speaker.listings.hosts(), ...ownedHosts].sort());
  const withoutVip = await workOff(hosts, worker, cluster);
  await generateFilters([...ownedBefore, ...owned()], cluster, options);
  const problems = [...snapshot.problems, ...speaker.listings.problems, ...speaker.ledger.problems];
  return { problems, withoutVip, held: speaker.ledger.withheld };
}

/** Does to the copy what the dubbo-controller would do about these ServiceEntries, by key. */
export async function generateFilters(
  keys: Iterable<string>,
  cluster: ClusterCopy,
  options: Omit<GenerateOptions, "emptyGraceMs">,
): Promise<void> {
  const { entries, serviceEntries, envoyFilters, tools } = cluster;
  const pool = vipPool(options.vipCidr);
  const rules = {
    foreign: options.foreignServiceEntries,
    believes: (vip: string) => pool.believes(vip),
    hasElder: (vip: string, object: ServiceEntry) => entries.hasElder(vip, object),
  };
  const refused = (error: Error): never => {
    throw error; // a copy takes every write
  };
  const world = { serviceEntries, filters: envoyFilters, rules, isReady: () => true, refused };
  const worker = new FilterWorker(world, { ...options, watchNamespaces: [] }, tools);
  for (const key of envoyFilters.objects.keys()) worker.take(key);
  const waiting = new Set(keys);
  envoyFilters.onChange = (filter) => {
    for (const key of worker.take(filter)) waiting.add(key);
  };
  await workOff(waiting, worker, cluster);
}

/** Looks at every key twice, with keys that come up meanwhile, and returns those that failed in the end. */
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

/** The hub, with a registry that lists this and is believed. */
function speakerOf(hub: Hub, snapshot: Snapshot, clock: Clock): Speaker {
  const id = hubIdOf(hub.key);
  const listings = new ListingIndex();
  listings.update(snapshot.services, hub);
  const policy = hub.policy === "observe" ? "sync" : hub.policy;
  const voice = {
    id,
    hub: { ...hub, policy, suspend: false } as const,
    listings,
    trust: { synced: true, settledAt: 0, heldUntil: 0, resetUntil: 0 },
    isPending: false,
  };
  return {
    ...voice,
    isWriting: true,
    ledger: new HostLedger(clock, () => undefined),
    claim: (host, actual, isWriting) => hubClaim(voice, host, actual, isWriting, clock.monotonic()),
  };
}

/** Another hub of the cluster: its registry is not read, so it lists what the cluster has of it. */
function bystanderOf(hub: Hub, clock: Clock): Speaker {
  const { key, name, l7, protocol } = hub;
  const id = hubIdOf(key);
  return {
    id,
    hub,
    listings: new ListingIndex(),
    isWriting: !hub.suspend && hub.policy !== "observe",
    ledger: new HostLedger(clock, () => undefined),
    claim(_host, actual, isWriting) {
      const endpoints = [...(actual?.endpoints.values() ?? [])].filter(({ by }) => by.has(id));
      if (endpoints.length === 0 && !actual?.hubs.has(id)) return undefined;
      const listed = isWriting ? endpoints : [];
      return { key, name, l7, protocol, writes: isWriting, listed, rest: "unknown" };
    },
  };
}

/** Oldest first. A hub that the cluster does not have yet is the youngest. */
function inOrder(speaker: Speaker, { hubs, tools }: ClusterCopy): readonly Speaker[] {
  const { clock } = tools.deps;
  const parsed = hubs.map(parseHub);
  const createdAt =
    parsed.find(({ key }) => key === speaker.hub.key)?.createdAt ?? rfc3339(tools.deps.clock.now());
  const others = parsed.filter(({ key }) => key !== speaker.hub.key).map((hub) => bystanderOf(hub, clock));
  const age = ({ hub }: Speaker): string => `${hub === speaker.hub ? createdAt : hub.createdAt} ${hub.key}`;
  return [speaker, ...others].sort((a, b) => (age(a) < age(b) ? -1 : 1));
}
