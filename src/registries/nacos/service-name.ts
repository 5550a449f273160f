/** What Nacos names a service by. */
export interface ServiceKey {
  readonly group: string;
  readonly name: string;
}

/** `Service.id` of a Nacos service, and what a server calls it where one name has to do. */
export const idOf = ({ group, name }: ServiceKey): string => `${group}@@${name}`;

/** What a service's name says about it. */
export type ServiceName =
  /** Dubbo's providers of an interface. Version and group are "" where the name has none, or does not tell which is which. */
  | { readonly kind: "dubbo"; readonly name: string; readonly version: string; readonly group: string }
  /** Announces nobody that could be called: consumers, routing rules. */
  | { readonly kind: "none" }
  /** Anything else: a Spring service, a plain one, or an application of Dubbo 3. */
  | { readonly kind: "spring"; readonly name: string };

const categories = /^(providers|consumers|routers|configurators):(.*)$/s;

/**
 * Reads a service's name: `providers:<interface>:<version>:<group>` since Dubbo 2.7.3, fewer parts before it and from
 * `nacos.register-compatible=true`; an inner class' `$` is written `___`. A name of that form without an interface is a
 * plain one.
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
