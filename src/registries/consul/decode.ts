import * as z from "zod";
import { factsOf, valueIn } from "../../model/facts.ts";
import type { RegistrySpec } from "../../model/hub.ts";
import type { Problem } from "../../model/problems.ts";
import { type Service, type ServiceInstance, unknownService } from "../../model/service.ts";
import { Allowance, ItemReader, listOf, type Malformed, mapOf } from "../../runtime/json.ts";
import type { JsonCursor } from "../../runtime/json-cursor.ts";
import type { Steps } from "../../runtime/slices.ts";
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
    Tags: orNothing(listOf(z.string()), []),
    Meta: orNothing(mapOf(z.string()), {}),
    Weights: orNothing(weights, { Passing: 1, Warning: 1 }),
  }),
  Checks: orNothing(listOf(z.object({ Status: z.string() })), []),
});
type HealthEntry = z.output<typeof healthEntry>;

/** The part of a service that a hub asks for. */
export type Selection = Pick<RegistrySpec<"consul">, "tags" | "includeWarning"> & {
  /** Those of the instances' facts. */
  readonly keys?: readonly string[];
};

/** What Consul lists of one service. */
export interface Health {
  /** How many entries it has, of whatever kind. */
  readonly length: number;
  /** Those of them that take calls and are asked for. */
  readonly instances: readonly ServiceInstance[];
  readonly malformed: readonly Malformed[];
  /** The nodes that the entries are on. */
  readonly nodes: ReadonlySet<string>;
  /** The services that the entries name, in lower case: Consul ignores the case of names. */
  readonly names: ReadonlySet<string>;
}

/** Of one service; 16 MiB are 13,000 instances. */
const mostInstances = { items: 20_000, fields: 200_000 };
const mostServices = { items: 200_000, fields: 0 };

interface Place {
  readonly Node?: { readonly Node?: unknown };
  readonly Service?: { readonly Service?: unknown };
}

/** Reads `/v1/health/service/<name>`. Proxies and gateways of Consul's own mesh are not endpoints. */
export function* readHealth(json: JsonCursor, selection: Selection): Steps<Health | undefined> {
  if (!json.isArray) return yield* json.other();
  const allowance = new Allowance(mostInstances);
  const reader = new ItemReader(healthEntry, addressOf, allowance);
  const instances: ServiceInstance[] = [];
  const nodes = new Set<string>();
  const names = new Set<string>();
  let length = 0;
  for (const _ of json.items()) {
    const item = yield* json.value();
    yield;
    length++;
    const { Node, Service } = Object(item) as Place;
    if (typeof Node?.Node === "string") nodes.add(Node.Node);
    if (typeof Service?.Service === "string") names.add(Service.Service.toLowerCase());
    const entry = reader.read(item);
    const weight = entry && isAskedFor(entry, selection) ? weightOf(entry, selection) : 0;
    if (entry === undefined || weight <= 0) continue;
    allowance.useFields(Object.keys(entry.Service.Meta).length);
    instances.push({ ...instanceOf(entry, weight), ...factsIn(entry, selection.keys) });
  }
  json.end();
  return { length, instances, malformed: reader.malformed, nodes, names };
}

/** The service that the entries make. */
export function decodeService(name: string, { instances, malformed }: Health): Service {
  const problems = malformed.map(({ address, detail }) => badInstance(name, address, detail));
  return springService({ id: name, name }, instances, problems);
}

/** Reads `/v1/catalog/services`. */
export function* readNames(json: JsonCursor): Steps<readonly string[] | undefined> {
  if (!json.isObject) return yield* json.other();
  const allowance = new Allowance(mostServices);
  const names = new Set<string>();
  for (const name of json.members()) {
    allowance.useItem();
    names.add(name);
    yield* json.skip();
    yield;
  }
  json.end();
  return [...names];
}

/** A service that exists, but that could not be read. */
export const unreadable = (name: string, why: string): Service =>
  unknownService({ id: name, kind: "spring", name }, why);

/** A service of which more exists than could be read. */
export function partlyReadable(service: Service, why: string): Service {
  const problem: Problem = { at: service.name, code: "Unreadable", detail: why, severity: "warning" };
  return { ...service, isPartial: true, problems: [...service.problems, problem] };
}

/** Whether none of the entries is of another service: a server or proxy may have read the name differently. */
export function isAbout(name: string, { names }: Health): boolean {
  const own = name.toLowerCase();
  return [...names].every((other) => other === own);
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

/** A tag is a key without a value, where metadata has no such key. */
function factsIn({ Service: { Meta, Tags } }: HealthEntry, keys: readonly string[] = []) {
  const inMetadata = valueIn(Meta);
  const tags: readonly string[] = Tags;
  return factsOf(keys, (key) => inMetadata(key) ?? (tags.includes(key) ? "" : undefined));
}

const isAskedFor = ({ Service: { Kind, Tags } }: HealthEntry, { tags }: Selection): boolean =>
  Kind === "" && tags.every((tag) => (Tags as readonly string[]).includes(tag));

/** A check of a service or of a node, from `/v1/health/state/<state>`. */
const check = z.object({ Node: z.string(), CheckID: z.string(), ServiceName: orNothing(z.string(), "") });

/** The node and the service of each check ("" = the node's own), by the check's identity. */
export type Checks = ReadonlyMap<string, { readonly node: string; readonly service: string }>;

/** A longer list is not read at each change: it is 4 MB, and holds everybody up. Source: measured on 1.22.3. */
const maxChecks = 10_000;

/** Reads `/v1/health/state/<state>`, not to its end if that is too far, and skips anything that is not a check. */
export function* readChecks(json: JsonCursor): Steps<Checks | "too many" | undefined> {
  if (!json.isArray) return yield* json.other();
  const checks = new Map<string, { readonly node: string; readonly service: string }>();
  let length = 0;
  for (const _ of json.items()) {
    if (++length > maxChecks) return "too many";
    const { data } = check.safeParse(yield* json.value());
    yield;
    if (data !== undefined)
      checks.set(JSON.stringify([data.Node, data.CheckID]), { node: data.Node, service: data.ServiceName });
  }
  json.end();
  return checks;
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
