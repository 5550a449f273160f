import { isDeepStrictEqual } from "node:util";
import { type Problem, withoutSecrets } from "../../../model/problems.ts";
import { distinctInstances, type Service, type ServiceInstance } from "../../../model/service.ts";

/** What a registry says of an instance of a Spring service, which registers neither a version, a group nor a protocol. */
export interface SpringInstance extends Pick<ServiceInstance, "address" | "port" | "metadata"> {
  /** 1 = the registry's default. */
  readonly weight: number;
  /** As in Istio's `locality`; "" = the registry does not say. */
  readonly locality: string;
}

/** The instance as the rest of the operator knows it; defaults and the brackets of an IPv6 address are left out. */
export function springInstance(instance: SpringInstance): ServiceInstance {
  const { address, port, weight, locality, metadata } = instance;
  return {
    address: address.replace(/^\[(.*)\]$/, "$1"),
    port,
    protocol: "tcp",
    version: "",
    group: "",
    ...(weight !== 1 && { weight }),
    ...(locality !== "" && { locality }),
    metadata,
  };
}

/** A service with these instances and problems, which may come in any order; an address that comes twice counts once. */
export function springService(
  { id, name, registryGroup }: Pick<Service, "id" | "name" | "registryGroup">,
  instances: readonly ServiceInstance[],
  problems: readonly Problem[],
): Service {
  const textOf = ({ at, code, detail }: Problem): string => JSON.stringify([at, code, detail]);
  const sorted = problems.map((problem) => [textOf(problem), problem] as const).sort(byText);
  return {
    id,
    kind: "spring",
    name,
    ...(registryGroup !== undefined && { registryGroup }),
    instances: distinctInstances(instances),
    problems: sorted.map(([, problem]) => problem),
  };
}

const byText = ([a]: readonly [string, Problem], [b]: readonly [string, Problem]): number =>
  a === b ? 0 : a < b ? -1 : 1;

/** The service, or the very object that was before, if that is equal. */
export const keepIdentity = (before: Service | undefined, now: Service): Service =>
  before !== undefined && isDeepStrictEqual(before, now) ? before : now;

/** An instance that is registered but not usable. `address` is its address as far as it is readable. */
export function badInstance(service: string, address: string, detail: string): Problem {
  return { at: `${service} ${withoutSecrets(address)}`, code: "BadInstance", detail, severity: "rejected" };
}
