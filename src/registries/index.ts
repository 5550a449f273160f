import type { RegistryType } from "../model/hub.ts";
import type { Deps } from "../runtime/deps.ts";
import type { RegistryAdapter, RegistryConfig, RegistryFactory } from "./adapter.ts";
import { createConsulAdapter } from "./consul/adapter.ts";
import { createEurekaAdapter } from "./eureka/adapter.ts";
import { createNacosAdapter } from "./nacos/adapter.ts";
import { createZooKeeperAdapter } from "./zookeeper/adapter.ts";

/** One line per registry type. */
const factories: { readonly [T in RegistryType]: RegistryFactory<T> } = {
  zookeeper: createZooKeeperAdapter,
  nacos: createNacosAdapter,
  eureka: createEurekaAdapter,
  consul: createConsulAdapter,
};

/** How long nothing counts as gone after the first listing of a watch, in ms. */
export const settleMs: Readonly<Record<RegistryType, number>> = {
  zookeeper: 60_000,
  nacos: 35_000,
  eureka: 120_000,
  consul: 10_000,
};

/** The same after a loss of data; Consul's agents register their services again within a minute. */
export const settleAfterLossMs: Readonly<Record<RegistryType, number>> = { ...settleMs, consul: 60_000 };

/** How a registry is opened. As `RegistryFactory`, for every type: it does no I/O and never throws. */
export type OpenRegistry = (config: RegistryConfig, deps: Deps) => RegistryAdapter;

/** Makes the adapter for a config. */
export function openRegistry<T extends RegistryType>(config: RegistryConfig<T>, deps: Deps): RegistryAdapter {
  return factories[config.registry.type](config, deps);
}
