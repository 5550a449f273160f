/** The key of a service in Nacos. */
export interface ServiceKey {
  readonly group: string;
  readonly name: string;
}

/** `Service.id` of a Nacos service, and the server's own single name for it. */
export const idOf = ({ group, name }: ServiceKey): string => `${group}@@${name}`;

/** The meaning of a service's name. */
export type ServiceName =
  /**
   * Dubbo's providers of an interface. Version and group are "" if the name lacks them, or does not tell which is
   * which.
   */
  | { readonly kind: "dubbo"; readonly name: string; readonly version: string; readonly group: string }
  /** Nothing that can be called: consumers, routing rules. */
  | { readonly kind: "none" }
  /** Anything else: a Spring service, a plain one, or an application of Dubbo 3. */
  | { readonly kind: "spring"; readonly name: string };

const categories = /^(providers|consumers|routers|configurators):(.*)$/s;

/**
 * Reads a service's name: `providers:<interface>:<version>:<group>` since Dubbo 2.7.3, with fewer parts before it and
 * with `nacos.register-compatible=true`. The `$` of an inner class is written `___`. A name of that form without an
 * interface is a plain one.
 * Source: apache/dubbo, NacosServiceName, NacosRegistry.getServiceNames0; apache/dubbo#7129.
 */
export function parseServiceName(name: string): ServiceName {
  const [, category, rest = ""] = categories.exec(name) ?? [];
  const [interfaceName = "", ...parts] = rest.split(":");
  if (category === undefined || interfaceName === "") return { kind: "spring", name };
  if (category !== "providers") return { kind: "none" };
  const [version = "", group = ""] = parts.length === 2 ? parts : [];
  return { kind: "dubbo", name: interfaceName.replaceAll("___", "$"), version, group };
}
