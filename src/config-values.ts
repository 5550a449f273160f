import { isIP, isIPv4 } from "node:net";

/*
 * Readers of the values of settings. Each @throws Error whose message describes a legal value, as the end of
 * "<where>=<text>: ".
 */

/** The address of the vitals server: `off`, or a port (0 = any free one) of one address or of all. */
export type BindAddress = "off" | { readonly host?: string; readonly port: number };

/** Milliseconds of `45s`, `10m` or `24h`. */
export function duration(text: string): number {
  const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
  const [, amount, unit] = /^(\d{1,9})(ms|s|m|h)$/.exec(text) ?? [];
  if (!unit) throw new Error("not a duration such as 45s, 10m or 24h");
  return Number(amount) * unitMs[unit as keyof typeof unitMs];
}

/** `true` or `false`. */
export function boolean(text: string): boolean {
  if (text !== "true" && text !== "false") throw new Error("neither true nor false");
  return text === "true";
}

/** A reader of decimal whole numbers in these bounds. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new Error(`not a whole number from ${least} to ${most}`);
    return value;
  };
}

/** A decimal number above 0. */
export function positiveNumber(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text) || Number(text) === 0) throw new Error("not a number above 0, such as 0.1");
  return Number(text);
}

/** A reader of one of these words. */
export function oneOf<const T extends string>(...values: readonly T[]): (text: string) => T {
  return (text) => {
    const found = values.find((value) => value === text);
    if (found === undefined) throw new Error(`not one of ${values.join(", ")}`);
    return found;
  };
}

/** The name of a namespace. */
export function namespace(text: string): string {
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text)) throw new Error("not the name of a namespace");
  return text;
}

/** Names of namespaces between commas, each once, sorted; "" = none. */
export function namespaces(text: string): readonly string[] {
  const list = text === "" ? [] : text.split(",").map((name) => namespace(name.trim()));
  return [...new Set(list)].sort();
}

export function namespaceGlobs(text: string): readonly string[] {
  const list = text === "" ? [] : text.split(",").map((glob) => glob.trim());
  if (!list.every((glob) => /^[-a-z0-9*]{1,63}$/.test(glob)))
    throw new Error("not a list of namespaces such as com,internal,team-*");
  return list;
}

/** An IPv4 range as it was written. */
export function ipv4Cidr(text: string): string {
  const [network = "", bits = "", ...rest] = text.split("/");
  const prefix = Number(bits);
  if (!isIPv4(network) || !/^\d\d?$/.test(bits) || prefix < 8 || prefix > 30 || rest.length > 0)
    throw new Error("not an IPv4 range such as 240.241.0.0/16, with a prefix length from 8 to 30");
  const address = network.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
  if (address % 2 ** (32 - prefix) !== 0)
    throw new Error("has bits set beyond the prefix; 240.241.0.0/16 has none");
  return text;
}

/** IPv4 and IPv6 ranges between commas; "" = none. */
export function cidrs(text: string): readonly string[] {
  const list = text === "" ? [] : text.split(",").map((one) => one.trim());
  for (const one of list) {
    const [, address = "", bits = ""] = /^(.+)\/(\d{1,3})$/.exec(one) ?? [];
    const version = address.includes("%") ? 0 : isIP(address);
    if (version === 0 || Number(bits) > (version === 4 ? 32 : 128))
      throw new Error(`${one === "" ? "an empty one" : one} is not a range such as 10.0.0.0/8 or fd00::/8`);
  }
  return list;
}

/** `:8080`, `127.0.0.1:8080`, `[::1]:8080`, or `0` for none. */
export function bindAddress(text: string): BindAddress {
  if (text === "0") return "off";
  const [, host = "", port = ""] = /^(.*):(\d{1,5})$/.exec(text) ?? [];
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  if (port === "" || Number(port) > 65_535 || (bare.includes(":") && bare === host))
    throw new Error("not an address such as 127.0.0.1:8080, [::1]:8080 or :8080, nor 0 for none");
  return bare === "" ? { port: Number(port) } : { host: bare, port: Number(port) };
}

/**
 * Kubernetes sets REGISTRYHUB_SERVICE_HOST, REGISTRYHUB_PORT_8080_TCP and the like in every pod of a namespace with a
 * Service whose name starts with "registryhub". Source: kubernetes/pkg/kubelet/envvars/envvars.go.
 */
const serviceLink = /(^|_)(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;
/** Settings of the test servers, not of the program. */
const testBed = /^BED_/;

/** Whether an environment variable with the program's prefix, without it, is no setting of the program. */
export const isOthers = (name: string): boolean => serviceLink.test(name) || testBed.test(name);
