import type { JsonCursor } from "../../src/runtime/json-cursor.ts";
import { JsonCursor as Cursor } from "../../src/runtime/json-cursor.ts";
import { atOnce, type Steps } from "../../src/runtime/slices.ts";

/** What a reader of lists makes of a text, or of the JSON of a value, without a pause. @throws as the reader. */
export function readJsonOf<T>(read: (json: JsonCursor) => Steps<T>, said: unknown): T {
  const text = typeof said === "string" ? said : (JSON.stringify(said) ?? "");
  return atOnce(read(new Cursor(Buffer.from(text))));
}
