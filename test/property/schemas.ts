import fc from "fast-check";

/** The part of an OpenAPI schema that gives the types of a value. */
export interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly format?: string;
  /** The type whose values include null. */
  readonly nullable?: boolean;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
}

/** Names that mean something to JavaScript, or to the operator. */
const names = fc.constantFrom(
  "__proto__",
  "constructor",
  "toString",
  "length",
  "name",
  "app.kubernetes.io/managed-by",
  "ecns.easystack.cn/by",
  "tcp-metaprotocol-dubbo",
  "9000",
);
/** Texts that the operator looks for. */
const texts = fc.oneof(
  fc.constantFrom(
    "",
    "registryhub",
    "dubbo-controller",
    "aeraki",
    "tcp",
    "10.0.0.1",
    "240.241.0.1",
    "a.ns",
    "9000",
    "Ready",
  ),
  fc.string({ unit: "binary", maxLength: 20 }),
);

/** Any JSON, including a number that is infinite once it is read (1e400). */
export const anyJson: fc.Arbitrary<unknown> = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(null, true, false, 0, -1, 1.5, Infinity),
    texts,
    fc.integer(),
    fc.array(tie("json"), { maxLength: 3 }),
    objectOf(
      fc.uniqueArray(fc.tuple(fc.oneof(names, texts), tie("json")), {
        selector: ([name]) => name,
        maxLength: 3,
      }),
    ),
  ),
})).json;

/** As the text of JSON makes it: `__proto__` is a field like any other. */
function objectOf(entries: fc.Arbitrary<readonly (readonly [string, unknown])[]>): fc.Arbitrary<object> {
  return entries.map((fields) => {
    const object = {};
    for (const [name, value] of fields)
      Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
    return object;
  });
}

/** Values that the schema accepts, without regard to its patterns and rules. Now and then `odd` replaces any part. */
export function valuesOf(schema: Schema, odd?: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const value = plainValuesOf(schema, odd);
  const nullable = schema.nullable ? fc.oneof({ weight: 9, arbitrary: value }, fc.constant(null)) : value;
  return odd ? fc.oneof({ weight: 9, arbitrary: nullable }, odd) : nullable;
}

function plainValuesOf(schema: Schema, odd: fc.Arbitrary<unknown> | undefined): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => valuesOf(one, odd)));
  const { type, minimum = -1, maximum = 70_000, items = {}, minItems = 0 } = schema;
  if (type === "boolean") return fc.boolean();
  if (type === "integer") return fc.integer({ min: minimum, max: Math.min(maximum, 2 ** 31 - 1) });
  if (type === "array") return fc.array(valuesOf(items, odd), { minLength: minItems, maxLength: 3 });
  if (type === "object") return objectsOf(schema, odd);
  if (type === "string") return textsOf(schema);
  return anyJson;
}

function textsOf({ format, minLength = 0, maxLength = 256 }: Schema): fc.Arbitrary<string> {
  if (format === "date-time") return fc.constant("2024-02-04T03:00:00Z");
  return texts.filter(({ length }) => length <= maxLength).map((text) => text.padEnd(minLength, "x"));
}

function objectsOf(schema: Schema, odd: fc.Arbitrary<unknown> | undefined): fc.Arbitrary<object> {
  const known = Object.entries(schema.properties ?? {}).map(([name, one]) => {
    const field = valuesOf(one, odd).map((value) => [name, value] as const);
    return schema.required?.includes(name) ? field : fc.option(field, { nil: undefined });
  });
  const rest =
    schema.additionalProperties ?? (schema["x-kubernetes-preserve-unknown-fields"] ? {} : undefined);
  const more = rest
    ? fc.uniqueArray(fc.tuple(names, valuesOf(rest, odd)), { selector: ([name]) => name, maxLength: 3 })
    : fc.constant([]);
  return objectOf(
    fc
      .tuple(fc.tuple(...known), more)
      .map(([fields, others]) => [
        ...fields.filter((field) => field !== undefined),
        ...others.filter(([name]) => !(name in (schema.properties ?? {}))),
      ]),
  );
}

/** The schema of a CRD that requires nothing and keeps null, as older ones did. */
export function loosened(schema: Schema): Schema {
  const { properties, items, additionalProperties } = schema;
  return {
    ...schema,
    required: [],
    nullable: true,
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, loosened(one)])),
    }),
    ...(items && { items: loosened(items) }),
    ...(additionalProperties && { additionalProperties: loosened(additionalProperties) }),
  };
}

/** The places where the schema refuses the value, without regard to its patterns and rules. */
export function violations(schema: Schema, value: unknown, at = ""): readonly string[] {
  const isType = {
    string: typeof value === "string",
    boolean: typeof value === "boolean",
    integer: Number.isSafeInteger(value),
    array: Array.isArray(value),
    object: typeof value === "object" && value !== null && !Array.isArray(value),
  }[schema.type ?? ""];
  if (isType === false) return [`${at}: ${JSON.stringify(value)} is not of type ${schema.type}`];
  if (schema.enum && !schema.enum.includes(value as string))
    return [`${at}: ${String(value)} is none of the enum`];
  if (typeof value === "string" && value.length < (schema.minLength ?? 0)) return [`${at}: too short`];
  if (typeof value === "string" && value.length > (schema.maxLength ?? Infinity)) return [`${at}: too long`];
  if (schema.format === "date-time" && Number.isNaN(Date.parse(String(value)))) return [`${at}: no time`];
  if (Array.isArray(value))
    return value.flatMap((one, index) => violations(schema.items ?? {}, one, `${at}[${index}]`));
  if (typeof value !== "object" || value === null) return [];
  const missing = (schema.required ?? []).filter((name) => !Object.hasOwn(value, name));
  return [
    ...missing.map((name) => `${at}.${name}: missing`),
    ...Object.entries(value).flatMap(([name, one]) => {
      const field = schema.properties?.[name] ?? schema.additionalProperties;
      return field ? violations(field, one, `${at}.${name}`) : [`${at}.${name}: unknown`];
    }),
  ];
}
