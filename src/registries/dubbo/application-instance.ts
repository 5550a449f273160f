import * as z from "zod";
import { readJson } from "../json.ts";
import { addressKey, withoutBrackets } from "./registered-addresses.ts";

/** A protocol that a process speaks, and on which port. */
export interface ProtocolPort {
  readonly protocol: string;
  readonly port: number;
}

/**
 * One process that registered its application, as Dubbo 3 does with register-mode instance or all, and dubbo-go since
 * 3.1 unless told otherwise. It says where the process is, and not what it serves: that stands in the MetadataInfo of
 * its revision.
 */
export interface ApplicationInstance {
  readonly application: string;
  /** IP literal (IPv6 without brackets) or whatever else was registered. */
  readonly address: string;
  /** That of the preferred protocol; 0 = none was registered. */
  readonly port: number;
  readonly endpoints: readonly ProtocolPort[];
  /** Each place it is known to listen at, as `addressKey` spells it. */
  readonly addresses: readonly string[];
  /** Names the set of its services, and the MetadataInfo that lists them. */
  readonly revision: string;
  /** Whether it says that its MetadataInfo is in the registry. `local` = consumers ask the process itself. */
  readonly storage: "local" | "remote";
}

/** The revision of a process that serves nothing, such as a mere consumer. Source: apache/dubbo, RevisionResolver. */
const emptyRevision = "0";

const endpointsForm = z.array(z.unknown());
const endpointForm = z.object({ protocol: z.string().min(1), port: z.number().int().positive() });

/**
 * An instance from what the registry has of it: the same metadata keys stand in Nacos' instance metadata and in
 * ZooKeeper's `payload.metadata`. undefined = it is not one of Dubbo's: `dubbo.metadata.revision` alone tells. Endpoints
 * that cannot be read are left out, for the MetadataInfo and `port` say the same in nearly all cases.
 * Source: apache/dubbo, ServiceInstanceMetadataUtils; dubbo-go, common/constant (the same keys).
 */
export function readApplicationInstance(
  application: string,
  address: string,
  port: number,
  metadata: ReadonlyMap<string, string>,
): ApplicationInstance | undefined {
  const revision = metadata.get("dubbo.metadata.revision");
  if (!revision) return undefined;
  const registered = readJson(endpointsForm, metadata.get("dubbo.endpoints") ?? "") ?? [];
  const endpoints = registered.flatMap((one) => endpointForm.safeParse(one).data ?? []);
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
  };
}

/** Whether it has services at all. */
export function servesAny({ revision }: ApplicationInstance): boolean {
  return revision !== emptyRevision;
}
