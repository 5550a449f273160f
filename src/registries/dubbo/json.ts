import * as z from "zod";

/** What a JSON text says, in the form that `schema` gives it. undefined = it is no JSON, or not of that form. */
export function parseJson<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // Only SyntaxError is possible: the caller says what this means.
  }
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
