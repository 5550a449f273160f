import * as z from "zod";
import { type Malformed, mapOf, readEach } from "../../runtime/json.ts";

/** `null` counts as absent, because Java writes either. */
const optional = <T extends z.ZodType, D>(type: T, fallback: D) =>
  type.nullish().transform((value) => (value ?? fallback) as NonNullable<z.output<T>> | D);

/** Metadata is text by definition; numbers and booleans of other clients become their text. */
const metadata = mapOf(z.union([z.string(), z.number(), z.boolean(), z.null()])).transform((values) =>
  Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) => (value === null ? [] : [[key, String(value)]])),
  ),
);

const host = z.object({
  /** Any text that was registered as the address; not "". */
  ip: z.string().min(1),
  port: z.int(),
  /** Relative share of the calls; 0 = takes none. */
  weight: optional(z.number(), 1),
  healthy: optional(z.boolean(), true),
  /** Servers leave out disabled instances. Source: measured on 2.3.2 and 3.1.0. */
  enabled: optional(z.boolean(), true),
  metadata: optional(metadata, {} as Readonly<Record<string, string>>),
});

/** One registered instance, in Nacos' own terms. */
export type Host = z.output<typeof host>;

/** As of a Consul service: 10 MB, which is all that a server sends, are no more. Each costs time, also a malformed one. */
const maxHosts = 20_000;

const serviceInfo = z.object({
  /** An answer without it is none. */
  hosts: z.array(z.unknown()).max(maxHosts).nullable(),
  reachProtectionThreshold: optional(z.boolean(), false),
});

/** A service in a query, a subscription or a push. */
export interface ServiceInfo {
  readonly hosts: readonly Host[];
  /** Those that are not as Nacos describes one. */
  readonly malformed: readonly Malformed[];
  /**
   * So few hosts are healthy that the server reports all of them as healthy. A query for healthy hosts returns the
   * really healthy ones. Source: measured on 2.3.2 and 3.1.0; ServiceUtil of nacos.
   */
  readonly reachProtectionThreshold: boolean;
}

/** Reads a ServiceInfo; undefined = it is none, or has more hosts than any service. A malformed host affects no other. */
export function parseServiceInfo(input: unknown): ServiceInfo | undefined {
  const { data } = serviceInfo.safeParse(input);
  if (data === undefined) return undefined;
  const { hosts, reachProtectionThreshold } = data;
  const { wellFormed, malformed } = readEach(host, hosts ?? [], addressOf);
  return { hosts: wellFormed, malformed, reachProtectionThreshold };
}

function addressOf(value: unknown): string {
  const { ip, port } = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const shown = (part: unknown): string =>
    typeof part === "string" || typeof part === "number" ? String(part).slice(0, 60) : "?";
  return `${shown(ip)}:${shown(port)}`;
}
