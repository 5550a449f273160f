import type { RegistrySpec } from "../../src/model/hub.ts";
import type { Service } from "../../src/model/service.ts";
import { decodeService } from "../../src/registries/consul/decode.ts";

/** What a Consul server answered, to the letter. */
export interface ConsulAnswers {
  /** GET /v1/catalog/services */
  readonly catalog: string;
  /** GET /v1/health/service/<name>, by name. */
  readonly health: Readonly<Record<string, string>>;
}

/** What the Consul reader makes of it. @throws SyntaxError when a listed service has no answer. */
export function servicesOfConsul(
  { catalog, health }: ConsulAnswers,
  registry: RegistrySpec<"consul">,
): readonly Service[] {
  const names = Object.keys(JSON.parse(catalog) as object).filter((name) => name !== "consul");
  return names.map((name) => decodeService(name, JSON.parse(health[name] ?? "") as unknown[], registry));
}
