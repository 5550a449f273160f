import type { Lease } from "../kube/lease.ts";
import type { Ms } from "../model/entry.ts";
import { fieldManagers } from "../model/labels.ts";
import { parseTime } from "../model/time.ts";

/** The controller whose Lease has this name; that of a lane ends with the hash of its selector. undefined = somebody else's. */
export function controllerOf({ metadata: { name } }: Lease): string | undefined {
  if (name === fieldManagers.dubbo) return name;
  return /^registryhub(-[0-9a-f]{8})?$/.test(name) ? fieldManagers.registryhub : undefined;
}

/** Whether a process holds it. @param now wall time in ms. */
export function isHeld({ spec = {} }: Lease, now: Ms): boolean {
  const { holderIdentity, renewTime = "", leaseDurationSeconds = 0 } = spec;
  const renewedAt = parseTime(renewTime);
  return Boolean(holderIdentity) && renewedAt !== undefined && renewedAt + leaseDurationSeconds * 1_000 > now;
}
