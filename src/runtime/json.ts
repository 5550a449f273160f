import * as z from "zod";

/** Parses a JSON text with `schema`. undefined = the text is not JSON, or does not fit the schema. */
export function parseJson<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // Only SyntaxError is possible; the caller knows what that means.
  }
}

/** A Java `Map<String, String>`. Numbers and booleans become their text; other values are left out. */
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
