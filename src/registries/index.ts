import type { RegistryType } from "../model/hub.ts";
import type { Deps } from "../runtime/deps.ts";
import type { RegistryAdapter, RegistryConfig, RegistryTypeTraits } from "./adapter.ts";
import { consul } from "./consul/adapter.ts";
import { eureka } from "./eureka/adapter.ts";
import { nacos } from "./nacos/adapter.ts";
import { zookeeper } from "./zookeeper/adapter.ts";

/** One row per registry type. */
export const registries: { readonly [T in RegistryType]: RegistryTypeTraits<T> } = {
  zookeeper,
  nacos,
  eureka,
  consul,
};

/** How a registry is opened. As `RegistryFactory`, for every type: it does no I/O and never throws. */
export type OpenRegistry = (config: RegistryConfig, deps: Deps) => RegistryAdapter;

/** Makes the adapter for a config. */
export function openRegistry<T extends RegistryType>(config: RegistryConfig<T>, deps: Deps): RegistryAdapter {
  return registries[config.registry.type].create(config, deps);
}
