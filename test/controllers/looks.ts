import type { ServiceEntry } from "../../src/model/istio.ts";
import type { ConditionType } from "../../src/model/reasons.ts";
import type { HubStatus } from "../../src/model/registryhub.ts";
import { home, hubKey, rootNamespace, type World } from "./world.ts";

/** The ServiceEntry of a service. @throws Error when there is more than one. */
export function entryOf({ person }: World, service: string, namespace = home): ServiceEntry | undefined {
  const host = `${service.toLowerCase()}.${namespace}`;
  const [found, ...more] = person
    .list("serviceentries", namespace)
    .filter(({ spec }) => spec.hosts?.[0] === host);
  if (more.length > 0) throw new Error(`${more.length + 1} ServiceEntries have the host ${host}`);
  return found;
}

/** "<ip>:<port>" of each endpoint; undefined = the service has no entry. */
export function addressesOf(world: World, service: string, namespace = home): readonly string[] | undefined {
  const endpoints = entryOf(world, service, namespace)?.spec.endpoints;
  return endpoints?.map(({ address, ports }) => `${address}:${Object.values(ports ?? {}).join()}`);
}

/** The services that have an entry with endpoints, by host. */
export function listedHosts({ person }: World, namespace = home): readonly string[] {
  const entries = person.list("serviceentries", namespace);
  return entries
    .filter(({ spec }) => (spec.endpoints ?? []).length > 0)
    .map(({ spec }) => spec.hosts?.[0] ?? "")
    .sort();
}

/** A hub's status. @throws Error when nobody has written it. */
export function statusOf({ person }: World, key = hubKey): HubStatus {
  const status = person.get("registryhubs", key)?.status;
  if (status === undefined) throw new Error(`${key} has no status`);
  return status;
}

/** What a hub's status says in short: its phase, and of each condition "<status> <reason>". */
export function said(world: World, key = hubKey): Readonly<Record<ConditionType | "phase", string>> {
  const { phase, conditions } = statusOf(world, key);
  const short = conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]);
  return { phase, ...(Object.fromEntries(short) as Record<ConditionType, string>) };
}

/** The message of a condition. */
export const messageOf = (world: World, type: ConditionType, key = hubKey): string =>
  statusOf(world, key).conditions.find((one) => one.type === type)?.message ?? "";

/** "<kind> <name>: <reason>" of every Event, in the order of their first writing. */
export function eventsOf({ api }: World, type: readonly string[] = ["Normal", "Warning"]): readonly string[] {
  const events = api.writes({ resource: "events" }).map(({ body }) => body as EventBody);
  const seen = events
    .filter((event) => type.includes(event.type))
    .map(({ involvedObject: { kind, name }, reason }) => `${kind} ${name}: ${reason}`);
  return [...new Set(seen)];
}

/** Those of them that need a person. */
export const warningsOf = (world: World): readonly string[] => eventsOf(world, ["Warning"]);

interface EventBody {
  readonly involvedObject: { readonly kind: string; readonly name: string };
  readonly type: string;
  readonly reason: string;
}

/** The names of the EnvoyFilters in the root namespace. */
export const filtersOf = ({ person }: World): readonly string[] =>
  person.list("envoyfilters", rootNamespace).map(({ metadata }) => metadata.name);

/** "<verb> <resource> <name>" of the writes since there were `since` of them. */
export const writesSince = (world: World, since: number): readonly string[] =>
  world
    .writes(since)
    .map(
      ({ verb, resource, subresource, name }) =>
        `${verb} ${[resource, subresource].filter(Boolean).join("/")} ${name}`,
    );
