import * as z from "zod";
import { type Malformed, readEach, stringMap } from "../../runtime/json.ts";
import { type Exchange, readAnswer } from "../transport/answers.ts";

/**
 * A list. Depending on the version, Eureka's converters write a list of one as its only element, and an empty list as
 * "" or not at all.
 */
const list = z
  .union([
    z.array(z.unknown()),
    z.literal("").transform(() => []),
    z.record(z.string(), z.unknown()).transform((one) => [one]),
  ])
  .nullish()
  .transform((items): readonly unknown[] => items ?? []);

const listing = z
  .object({ applications: z.object({ application: list }) })
  .transform(({ applications }) => applications.application);
const application = z.object({ name: z.string().min(1), instance: list });
const named = application.pick({ name: true });

const isTrue = z.union([
  z.boolean(),
  z
    .string()
    .regex(/^(true|false)$/i)
    .transform((text) => text.toLowerCase() === "true"),
]);
const number = z.union([
  z.int(),
  z
    .string()
    .regex(/^-?\d+$/)
    .transform(Number),
]);
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? "");
const texts = stringMap.nullish().transform((fields) => Object.fromEntries(fields ?? []));

/** `{"$": 8080, "@enabled": "true"}`, or just the number; undefined = there is no such port, or it is disabled. */
const port = (isEnabled: boolean) =>
  z
    .union([
      z.object({ $: number, "@enabled": isTrue.default(isEnabled) }),
      number.transform(($) => ({ $, "@enabled": isEnabled })),
    ])
    .nullish()
    .transform((value) => (value?.["@enabled"] ? value.$ : undefined));

const instance = z.object({
  ipAddr: text,
  hostName: text,
  status: z.string(),
  // By default the first is enabled and the second is not. Source: Netflix/eureka, InstanceInfo.
  port: port(true),
  securePort: port(false),
  metadata: texts,
  dataCenterInfo: z
    .object({ metadata: texts })
    .nullish()
    .transform((value) => value?.metadata ?? {}),
});

/** One registered instance, in Eureka's own terms; "" = not set. */
export type EurekaInstance = z.output<typeof instance>;

export interface Application {
  /** In upper case: the server converts every name. */
  readonly name: string;
  readonly instances: readonly EurekaInstance[];
  /** The instances that are not in `instances`. */
  readonly malformed: readonly Malformed[];
  /** Its instances are no list, so there may be any. */
  readonly isUnreadable: boolean;
}

/** The answer of `/apps`. */
export interface Listing {
  /** A name may come twice, if a proxy has put several lists together. */
  readonly applications: readonly Application[];
  /** How many entries have no name, so that each may be any application. */
  readonly nameless: number;
}

/**
 * Reads the answer of `/apps`. A malformed instance or application affects no other. @throws RegistryError
 * RegistryBadResponse when the answer as a whole is malformed.
 */
export function parseListing(exchange: Exchange): Listing {
  const items = readAnswer(listing, exchange);
  const applications = items.flatMap((item) => parseApplication(item) ?? []);
  return { applications, nameless: items.length - applications.length };
}

function parseApplication(item: unknown): Application | undefined {
  const { data } = application.safeParse(item);
  const name = data?.name ?? named.safeParse(item).data?.name;
  if (name === undefined) return undefined;
  const { wellFormed, malformed } = readEach(instance, data?.instance ?? [], addressOf);
  return { name, instances: wellFormed, malformed, isUnreadable: data === undefined };
}

/** The part of its address that is readable. */
function addressOf(one: unknown): string {
  const shown = z.object({ ipAddr: z.string(), hostName: z.string() }).partial().safeParse(one).data;
  return (shown?.ipAddr ?? shown?.hostName ?? "?").slice(0, 60);
}
