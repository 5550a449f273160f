import { createHash } from "node:crypto";
import { BlockList } from "node:net";
import { withIPv6Forms } from "../model/special-addresses.ts";

/** The usable virtual IPs of a CIDR: every address whose last octet is neither 0 nor 255, in ascending order. */
export interface VipPool {
  readonly size: number;
  /** The address at `index`, 0 <= index < size. */
  at(index: number): string;
  /** Whether `ip` lies in the CIDR. */
  has(ip: string): boolean;
  /** Whether an IPv4 or IPv6 address leads into the CIDR. */
  leadsInto(address: string): boolean;
  /**
   * Whether `ip` lies in the CIDR or in 240.0.0.0/4, so that the operator accepts it as a ServiceEntry's virtual IP.
   */
  accepts(ip: string): boolean;
}

/** @throws Error that says what is wrong with `cidr`; it must be an IPv4 network from /8 to /30. */
export function vipPool(cidr: string): VipPool {
  const match = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(cidr);
  const base = match && toNumber(match[1] ?? "");
  const bits = Number(match?.[2]);
  if (base === undefined || base === null || bits < 8 || bits > 30) {
    throw new Error(`${cidr} is not an IPv4 network such as 240.241.0.0/16 (prefix 8 to 30)`);
  }
  const count = 2 ** (32 - bits);
  if (base % count !== 0)
    throw new Error(`${cidr} has bits set beyond its prefix; write ${toText(base - (base % count))}/${bits}`);
  const perBlock = 254;
  const partial = count < 256 ? usable(base, count) : undefined;
  const forms = new BlockList();
  for (const [net, length] of withIPv6Forms([toText(base), bits]))
    forms.addSubnet(net, length, net.includes(":") ? "ipv6" : "ipv4");
  const isInside = (ip: number | undefined): boolean => ip !== undefined && ip >= base && ip < base + count;
  return {
    size: partial?.length ?? (count / 256) * perBlock,
    at: (index) =>
      toText(partial?.[index] ?? base + Math.floor(index / perBlock) * 256 + 1 + (index % perBlock)),
    has: (ip) => isInside(toNumber(ip)),
    leadsInto: (address) =>
      address.includes(":") ? forms.check(address, "ipv6") : isInside(toNumber(address)),
    accepts(ip) {
      const number = toNumber(ip);
      return isInside(number) || (number !== undefined && number >= 0xf0_00_00_00);
    },
  };
}

/**
 * The virtual IP for a host: the pool's address at uint32be(sha256(host)[0..4]) mod its size, or the next unused one,
 * wrapping around. Undefined when all are used. A host gets the same address in every cluster where that address is
 * free.
 */
export function chooseVip(host: string, pool: VipPool, used: (ip: string) => boolean): string | undefined {
  const start = createHash("sha256").update(host).digest().readUInt32BE(0) % pool.size;
  for (let step = 0; step < pool.size; step++) {
    const ip = pool.at((start + step) % pool.size);
    if (!used(ip)) return ip;
  }
  return undefined;
}

/** An entry of ours, as one of several that have the same virtual IP. */
export interface VipHolder {
  /** The address is its own as far as can be seen, and not one that somebody wrote. */
  readonly isIncumbent: boolean;
  /** RFC 3339. */
  readonly createdAt: string;
  /** "<namespace>/<name>". */
  readonly key: string;
}

/** Whether `one` keeps a virtual IP that `other` has as well: the incumbent does, else the older one. */
export function keepsVip(one: VipHolder, other: VipHolder): boolean {
  if (one.isIncumbent !== other.isIncumbent) return one.isIncumbent;
  return `${one.createdAt} ${one.key}` < `${other.createdAt} ${other.key}`;
}

function usable(base: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => base + i).filter((ip) => ip % 256 !== 0 && ip % 256 !== 255);
}

function toNumber(ip: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(ip);
  if (parts === null) return undefined;
  let number = 0;
  for (let at = 1; at <= 4; at++) {
    const part = Number(parts[at]);
    if (part > 255) return undefined;
    number = number * 256 + part;
  }
  return number;
}

function toText(ip: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(ip / 2 ** shift) % 256).join(".");
}
