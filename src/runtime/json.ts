import * as z from "zod";

/**
 * What a JSON text says; undefined = it is none. Half a surrogate pair becomes U+FFFD, as in the API server: it could be
 * written and would never be found again. The parser's own words quote the text, so nobody is given them.
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(/\\u[dD][89a-fA-F]/.test(text) ? wellFormed(text) : text);
  } catch {
    return undefined; // Only SyntaxError is possible: the caller says what this means.
  }
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

/**
 * Reads a list item by item, so that a malformed one costs nobody else anything. `addressOf` says of such a one what can be
 * shown of where it is.
 */
export function readEach<T>(
  schema: z.ZodType<T>,
  items: readonly unknown[],
  addressOf: (item: unknown) => string,
): { readonly wellFormed: readonly T[]; readonly malformed: readonly Malformed[] } {
  const wellFormed: T[] = [];
  const malformed: Malformed[] = [];
  for (const item of items) {
    const { data, error } = schema.safeParse(item);
    if (error === undefined) wellFormed.push(data);
    else malformed.push({ address: addressOf(item), detail: firstIssue(error) });
  }
  return { wellFormed, malformed };
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
