import * as z from "zod";
import { firstIssue, type Malformed, parseJson, readEach } from "../../runtime/json.ts";

/** `null` counts as absent, because Java writes either. */
const optional = <T extends z.ZodType, D>(type: T, fallback: D) =>
  type.nullish().transform((value) => (value ?? fallback) as NonNullable<z.output<T>> | D);

/** Metadata is text by definition; numbers and booleans of other clients become their text. */
const metadata = z
  .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))
  .transform((values) =>
    Object.fromEntries(
      Object.entries(values).flatMap(([key, value]) => (value === null ? [] : [[key, String(value)]])),
    ),
  );

const host = z.object({
  ip: z.string().min(1),
  port: z.int(),
  weight: optional(z.number(), 1),
  healthy: optional(z.boolean(), true),
  enabled: optional(z.boolean(), true),
  ephemeral: optional(z.boolean(), true),
  clusterName: optional(z.string(), ""),
  metadata: optional(metadata, {}),
});

const serviceInfo = z.object({
  name: optional(z.string(), undefined),
  groupName: optional(z.string(), undefined),
  /** An answer without it is none. */
  hosts: z.array(z.unknown()).nullable(),
  reachProtectionThreshold: optional(z.boolean(), false),
});

/** One registered instance, in Nacos' own terms. */
export interface Host {
  /** Any text that was registered as the address; not "". */
  readonly ip: string;
  readonly port: number;
  /** Relative share of the calls; 0 = takes none. */
  readonly weight: number;
  readonly healthy: boolean;
  /** Servers leave out disabled instances. Source: measured on 2.3.2 and 3.1.0. */
  readonly enabled: boolean;
  readonly ephemeral: boolean;
  /** "" = not said. */
  readonly clusterName: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A service in a query, a subscription or a push; the same over gRPC and HTTP. */
export interface ServiceInfo {
  /** Without the group, which the server may prefix ("GROUP@@name", HTTP v1) or not (gRPC); "" = not set. */
  readonly name: string;
  /** "" = not said (1.x). */
  readonly groupName: string;
  readonly hosts: readonly Host[];
  /** Those that are not as Nacos describes one. */
  readonly malformed: readonly Malformed[];
  /**
   * So few hosts are healthy that the server reports all of them as healthy. A query for healthy hosts returns the
   * really healthy ones. 1.x never sets this. Source: measured on 2.3.2 and 3.1.0; ServiceUtil of nacos.
   */
  readonly reachProtectionThreshold: boolean;
}

/** The answer is not a ServiceInfo. The message says what is missing and holds no value of the answer. */
export class BadServiceInfoError extends Error {
  override readonly name = "BadServiceInfoError";
}

/**
 * Reads a ServiceInfo from JSON text or a parsed value. A malformed host affects no other.
 * @throws BadServiceInfoError when the answer as a whole is malformed.
 */
export function parseServiceInfo(input: unknown): ServiceInfo {
  const isText = typeof input === "string";
  const said = isText ? parseJson(input) : input;
  if (isText && said === undefined) throw new BadServiceInfoError("the answer is not JSON");
  const parsed = serviceInfo.safeParse(said);
  if (!parsed.success)
    throw new BadServiceInfoError(`the answer is not a ServiceInfo: ${firstIssue(parsed.error)}`);
  const { name = "", groupName, hosts, reachProtectionThreshold } = parsed.data;
  const at = name.indexOf("@@");
  const { wellFormed, malformed } = readEach(host, hosts ?? [], addressOf);
  return {
    name: at < 0 ? name : name.slice(at + 2),
    groupName: groupName ?? (at < 0 ? "" : name.slice(0, at)),
    hosts: wellFormed,
    malformed,
    reachProtectionThreshold,
  };
}

function addressOf(value: unknown): string {
  const { ip, port } = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const shown = (part: unknown): string =>
    typeof part === "string" || typeof part === "number" ? String(part).slice(0, 60) : "?";
  return `${shown(ip)}:${shown(port)}`;
}
