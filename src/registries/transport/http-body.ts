import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { HttpError } from "./http-error.ts";

/** How large a body may be, decoded. */
export interface BodyLimit {
  readonly bytes: number;
  /** What the setting has to do with it, for messages; absent = nothing. */
  readonly setting?: string;
}

/** Every answer may have this much without a turn, so that small ones never wait for large ones. */
const freeBytes = 256 * 1_024;
const gunzipChunkBytes = 64 * 1_024;

/**
 * The bytes of a body, decoded. It calls `takeTurn` before it holds more than 256 KiB. @throws HttpError, and destroys
 * the source: of a body beyond the limit too, at the limit; the source's own error; what `takeTurn` throws.
 */
export async function readBody(
  body: Readable,
  contentEncoding: string | undefined,
  limit: BodyLimit,
  takeTurn: () => Promise<void>,
): Promise<Buffer> {
  const encoding = contentEncoding?.toLowerCase() ?? "identity";
  if (encoding === "gzip" || encoding === "x-gzip") return unzip(body, limit, takeTurn);
  const bytes = await collect(body, limit, takeTurn);
  if (encoding === "identity" || bytes.length === 0) return bytes;
  const shown = JSON.stringify(encoding.slice(0, 20));
  throw new HttpError("bad-answer", `the answer has the unknown encoding ${shown}`);
}

async function unzip(body: Readable, limit: BodyLimit, takeTurn: () => Promise<void>): Promise<Buffer> {
  const gunzip = createGunzip({ chunkSize: gunzipChunkBytes });
  try {
    return await pipeline(body, gunzip, (source) => collect(source, limit, takeTurn));
  } catch (cause) {
    if (!(cause as NodeJS.ErrnoException).code?.startsWith("Z_")) throw cause;
    throw new HttpError("bad-answer", "the answer is labelled as gzip but is not gzip", { cause });
  }
}

/** Copies each chunk at once: a sender may make them one byte long, and each takes a hundred bytes. */
async function collect(
  source: AsyncIterable<Buffer>,
  limit: BodyLimit,
  takeTurn: () => Promise<void>,
): Promise<Buffer> {
  let bytes = Buffer.alloc(0);
  let size = 0;
  for await (const chunk of source) {
    const needed = size + chunk.length;
    if (needed > limit.bytes) throw tooLarge(limit); // leaving the loop destroys the body, and with it the connection
    if (needed > freeBytes && size <= freeBytes) await takeTurn();
    if (needed > bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(limit.bytes, Math.max(needed, 2 * bytes.length)));
      bytes.copy(larger, 0, 0, size);
      bytes = larger;
    }
    size += chunk.copy(bytes, size);
  }
  return bytes.subarray(0, size);
}

function tooLarge({ bytes, setting }: BodyLimit): HttpError {
  const detail = `the answer is larger than ${bytes} bytes`;
  return setting === undefined
    ? new HttpError("bad-answer", detail)
    : new HttpError("too-large", `${detail}, ${setting}`);
}
