/** ZooKeeper's wire format, written apart from src so that a mistake there is not repeated here. */

/** Reads the fields of a request from its front. @throws RangeError past the end. */
export interface RequestReader {
  int(): number;
  long(): bigint;
  bool(): boolean;
  bytes(): Buffer;
  text(): string;
}

export function requestReader(body: Buffer): RequestReader {
  let at = 0;
  const take = (length: number): number => {
    at += length;
    if (at > body.length) throw new RangeError("the request ends too early");
    return at - length;
  };
  const bytes = (): Buffer => {
    const length = Math.max(0, body.readInt32BE(take(4)));
    const start = take(length);
    return body.subarray(start, start + length);
  };
  return {
    int: () => body.readInt32BE(take(4)),
    long: () => body.readBigInt64BE(take(8)),
    bool: () => body[take(1)] !== 0,
    bytes,
    text: () => bytes().toString("utf8"),
  };
}

export function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function long(value: bigint | number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

export const bool = (value: boolean): Buffer => Buffer.of(value ? 1 : 0);

/** -1 stands for null. */
export function bytes(value: Buffer | undefined): Buffer {
  return value === undefined ? int(-1) : Buffer.concat([int(value.length), value]);
}

export const text = (value: string): Buffer => bytes(Buffer.from(value, "utf8"));

export const texts = (values: readonly string[]): Buffer =>
  Buffer.concat([int(values.length), ...values.map(text)]);

export function frame(...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([int(body.length), body]);
}

/** Calls `onFrame` with each whole frame. */
export function frames(onFrame: (body: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0);
      const body = rest.subarray(4, end);
      rest = rest.subarray(end);
      onFrame(body);
    }
  };
}

export const operations = {
  create: 1,
  delete: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  setAcl: 7,
  getChildren: 8,
  sync: 9,
  ping: 11,
  getChildren2: 12,
  auth: 100,
  closeSession: -11,
} as const;

export type Operation = keyof typeof operations;

const byNumber = new Map(Object.entries(operations).map(([name, number]) => [number, name as Operation]));

export const operationOf = (number: number): Operation | undefined => byNumber.get(number as never);

export const errors = {
  unimplemented: -6,
  badArguments: -8,
  noNode: -101,
  noAuth: -102,
  nodeExists: -110,
  notEmpty: -111,
  sessionExpired: -112,
  authFailed: -115,
} as const;

export const events = { created: 1, deleted: 2, dataChanged: 3, childrenChanged: 4 } as const;
export type EventType = (typeof events)[keyof typeof events];
