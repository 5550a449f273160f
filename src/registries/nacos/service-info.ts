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

const serviceInfo = z.object({
  name: optional(z.string(), undefined),
  groupName: optional(z.string(), undefined),
  /** An answer without it is none. */
  hosts: z.array(z.unknown()).nullable(),
  reachProtectionThreshold: optional(z.boolean(), false),
});

/** A service in a query, a subscription or a push. */
export interface ServiceInfo {
  /** Without the group, which may be before it ("GROUP@@name"); "" = not said. */
  readonly name: string;
  /** "" = not said. */
  readonly groupName: string;
  readonly hosts: readonly Host[];
  /** Those that are not as Nacos describes one. */
  readonly malformed: readonly Malformed[];
  /**
   * So few hosts are healthy that the server reports all of them as healthy. A query for healthy hosts returns the
   * really healthy ones. Source: measured on 2.3.2 and 3.1.0; ServiceUtil of nacos.
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
