import * as z from "zod";
import { Allowance, ItemReader, type Malformed, stringMap } from "../../runtime/json.ts";
import type { JsonCursor } from "../../runtime/json-cursor.ts";
import type { Steps } from "../../runtime/slices.ts";

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

/** Of one answer. 64 MiB are 70,000 instances, measured on Spring Cloud 2025.0. */
const mostListed = { items: 200_000, fields: 1_000_000 };

/**
 * Reads the answer of `/apps` and hands over each application, so that nobody needs all of them at once. A name may come
 * twice, if a proxy has put several lists together. A malformed instance or application affects no other. Returns how many
 * entries have no name, so that each may be any application; undefined = the answer is no such list.
 */
export function* readApplications(
  json: JsonCursor,
  take: (application: Application) => void,
): Steps<number | undefined> {
  const allowance = new Allowance(mostListed);
  let nameless = 0;
  function* readOne(): Steps<void> {
    const application = yield* readApplication(json, allowance);
    if (application === undefined) nameless++;
    else take(application);
    yield;
  }
  if (!json.isObject) return yield* json.other();
  let isListing = false;
  for (const key of json.members())
    if (key === "applications") isListing = yield* readMember(json, "application", readOne);
    else yield* json.skip();
  json.end();
  return isListing ? nameless : undefined;
}

/** Reads the list in that member of an object; an absent one is empty. false = it is no list, or this is no object. */
function* readMember(json: JsonCursor, name: string, readOne: () => Steps<void>): Steps<boolean> {
  if (!json.isObject) {
    yield* json.skip();
    return false;
  }
  let isList = true;
  for (const key of json.members())
    if (key === name) isList = yield* readItems(json, readOne);
    else yield* json.skip();
  return isList;
}

/**
 * Reads a list. Depending on the version, Eureka's converters write a list of one as its only element, and an empty list
 * as "" or null. false = it is none.
 */
function* readItems(json: JsonCursor, readOne: () => Steps<void>): Steps<boolean> {
  if (json.isArray) for (const _ of json.items()) yield* readOne();
  else if (json.isObject) yield* readOne();
  else {
    const value = yield* json.value();
    return value === "" || value === null;
  }
  return true;
}

function* readApplication(json: JsonCursor, allowance: Allowance): Steps<Application | undefined> {
  if (!json.isObject) {
    allowance.useItem();
    yield* json.skip();
    return undefined;
  }
  allowance.useItem();
  let name: unknown;
  let instances: EurekaInstance[] = [];
  const reader = new ItemReader(instance, addressOf, allowance);
  let isList = true;
  function* readOne(): Steps<void> {
    const one = reader.read(yield* json.value());
    if (one !== undefined) {
      allowance.useFields(Object.keys(one.metadata).length + Object.keys(one.dataCenterInfo).length);
      instances.push(one);
    }
    yield;
  }
  for (const key of json.members())
    if (key === "name") name = yield* json.value();
    else if (key === "instance") {
      instances = [];
      isList = yield* readItems(json, readOne);
    } else yield* json.skip();
  if (typeof name !== "string" || name === "") return undefined;
  return { name, instances, malformed: reader.malformed, isUnreadable: !isList };
}

/** The part of its address that is readable. */
function addressOf(one: unknown): string {
  const { ipAddr, hostName } = Object(one) as { readonly ipAddr?: unknown; readonly hostName?: unknown };
  const shown = typeof ipAddr === "string" ? ipAddr : hostName;
  return typeof shown === "string" ? shown.slice(0, 60) : "?";
}
