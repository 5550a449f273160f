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
  /** Present when the list of applications is unreadable; reported only if that matters. */
  readonly cannotList?: Problem;
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
 * both by default. An interface with no known instance is "unknown" when some application claims to serve it but does
 * not publish its metadata: its providers live, so the endpoints in the cluster stay. `previous` is the result of the
 * last call; unchanged services keep their identity.
 */
export function mergeApplications(registrations: Registrations, previous: Merged | undefined): Merged {
  const { applications, mapping, isRegistered } = registrations;
  const services = new Map(registrations.services);
  const sources = new Map<string, Source>();
  const parts = applications === previous?.applications ? previous.parts : partsByInterface(applications);
  for (const [name, ofApplications] of parts) {
    const source = mergedSource(name, [services.get(name), ...ofApplications], previous);
    sources.set(name, source);
    services.set(name, source.service);
  }
  const hidden = opaqueApplications(applications, isRegistered);
  const unserved = [...(mapping ?? [])].filter(([name]) => isUnserved(services.get(name)));
  for (const [name, names] of unserved) {
    if (!names.some((one) => hidden.has(one)) && !isUnseen(registrations, name)) continue;
    services.set(name, kept(unknown(services.get(name), name), previous));
  }
  const cannotList = unserved.length > 0 ? (registrations.cannotList ?? []) : [];
  const problems = [...hidden]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, reason]) => hiddenProblem(name, reason, registrations) ?? []);
  return { services, problems: problems.concat(cannotList), sources, applications, parts, hidden };
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

const isUnserved = (service: Service | undefined): boolean =>
  service === undefined || (service.instances !== "unknown" && service.instances.length === 0);

/**
 * Whether only applications may serve the interface, and none of them is visible. An interface with its own
 * registration counts as it is; otherwise no provider of Java's could ever count as gone.
 */
const isUnseen = ({ cannotList, services }: Registrations, name: string): boolean =>
  cannotList !== undefined && !services.has(name);

function unknown(service: Service | undefined, name: string): Service {
  return { ...(service ?? serviceOf(name, [])), instances: "unknown" };
}

/**
 * The next step for the owner of an application whose services are hidden. undefined = the application does not
 * matter: it claims to serve other interfaces, or may not be one of Dubbo's.
 */
function hiddenProblem(
  at: string,
  reason: OpaqueReason,
  { mapping, isMappingPartial = mapping === undefined }: Registrations,
): Problem | undefined {
  const names = [...(mapping ?? [])].filter(([, all]) => all.includes(at)).map(([name]) => name);
  if (names.length === 0 && (!isMappingPartial || reason === "unreadable")) return undefined;
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
