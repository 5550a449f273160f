import { type ApplicationInstance, servesAny } from "./application-instance.ts";
import type { MetadataService } from "./metadata-info.ts";
import { isDubbosOwn, isOfDubboGo, type Provider, readProvider, weighted, withFacts } from "./provider.ts";

/** The services of one revision, or why they are unknown. */
export type Metadata = readonly MetadataService[] | MetadataObstacle;
type MetadataObstacle = "missing" | "undecodable" | "unreadable";

/** Why the services of an instance are unknown outside of Dubbo; later entries of {@link reasons} are more telling. */
export type OpaqueReason = (typeof reasons)[number];
const reasons = ["local", "missing", "undecodable", "unreadable"] as const;

/** An instance with services that the registry does not describe, or that could not be read. */
export interface HiddenInstance {
  readonly reason: OpaqueReason;
  /** As in its ApplicationInstance; [] = even its address is unreadable. */
  readonly addresses: readonly string[];
}

/** The registry's knowledge of one application. */
export interface Application {
  readonly name: string;
  /** By interface. */
  readonly providers: ReadonlyMap<string, readonly Provider[]>;
  readonly hidden: readonly HiddenInstance[];
}

/** Whether some provider is registered by interface at this address, as `addressKey` spells it. */
export type IsRegistered = (address: string) => boolean;

/** The live instances of an application; "unreadable" = one or more of which not even an address is known. */
export type Instances = readonly (ApplicationInstance | HiddenInstance | "unreadable")[];

/**
 * Reads one application from its live instances. `metadataOf` returns what is known of one of their revisions; `wants`
 * selects the relevant interfaces.
 */
export function readApplication(
  name: string,
  instances: Instances,
  metadataOf: (revision: string) => Metadata,
  wants: (name: string) => boolean,
  keys: readonly string[] = [],
): Application {
  const providers = new Map<string, Provider[]>();
  const hidden: HiddenInstance[] = [];
  for (const instance of instances) {
    if (instance === "unreadable" || "reason" in instance) {
      hidden.push(instance === "unreadable" ? { reason: instance, addresses: [] } : instance);
      continue;
    }
    if (!servesAny(instance)) continue;
    const metadata = metadataOf(instance.revision);
    if (typeof metadata === "string")
      hidden.push({ reason: reasonOf(instance, metadata), addresses: instance.addresses });
    else for (const service of metadata) if (wants(service.name)) add(providers, instance, service, keys);
  }
  return { name, providers, hidden };
}

/**
 * The applications with an instance that is registered only at application level and whose services are unknown, with
 * the reason. An instance that is also registered by interface, as with Java's default `register-mode=all`, hides
 * nothing.
 */
export function opaqueApplications(
  applications: Iterable<Application>,
  isRegistered: IsRegistered,
): ReadonlyMap<string, OpaqueReason> {
  const found = new Map<string, OpaqueReason>();
  for (const { name, hidden } of applications) {
    const only = hidden.filter((instance) => isApplicationOnly(instance, isRegistered));
    const reason = reasons.findLast((one) => only.some((instance) => instance.reason === one));
    if (reason !== undefined) found.set(name, reason);
  }
  return found;
}

/**
 * Whether the MetadataInfo of its revision must be read. An instance with `local` storage usually has none, but with
 * `report-metadata=true` it does, so it is read only if nothing else describes the instance's services.
 */
export function needsMetadata(instance: ApplicationInstance, isRegistered: IsRegistered): boolean {
  if (!servesAny(instance)) return false;
  return instance.storage === "remote" || isApplicationOnly(instance, isRegistered);
}

function isApplicationOnly(
  { addresses }: Pick<ApplicationInstance, "addresses">,
  isRegistered: IsRegistered,
): boolean {
  return !addresses.some(isRegistered);
}

function reasonOf({ storage }: ApplicationInstance, obstacle: MetadataObstacle): OpaqueReason {
  return obstacle === "missing" && storage === "local" ? "local" : obstacle;
}

function add(
  providers: Map<string, Provider[]>,
  instance: ApplicationInstance,
  service: MetadataService,
  keys: readonly string[],
): void {
  if (isDubbosOwn(service.name)) return;
  const { application, address, weight, facts } = instance;
  const port = String(portOf(instance, service));
  const parameters = new Map([["application", application], ...service.parameters]);
  // dubbo-go's revision is the same whatever the weight, so this one is of whichever process wrote the MetadataInfo last.
  if (isOfDubboGo(parameters)) parameters.delete("weight");
  const url = { scheme: service.protocol, host: address, port, parameters };
  const provider = withFacts(weighted(readProvider(url, service.name, keys), weight), facts);
  const all = providers.get(service.name);
  if (all) all.push(provider);
  else providers.set(service.name, [provider]);
}

/**
 * The port of this instance. The service's own port belongs to the instance that wrote the MetadataInfo, so it only
 * decides between several ports of one protocol. Source: apache/dubbo-go, DefaultServiceInstance.ToURLs.
 */
function portOf({ endpoints, port }: ApplicationInstance, service: MetadataService): number {
  const ports = endpoints.filter(({ protocol }) => protocol === service.protocol).map((one) => one.port);
  if (service.port !== undefined && ports.includes(service.port)) return service.port;
  return ports[0] ?? service.port ?? port;
}
