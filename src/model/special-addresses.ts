/** A range of addresses: IPv4, or IPv6 in any spelling. */
export type Net = readonly [address: string, bits: number];

/**
 * Addresses that are nobody's, or another machine's on every host. Neither a registry nor an endpoint has one.
 * Sources: IANA's registries of special-purpose addresses; the clouds' documentation of their metadata services (Alibaba
 * Cloud, AWS, Google Cloud, Azure, Oracle Cloud; 169.254.169.254 is link-local).
 */
export const specialAddresses: Readonly<Record<string, readonly Net[]>> = {
  "an unspecified address": [
    ["0.0.0.0", 8],
    ["::", 128],
  ],
  "a link-local address": [
    ["169.254.0.0", 16],
    ["fe80::", 10],
  ],
  "a site-local address": [["fec0::", 10]],
  "a multicast address": [
    ["224.0.0.0", 4],
    ["ff00::", 8],
  ],
  "the broadcast address": [["255.255.255.255", 32]],
  "the address of a cloud's metadata service": [
    ["100.100.100.200", 32],
    ["fd00:ec2::254", 128],
    ["fd20:ce::254", 128],
    ["168.63.129.16", 32],
    ["192.0.0.192", 32],
  ],
};

/**
 * The range and, of an IPv4 range, those of IPv6 that lead to it or name it: NAT64 (64:ff9b::/96), 6to4 (2002::/16) and
 * IPv4-compatible addresses (::/96). Those of 0.0.0.0/8 lack the last, which has ::1. IPv4-mapped ones (::ffff:0:0/96)
 * need none: Node's BlockList sees through them. Sources: RFC 6052, RFC 3056, RFC 4291.
 */
export function withIPv6Forms(net: Net): readonly Net[] {
  const [address, bits] = net;
  if (address.includes(":")) return [net];
  const bytes = address.split(".").map(Number);
  const hex = (high: number, low: number): string =>
    (((bytes[high] ?? 0) << 8) | (bytes[low] ?? 0)).toString(16);
  return [
    net,
    [`64:ff9b::${address}`, 96 + bits],
    [`2002:${hex(0, 1)}:${hex(2, 3)}::`, 16 + bits],
    ...(bytes[0] === 0 ? [] : [[`::${address}`, 96 + bits] as const]),
  ];
}
