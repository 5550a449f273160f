import { BlockList, isIP } from "node:net";
import { type ProblemCode, withoutSecrets } from "../model/problems.ts";
import { type Net, specialAddresses, withIPv6Forms } from "../model/special-addresses.ts";

/**
 * Addresses with another meaning on every host; a consumer would reach the wrong target. EndpointSlice lacked this
 * check, which was CVE-2021-25737. And those of virtual IPs, which lead back into the mesh.
 */
const refused: Readonly<Record<string, readonly Net[]>> = {
  "a loopback address": [
    ["127.0.0.0", 8],
    ["::1", 128],
  ],
  ...specialAddresses,
  "a reserved address, such as a virtual IP": [["240.0.0.0", 4]],
};

/** One list of all of them, because every instance is checked and almost none is refused. */
const allRefused = blockList(Object.values(refused).flat());

function blockList(nets: readonly Net[]): BlockList {
  const list = new BlockList();
  for (const [net, bits] of nets.flatMap(withIPv6Forms))
    list.addSubnet(net, bits, net.includes(":") ? "ipv6" : "ipv4");
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
      detail: `${address === "" ? "an empty address" : withoutSecrets(address)} is not an IP address; have the provider register an IP address`,
    };
  }
  const family = version === 6 ? "ipv6" : "ipv4";
  if (!allRefused.check(address, family)) return undefined;
  const [what] = Object.entries(refused).find(([, nets]) => blockList(nets).check(address, family)) ?? [];
  return {
    code: "BadAddress",
    detail: `${address} is ${what}; have the provider register a routable address`,
  };
}

/** "address:port", IPv6 in brackets. */
export function addrOf(address: string, port: number): string {
  return [address.includes(":") ? `[${address}]` : address, port].join(":"); // a template would keep its parts in memory
}
