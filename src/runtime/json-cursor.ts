import { parseJson, tooLong } from "./json.ts";
import type { Steps } from "./slices.ts";

/** The text is not JSON, as far as it was read. */
export class NotJsonError extends Error {
  override readonly name = "NotJsonError";
}

/** Of the text of one value. */
const maxValueBytes = 1_024 * 1_024;
/** So much is passed over between two interruptions; it takes less than a millisecond. */
const strideBytes = 256 * 1_024;

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** Where a value that is passed over goes on. */
interface Inside {
  depth: number;
  isText: boolean;
}

/**
 * Reads a JSON text from front to back, with an interruption wherever it may take long, and makes values only of what is
 * asked for: memory holds what the caller keeps, and not what the text says. Whoever is given a member or an item reads
 * it by exactly one of the methods before the next. What is skipped is not checked beyond its brackets and quotes.
 * Every method @throws NotJsonError.
 */
export class JsonCursor {
  readonly #bytes: Buffer;
  #at = 0;

  /** @param bytes UTF-8. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isObject(): boolean {
    return this.#next() === openBrace;
  }

  get isArray(): boolean {
    return this.#next() === openBracket;
  }

  /** The names of an object's members, each before its value is read. */
  *members(): Generator<string, void> {
    for (const _ of this.#parts(closeBrace)) {
      const name = this.#name();
      if (!this.#passes(colon)) throw new NotJsonError();
      yield name;
    }
  }

  /** Stops before each item of an array. */
  items(): Generator<undefined, void> {
    return this.#parts(closeBracket);
  }

  /** What the value here says; `tooLong` if its text is longer than 1 MiB. */
  *value(): Steps<unknown> {
    this.#next();
    const from = this.#at;
    yield* this.skip();
    if (this.#at - from > maxValueBytes) return tooLong;
    const value = parseJson(this.#bytes.toString("utf8", from, this.#at));
    if (value === undefined) throw new NotJsonError();
    return value;
  }

  /** Every value is an interruption: an object may have millions of members that nobody asks for. */
  *skip(): Steps<void> {
    yield;
    const first = this.#next();
    if (first !== quote && first !== openBrace && first !== openBracket) {
      this.#passWord();
      return;
    }
    const inside: Inside = { depth: 0, isText: false };
    while (!this.#passStride(inside)) yield;
  }

  /** Reads a text that has another form than the caller's, only to know whether it is JSON. */
  *other(): Steps<undefined> {
    yield* this.value();
    this.end();
    return undefined;
  }

  /** Fails if anything but blanks follows. */
  end(): void {
    if (this.#next() !== undefined) throw new NotJsonError();
  }

  *#parts(close: number): Generator<undefined, void> {
    this.#at++;
    if (this.#next() !== close)
      do {
        yield;
      } while (this.#passes(comma));
    if (!this.#passes(close)) throw new NotJsonError();
  }

  /** The next byte that is no blank; undefined = there is none. So many blanks that they take long are no JSON. */
  #next(): number | undefined {
    const bytes = this.#bytes;
    let at = this.#at;
    let byte = bytes[at];
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = bytes[++at];
    if (at - this.#at > strideBytes) throw new NotJsonError();
    this.#at = at;
    return byte;
  }

  #passes(byte: number): boolean {
    if (this.#next() !== byte) return false;
    this.#at++;
    return true;
  }

  #name(): string {
    if (this.#next() !== quote) throw new NotJsonError();
    const from = this.#at;
    const isShort = this.#passStride({ depth: 0, isText: false });
    const name = isShort ? parseJson(this.#bytes.toString("utf8", from, this.#at)) : undefined;
    if (typeof name !== "string") throw new NotJsonError();
    return name;
  }

  /** A number, a truth value or null. */
  #passWord(): void {
    const from = this.#at;
    const until = Math.min(this.#bytes.length, from + strideBytes);
    while (this.#at < until && !endsWord(this.#bytes[this.#at])) this.#at++;
    if (parseJson(this.#bytes.toString("latin1", from, this.#at)) === undefined) throw new NotJsonError();
  }

  /** Whether the value is over after at most a stride. */
  #passStride(inside: Inside): boolean {
    const bytes = this.#bytes;
    if (this.#at >= bytes.length) throw new NotJsonError();
    const until = Math.min(bytes.length, this.#at + strideBytes);
    let { depth, isText } = inside;
    let at = this.#at;
    let isOver = false;
    while (at < until && !isOver) {
      if (isText) {
        while (at < until && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
        if (at >= until) break;
        at++;
        isText = false;
        isOver = depth === 0;
        continue;
      }
      const byte = bytes[at++];
      if (byte === quote) isText = true;
      else if (byte === openBrace || byte === openBracket) depth++;
      else if (byte === closeBrace || byte === closeBracket) isOver = --depth === 0;
    }
    this.#at = at;
    inside.depth = depth;
    inside.isText = isText;
    return isOver;
  }
}

const endsWord = (byte: number | undefined): boolean =>
  byte === comma || byte === closeBrace || byte === closeBracket || (byte !== undefined && byte <= 0x20);
