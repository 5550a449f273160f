import type { HostChange } from "../../model/change.ts";
import type { Claim, Entry, EntryEndpoint, HostPort } from "../../model/entry.ts";
import { type Hub, type HubId, type HubKey, wants } from "../../model/hub.ts";
import { splitKey } from "../../model/keys.ts";
import { rfc3339 } from "../../model/time.ts";
import type { ClaimInputs } from "../../plan/claims.ts";
import { toldUntil } from "../../plan/losses.ts";
import { weightOf } from "../../translate/service-entry.ts";

/** One change of an entry. */
export interface EntryChange extends Whose {
  readonly endpoint: HostPort;
  readonly what: HostChange;
  readonly why: string;
}

/** As in Change. */
interface Whose {
  readonly hub: HubKey;
  readonly others?: readonly HubKey[];
}

/** Why an entry is as it was planned. */
export interface EntryReasons {
  readonly claims: ReadonlyMap<HubId, Claim>;
  /** A hub that exists. */
  readonly hubOf: (key: HubKey) => Hub | undefined;
  /** Since when what goes of a hub has not been listed, as "since <time>"; "" = since a moment ago. */
  readonly missingSince: (key: HubKey) => string;
}

/** So many endpoints of a write are told one by one, of each kind of change. */
const toldEndpoints = 10;
/** And so many in one sentence. */
const namedEndpoints = 3;

/** What a write has changed: first endpoints, then what became of the whole entry. */
export function changesBetween(before: Entry, after: Entry, reasons: EntryReasons): readonly EntryChange[] {
  const added = without(after.endpoints, before.endpoints).map((one) => addition(one, after));
  const removed = without(before.endpoints, after.endpoints).map((one) => removal(one, before, reasons));
  const changed = [...after.endpoints.values()].flatMap((one) => alteration(before, one, after, reasons));
  const endpoints = [...bounded(removed), ...bounded(added), ...bounded(changed)];
  if (after.emptySince !== undefined && (before.endpoints.size > 0 || before.emptySince === undefined)) {
    const why = removed.at(-1)?.why ?? "another writer had taken out its endpoints";
    return [...endpoints, { ...wholeOf(before), what: "Emptied", why }];
  }
  const others = differences(before, after);
  if (others === "" && endpoints.length > 0) return endpoints;
  return [
    ...endpoints,
    { ...wholeOf(after), what: "Changed", why: others || "it has other labels or annotations" },
  ];
}

/** What somebody else had changed, and is as it was again. */
export function repairsBetween(before: Entry | undefined, after: Entry): readonly EntryChange[] {
  const whole = { ...wholeOf(after), what: "Repaired" } as const;
  if (before === undefined) return [{ ...whole, why: "somebody had deleted the ServiceEntry" }];
  const line =
    (what: HostChange, why: string) =>
    ({ hostPort }: EntryEndpoint): EntryChange => ({ ...whole, endpoint: hostPort, what, why });
  const taken = without(after.endpoints, before.endpoints);
  const put = without(before.endpoints, after.endpoints);
  return [
    ...bounded(put.map(line("EndpointRemoved", "another writer had put it in"))),
    ...bounded(taken.map(line("EndpointAdded", "another writer had taken it out"))),
    { ...whole, why: "edited by another writer, whom metadata.managedFields of the entry names" },
  ];
}

/** Endpoints that somebody else took out of the entry, and that do not come back, because the hub does not list them. */
export function takenOut(hub: HubKey, endpoints: readonly HostPort[]): readonly EntryChange[] {
  const why = "another writer took it out, and the registry does not list it";
  return bounded(endpoints.map((endpoint) => ({ hub, endpoint, what: "EndpointRemoved", why })));
}

/** Somebody else deleted the entry, and it does not come back. `inputsOf` = those of a hub that this process serves. */
export function lossOf(entry: Entry, inputsOf: (key: HubKey) => ClaimInputs | undefined): EntryChange {
  const whole = wholeOf(entry);
  const why = `somebody deleted the ServiceEntry, and it does not come back: ${whyAway(inputsOf(whole.hub))}`;
  return { ...whole, what: "Deleted", why: `${why}${had(entry)}` };
}

function whyAway(inputs: ClaimInputs | undefined): string {
  if (inputs === undefined) return "the operator cannot serve its hub";
  const { hub, mayWrite, trust, isUnknown } = inputs;
  if (hub.suspend) return "its hub is suspended";
  if (hub.policy === "observe") return "its hub only observes";
  if (!mayWrite) return "its hub cannot write to its target";
  if (!trust.isSynced || isUnknown) return "its service cannot be read from the registry now";
  return "the registry does not list its service";
}

/** An entry that was not there before. */
export function creationOf(entry: Entry): EntryChange {
  const why = `the registry lists it, with ${inWords(entry.endpoints)}`;
  return { ...wholeOf(entry), what: "Created", why };
}

/** The entry was deleted. */
export function deletionOf(
  entry: Entry,
  because: "unclaimed" | "empty",
  hubOf: EntryReasons["hubOf"],
): EntryChange {
  const gone = [...entry.hubs.values()].filter((key) => key !== "" && hubOf(key) === undefined);
  const whyOf = {
    empty: `it has been empty since ${entry.emptySince ?? "longer than --empty-grace"}`,
    unclaimed:
      gone.length > 0 ? `deleted: RegistryHub ${gone.join(", ")}` : "its hubs do not claim it any more",
  };
  return { ...wholeOf(entry), what: "Deleted", why: `${whyOf[because]}${had(entry)}` };
}

const had = ({ endpoints }: Entry): string => (endpoints.size > 0 ? `; it had ${inWords(endpoints)}` : "");

/** Why endpoints stay that the hub does not list; undefined = its silence says nothing now, so nothing is withheld. */
export function whyKept({ hub, mayWrite, trust, isUnknown }: ClaimInputs, host: string): string | undefined {
  if (!mayWrite || !trust.isSynced) return undefined;
  if (hub.policy === "upsert-only") return "spec.policy is upsert-only";
  if (isUnknown)
    return "its service, or a part of it, could not be read, or is not written to its new target";
  const { reset, settling, losses } = trust;
  if (reset !== undefined) return `the registry lost its data, hold until ${rfc3339(toldUntil(reset))}`;
  if (settling !== undefined) return `the hub settles until ${rfc3339(toldUntil(settling))}`;
  const loss = losses.get(host);
  if (loss?.verdict !== "braked") return undefined;
  return `many services vanished at once, hold until ${rfc3339(toldUntil(loss))}`;
}

/** "2 endpoints: 10.0.0.1:80, 10.0.0.2:80". */
export function inWords(endpoints: Entry["endpoints"]): string {
  const named = [...endpoints.keys().take(namedEndpoints)];
  const more = endpoints.size - named.length;
  const list = named.length > 0 ? `: ${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}` : "";
  return `${endpoints.size} endpoint${endpoints.size === 1 ? "" : "s"}${list}`;
}

/** The first ones, and how many more there are. */
function bounded(changes: readonly EntryChange[]): readonly EntryChange[] {
  const told = changes.slice(0, toldEndpoints);
  const [last] = told.slice(-1);
  const more = changes.length - told.length;
  return last === undefined || more === 0
    ? told
    : [...told, { ...last, endpoint: "", why: `and ${more} more` }];
}

const without = (all: Entry["endpoints"], others: Entry["endpoints"]): readonly EntryEndpoint[] =>
  [...all.values()].filter(({ hostPort }) => !others.has(hostPort));

const wholeOf = ({ hubs }: Entry): Whose & Pick<EntryChange, "endpoint"> => ({
  ...whose(hubs.values()),
  endpoint: "",
});

const whoseAt = (ids: Iterable<HubId>, { hubs }: Entry): Whose =>
  whose(Iterator.from(ids).map((id) => hubs.get(id) ?? ""));

function whose(keys: Iterable<HubKey>): Whose {
  const [hub = "", ...others] = [...keys].filter((key) => key !== "");
  return { hub, ...(others.length > 0 && { others }) };
}

function addition({ hostPort, by }: EntryEndpoint, after: Entry): EntryChange {
  return {
    ...whoseAt(by, after),
    endpoint: hostPort,
    what: "EndpointAdded",
    why: "the registry lists it",
  };
}

function removal(one: EntryEndpoint, before: Entry, reasons: EntryReasons): EntryChange {
  const [id = "", ...others] = one.by.size > 0 ? one.by : before.hubs.keys();
  const key = before.hubs.get(id) ?? reasons.claims.get(id)?.key ?? "";
  const also = others.length > 0 ? `; ${others.length} more of its hubs do not list it either` : "";
  const why = `${whyGone(one, id, key, before, reasons)}${also}`;
  const { others: more } = whoseAt([id, ...others], before);
  return { hub: key, ...(more && { others: more }), endpoint: one.hostPort, what: "EndpointRemoved", why };
}

function whyGone(
  { hostPort, service }: EntryEndpoint,
  id: HubId,
  key: HubKey,
  { host }: Entry,
  { claims, hubOf, missingSince }: EntryReasons,
): string {
  const claim = claims.get(id);
  const hub = hubOf(key);
  if (hub === undefined) return "its hub is deleted";
  if (claim?.leftOut?.includes(hostPort)) return "a share of spec.instances has 0 %";
  if (claim?.listed.some((one) => one.hostPort === hostPort))
    return "listed, but the entry cannot have it: the problems of the hub say why";
  if (hub.target !== splitKey(host)[0]) return `the hub writes to namespace ${hub.target} now`;
  if (service.name !== "" && !wants(hub.filter, service.originalName || service.name))
    return "out of spec.services of the hub";
  // A listing does not tell one from the other.
  const isSelected = hub.instances.selector.requirements.length > 0;
  const what = isSelected ? "not listed, or left out by spec.instances.selector" : "not listed";
  const since = missingSince(key);
  return since === "" ? `${what} any more` : `${what}${isSelected ? "," : ""} ${since}`;
}

function alteration(
  before: Entry,
  now: EntryEndpoint,
  after: Entry,
  { hubOf }: EntryReasons,
): readonly EntryChange[] {
  const was = before.endpoints.get(now.hostPort);
  if (was === undefined) return [];
  const parts = [
    ...(weightOf(was) === weightOf(now) ? [] : [`weight ${was.weight ?? 1} → ${now.weight ?? 1}`]),
    ...labelsBetween(was.labels, now.labels),
    ...(was.locality === now.locality
      ? []
      : [`locality ${was.locality ?? "none"} → ${now.locality ?? "none"}`]),
    ...(was.mtls === now.mtls ? [] : [now.mtls ? "called by mTLS now" : "called in plain text now"]),
  ];
  const line = { endpoint: now.hostPort, what: "EndpointChanged" } as const;
  const whole = parts.length === 0 ? [] : [{ ...line, ...whoseAt(now.by, after), why: parts.join(", ") }];
  return [...whole, ...vouchersBetween(was, now, before, after, hubOf).map((one) => ({ ...line, ...one }))];
}

function labelsBetween(was: EntryEndpoint["labels"], now: EntryEndpoint["labels"]): readonly string[] {
  const all = Object.keys(now);
  if (all.length === Object.keys(was).length && all.every((key) => was[key] === now[key])) return []; // of most
  const keys = new Set([...Object.keys(was), ...Object.keys(now)]);
  const changed = [...keys].filter((key) => was[key] !== now[key]).sort();
  const named = changed.slice(0, namedEndpoints).join(", ");
  const more = changed.length > namedEndpoints ? ` and ${changed.length - namedEndpoints} more` : "";
  return changed.length === 0 ? [] : [`other labels: ${named}${more}`];
}

/** Hubs that vouch for an endpoint no more, or now as well; each is told of its own part. */
function vouchersBetween(
  was: EntryEndpoint,
  now: EntryEndpoint,
  before: Entry,
  after: Entry,
  hubOf: EntryReasons["hubOf"],
): readonly Pick<EntryChange, "hub" | "why">[] {
  const told = (id: HubId, { hubs }: Entry, verb: (key: HubKey) => string) => {
    const hub = hubs.get(id) ?? "";
    return { hub, why: hub === "" ? `hub ${id} ${verb(hub)}` : `${hub} ${verb(hub)}` };
  };
  const left = (key: HubKey): string =>
    key !== "" && hubOf(key) === undefined ? "is deleted" : "lists it no more";
  return [
    ...[...was.by].filter((id) => !now.by.has(id)).map((id) => told(id, before, left)),
    ...[...now.by].filter((id) => !was.by.has(id)).map((id) => told(id, after, () => "lists it as well")),
  ];
}

/** What differs of the whole entries, in words; "" = nothing. */
function differences(before: Entry, after: Entry): string {
  const parts: readonly (readonly [name: string, of: (entry: Entry) => unknown])[] = [
    ["virtual IP", ({ vip }) => vip],
    ["protocol", ({ shape }) => shape.protocol],
    ["exportTo", ({ exportTo }) => exportTo?.join()],
    ["subjectAltNames", ({ subjectAltNames }) => subjectAltNames?.join()],
    ["l7", ({ l7 }) => l7],
    ["outlierDetection", ({ outlierDetection }) => outlierDetection],
    ["hubs", ({ hubs }) => [...hubs.values()].sort().join()],
  ];
  const others = parts.filter(([, of]) => of(before) !== of(after)).map(([name]) => name);
  const changed = others.length > 0 ? [`other ${others.join(", ")}`] : [];
  return [...(before.ours ? [] : ["taken over from an earlier product"]), ...changed].join("; ");
}
