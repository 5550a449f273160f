import * as z from "zod";
import type { RegistrySpec } from "../../model/hub.ts";
import type { Problem } from "../../model/problems.ts";
import {
  distinctInstances,
  type Service,
  type ServiceInstance,
  unknownService,
} from "../../model/service.ts";
import { readEach } from "../json.ts";

/** Go writes what is empty as null. */
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

/** What of a service a hub asks for. */
export type Selection = Pick<RegistrySpec<"consul">, "tags" | "includeWarning">;

/** A service as `/v1/health/service/<name>` tells it. Proxies and gateways of Consul's own mesh are nobody's endpoints. */
export function decodeService(name: string, entries: readonly unknown[], selection: Selection): Service {
  const { wellFormed, malformed } = readEach(healthEntry, entries, addressOf);
  const instances = wellFormed.flatMap((entry) => {
    const weight = weightOf(entry, selection);
    const isAskedFor = entry.Service.Kind === "" && hasAll(entry.Service.Tags, selection.tags);
    return isAskedFor && weight > 0 ? [instanceOf(entry, weight)] : [];
  });
  const problems = malformed.map(({ address, detail }): Problem => {
    return { at: `${name} ${address}`, code: "BadInstance", detail, severity: "rejected" };
  });
  return { id: name, kind: "spring", name, instances: distinctInstances(instances), problems };
}

/** A service that exists, and that the token may not read, or not all of. */
export function unreadable(name: string): Service {
  const detail = `the token may not read all of ${name}: what the cluster has of it stays. Grant it service and node read`;
  return unknownService({ id: name, kind: "spring", name }, detail);
}

/** Share of the calls by the worst of its checks, its node's included; 0 = takes none. Maintenance is a critical check. */
function weightOf({ Checks, Service: { Weights } }: HealthEntry, { includeWarning }: Selection): number {
  if (Checks.every(({ Status }) => Status === "passing")) return Weights.Passing;
  const isWarned = Checks.every(({ Status }) => Status === "passing" || Status === "warning");
  return isWarned && includeWarning ? Weights.Warning : 0;
}

/** The address of a service that has none is that of its node. Spring's zone is a part of the datacenter. */
function instanceOf(
  { Node, Service: { Address, Port, Meta } }: HealthEntry,
  weight: number,
): ServiceInstance {
  const zone = (Meta as Readonly<Record<string, string>>).zone ?? "";
  const locality = zone.includes("/") || Node.Datacenter === "" ? zone : `${Node.Datacenter}/${zone}`;
  return {
    address: (Address || Node.Address).replace(/^\[(.*)\]$/, "$1"),
    port: Port,
    protocol: "tcp",
    version: "",
    group: "",
    ...(weight !== 1 && { weight }),
    ...(zone !== "" && { locality }),
    metadata: Meta,
  };
}

const hasAll = (tags: readonly string[], wanted: readonly string[]): boolean =>
  wanted.every((tag) => tags.includes(tag));

/** A check of a service or of a node, as `/v1/health/state/<state>` has it. */
const check = z.object({ Node: z.string(), CheckID: z.string(), ServiceName: orNothing(z.string(), "") });

/** The service of each check ("" = a node's), by what identifies the check. */
export type Checks = ReadonlyMap<string, string>;

/** Reads `/v1/health/state/<state>`; what is no check is left out. */
export function checksOf(checks: readonly unknown[]): Checks {
  const read = checks.flatMap((one) => check.safeParse(one).data ?? []);
  return new Map(
    read.map(({ Node, CheckID, ServiceName }) => [JSON.stringify([Node, CheckID]), ServiceName]),
  );
}

/** The services of the checks that only one of the two has. */
export function servicesOfChanged(before: Checks, after: Checks): ReadonlySet<string> {
  const gone = [...before].filter(([key]) => !after.has(key));
  const come = [...after].filter(([key]) => !before.has(key));
  return new Set([...gone, ...come].map(([, service]) => service));
}

/** Where a malformed entry says that it is, as far as it does. */
const place = z.object({
  Service: z.object({ Address: z.string().catch("?"), Port: z.union([z.string(), z.number()]).catch("?") }),
});

function addressOf(entry: unknown): string {
  const { Address = "?", Port = "?" } = place.safeParse(entry).data?.Service ?? {};
  return `${Address.slice(0, 60)}:${String(Port).slice(0, 10)}`;
}
