import type { Endpoint, Entry, EntryEndpoint, HostPort } from "../model/entry.ts";
import { isExpectedLabel } from "../model/labels.ts";

/** So many endpoints, or so many bytes, make an entry full: it takes no further endpoint. */
export const maxEndpoints = 2_000;
export const maxEntryBytes = 1_200_000;
/** etcd refuses requests of more than 1.5 MiB. What others have written into the object counts, too. */
const maxStoredBytes = 1_400_000;
/** What is no endpoint: names, annotations, a hundred hubs, and the API server's own record. */
const otherBytes = 20_000;
/** An entry that has lost labels gets them back when all of them fit so well that they do not go again soon. */
const returnShare = 0.8;

/** Which labels the endpoints of an entry have, the operator's own apart: the fewer, the more endpoints have room. */
type LabelChoices = readonly ((key: string) => boolean)[];

export interface Room {
  /** Sorted by address. */
  readonly kept: ReadonlyMap<HostPort, EntryEndpoint>;
  /** Some have fewer labels than they were given. */
  readonly hasLostLabels: boolean;
}

/**
 * The endpoints for which an entry has room, of those that it should have. The labels that nobody counts on go first,
 * and no new endpoint comes in after that; what `actual` has stays, however much it is. If that alone is more than the
 * API server takes, all labels go.
 *
 * @param bytesOf how much of the object the endpoint takes.
 * @param asked labels that somebody counts on, besides the usual ones.
 */
export function roomFor(
  wanted: ReadonlyMap<HostPort, EntryEndpoint>,
  actual: Entry | undefined,
  bytesOf: (endpoint: EntryEndpoint) => number,
  asked: readonly string[] = [],
): Room {
  const isCountedOn = (key: string): boolean => isExpectedLabel(key) || asked.includes(key);
  const choices: LabelChoices = [() => true, isCountedOn, () => false];
  const [staying, coming]: [EntryEndpoint[], EntryEndpoint[]] = [[], []];
  for (const hostPort of [...wanted.keys()].sort()) {
    const endpoint = wanted.get(hostPort);
    if (endpoint !== undefined) (actual?.endpoints.has(hostPort) ? staying : coming).push(endpoint);
  }
  coming.splice(Math.max(0, maxEndpoints - staying.length));
  const sumOf = (endpoints: readonly EntryEndpoint[]): number =>
    endpoints.reduce((sum, endpoint) => sum + bytesOf(endpoint), otherBytes);
  const fits = (bytes: number, limit: number, choice: number): boolean =>
    bytes <= limit * returnShare || (bytes <= limit && choiceOf(actual, choices) <= choice);
  if (fits(sumOf([...staying, ...coming]), maxEntryBytes, 0))
    return { kept: byAddress([...staying, ...coming]), hasLostLabels: false };
  const expected = staying.map(reduced(choices, 1));
  const choice = fits(sumOf(expected), maxStoredBytes, 1) ? 1 : 2;
  const kept = choice === 1 ? expected : staying.map(reduced(choices, choice));
  let bytes = sumOf(kept);
  for (const endpoint of coming.map(reduced(choices, choice))) {
    bytes += bytesOf(endpoint);
    if (bytes > maxEntryBytes) break;
    kept.push(endpoint);
  }
  return { kept: byAddress(kept), hasLostLabels: true };
}

/** The choice that its endpoints show. */
function choiceOf(actual: Entry | undefined, choices: LabelChoices): number {
  if (actual === undefined || actual.endpoints.size === 0) return 0;
  const keys = new Set([...actual.endpoints.values()].flatMap(({ labels }) => Object.keys(labels)));
  return choices.findLastIndex((has) => keys.values().every(has));
}

/** Endpoints that share their labels share the reduced ones. */
function reduced(choices: LabelChoices, choice: number): (endpoint: EntryEndpoint) => EntryEndpoint {
  const has = choices[choice] ?? (() => true);
  const known = new Map<Endpoint["labels"], Endpoint["labels"]>();
  return (endpoint) => {
    const { labels } = endpoint;
    const fewer = known.get(labels) ?? Object.fromEntries(Object.entries(labels).filter(([key]) => has(key)));
    known.set(labels, fewer);
    return { ...endpoint, labels: fewer };
  };
}

function byAddress(endpoints: readonly EntryEndpoint[]): ReadonlyMap<HostPort, EntryEndpoint> {
  const sorted = endpoints.toSorted((a, b) => (a.hostPort < b.hostPort ? -1 : 1));
  return new Map(sorted.map((endpoint) => [endpoint.hostPort, endpoint]));
}
