import type { Problem } from "../../../model/problems.ts";
import type { ServiceInstance } from "../../../model/service.ts";

/** What a registry says of an instance of a Spring service, which registers neither a version, a group nor a protocol. */
export interface SpringInstance extends Pick<ServiceInstance, "address" | "port" | "metadata"> {
  /** 1 = the registry's default. */
  readonly weight: number;
  /** As in Istio's `locality`; "" = the registry does not say. */
  readonly locality: string;
}

/** The instance as the rest of the operator knows it; defaults are left out. */
export function springInstance(instance: SpringInstance): ServiceInstance {
  const { address, port, weight, locality, metadata } = instance;
  return {
    address,
    port,
    protocol: "tcp",
    version: "",
    group: "",
    ...(weight !== 1 && { weight }),
    ...(locality !== "" && { locality }),
    metadata,
  };
}

/** An instance that is registered but not usable. `address` is its address as far as it is readable. */
export function badInstance(service: string, address: string, detail: string): Problem {
  return { at: `${service} ${address}`, code: "BadInstance", detail, severity: "rejected" };
}
