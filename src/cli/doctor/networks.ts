import { isIPv4 } from "node:net";

/** An IPv4 network as two numbers. */
interface Network {
  readonly base: number;
  readonly bits: number;
}

/** `10.0.0.0/8`, or an address alone; undefined = it is no IPv4 network. */
function networkOf(text: string): Network | undefined {
  const [address = "", length = "32"] = text.trim().split("/");
  const bits = Number(length);
  if (!isIPv4(address) || !/^\d+$/.test(length) || bits > 32) return undefined;
  const number = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return { base: floorTo(number, bits), bits };
}

const floorTo = (number: number, bits: number): number => number - (number % 2 ** (32 - bits));

/** Whether two networks, or addresses, have an IPv4 address in common. */
export function overlap(one: string, other: string): boolean {
  const [a, b] = [networkOf(one), networkOf(other)];
  if (a === undefined || b === undefined) return false;
  const bits = Math.min(a.bits, b.bits);
  return floorTo(a.base, bits) === floorTo(b.base, bits);
}

/** Whether every IPv4 address of `inner` is in `outer`. */
export function contains(outer: string, inner: string): boolean {
  return overlap(outer, inner) && (networkOf(outer)?.bits ?? 33) <= (networkOf(inner)?.bits ?? 0);
}

/** The parts of a list of Istio's: with commas, and spaces around them. */
export const partsOf = (list: string): readonly string[] =>
  list
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
