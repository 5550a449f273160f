import { type ApplicationInstance, servesAny } from "./application-instance.ts";
import type { MetadataService } from "./metadata-info.ts";
import { isDubbosOwn, type Provider, readProvider } from "./provider.ts";

/** The services of one revision, or why they are not known. */
export type Metadata = readonly MetadataService[] | MetadataObstacle;
type MetadataObstacle = "missing" | "undecodable" | "unreadable";

/** Why nobody outside of Dubbo knows what an instance serves; the later in {@link reasons}, the more it says. */
export type HiddenReason = (typeof reasons)[number];
const reasons = ["local", "missing", "undecodable", "unreadable"] as const;

/** An instance that serves something, and the registry does not say what. */
export interface HiddenInstance {
  readonly reason: HiddenReason;
  /** As in its ApplicationInstance; [] = not even where it is could be read. */
  readonly addresses: readonly string[];
}

/** What the registry knows of one application. */
export interface Application {
  readonly name: string;
  /** By interface. */
  readonly providers: ReadonlyMap<string, readonly Provider[]>;
  readonly hidden: readonly HiddenInstance[];
}

/** Whether some provider is registered by its interface at this address, as `addressKey` spells it. */
export type IsRegistered = (address: string) => boolean;

/**
 * One application from its live instances: "unreadable" stands for one that is there and may not be read. `metadataOf`
 * says what is known of a revision that one of them has; `wants` which interfaces matter.
 */
export function readApplication(
  name: string,
  instances: readonly (ApplicationInstance | "unreadable")[],
  metadataOf: (revision: string) => Metadata,
  wants: (name: string) => boolean,
): Application {
  const providers = new Map<string, Provider[]>();
  const hidden: HiddenInstance[] = [];
  for (const instance of instances) {
    if (instance === "unreadable") {
      hidden.push({ reason: "unreadable", addresses: [] });
      continue;
    }
    if (!servesAny(instance)) continue;
    const metadata = metadataOf(instance.revision);
    if (typeof metadata === "string")
      hidden.push({ reason: reasonOf(instance, metadata), addresses: instance.addresses });
    else for (const service of metadata) if (wants(service.name)) add(providers, instance, service);
  }
  return { name, providers, hidden };
}

/**
 * The applications with an instance that is known by its application only, and why its services are not known.
 * An instance that is registered by its interfaces as well, as with Java's default `register-mode=all`, hides nothing.
 */
export function hiddenApplications(
  applications: Iterable<Application>,
  isRegistered: IsRegistered,
): ReadonlyMap<string, HiddenReason> {
  const found = new Map<string, HiddenReason>();
  for (const { name, hidden } of applications) {
    const only = hidden.filter((instance) => isApplicationOnly(instance, isRegistered));
    const reason = reasons.findLast((one) => only.some((instance) => instance.reason === one));
    if (reason !== undefined) found.set(name, reason);
  }
  return found;
}

/**
 * Whether the MetadataInfo of its revision has to be read. One with `local` storage has none as a rule, though with
 * `report-metadata=true` it does; so it is looked for only where nothing else says what the instance serves.
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

function reasonOf({ storage }: ApplicationInstance, obstacle: MetadataObstacle): HiddenReason {
  return obstacle === "missing" && storage === "local" ? "local" : obstacle;
}

function add(
  providers: Map<string, Provider[]>,
  instance: ApplicationInstance,
  service: MetadataService,
): void {
  if (isDubbosOwn(service.name)) return;
  const { application, address } = instance;
  const port = String(portOf(instance, service));
  const parameters = new Map([["application", application], ...service.parameters]);
  const provider = readProvider({ scheme: service.protocol, host: address, port, parameters }, service.name);
  const all = providers.get(service.name);
  if (all) all.push(provider);
  else providers.set(service.name, [provider]);
}

/**
 * The port of this very instance: the service's own port is that of whichever instance wrote the MetadataInfo, so it
 * only decides between several of one protocol. Source: apache/dubbo-go, DefaultServiceInstance.ToURLs.
 */
function portOf({ endpoints, port }: ApplicationInstance, service: MetadataService): number {
  const ports = endpoints.filter(({ protocol }) => protocol === service.protocol).map((one) => one.port);
  if (service.port !== undefined && ports.includes(service.port)) return service.port;
  return ports[0] ?? service.port ?? port;
}
