import { BlockList, isIPv4 } from "node:net";

/** An IPv4 network. */
interface Network {
  readonly address: string;
  /** The length of its prefix. */
  readonly bits: number;
}

/** `10.0.0.0/8`, or an address alone; undefined = it is no IPv4 network. */
function networkOf(text: string): Network | undefined {
  const [address = "", length = "32"] = text.trim().split("/");
  const bits = Number(length);
  return isIPv4(address) && /^\d+$/.test(length) && bits <= 32 ? { address, bits } : undefined;
}

/** Whether every IPv4 address of `inner` is in `outer`. */
export function contains(outer: string, inner: string): boolean {
  const [around, within] = [networkOf(outer), networkOf(inner)];
  if (around === undefined || within === undefined || around.bits > within.bits) return false;
  const list = new BlockList();
  list.addSubnet(around.address, around.bits, "ipv4");
  return list.check(within.address, "ipv4");
}

/** Whether two networks, or addresses, have an IPv4 address in common: then one contains the other. */
export const overlap = (one: string, other: string): boolean => contains(one, other) || contains(other, one);

/** The parts of a list of Istio's: with commas, and spaces around them. */
export const partsOf = (list: string): readonly string[] =>
  list
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
