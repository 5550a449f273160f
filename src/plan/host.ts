import type {
  Claim,
  Endpoint,
  Entry,
  EntryEndpoint,
  EntryShape,
  HostKey,
  HostPort,
  Ms,
} from "../model/entry.ts";
import { type HubId, subjectAltNamesOf } from "../model/hub.ts";
import { maxHubsPerEndpoint } from "../model/labels.ts";
import type { Problem } from "../model/problems.ts";
import { maxEndpoints, type Room, roomFor } from "./room.ts";
import { chooseShape, fits, isSameService, protocolOf, toldUnless } from "./shape.ts";
import { withoutVirtualAddresses } from "./virtual-addresses.ts";

/** The inputs that decide what happens to one host. */
export interface HostInput {
  readonly host: HostKey;
  /** The entry as it is in the cluster: ours, or the old product's. */
  readonly actual: Entry | undefined;
  /** By hub, oldest first. A hub that is gone has no claim. */
  readonly claims: ReadonlyMap<HubId, Claim>;
  /** Name and shape of an entry that somebody deleted; the new entry gets the same ones. */
  readonly remembered?: Pick<Entry, "name" | "shape">; // name "" = another host has the name now
  /** The VIP that the host keeps or gets; undefined = none is free. */
  readonly vip: string | undefined;
  /** Whether the address, in whatever form, is in the range of virtual IPs, and so no instance's. */
  readonly isVirtual: (address: string) => boolean;
  /** Whether the endpoint is a pod whose sidecar speaks mTLS at its port; undefined = that is not known now. */
  readonly speaksMtls: (endpoint: Endpoint) => boolean | undefined;
  /** How long `actual` has been empty. */
  readonly emptyForMs: Ms;
  readonly graceMs: Ms;
  /** RFC 3339: becomes `emptySince` when the entry becomes empty. */
  readonly now: string;
  readonly portName: (endpoint: Endpoint, port: number) => string;
  /** How much of the object an endpoint takes. */
  readonly bytesOf: (endpoint: EntryEndpoint, shape: EntryShape) => number;
  /** The name of a new entry. */
  readonly chooseName: (shape: EntryShape) => string;
}

export type Step =
  | { readonly op: "apply"; readonly entry: Entry; readonly wakeInMs?: Ms }
  | { readonly op: "delete"; readonly entry: Entry; readonly why: "unclaimed" | "empty" }
  | { readonly op: "blocked"; readonly reason: "VipsExhausted" }
  | { readonly op: "none" };

export interface HostPlan {
  readonly step: Step;
  /** How many endpoints stay only because a hub cannot vouch for their absence. */
  readonly withheld: ReadonlyMap<HubId, number>;
  /** Endpoints that hubs list but the entry cannot contain. */
  readonly problems: ReadonlyMap<HubId, readonly Problem[]>;
}

/**
 * Decides what to do about one host. Pure, and the only place that decides a removal. An endpoint leaves when every
 * hub that vouched for it says "gone" or is itself gone. An entry leaves when it has been empty for the grace time, or
 * when it names hubs and all of them are gone.
 */
export function planHost(input: HostInput): HostPlan {
  const { actual } = input;
  const { claims, problems: refused } = withoutVirtualAddresses(input.claims, actual, input.isVirtual);
  const nothing: HostPlan = { step: { op: "none" }, withheld: new Map(), problems: refused };
  const isListed = [...claims.values()].some((claim) => claim.listed.length > 0);
  if (!isListed && (!actual?.ours || actual.hubs.size === 0)) return nothing;

  if (actual !== undefined && claims.size > 0 && [...claims.values()].every((claim) => !claim.mayWrite))
    return nothing;

  const unlisted = carryOver(actual, claims, () => true).endpoints;
  const candidates = [...[...claims.values()].flatMap((claim) => claim.listed), ...unlisted];
  const before = remembering(actual?.shape, input.remembered?.shape);
  const chosen = chooseShape(before, candidates, input.portName, actual?.endpoints.keys());
  if (chosen === undefined) return nothing;
  // A listed endpoint replaces the one in the cluster at its address, unless it does not fit the entry.
  const carried = carryOver(actual, claims, (endpoint) => fits(endpoint, chosen));
  const merged = merge(claims, carried.endpoints, chosen);
  const contributing = new Set([...merged.values()].flatMap(({ by }) => [...by]));
  const said = [...contributing].map((id) => claims.get(id)?.protocol);
  const shape: EntryShape = { ...chosen, protocol: protocolOf(chosen, said) };
  const asked = [...claims.values()].flatMap(({ labels = [] }) => labels);
  const room = roomFor(vouched(merged, input), actual, (one) => input.bytesOf(one, shape), asked);
  const held = [...merged.keys()].filter((hostPort) => actual?.endpoints.has(hostPort)).length;
  const told = toldUnless(before, shape, { held, unread: carried.endpoints.length });
  const problems = problemsOf(claims, refused, merged, room, shape);
  return { step: stepFor(input, told, room.kept), withheld: carried.withheld, problems };
}

/** The entry's shape; what somebody removed from it is as it was last seen. */
function remembering(shape: EntryShape | undefined, last: EntryShape | undefined): EntryShape | undefined {
  if (shape === undefined || last === undefined || shape.service.kind !== last.service.kind)
    return shape ?? last;
  const { name, serviceKey } = shape.service;
  const service = {
    ...shape.service,
    name: name || last.service.name,
    serviceKey: serviceKey || last.service.serviceKey,
  };
  return { ...shape, service };
}

/**
 * Endpoints in the cluster that stay because a hub that vouches for them cannot say that they are gone. If a hub's
 * listing has the address in an endpoint that `counts`, that listing decides instead.
 */
function carryOver(
  actual: Entry | undefined,
  claims: ReadonlyMap<HubId, Claim>,
  counts: (endpoint: Endpoint) => boolean,
): { readonly endpoints: readonly EntryEndpoint[]; readonly withheld: ReadonlyMap<HubId, number> } {
  const listed = new Map(
    [...claims].map(([id, { listed: some, leftOut = [] }]) => [
      id,
      new Set([...some.filter(counts).map((one) => one.hostPort), ...leftOut]),
    ]),
  );
  const withheld = new Map<HubId, number>();
  const endpoints: EntryEndpoint[] = [];
  for (const endpoint of actual?.endpoints.values() ?? []) {
    const vouching = endpoint.by.size > 0 ? endpoint.by : claims.keys();
    const by = [...vouching].filter(
      (id) => claims.get(id)?.unlisted === "unknown" && !listed.get(id)?.has(endpoint.hostPort),
    );
    if (by.length === 0) continue;
    const { weight, ...weightless } = endpoint;
    const isWeighted = weight !== undefined && by.some((id) => claims.get(id)?.weights !== false);
    endpoints.push({ ...weightless, ...(isWeighted && { weight }), by: new Set(by) });
    for (const id of by) withheld.set(id, (withheld.get(id) ?? 0) + 1);
  }
  return { endpoints, withheld };
}

/**
 * The union by address, without `registryName`. If two hubs describe one address, the oldest hub's description wins; that of
 * a hub which cannot say anything now is what the cluster has: else a restart would move calls, by another hub's weights.
 */
function merge(
  claims: ReadonlyMap<HubId, Claim>,
  carried: readonly EntryEndpoint[],
  shape: EntryShape,
): ReadonlyMap<HostPort, EntryEndpoint> {
  const out = new Map<HostPort, EntryEndpoint>();
  const add = (endpoint: Endpoint, by: Iterable<HubId>): void => {
    if (!fits(endpoint, shape)) return;
    const same = out.get(endpoint.hostPort);
    out.set(endpoint.hostPort, {
      ...(same ?? endpoint),
      service: shape.service,
      by: new Set([...(same?.by ?? []), ...by]),
      registryName: "",
    });
  };
  for (const [id, claim] of claims) {
    for (const endpoint of claim.listed) add(endpoint, [id]);
    for (const endpoint of carried) if (endpoint.by.has(id)) add(endpoint, [id]);
  }
  return out;
}

/** Settles which hubs the endpoints name, and which endpoints are called by mTLS. */
function vouched(
  merged: ReadonlyMap<HostPort, EntryEndpoint>,
  input: HostInput,
): ReadonlyMap<HostPort, EntryEndpoint> {
  const { actual, claims } = input;
  const settled = [...merged].map(([hostPort, one]) => {
    const { mtls: _, ...endpoint } = one;
    const by = [...claims.keys()].filter((id) => endpoint.by.has(id));
    const names = by.map((id) => claims.get(id)?.name ?? "");
    const named = actual?.endpoints.get(hostPort)?.registryName ?? "";
    const registryName = names.includes(named) ? named : (names.find((name) => name !== "") ?? named);
    const mtls = isCalledByMtls(endpoint, by, input);
    return [hostPort, { ...endpoint, ...(mtls && { mtls }), by: new Set(by), registryName }] as const;
  });
  return new Map(settled);
}

/** What nobody knows now stays as the cluster has it: else a restart would cut the calls of STRICT providers. */
function isCalledByMtls(
  endpoint: Endpoint,
  by: readonly HubId[],
  { actual, claims, speaksMtls }: HostInput,
): boolean {
  const said = by.map((id) => claims.get(id)?.identity);
  if (said.includes("none")) return false;
  const known = said.includes(undefined) ? undefined : speaksMtls(endpoint);
  return known ?? actual?.endpoints.get(endpoint.hostPort)?.mtls ?? false;
}

function problemsOf(
  claims: ReadonlyMap<HubId, Claim>,
  refused: ReadonlyMap<HubId, readonly Problem[]>,
  merged: ReadonlyMap<HostPort, EntryEndpoint>,
  { kept, hasLostLabels }: Room,
  shape: EntryShape,
): ReadonlyMap<HubId, readonly Problem[]> {
  const problems = new Map<HubId, readonly Problem[]>();
  for (const [id, claim] of claims) {
    const found = claim.listed.flatMap((endpoint) => problemOf(endpoint, merged, kept, shape) ?? []);
    const leftOut = claim.listed.filter((one) => merged.has(one.hostPort) && !kept.has(one.hostPort));
    if (leftOut.length > 0) found.push(tooMany(shape, leftOut.length));
    if (hasLostLabels && claim.listed.some((one) => hasMoreLabels(one, kept))) found.push(tooLarge(shape));
    found.push(...unheard(claim, shape), ...(refused.get(id) ?? []));
    if (found.length > 0) problems.set(id, found);
  }
  return problems;
}

function problemOf(
  endpoint: Endpoint,
  merged: ReadonlyMap<HostPort, EntryEndpoint>,
  kept: ReadonlyMap<HostPort, EntryEndpoint>,
  shape: EntryShape,
): Problem | undefined {
  const at = `${endpoint.service.name} ${endpoint.hostPort}`;
  if (!fits(endpoint, shape)) {
    if (!isSameService(endpoint, shape)) {
      return { at, code: "HostConflict", detail: conflict(endpoint, shape), severity: "rejected" };
    }
    const detail = `the instance speaks ${endpoint.protocol}, but the entry's protocol is ${shape.protocol}; register the instance under another group or version`;
    return { at, code: "MixedProtocols", detail, severity: "rejected" };
  }
  if (kept.has(endpoint.hostPort) && (merged.get(endpoint.hostPort)?.by.size ?? 0) > maxHubsPerEndpoint) {
    const detail = `more than ${maxHubsPerEndpoint} hubs list this endpoint; its label names only the oldest ${maxHubsPerEndpoint}`;
    return { at, code: "TooManyHubs", detail, severity: "warning" };
  }
  return undefined;
}

/** A warning for a hub whose spec.protocol differs from the protocol of the Spring entry. */
function unheard({ protocol, listed }: Claim, shape: EntryShape): readonly Problem[] {
  const one = listed.find((endpoint) => fits(endpoint, shape));
  const isHeard = protocol === undefined || protocol === shape.protocol || shape.service.kind === "dubbo";
  if (one === undefined || isHeard) return [];
  const detail = `this hub's spec.protocol is ${protocol}, but the entry speaks ${shape.protocol} because of another hub; set the same spec.protocol in both hubs`;
  return [{ at: one.service.name, code: "MixedProtocols", detail, severity: "warning" }];
}

function conflict({ service }: Endpoint, { service: incumbent }: EntryShape): string {
  if (service.kind !== incumbent.kind || (service.kind === "dubbo" && service.name !== incumbent.name))
    return `service ${incumbent.name} already owns this host; rename one of the two`;
  if (service.serviceKey !== incumbent.serviceKey)
    return `service ${incumbent.serviceKey} already owns this host, and this is ${service.serviceKey}; give one of the two another group or version`;
  const advice = "give each group its own hub and namespace";
  return `group ${incumbent.registryGroup} already owns this host, and this service is in group ${service.registryGroup}; ${advice}`;
}

function tooMany(shape: EntryShape, left: number): Problem {
  const detail = `the entry is full, with ${maxEndpoints} instances or 1.2 MB, and leaves out ${left} more; split the service by group or version`;
  return { at: shape.service.name, code: "TooManyEndpoints", detail, severity: "rejected" };
}

function hasMoreLabels({ hostPort, labels }: Endpoint, kept: Room["kept"]): boolean {
  return Object.keys(labels).length > Object.keys(kept.get(hostPort)?.labels ?? labels).length;
}

function tooLarge(shape: EntryShape): Problem {
  const detail =
    "the entry has no room for all labels (1.2 MB), so its endpoints have only those of the manual and tag, or none; register less metadata, or split the service";
  return { at: shape.service.name, code: "TooManyLabels", detail, severity: "warning" };
}

function stepFor(input: HostInput, shape: EntryShape, endpoints: ReadonlyMap<HostPort, EntryEndpoint>): Step {
  const { actual, claims, vip } = input;
  const isGone = [...claims.values()].every((claim) => claim.unlisted === "gone");
  if (actual !== undefined && endpoints.size === 0) {
    if (claims.size === 0) return { op: "delete", entry: actual, why: "unclaimed" };
    if (isGone && actual.emptySince !== undefined && input.emptyForMs >= input.graceMs) {
      return { op: "delete", entry: actual, why: "empty" };
    }
  }
  if (vip === undefined) return { op: "blocked", reason: "VipsExhausted" };
  const entry = entryFor(input, shape, endpoints, vip);
  if (endpoints.size > 0 || !isGone) return { op: "apply", entry }; // a hub touches the host when it knows
  return { op: "apply", entry, wakeInMs: Math.max(0, input.graceMs - input.emptyForMs) };
}

function entryFor(
  input: HostInput,
  shape: EntryShape,
  endpoints: ReadonlyMap<HostPort, EntryEndpoint>,
  vip: string,
): Entry {
  const { actual, claims } = input;
  const contributing = new Set([...endpoints.values()].flatMap((endpoint) => [...endpoint.by]));
  const ids = [...claims.keys()].filter((id) =>
    endpoints.size > 0 ? contributing.has(id) : actual?.hubs.has(id),
  );
  const names = ids.map((id) => claims.get(id)?.name ?? "");
  const isSpring = shape.service.kind === "spring";
  const registryName = actual && names.includes(actual.registryName) ? actual.registryName : (names[0] ?? "");
  return {
    host: input.host,
    name: actual?.name ?? (input.remembered?.name || input.chooseName(shape)),
    vip,
    shape,
    ours: true,
    hubs: new Map(ids.map((id) => [id, claims.get(id)?.key ?? ""])),
    endpoints,
    ...(endpoints.size === 0 && { emptySince: actual?.emptySince ?? input.now }),
    l7: ids.every((id) => claims.get(id)?.l7 ?? true),
    outlierDetection:
      isSpring || ids.length === 0 || ids.some((id) => claims.get(id)?.outlierDetection !== false),
    ...exportedBy(ids.map((id) => claims.get(id)?.exportTo)),
    ...subjectAltNamesOf(ids.flatMap((id) => claims.get(id)?.subjectAltNames ?? [])),
    registryName: isSpring ? registryName : "",
  };
}

/** All namespaces that one of the hubs names, or none where one names none: that is everywhere. */
function exportedBy(said: readonly Claim["exportTo"][]): Pick<Entry, "exportTo"> {
  const names = said.filter((one) => one !== undefined);
  if (names.length === 0 || names.length < said.length) return {};
  return { exportTo: [...new Set(names.flat())].sort() };
}
