import type { EntryEndpoint, EntryShape, HostPort } from "../../model/entry.ts";
import type { HubId } from "../../model/hub.ts";
import type { ServiceEntry } from "../../model/istio.ts";
import type { Stored } from "../../model/kubernetes.ts";
import { endpointLabels, maxHubsPerEndpoint, sidecarLabel } from "../../model/labels.ts";
import { addrOf } from "../addresses.ts";
import { weightScale } from "../service-entry.ts";
import { fieldsOf, listOf, numberOf, textFieldsOf, textOf } from "./json.ts";

/** An endpoint that a proxy could call. */
export interface StoredEndpoint {
  readonly address: string;
  /** By port name of the entry. */
  readonly ports: Readonly<Record<string, unknown>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly weight: number | undefined;
  readonly locality: string | undefined;
}

/** An endpoint with a network and no address stands for a gateway, never for an instance of a registry. */
export function endpointsOf({ spec }: Stored<ServiceEntry>): readonly StoredEndpoint[] {
  return listOf(fieldsOf(spec).endpoints).flatMap((one) => {
    const { address, ports, labels: has, weight, locality } = fieldsOf(one);
    if (typeof address !== "string" || address === "") return [];
    return [
      {
        address,
        ports: fieldsOf(ports),
        labels: textFieldsOf(has),
        weight: numberOf(weight),
        locality: textOf(locality),
      },
    ];
  });
}

/** The endpoint's own number for a port of the entry. A name may be any text, even one that objects inherit. */
export function portAt(ports: Readonly<Record<string, unknown>>, name: string): number | undefined {
  const number = ports[name];
  return isPortNumber(number) ? number : undefined;
}

/** Whether a port can have this number. */
export function isPortNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

/** The ids in the label of those who vouch for an endpoint. */
export const idsIn = (by: string): readonly HubId[] => by.split(".").filter((id) => id !== "");

/** The label has no room for more ids, so any hub of the entry may vouch for an endpoint where it is full. */
export function vouchersOf({ labels: has }: StoredEndpoint, labelled: readonly HubId[]): ReadonlySet<HubId> {
  const ids = idsIn(has[endpointLabels.by] ?? "");
  return new Set(ids.length < maxHubsPerEndpoint ? ids : [...ids, ...labelled]);
}

/** The endpoints of an entry by address. @param labelled the hubs of its ownership labels. */
export function heldEndpoints(
  endpoints: readonly StoredEndpoint[],
  shape: EntryShape,
  labelled: readonly HubId[],
): ReadonlyMap<HostPort, EntryEndpoint> {
  const result = new Map<HostPort, EntryEndpoint>();
  for (const endpoint of endpoints) {
    const { address, ports, labels: has, weight, locality } = endpoint;
    const port = portAt(ports, shape.portName) ?? shape.port;
    const hostPort = addrOf(address, port);
    const {
      [endpointLabels.registryName]: registryName = "",
      [endpointLabels.by]: _,
      [sidecarLabel.key]: tlsMode,
      ...rest
    } = has;
    result.set(hostPort, {
      hostPort,
      address,
      port,
      protocol: shape.protocol,
      service: shape.service,
      ...(weight !== undefined && weight !== weightScale && { weight: weight / weightScale }),
      ...(locality !== undefined && { locality }),
      labels: rest,
      by: vouchersOf(endpoint, labelled),
      registryName,
      ...(tlsMode === sidecarLabel.value && { mtls: true }),
    });
  }
  return result;
}

/** An endpoint as it is in the cluster, and whether proxies call it by mTLS. */
export interface MtlsMark {
  readonly address: string;
  readonly ports: readonly number[];
  /** As `idsIn` reads it. */
  readonly by: string;
  readonly mtls: boolean;
}

/** The endpoints of a ServiceEntry. */
export function* mtlsMarksOf({ spec }: Stored<ServiceEntry>): Generator<MtlsMark> {
  for (const one of listOf(fieldsOf(spec).endpoints)) {
    const { address, ports, labels } = fieldsOf(one);
    if (typeof address !== "string") continue;
    const numbers = Object.values(fieldsOf(ports)).filter((port) => typeof port === "number");
    const { [endpointLabels.by]: by, [sidecarLabel.key]: tlsMode } = fieldsOf(labels);
    yield { address, ports: numbers, by: textOf(by) ?? "", mtls: tlsMode === sidecarLabel.value };
  }
}
