import type { Endpoint, EntryShape } from "../model/entry.ts";
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
  const { kind, name, registryGroup } = shape.service;
  const isSameGroup =
    service.registryGroup === registryGroup || service.registryGroup === "" || registryGroup === "";
  return service.kind === kind && (kind === "spring" || service.name === name) && isSameGroup;
}

/**
 * The shape of an entry with these candidates, oldest hub first. The entry keeps its current shape while one
 * candidate fits it, or while there are no candidates. Otherwise: the preferred protocol, the first service that
 * speaks it, and the port that most of its instances use (the lowest of equals). Undefined only if there is neither a
 * shape nor a candidate.
 */
export function chooseShape(
  current: EntryShape | undefined,
  candidates: readonly Endpoint[],
  portName: (endpoint: Endpoint, port: number) => string,
): EntryShape | undefined {
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
