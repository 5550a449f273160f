import * as z from "zod";
import { type Malformed, parseJson, readEach } from "../../runtime/json.ts";

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

const answer = z.object({ applications: z.object({ application: list }) });
const application = z.object({ name: z.string().min(1), instance: list });

const isTrue = z.union([z.boolean(), z.enum(["true", "false"]).transform((text) => text === "true")]);
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
const texts = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((values) =>
    Object.fromEntries(
      Object.entries(values ?? {}).flatMap(([key, value]) =>
        typeof value === "string" ? [[key, value]] : [],
      ),
    ),
  );

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
}

/** The answer is not a list of applications. The message says what is missing and holds no value of the answer. */
export class BadApplicationsError extends Error {
  override readonly name = "BadApplicationsError";
}

/**
 * Reads the answer of `/apps`. A malformed instance affects no other. @throws BadApplicationsError when the answer as
 * a whole is malformed.
 */
export function parseApplications(json: string): readonly Application[] {
  const said = parseJson(json);
  if (said === undefined) throw new BadApplicationsError("the answer is not JSON");
  const listed = z.array(application).safeParse(answer.safeParse(said).data?.applications.application);
  if (!listed.success) throw new BadApplicationsError("the answer is not a list of applications");
  return listed.data.map(({ name, instance: all }) => {
    const { wellFormed: instances, malformed } = readEach(instance, all, addressOf);
    return { name, instances, malformed };
  });
}

/** The part of its address that is readable. */
function addressOf(one: unknown): string {
  const shown = z.object({ ipAddr: z.string(), hostName: z.string() }).partial().safeParse(one).data;
  return (shown?.ipAddr ?? shown?.hostName ?? "?").slice(0, 60);
}
