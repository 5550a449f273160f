import * as z from "zod";

/** A message of 10 MB has fewer values. Each takes up to 56 bytes of memory, however short its text is. */
const maxValues = 1_000_000;

/**
 * What a JSON text says; undefined = it is none, or it says more than a million things. Half a surrogate pair becomes
 * U+FFFD, as in the API server: it could be written and would never be found again. The parser's own words quote the text,
 * so nobody is given them.
 */
export function parseJson(text: string): unknown {
  if (text.length > maxValues && saysTooMuch(text)) return undefined;
  try {
    return JSON.parse(/\\u[dD][89a-fA-F]/.test(text) ? wellFormed(text) : text);
  } catch {
    return undefined; // Only SyntaxError is possible: the caller says what this means.
  }
}

/** Each value has a comma or an opening bracket before it, but for those of an object, which have a name as well. */
function saysTooMuch(text: string): boolean {
  let values = 0;
  let isText = false;
  for (let at = 0; at < text.length && values <= maxValues; at++) {
    const character = text.charAt(at);
    if (character === '"') isText = !isText;
    else if (isText) at += character === "\\" ? 1 : 0;
    else if (character === "," || character === "[" || character === "{") values++;
  }
  return values > maxValues;
}

/** The text without escapes of half a surrogate pair. */
function wellFormed(json: string): string {
  const escapes =
    /\\(?:u([dD][89abAB][\da-fA-F]{2})(\\u[dD][c-fC-F][\da-fA-F]{2})?|u[dD][c-fC-F][\da-fA-F]{2}|.)/gs;
  return json.replace(escapes, (whole, high: string | undefined, low: string | undefined) => {
    const isHalf =
      (high !== undefined && low === undefined) || (high === undefined && /^\\u[dD][c-fC-F]/.test(whole));
    return isHalf ? "\\ufffd" : whole;
  });
}

/** What a JSON text says, in the form that `schema` gives it. undefined = it is no JSON, or not of that form. */
export function readJson<T>(schema: z.ZodType<T>, text: string): T | undefined {
  return schema.safeParse(parseJson(text)).data;
}

/** An item that is not of its form: where it is, and what is wrong with it, without any other of its values. */
export interface Malformed {
  readonly address: string;
  readonly detail: string;
}

/** In the place of a value whose text is longer than anybody reads. */
export const tooLong: unique symbol = Symbol("too long");

/** So many malformed items of one answer are told one by one. */
const maxTold = 20;

/** More is listed than any registry has. */
export class TooMuchListedError extends Error {
  override readonly name = "TooMuchListedError";

  constructor(what: string) {
    super(`it lists more than ${what}`);
  }
}

/** What the lists of one answer may still bring; small items take ten times the memory of their text. */
export class Allowance {
  readonly #items: number;
  readonly #fields: number;
  #usedItems = 0;
  #usedFields = 0;
  #told = 0;

  /** @param fields what all items that are kept may hold together, such as the pairs of their metadata. */
  constructor({ items, fields }: { readonly items: number; readonly fields: number }) {
    this.#items = items;
    this.#fields = fields;
  }

  /** @throws TooMuchListedError. */
  useItem(): void {
    if (++this.#usedItems > this.#items) throw new TooMuchListedError(`${this.#items} entries`);
  }

  /** @throws TooMuchListedError. */
  useFields(count: number): void {
    this.#usedFields += count;
    if (this.#usedFields > this.#fields) throw new TooMuchListedError(`${this.#fields} pairs of metadata`);
  }

  /** Whether one more malformed item is told by itself. */
  tells(): boolean {
    return ++this.#told <= maxTold;
  }
}

/**
 * Reads the items of one list, so that a malformed one costs nobody else anything. The first 20 malformed ones of the
 * answer are told, the rest are counted. `addressOf` says of such a one what can be shown of where it is.
 */
export class ItemReader<T> {
  readonly #schema: z.ZodType<T>;
  readonly #addressOf: (item: unknown) => string;
  readonly #allowance: Allowance;
  readonly #told: Malformed[] = [];
  #untold = 0;

  constructor(schema: z.ZodType<T>, addressOf: (item: unknown) => string, allowance: Allowance) {
    this.#schema = schema;
    this.#addressOf = addressOf;
    this.#allowance = allowance;
  }

  /** The item; undefined = it is malformed. @throws TooMuchListedError. */
  read(item: unknown): T | undefined {
    this.#allowance.useItem();
    const { data, error } = this.#schema.safeParse(item);
    if (error === undefined) return data;
    if (this.#allowance.tells()) {
      const detail = item === tooLong ? "it is longer than 1 MiB" : firstIssue(error);
      this.#told.push({ address: this.#addressOf(item), detail });
    } else this.#untold++;
    return undefined;
  }

  get malformed(): readonly Malformed[] {
    if (this.#untold === 0) return this.#told;
    return [...this.#told, { address: "others", detail: `${this.#untold} more are malformed` }];
  }
}

/**
 * A list of items that have one form. Like `mapOf` it ends at the first that has not: zod would describe each of them, which
 * takes a second and half a gigabyte for a million.
 */
export function listOf<T>(item: z.ZodType<T>): z.ZodType<readonly T[]> {
  return z
    .array(z.unknown())
    .transform((items, context) => allOf(item, items.entries(), context).map(([, one]) => one));
}

/** An object whose values have one form. */
export function mapOf<T>(value: z.ZodType<T>): z.ZodType<Readonly<Record<string, T>>> {
  return z
    .record(z.string(), z.unknown())
    .transform((fields, context) => Object.fromEntries(allOf(value, Object.entries(fields), context)));
}

function allOf<K extends string | number, T>(
  schema: z.ZodType<T>,
  values: Iterable<readonly [K, unknown]>,
  context: z.RefinementCtx,
): readonly (readonly [K, T])[] {
  const read: (readonly [K, T])[] = [];
  for (const [key, value] of values) {
    const { data, error } = schema.safeParse(value);
    if (error !== undefined) {
      const [issue] = error.issues;
      context.addIssue({ code: "custom", message: issue?.message, path: [key, ...(issue?.path ?? [])] });
      break;
    }
    read.push([key, data]);
  }
  return read;
}

/** Reads a list that is in memory; see `ItemReader`. */
export function readEach<T>(
  schema: z.ZodType<T>,
  items: readonly unknown[],
  addressOf: (item: unknown) => string,
): { readonly wellFormed: readonly T[]; readonly malformed: readonly Malformed[] } {
  const unlimited = { items: Number.POSITIVE_INFINITY, fields: Number.POSITIVE_INFINITY };
  const reader = new ItemReader(schema, addressOf, new Allowance(unlimited));
  const wellFormed: T[] = [];
  for (const item of items) {
    const read = reader.read(item);
    if (read !== undefined) wellFormed.push(read);
  }
  return { wellFormed, malformed: reader.malformed };
}

/** "port: Invalid input: expected int"; zod's messages hold types and never values. */
export function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues;
  const path = issue?.path.slice(0, 2).map(String).join(".").slice(0, 80);
  return `${path ? `${path}: ` : ""}${issue?.message ?? "malformed"}`;
}

/** A Java `Map<String, String>`. Numbers and truth values are taken for their text, anything else is left out. */
export const stringMap = z
  .record(z.string(), z.unknown())
  .transform((fields): ReadonlyMap<string, string> => {
    const isText = (value: unknown): boolean => ["string", "number", "boolean"].includes(typeof value);
    return new Map(
      Object.entries(fields)
        .filter(([, value]) => isText(value))
        .map(([key, value]) => [key, String(value)]),
    );
  });
