import type { Entry, EntryEndpoint, HostKey, HostPort } from "../../model/entry.ts";
import { type Hub, type HubKey, wants } from "../../model/hub.ts";
import { withoutSecrets } from "../../model/problems.ts";
import type { Service, ServiceInstance, Snapshot } from "../../model/service.ts";
import { addrOf } from "../../translate/addresses.ts";
import { hostKeyOf, hostOfInstance, listingOf } from "../../translate/listing.ts";
import { counted } from "../output.ts";
import type { Asked, KnownHub } from "./asked.ts";
import type { Readings } from "./registries.ts";

/** An instance that a registry lists now. */
export interface ListedInstance {
  readonly address: HostPort;
  /** As the registry spells it. */
  readonly service: string;
  /** Why no entry has it, in words; "" = one may. */
  readonly leftOut: string;
}

/** What the registry of one hub says now of what is asked about. */
export interface RegistrySays {
  readonly hub: HubKey;
  /** Why it was not read, in words; "" = it was. */
  readonly unread: string;
  /** The service, or a part of it, could not be read: what is not listed may be there all the same. */
  readonly isUnknown: boolean;
  /** spec.services leaves the service out, so the registry was not asked for it. */
  readonly isExcluded: boolean;
  readonly instances: readonly ListedInstance[];
}

/** What they say, by hub. @param entry that of the host, whose form decides which instances it can have. */
export function registriesSay(
  hubs: readonly KnownHub[],
  asked: Asked,
  entry: Entry | undefined,
  readings: Readings | undefined,
): readonly RegistrySays[] {
  return hubs.flatMap(({ key, hub }): readonly RegistrySays[] => {
    const reading = readings?.get(key);
    if (reading === undefined) return [];
    const nothing = { hub: key, unread: "", isUnknown: false, isExcluded: false, instances: [] };
    if ("unread" in reading) return [{ ...nothing, unread: reading.unread }];
    return [hub === undefined ? nothing : { ...nothing, ...saidOf(asked, entry, hub, reading) }];
  });
}

/** Whether it is listed, and an entry may have it. */
export const lists = ({ instances }: RegistrySays, { hostPort }: Pick<EntryEndpoint, "hostPort">): boolean =>
  instances.some(({ address, leftOut }) => address === hostPort && leftOut === "");

/** The instances in words, as the end of "its registry, read now, …". */
export function saidInWords({ isUnknown, isExcluded, instances }: RegistrySays): string {
  if (isExcluded) return "is not asked for it: spec.services leaves it out";
  const inPart = isUnknown ? ", and not all of it can be read" : "";
  const [first] = instances;
  if (first === undefined) return isUnknown ? "has it, and it cannot be read" : "lists no instance of it";
  const usable = instances.filter(({ leftOut }) => leftOut === "");
  if (usable.length > 0) return `lists ${addresses(usable)}${inPart}`;
  return `lists ${counted(instances.length, "instance")}, and none that can be used: ${first.address}: ${first.leftOut}${inPart}`;
}

/** The first of them, and how many more there are. */
export function addresses(all: readonly { readonly address: HostPort }[]): string {
  const [first] = all;
  return `${first?.address ?? "none"}${all.length > 1 ? ` and ${all.length - 1} more` : ""}`;
}

function saidOf(
  { host, namespace, names }: Asked,
  entry: Entry | undefined,
  hub: Hub,
  { services }: Snapshot,
): Omit<RegistrySays, "hub" | "unread"> {
  const key: HostKey = `${namespace}/${host}`;
  const lower = new Set(names.map((name) => name.toLowerCase()));
  const isNamed = ({ name }: Service): boolean => lower.has(name.toLowerCase());
  const wanted = [...services.values()].filter(({ name }) => wants(hub.filter, name));
  const isOf = (service: Service, instance: ServiceInstance): boolean =>
    host === "" ? isNamed(service) : hostOfInstance(service, instance, hub) === key;
  const mayHaveMore = (service: Service): boolean =>
    (service.instances === "unknown" || service.isPartial === true) &&
    (isNamed(service) || hostKeyOf(service, hub) === key);
  const isUnknown = wanted.some(mayHaveMore);
  const instances = wanted.flatMap((service) =>
    instancesOf(service, entry, hub, (one) => isOf(service, one)),
  );
  const isNothing = !isUnknown && instances.length === 0;
  const isExcluded = isNothing && !names.some((name) => wants(hub.filter, name));
  return { isUnknown, isExcluded, instances };
}

/** Asks the translator that the hub-controller asks, about each instance alone. */
function instancesOf(
  service: Service,
  entry: Entry | undefined,
  hub: Hub,
  isAsked: (instance: ServiceInstance) => boolean,
): readonly ListedInstance[] {
  const asked = service.instances === "unknown" ? [] : service.instances.filter(isAsked);
  if (asked.length === 0) return [];
  const { leftOut } = listingOf(service, hub);
  const without = new Set([...leftOut.values()].flat());
  const undosed: Hub = { ...hub, instances: { ...hub.instances, shares: [] } };
  return asked.map((instance): ListedInstance => {
    const { byHost, excluded, problems } = listingOf(
      { ...service, instances: [instance], problems: [] },
      undosed,
    );
    const [endpoint] = [...byHost.values()].flat();
    const address = endpoint?.hostPort ?? addrOf(withoutSecrets(instance.address), instance.port);
    const rejected = problems.find(({ severity }) => severity === "rejected");
    const why = (): string => {
      if (excluded > 0) return "spec.instances.selector leaves it out";
      if (rejected) return `${rejected.code}: ${rejected.detail}`;
      if (without.has(address)) return "spec.instances.shares gives it 0 %";
      if (service.kind === "dubbo" && entry && endpoint && entry.shape.protocol !== endpoint.protocol)
        return `it speaks ${endpoint.protocol}, and the entry ${entry.shape.protocol}`;
      const { serviceKey = "" } = entry?.shape.service ?? {};
      if (serviceKey !== "" && endpoint && endpoint.service.serviceKey !== serviceKey)
        return `it is of ${endpoint.service.serviceKey}, and the entry of ${serviceKey}`;
      return "";
    };
    return { address, service: service.name, leftOut: why() };
  });
}
