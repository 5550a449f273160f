import type { Endpoint, EntryShape, HostPort, ServiceIdentity } from "../model/entry.ts";
import type { Protocol } from "../model/service.ts";

/** If the instances of one service speak several protocols, the first of these wins. */
export const preference: readonly Protocol[] = ["dubbo", "grpc", "http", "tcp"];

/**
 * Whether an endpoint can be part of an entry of this shape. A Spring entry's protocol does not depend on its
 * instances.
 */
export function fits(endpoint: Endpoint, shape: EntryShape): boolean {
  const speaksIt = endpoint.protocol === shape.protocol || shape.service.kind === "spring";
  return speaksIt && isSameService(endpoint, shape);
}

/**
 * Whether an endpoint belongs to the entry's service. Spring services that differ only in spelling are one service. A
 * registry without groups has the same services as a registry with groups.
 */
export function isSameService({ service }: Endpoint, shape: EntryShape): boolean {
  const { kind, name, serviceKey, registryGroup } = shape.service;
  if (service.kind !== kind || !agree(service.registryGroup, registryGroup)) return false;
  return kind === "spring" || (agree(service.name, name) && agree(service.serviceKey, serviceKey));
}

/** What one of the two does not tell ("") is no difference. */
const agree = (one: string, other: string): boolean => one === other || one === "" || other === "";

/**
 * The shape with the exact service, if its entry does not tell it: that which lists most of the addresses that the
 * entry has, else the first by name.
 */
function told(shape: EntryShape, candidates: readonly Endpoint[], held: Iterable<HostPort>): EntryShape {
  const { kind, name, serviceKey } = shape.service;
  if (kind === "spring" || (name !== "" && serviceKey !== "")) return shape;
  const holds = new Set(held);
  const counts = new Map<string, { readonly service: ServiceIdentity; count: number }>();
  for (const endpoint of candidates) {
    if (endpoint.service.serviceKey === "" || !isSameService(endpoint, shape)) continue;
    const one = counts.get(endpoint.service.serviceKey) ?? { service: endpoint.service, count: 0 };
    counts.set(endpoint.service.serviceKey, one);
    if (holds.has(endpoint.hostPort)) one.count++;
  }
  const [owner] = [...counts.values()].sort(
    (a, b) => b.count - a.count || (a.service.serviceKey < b.service.serviceKey ? -1 : 1),
  );
  if (owner === undefined) return shape;
  return {
    ...shape,
    service: { ...shape.service, name: owner.service.name, serviceKey: owner.service.serviceKey },
  };
}

/**
 * The shape, but without the exact service while another one may turn out to list most of what the entry has: of the
 * `held` endpoints so many cannot be read.
 */
export function toldUnless(
  before: EntryShape | undefined,
  chosen: EntryShape,
  { held, unread }: { readonly held: number; readonly unread: number },
): EntryShape {
  const isOpen = before?.service.serviceKey === "" && unread > 0 && held - unread <= unread;
  return isOpen ? { ...chosen, service: { ...chosen.service, serviceKey: "" } } : chosen;
}

/**
 * The shape of an entry with these candidates, oldest hub first. The entry keeps its current shape while one
 * candidate fits it, or while there are no candidates; `held` are the addresses that it has. Otherwise: the preferred protocol, the first service that
 * speaks it, and the port that most of its instances use (the lowest of equals). Undefined only if there is neither a
 * shape nor a candidate.
 */
export function chooseShape(
  before: EntryShape | undefined,
  candidates: readonly Endpoint[],
  portName: (endpoint: Endpoint, port: number) => string,
  held: Iterable<HostPort> = [],
): EntryShape | undefined {
  const current = before && told(before, candidates, held);
  if (current !== undefined) {
    const fitting = candidates.filter((one) => fits(one, current));
    if (fitting.length > 0 || candidates.length === 0) return named(current, fitting);
  }
  const protocol = preference.find((wanted) => candidates.some((one) => one.protocol === wanted));
  const first = candidates.find((one) => one.protocol === protocol);
  if (first === undefined) return undefined;
  const shape: EntryShape = { service: first.service, protocol: first.protocol, port: 0, portName: "" };
  const port = commonestPort(candidates.filter((one) => fits(one, shape)));
  return { ...shape, port, portName: portName(first, port) };
}

/**
 * The shape with the registry of its service. It keeps the registry that it names while one of the endpoints comes
 * from it.
 */
function named(shape: EntryShape, fitting: readonly Endpoint[]): EntryShape {
  const [first] = fitting;
  if (first === undefined || fitting.some(({ service }) => service.registry === shape.service.registry))
    return shape;
  const { registry, registryGroup } = first.service;
  const isOneGroup = fitting.every(({ service }) => service.registryGroup === registryGroup);
  return {
    ...shape,
    service: { ...shape.service, registry, registryGroup: isOneGroup ? registryGroup : "" },
  };
}

/**
 * The protocol of an entry. A Dubbo entry keeps the one of its shape. A Spring entry takes the one on which all
 * contributing hubs agree (undefined = the hub cannot say), and otherwise keeps its own.
 */
export function protocolOf(shape: EntryShape, said: Iterable<Protocol | undefined>): Protocol {
  if (shape.service.kind === "dubbo") return shape.protocol;
  const [agreed, ...others] = new Set([...said].map((protocol) => protocol ?? shape.protocol));
  return agreed !== undefined && others.length === 0 ? agreed : shape.protocol;
}

function commonestPort(endpoints: readonly Endpoint[]): number {
  const uses = new Map<number, number>();
  for (const { port } of endpoints) uses.set(port, (uses.get(port) ?? 0) + 1);
  const [best] = [...uses].sort(([portA, usesA], [portB, usesB]) => usesB - usesA || portA - portB);
  return best?.[0] ?? 0;
}
