import * as z from "zod";
import { factsOf } from "../../../model/facts.ts";
import type { ServiceInstance } from "../../../model/service.ts";
import { readJson } from "../../../runtime/json.ts";
import { addressKey, withoutBrackets } from "./registered-addresses.ts";

/** A protocol of a process, and its port. */
export interface ProtocolPort {
  readonly protocol: string;
  readonly port: number;
}

/**
 * One process that registered its application, as Dubbo 3 does with register-mode instance or all, and dubbo-go since
 * 3.1 by default. It says where the process is, but not what it serves; the MetadataInfo of its revision says that.
 */
export interface ApplicationInstance {
  readonly application: string;
  /** An IP literal (IPv6 without brackets), or any other text that the provider registered. */
  readonly address: string;
  /** The port of the preferred protocol; 0 = none was registered. */
  readonly port: number;
  readonly endpoints: readonly ProtocolPort[];
  /** Every known address of the process, as `addressKey` spells it. */
  readonly addresses: readonly string[];
  /** Identifies the set of its services and the MetadataInfo that lists them. */
  readonly revision: string;
  /** Whether its MetadataInfo should be in the registry. `local` = consumers ask the process itself. */
  readonly storage: "local" | "remote";
  /** Of the process. */
  readonly facts?: ServiceInstance["facts"];
  /** By which the weight of each of its services is multiplied. */
  readonly weight: number;
}

/** The revision of a process without services, such as a pure consumer. Source: apache/dubbo, RevisionResolver. */
const emptyRevision = "0";

const endpointsForm = z.array(z.unknown());
/** A process has one for each protocol. */
const maxEndpoints = 100;
const endpointForm = z.object({ protocol: z.string().min(1), port: z.number().int().positive() });

/**
 * Reads an instance from the registry. Nacos' instance metadata and ZooKeeper's `payload.metadata` have the same
 * keys. undefined = it is not one of Dubbo's, which only `dubbo.metadata.revision` shows. Unreadable endpoints are
 * left out, because the MetadataInfo and `port` contain the same facts in nearly all cases.
 * Source: apache/dubbo, ServiceInstanceMetadataUtils; dubbo-go, common/constant (the same keys).
 */
export function readApplicationInstance(
  application: string,
  address: string,
  port: number,
  metadata: ReadonlyMap<string, string>,
  weight = 1,
  keys: readonly string[] = [],
): ApplicationInstance | undefined {
  const revision = metadata.get("dubbo.metadata.revision");
  if (!revision) return undefined;
  const registered = readJson(endpointsForm, metadata.get("dubbo.endpoints") ?? "") ?? [];
  const endpoints = registered
    .slice(0, maxEndpoints)
    .flatMap((one) => endpointForm.safeParse(one).data ?? []);
  const host = withoutBrackets(address);
  const ports = new Set([port, ...endpoints.map((one) => one.port)]);
  return {
    application,
    address: host,
    port,
    endpoints,
    addresses: [...ports].map((one) => addressKey(host, one)),
    revision,
    storage: metadata.get("dubbo.metadata.storage-type") === "remote" ? "remote" : "local",
    weight,
    ...factsOf(keys, (key) => metadata.get(key)),
  };
}

/** Whether it has any services. */
export function servesAny({ revision }: ApplicationInstance): boolean {
  return revision !== emptyRevision;
}
