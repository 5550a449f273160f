import { isDeepStrictEqual } from "node:util";
import type { Problem } from "../../../model/problems.ts";
import type { Service } from "../../../model/service.ts";
import { type Application, type IsRegistered, type OpaqueReason, opaqueApplications } from "./application.ts";
import type { Provider } from "./provider.ts";
import { serviceOf, withProviders } from "./provider-service.ts";

/** How many interfaces of an application a message names, which is enough to recognise it. */
const maxNamed = 3;

/**
 * The applications that claim to serve an interface, by interface. No application is ever removed from it, so it
 * proves nothing.
 */
export type Mapping = ReadonlyMap<string, readonly string[]>;

/** All registrations of Dubbo services, at both levels. */
export interface Registrations {
  /** The registrations by interface, by its name. */
  readonly services: ReadonlyMap<string, Service>;
  /** Whether one of `services` has a provider at the address, including providers that take no traffic. */
  readonly isRegistered: IsRegistered;
  /** An unchanged application keeps its identity from one call to the next, and so does the array. */
  readonly applications: readonly Application[];
  /** For the interfaces that the hub wants. undefined = there is no mapping, or it is unreadable. */
  readonly mapping: Mapping | undefined;
  /** `mapping` may be incomplete, so an application that it does not name may still serve an interface. */
  readonly isMappingPartial?: boolean;
  /** Present when the list of applications is unreadable. */
  readonly cannotList?: Problem;
  /** The interfaces that the cluster has of the hub. Asked only while something could not be read. Default: none. */
  readonly known?: () => Iterable<string>;
}

/** Both levels as one. */
export interface Merged {
  /** By interface. */
  readonly services: ReadonlyMap<string, Service>;
  readonly problems: readonly Problem[];
  /** The inputs of each service that has instances from applications. */
  readonly sources: ReadonlyMap<string, Source>;
  readonly applications: readonly Application[];
  readonly parts: Parts;
  /** The applications that do not publish the services of some of their instances. */
  readonly hidden: ReadonlyMap<string, OpaqueReason>;
}

/** The providers of each interface, by application. */
type Parts = ReadonlyMap<string, readonly (readonly Provider[])[]>;

interface Source {
  readonly parts: readonly (Service | readonly Provider[] | undefined)[];
  readonly service: Service;
}

/**
 * Merges the services registered by interface with those of applications, without duplicates, because Java registers
 * both by default. An interface that may have providers whose registration could not be read is "unknown", or
 * `isPartial` if others are known: its providers live, so the endpoints in the cluster stay. `previous` is the result
 * of the last call; unchanged services keep their identity.
 */
export function mergeApplications(registrations: Registrations, previous: Merged | undefined): Merged {
  const { applications, isRegistered, cannotList } = registrations;
  const sources = new Map<string, Source>();
  const parts = applications === previous?.applications ? previous.parts : partsByInterface(applications);
  const merged = new Map<string, Service>();
  for (const [name, ofApplications] of parts) {
    const source = mergedSource(name, [registrations.services.get(name), ...ofApplications], previous);
    sources.set(name, source);
    merged.set(name, source.service);
  }
  const hidden = opaqueApplications(applications, isRegistered);
  const doubts = doubtsOf(registrations, merged, hidden);
  for (const name of doubts.names) {
    const service = merged.get(name) ?? registrations.services.get(name) ?? serviceOf(name, []);
    merged.set(name, kept(doubted(service), previous));
  }
  const services = merged.size === 0 ? registrations.services : joined(registrations.services, merged);
  const problems = [...hidden]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, reason]) => hiddenProblem(name, reason, registrations, doubts.areUnmapped) ?? []);
  return { services, problems: problems.concat(cannotList ?? []), sources, applications, parts, hidden };
}

/** Both maps as one; those of `more` win. */
function joined(
  services: ReadonlyMap<string, Service>,
  more: ReadonlyMap<string, Service>,
): ReadonlyMap<string, Service> {
  const all = new Map(services);
  for (const [name, service] of more) all.set(name, service);
  return all;
}

/** The interfaces that somebody may serve whose registration could not be read. */
interface Doubts {
  readonly names: readonly string[];
  /** Whether some of them are in doubt though no mapping names an application for them. */
  readonly areUnmapped: boolean;
}

/**
 * Mapping says which hidden applications may serve an interface. Of an interface that it does not name all may, unless
 * the interface has its own registration: otherwise no provider of Java's could ever count as gone. What a `local`
 * application serves was never known, so it casts no doubt on the rest of an interface with known instances.
 */
function doubtsOf(
  { services, mapping, isMappingPartial = mapping === undefined, cannotList, known }: Registrations,
  merged: ReadonlyMap<string, Service>,
  hidden: ReadonlyMap<string, OpaqueReason>,
): Doubts {
  const isBlind = cannotList !== undefined;
  const obstacles = new Map([...hidden].filter(([, reason]) => reason !== "local"));
  const isUnsure = isBlind || obstacles.size > 0 || (isMappingPartial && hidden.size > 0);
  const names = new Set(mapping?.keys());
  for (const name of isUnsure ? [...(known?.() ?? []), ...merged.keys()] : []) names.add(name);
  const unmapped = new Set<string>();
  const doubtful = [...names].filter((name) => {
    const instances = (merged.get(name) ?? services.get(name))?.instances ?? [];
    if (instances === "unknown") return false;
    const isServed = instances.length > 0;
    const claims = mapping?.get(name);
    if (claims?.some((one) => (isServed ? obstacles : hidden).has(one))) return true;
    if (services.has(name) || (claims !== undefined && !isBlind)) return false;
    if (isServed ? obstacles.size > 0 : isUnsure) unmapped.add(name);
    return unmapped.has(name);
  });
  return { names: doubtful, areUnmapped: unmapped.size > 0 };
}

function doubted(service: Service): Service {
  const isServed = service.instances !== "unknown" && service.instances.length > 0;
  return isServed ? { ...service, isPartial: true } : { ...service, instances: "unknown" };
}

function partsByInterface(applications: readonly Application[]): Parts {
  const parts = new Map<string, (readonly Provider[])[]>();
  for (const { providers } of applications) {
    for (const [name, ofApplication] of providers) {
      const all = parts.get(name);
      if (all) all.push(ofApplication);
      else parts.set(name, [ofApplication]);
    }
  }
  return parts;
}

/** The first of `parts` is the registration by interface. */
function mergedSource(
  name: string,
  parts: readonly [Service | undefined, ...(readonly Provider[])[]],
  previous: Merged | undefined,
): Source {
  const before = previous?.sources.get(name);
  if (before?.parts.length === parts.length && parts.every((part, at) => part === before.parts[at]))
    return before;
  const [registered, ...ofApplications] = parts;
  const service = withProviders(registered ?? serviceOf(name, []), ofApplications.flat());
  return { parts, service: service === registered ? service : kept(service, previous) };
}

/** The previous service, if it is equal. */
function kept(service: Service, previous: Merged | undefined): Service {
  const before = previous?.services.get(service.name);
  return before !== undefined && isDeepStrictEqual(before, service) ? before : service;
}

/**
 * The next step for the owner of an application whose services are hidden. undefined = the application does not
 * matter: it claims to serve other interfaces, or may not be one of Dubbo's.
 */
function hiddenProblem(
  at: string,
  reason: OpaqueReason,
  { mapping, isMappingPartial = mapping === undefined }: Registrations,
  areUnmapped: boolean,
): Problem | undefined {
  const names = [...(mapping ?? [])].filter(([, all]) => all.includes(at)).map(([name]) => name);
  const matters =
    (isMappingPartial && reason !== "unreadable") || (areUnmapped && reason !== "local") || names.length > 0;
  if (!matters) return undefined;
  const detail = `${serves(names.toSorted())}, but ${reasons[reason]}`;
  const code = reason === "unreadable" ? "Unreadable" : "ApplicationLevelOnly";
  return { at, code, detail, severity: "warning" };
}

function serves(names: readonly string[]): string {
  if (names.length === 0) return "has live providers";
  const more = names.length > maxNamed ? ` and ${names.length - maxNamed} more` : "";
  return `serves ${names.slice(0, maxNamed).join(", ")}${more}`;
}

const advice =
  "set dubbo.application.register-mode=all or metadata-type=remote (dubbo-go: registry-type: all or metadata-type: remote)";
const reasons: Readonly<Record<OpaqueReason, string>> = {
  local: `registers at application level with local metadata, so the operator cannot discover its services; ${advice}`,
  missing: `registers at application level and its metadata is not in the registry; ${advice}`,
  undecodable: `registers at application level and its metadata does not have Dubbo's form; ${advice}`,
  unreadable:
    "the hub's user may not read its instances or metadata, so the operator keeps what the cluster has; grant READ to the hub's user",
};
