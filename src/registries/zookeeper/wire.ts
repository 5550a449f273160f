/**
 * The part of ZooKeeper's wire format that a reader needs. Integers are big-endian. Text and byte arrays have a
 * 32-bit length in front, -1 for null. A frame is a 32-bit length and that many bytes.
 * Source: apache/zookeeper, zookeeper-jute zookeeper.jute; ZooDefs.OpCode; KeeperException.Code.
 */

export const opcode = {
  getData: 4,
  exists: 3,
  sync: 9,
  ping: 11,
  getChildren2: 12,
  auth: 100,
  closeSession: -11,
} as const;

/** Reserved request numbers, for messages that do not answer a read. */
export const xid = { event: -1, ping: -2, auth: -4 } as const;

/** The number of the next request; the protocol has 31 bits for it. */
export const nextXid = (last: number): number => (last % 0x7fffffff) + 1;

export const errorCode = {
  ok: 0,
  noNode: -101,
  noAuth: -102,
  sessionExpired: -112,
  authFailed: -115,
  sessionMoved: -118,
} as const;

/**
 * Far above any listing (an entry has 2,000 endpoints, and 16,000 providers of an interface are 16 MB), and far below the
 * length that another protocol's first bytes would mean. A node's data are 1 MB at most, by a server's default.
 */
export const maxFrameBytes = 16 * 1024 * 1024;
/** Ten times as many as are listed; short names take ten times the memory of their text. */
const maxTexts = 200_000;

export function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function long(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

export const bool = (value: boolean): Buffer => Buffer.of(value ? 1 : 0);

export function text(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([int(bytes.length), bytes]);
}

export function frame(...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([int(body.length), body]);
}

/**
 * The request for a new session. It has no session id, no password and no zxid, so no server can refuse it because of
 * data that we saw elsewhere.
 */
export function connectRequest(timeoutMs: number): Buffer {
  const noPassword = Buffer.concat([int(16), Buffer.alloc(16)]);
  return frame(int(0), long(0n), int(timeoutMs), long(0n), noPassword, bool(false));
}

/** The timeout in ms that a connect answer grants. @throws RangeError when it is not a connect answer. */
export function readSession(reader: Reader): number {
  const protocol = reader.int();
  const timeoutMs = reader.int();
  reader.long(); // session id
  if (protocol !== 0 || timeoutMs <= 0) throw new RangeError("the answer grants no session");
  return timeoutMs;
}

/**
 * Reads values from the front of a frame. Every method @throws RangeError past the end, because the sender then
 * speaks another protocol.
 */
export interface Reader {
  int(): number;
  long(): bigint;
  text(): string;
  texts(): readonly string[];
}

export function createReader(bytes: Buffer): Reader {
  let at = 0;
  const take = (length: number): number => {
    if (length > bytes.length - at) throw new RangeError("the frame ends too early");
    at += length;
    return at - length;
  };
  const reader: Reader = {
    int: () => bytes.readInt32BE(take(4)),
    long: () => bytes.readBigInt64BE(take(8)),
    text() {
      const length = Math.max(0, reader.int());
      const start = take(length);
      return bytes.toString("utf8", start, start + length);
    },
    texts() {
      const items: string[] = [];
      const count = reader.int();
      if (count > maxTexts) throw new RangeError(`a list of ${count} names`);
      for (let left = count; left > 0; left--) items.push(reader.text());
      return items;
    },
  };
  return reader;
}

/** The fields of a node's Stat that a reader needs. */
export interface Stat {
  /** The transaction that created the node. */
  readonly czxid: bigint;
  /** Milliseconds since 1970, by the server's clock. */
  readonly ctime: bigint;
  /** The transaction that last added or removed a child. */
  readonly pzxid: bigint;
}

export function readStat(reader: Reader): Stat {
  const czxid = reader.long();
  reader.long(); // mzxid
  const ctime = reader.long();
  reader.long(); // mtime
  for (let skipped = 0; skipped < 3; skipped++) reader.int(); // version, cversion, aversion
  reader.long(); // ephemeralOwner
  for (let skipped = 0; skipped < 2; skipped++) reader.int(); // dataLength, numChildren
  return { czxid, ctime, pzxid: reader.long() };
}

const lengthBytes = 4;

/**
 * Splits a byte stream into frames. Neither time nor memory for a frame grows with the number of its chunks. The returned
 * function takes the next chunk, and says whether a frame has begun that is not complete. @throws RangeError when a length is impossible.
 */
export function createFrameSplitter(onFrame: (body: Buffer) => void): (chunk: Buffer) => boolean {
  /** The part of a frame that has come, with its length. */
  let begun = Buffer.alloc(0);
  let size = 0;
  /** The frame of which this is the beginning; undefined = its end has not come. */
  const frameOf = (bytes: Buffer): Buffer | undefined => {
    if (bytes.length < lengthBytes) return undefined;
    const length = bytes.readInt32BE(0);
    if (length < 0 || length > maxFrameBytes) throw new RangeError(`it announces a frame of ${length} bytes`);
    return bytes.length < lengthBytes + length ? undefined : bytes.subarray(0, lengthBytes + length);
  };
  const keep = (bytes: Buffer): void => {
    if (size + bytes.length > begun.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(size + bytes.length, 2 * size));
      begun.copy(larger, 0, 0, size);
      begun = larger;
    }
    size += bytes.copy(begun, size);
  };
  return (chunk) => {
    if (size > 0) keep(chunk);
    let rest = size > 0 ? begun.subarray(0, size) : chunk;
    for (let whole = frameOf(rest); whole !== undefined; whole = frameOf(rest)) {
      rest = rest.subarray(whole.length);
      if (size > 0) {
        // The reader of the frame may keep it, so what comes next goes elsewhere.
        begun = Buffer.alloc(0);
        size = 0;
      }
      onFrame(whole.subarray(lengthBytes));
    }
    if (size === 0 && rest.length > 0) keep(rest);
    return size > 0;
  };
}
