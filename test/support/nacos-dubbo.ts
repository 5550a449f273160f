import type { NacosInstance } from "../bed/nacos-agent.ts";

/** What differs from provider to provider. */
interface Registered {
  readonly address: string;
  readonly port: number;
  readonly note?: string;
}

/** The service that Dubbo registers the providers of an interface in; without version and group. */
export const providersOf = (name: string): string => `providers:${name.replaceAll("$", "___")}::`;

/** A provider as Dubbo registers it. */
export function providerOf(name: string, { address, port, note }: Registered): NacosInstance {
  const metadata = {
    interface: name,
    protocol: "dubbo",
    category: "providers",
    side: "provider",
    timestamp: "1680000000000",
    ...(note !== undefined && { revision: note }),
  };
  return { ip: address, port, metadata };
}
