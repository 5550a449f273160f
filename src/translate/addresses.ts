import { BlockList, isIP } from "node:net";
import type { ProblemCode } from "../model/problems.ts";

/**
 * Addresses that mean something else on every host, so a consumer that is sent there reaches the wrong thing: the check
 * whose absence in EndpointSlice was CVE-2021-25737.
 */
const refused = new Map<string, BlockList>([
  ["a loopback address", blockList(["127.0.0.0", 8], ["::1", 128])],
  ["a link-local address", blockList(["169.254.0.0", 16], ["fe80::", 10])],
  ["a multicast address", blockList(["224.0.0.0", 4], ["ff00::", 8])],
  ["an unspecified address", blockList(["0.0.0.0", 8], ["::", 128])],
  ["the broadcast address", blockList(["255.255.255.255", 32])],
]);

function blockList(...nets: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [net, bits] of nets) list.addSubnet(net, bits, net.includes(":") ? "ipv6" : "ipv4");
  return list;
}

/** Why `address:port` must not become an endpoint, or undefined when it may. */
export function addressProblem(
  address: string,
  port: number,
): { readonly code: ProblemCode; readonly detail: string } | undefined {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    return { code: "BadPort", detail: `port ${port} is not 1..65535` };
  }
  const version = isIP(address);
  if (version === 0 || address.includes("%")) {
    return {
      code: "BadAddress",
      detail: `${address === "" ? "an empty address" : address} is not an IP address; have the provider register one`,
    };
  }
  for (const [what, list] of refused) {
    if (list.check(address, version === 6 ? "ipv6" : "ipv4")) {
      return {
        code: "BadAddress",
        detail: `${address} is ${what}; have the provider register a routable one`,
      };
    }
  }
  return undefined;
}

/** "address:port", IPv6 in brackets. */
export function addrOf(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
