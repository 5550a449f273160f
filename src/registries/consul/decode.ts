import * as z from "zod";
import type { RegistrySpec } from "../../model/hub.ts";
import type { Problem } from "../../model/problems.ts";
import { type Service, type ServiceInstance, unknownService } from "../../model/service.ts";
import { readEach } from "../../runtime/json.ts";
import { badInstance, springInstance, springService } from "../kinds/spring/instance.ts";

/** Go writes empty values as null. */
const orNothing = <T extends z.ZodType, D>(type: T, nothing: D) =>
  type.nullish().transform((value) => (value ?? nothing) as NonNullable<z.output<T>> | D);

const weights = z.object({ Passing: orNothing(z.number(), 1), Warning: orNothing(z.number(), 1) });
const healthEntry = z.object({
  Node: z.object({ Address: orNothing(z.string(), ""), Datacenter: orNothing(z.string(), "") }),
  Service: z.object({
    Kind: orNothing(z.string(), ""),
    Address: orNothing(z.string(), ""),
    Port: orNothing(z.int(), 0),
    Tags: orNothing(z.array(z.string()), []),
    Meta: orNothing(z.record(z.string(), z.string()), {}),
    Weights: orNothing(weights, { Passing: 1, Warning: 1 }),
  }),
  Checks: orNothing(z.array(z.object({ Status: z.string() })), []),
});
type HealthEntry = z.output<typeof healthEntry>;

/** The part of a service that a hub asks for. */
export type Selection = Pick<RegistrySpec<"consul">, "tags" | "includeWarning">;

/** Reads a service from `/v1/health/service/<name>`. Proxies and gateways of Consul's own mesh are not endpoints. */
export function decodeService(name: string, entries: readonly unknown[], selection: Selection): Service {
  const { wellFormed, malformed } = readEach(healthEntry, entries, addressOf);
  const instances = wellFormed.flatMap((entry) => {
    const weight = weightOf(entry, selection);
    const isAskedFor = entry.Service.Kind === "" && hasAll(entry.Service.Tags, selection.tags);
    return isAskedFor && weight > 0 ? [instanceOf(entry, weight)] : [];
  });
  const problems = malformed.map(({ address, detail }) => badInstance(name, address, detail));
  return springService({ id: name, name }, instances, problems);
}

/** A service that exists, but that could not be read. */
export const unreadable = (name: string, why: string): Service =>
  unknownService({ id: name, kind: "spring", name }, why);

/** A service of which more exists than could be read. */
export function partlyReadable(service: Service, why: string): Service {
  const problem: Problem = { at: service.name, code: "Unreadable", detail: why, severity: "warning" };
  return { ...service, isPartial: true, problems: [...service.problems, problem] };
}

interface Place {
  readonly Node?: { readonly Node?: unknown };
  readonly Service?: { readonly Service?: unknown };
}

/** The nodes that the entries of a service are on. */
export function nodesOf(entries: readonly unknown[]): ReadonlySet<string> {
  const names = entries.map((entry) => (entry as Place | null)?.Node?.Node);
  return new Set(names.filter((name) => typeof name === "string"));
}

/** Whether none of the entries is of another service: a server or proxy may have read the name differently. */
export function isAbout(name: string, entries: readonly unknown[]): boolean {
  const names = entries.map((entry) => (entry as Place | null)?.Service?.Service);
  return names.every((other) => typeof other !== "string" || other.toLowerCase() === name.toLowerCase());
}

/**
 * The weight for the calls, by the worst of the instance's and its node's checks; 0 = takes none. Maintenance is a
 * critical check.
 */
function weightOf({ Checks, Service: { Weights } }: HealthEntry, { includeWarning }: Selection): number {
  if (Checks.every(({ Status }) => Status === "passing")) return Weights.Passing;
  const isWarned = Checks.every(({ Status }) => Status === "passing" || Status === "warning");
  return isWarned && includeWarning ? Weights.Warning : 0;
}

/** A service without an address has its node's address. Spring's zone is a part of the datacenter. */
function instanceOf(
  { Node, Service: { Address, Port, Meta } }: HealthEntry,
  weight: number,
): ServiceInstance {
  const zone = (Meta as Readonly<Record<string, string>>).zone ?? "";
  const locality = zone.includes("/") || Node.Datacenter === "" ? zone : `${Node.Datacenter}/${zone}`;
  return springInstance({
    address: Address || Node.Address,
    port: Port,
    weight,
    locality: zone === "" ? "" : locality,
    metadata: Meta,
  });
}

const hasAll = (tags: readonly string[], wanted: readonly string[]): boolean =>
  wanted.every((tag) => tags.includes(tag));

/** A check of a service or of a node, from `/v1/health/state/<state>`. */
const check = z.object({ Node: z.string(), CheckID: z.string(), ServiceName: orNothing(z.string(), "") });

/** The node and the service of each check ("" = the node's own), by the check's identity. */
export type Checks = ReadonlyMap<string, { readonly node: string; readonly service: string }>;

/** Reads `/v1/health/state/<state>` and skips anything that is not a check. */
export function checksOf(checks: readonly unknown[]): Checks {
  const read = checks.flatMap((one) => check.safeParse(one).data ?? []);
  return new Map(
    read.map(({ Node: node, CheckID, ServiceName: service }) => [
      JSON.stringify([node, CheckID]),
      { node, service },
    ]),
  );
}

/** The services of the checks that only one of the two sets has, and the nodes of those that are a node's own. */
export function changedBetween(
  before: Checks,
  after: Checks,
): { readonly services: ReadonlySet<string>; readonly nodes: ReadonlySet<string> } {
  const changed = [
    ...[...before].filter(([key]) => !after.has(key)),
    ...[...after].filter(([key]) => !before.has(key)),
  ].map(([, place]) => place);
  return {
    services: new Set(changed.map(({ service }) => service).filter((service) => service !== "")),
    nodes: new Set(changed.filter(({ service }) => service === "").map(({ node }) => node)),
  };
}

/** The address of a malformed entry, as far as it is readable. */
const place = z.object({
  Service: z.object({ Address: z.string().catch("?"), Port: z.union([z.string(), z.number()]).catch("?") }),
});

function addressOf(entry: unknown): string {
  const { Address = "?", Port = "?" } = place.safeParse(entry).data?.Service ?? {};
  return `${Address.slice(0, 60)}:${String(Port).slice(0, 10)}`;
}
