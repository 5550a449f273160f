import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { HttpError } from "./http-error.ts";

/** Reads the whole body. @throws HttpError beyond `maxBytes`, and destroys the source; the source's own error. */
export async function readBody(body: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(maxBytes); // leaving the loop destroys the body, and with it the connection
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

const gunzipAsync = promisify(gunzip);

/**
 * The text of a body with that content-encoding, at most `maxBytes` when decoded. Always UTF-8, whatever the header
 * says, because registries write UTF-8. @throws HttpError.
 */
export async function decodeBody(
  bytes: Buffer,
  contentEncoding: string | undefined,
  maxBytes: number,
): Promise<string> {
  const encoding = contentEncoding?.toLowerCase() ?? "identity";
  if (encoding === "identity" || bytes.length === 0) return bytes.toString("utf8");
  if (encoding !== "gzip" && encoding !== "x-gzip")
    throw new HttpError(
      "bad-answer",
      `the answer has the unknown encoding ${JSON.stringify(encoding.slice(0, 20))}`,
    );
  try {
    return (await gunzipAsync(bytes, { maxOutputLength: maxBytes })).toString("utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(maxBytes);
    throw new HttpError("bad-answer", "the answer is labelled as gzip but is not gzip", { cause });
  }
}

const tooLarge = (maxBytes: number): HttpError =>
  new HttpError("bad-answer", `the answer is larger than ${maxBytes} bytes`);
