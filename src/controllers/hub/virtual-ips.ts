import type { HostKey } from "../../model/entry.ts";
import { splitKey } from "../../model/keys.ts";
import { chooseVip, type VipPool } from "../../plan/vip.ts";
import type { EntryIndex, HostObject } from "../writes/entry-index.ts";

/** What decides about virtual IPs. */
export interface VipContext {
  readonly entries: EntryIndex;
  readonly pool: VipPool;
}

/** Whether the entry may keep the virtual IP that it has. */
export function mayKeepVip({ entries, pool }: VipContext, { object, entry }: HostObject): boolean {
  return entry !== undefined && pool.accepts(entry.vip) && !entries.hasElder(entry.vip, object);
}

/**
 * The virtual IP that the host keeps or gets; undefined = none is free. Reserves nothing: whoever writes it has to.
 *
 * @param remembered that of an entry which lost it, or which somebody deleted; "" = none.
 */
export function vipOf(
  context: VipContext,
  host: HostKey,
  found: HostObject | undefined,
  remembered: string,
): string | undefined {
  const { entries, pool } = context;
  if (found !== undefined && mayKeepVip(context, found)) return found.entry?.vip;
  const isUsed = (ip: string): boolean => entries.isUsed(ip, host);
  if (pool.accepts(remembered) && !isUsed(remembered)) return remembered;
  return chooseVip(splitKey(host)[1], pool, isUsed);
}
