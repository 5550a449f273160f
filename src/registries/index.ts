import type { RegistryType } from "../model/hub.ts";
import type { Deps } from "../runtime/deps.ts";
import type { RegistryAdapter, RegistryConfig, RegistryFactory } from "./adapter.ts";
import { createConsulAdapter } from "./consul/adapter.ts";
import { createEurekaAdapter } from "./eureka/adapter.ts";
import { createNacosAdapter } from "./nacos/adapter.ts";
import { createZooKeeperAdapter } from "./zookeeper/adapter.ts";

/** One line per registry type; a type without a line is reported in the hub's status. */
const factories: { readonly [T in RegistryType]?: RegistryFactory<T> } = {
  zookeeper: createZooKeeperAdapter,
  nacos: createNacosAdapter,
  eureka: createEurekaAdapter,
  consul: createConsulAdapter,
};

/** How long nothing is believed to be gone after the first listing of a watch, in ms. */
export const settleMs: Readonly<Record<RegistryType, number>> = {
  zookeeper: 60_000,
  nacos: 35_000,
  eureka: 120_000,
  consul: 10_000,
};

/** The same after a registry lost its data: Consul's agents bring theirs back within a minute. */
export const settleAfterLossMs: Readonly<Record<RegistryType, number>> = { ...settleMs, consul: 60_000 };

/** Makes the adapter for a config, or undefined where this build has none for the type. */
export function openRegistry<T extends RegistryType>(
  config: RegistryConfig<T>,
  deps: Deps,
): RegistryAdapter | undefined {
  const factory = factories[config.registry.type] as RegistryFactory<T> | undefined;
  return factory?.(config, deps);
}
