import { setTimeout as delay } from "node:timers/promises";
import { resources } from "../../src/kube/resources.ts";
import type { ServiceEntry } from "../../src/model/istio.ts";
import { inParallel } from "../../src/registries/transport/parallel.ts";
import { type BareClient, bareClient, inFlight } from "./bare-client.ts";
import { type EntryWatch, startCluster, watchEntries } from "./cluster.ts";
import { addressOf, apartMs, folderOf, hostOf, type ZooKeeperTree } from "./zookeeper-tree.ts";

/** The first provider that the floor adds to a service: no other has its number. */
const firstAdded = 100;

/** What writing alone takes. */
export interface Floor {
  /** From the first write to the last entry in an API watch, in ms. */
  readonly syncMs: number;
  /** From registering a provider to the API watch, in ms: an event, a listing, a write, and nothing else. */
  readonly changeMs: readonly number[];
}

/** On a fresh cluster: applies these entries in a bare loop, then follows `changes` of their services. */
export async function measureFloor(
  tree: ZooKeeperTree,
  entries: readonly ServiceEntry[],
  changes: number,
): Promise<Floor> {
  await using api = await startCluster();
  await using watch = await watchEntries(api);
  await using client = await bareClient(api);
  const startedAt = performance.now();
  const all = watch.reached(entries.length, 600_000);
  await inParallel(entries, inFlight, (entry) => client.apply(resources.serviceEntries, entry));
  const syncMs = (await all) - startedAt;
  const byHost = new Map(entries.map((entry) => [entry.spec.hosts?.[0] ?? "", entry]));
  const changeMs: number[] = [];
  for (let change = 0; change < changes; change++) {
    const service = (change * 7) % entries.length;
    const entry = byHost.get(hostOf(service));
    if (entry === undefined) throw new Error(`no entry for ${hostOf(service)}`);
    const added = firstAdded + Math.floor((change * 7) / entries.length);
    changeMs.push(await followOne({ tree, client, watch }, entry, service, added));
    await delay(apartMs);
  }
  await tree.reset();
  return { syncMs, changeMs };
}

interface Parties {
  readonly tree: ZooKeeperTree;
  readonly client: BareClient;
  readonly watch: EntryWatch;
}

async function followOne(
  { tree, client, watch }: Parties,
  entry: ServiceEntry,
  service: number,
  added: number,
): Promise<number> {
  const { ip, port } = addressOf(service, added);
  const fired = Promise.withResolvers<void>();
  await tree.witness.getChildren(folderOf(service), fired.resolve);
  const startedAt = performance.now();
  const seen = watch.has(hostOf(service), ip, port);
  const registered = tree.register(service, added);
  await fired.promise;
  await tree.witness.getChildren(folderOf(service));
  await client.apply(resources.serviceEntries, withEndpoint(entry, ip));
  await registered;
  return (await seen) - startedAt;
}

/** With one more endpoint, which is like the first but for its address. */
function withEndpoint(entry: ServiceEntry, address: string): ServiceEntry {
  const endpoints = entry.spec.endpoints ?? [];
  const [first] = endpoints;
  if (first === undefined) throw new Error(`${entry.metadata.name} has no endpoints`);
  return { ...entry, spec: { ...entry.spec, endpoints: [...endpoints, { ...first, address }] } };
}
