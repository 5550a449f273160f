import type { HostKey } from "../../model/entry.ts";
import type { HubKey } from "../../model/hub.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import { splitKey } from "../../model/keys.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { chooseVip, keepsVip, type VipHolder, type VipPool } from "../../plan/vip.ts";
import { isAsWritten } from "../../translate/read-back/service-entry.ts";
import type { EntryIndex, HostObject } from "../writes/entry-index.ts";

/** What decides about virtual IPs. */
export interface VipContext {
  readonly entries: EntryIndex;
  readonly objects: ReadonlyMap<string, Stored<ServiceEntry>>;
  readonly pool: VipPool;
  /** The target of a hub that exists. */
  targetOf(hub: HubKey): string | undefined;
}

/**
 * Whether the entry may keep the virtual IP that it has. No stranger's ServiceEntry ever takes it away, and no other
 * `--vip-cidr`: outside of the range is an address that the operator wrote when it had another one.
 */
export function mayKeepVip(context: VipContext, { object, entry }: HostObject): boolean {
  const { entries, objects, pool } = context;
  if (entry === undefined || entry.vip === "") return false;
  if (!pool.accepts(entry.vip) && !isAsWritten(object)) return false;
  const { namespace, name } = object.metadata;
  const own = `${namespace}/${name}`;
  const rivals = [...entries.othersAt(entry.vip, own)].filter((key) => isOurs(context, key));
  return rivals.every((key) => {
    const rival = objects.get(key);
    return rival === undefined || keepsVip(holderOf(own, object), holderOf(key, rival));
  });
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
  const isFree =
    !entries.isReserved(remembered, host) &&
    [...entries.othersAt(remembered)].every((key) => !isOurs(context, key));
  if (isFree && remembered !== "") return remembered;
  return chooseVip(splitKey(host)[1], pool, (ip) => entries.isUsed(ip, host));
}

/** The ServiceEntries of strangers that have the entry's virtual IP as well, sorted. */
export function strangersAt(context: VipContext, { object, entry }: HostObject): readonly string[] {
  const { namespace, name } = object.metadata;
  const others = entry === undefined ? [] : context.entries.othersAt(entry.vip, `${namespace}/${name}`);
  return [...others].filter((key) => !isOurs(context, key)).sort();
}

function isOurs({ entries, targetOf }: VipContext, key: string): boolean {
  return entries.isOfHub(key, targetOf);
}

function holderOf(key: string, object: Stored<ServiceEntry>): VipHolder {
  return { isIncumbent: isAsWritten(object), createdAt: object.metadata.creationTimestamp ?? "", key };
}
