/**
 * The only message of Nacos' gRPC: a type, headers, and a JSON body.
 * Source: alibaba/nacos, api/src/main/proto/nacos_grpc_service.proto.
 */
export interface Payload {
  /** Simple name of the body's Java class: `ServiceListRequest`. */
  readonly type: string;
  /** Of requests; those of answers carry nothing, and are not read. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The sender's address, which the server's console and its limits name clients by. */
  readonly clientIp?: string;
  /** JSON. */
  readonly body: string;
}

/** Payload { metadata = 2, body = 3 }, Metadata { type = 3, headers = 7, clientIp = 8 }, Any { value = 2 }, map entry. */
export const payloadFields = {
  metadata: 2,
  body: 3,
  type: 3,
  headers: 7,
  clientIp: 8,
  value: 2,
  mapKey: 1,
  mapValue: 2,
} as const;
const field = payloadFields;
const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** In Protocol Buffers' wire format. */
export function encodePayload({ type, headers = {}, clientIp, body }: Payload): Buffer {
  const entries = Object.entries(headers).map(([key, value]) =>
    bytes(field.headers, Buffer.concat([bytes(field.mapKey, key), bytes(field.mapValue, value)])),
  );
  const from = clientIp === undefined ? [] : [bytes(field.clientIp, clientIp)];
  const metadata = Buffer.concat([bytes(field.type, type), ...entries, ...from]);
  return Buffer.concat([bytes(field.metadata, metadata), bytes(field.body, bytes(field.value, body))]);
}

/** The type and the body. @throws RangeError when `message` is malformed. */
export function decodePayload(message: Buffer): Payload {
  const type = lastOf(lastOf(message, field.metadata), field.type).toString();
  return { type, body: lastOf(lastOf(message, field.body), field.value).toString() };
}

/** The length-delimited fields of a message, by number, in order. @throws RangeError when it is malformed. */
export function* fieldsOf(message: Buffer): Generator<readonly [number, Buffer]> {
  let at = 0;
  const readVarint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const digit = message[at++];
      if (digit === undefined || scale > 2 ** 63) throw new RangeError("the message ends inside a number");
      value += (digit & 0x7f) * scale;
      if (digit < 0x80) return value;
    }
  };
  const skip = (length: number): Buffer => {
    if (at + length > message.length) throw new RangeError("the message ends inside a field");
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = readVarint();
    const kind = tag % 8;
    if (kind === wireType.bytes) yield [Math.floor(tag / 8), skip(readVarint())];
    else if (kind === wireType.varint) readVarint();
    else if (kind === wireType.fixed64) skip(8);
    else if (kind === wireType.fixed32) skip(4);
    else throw new RangeError(`wire type ${kind} is unknown`);
  }
}

/** If a field is repeated, the last one counts; if it is absent, it is empty. */
function lastOf(message: Buffer, wanted: number): Buffer {
  let found: Buffer = Buffer.alloc(0);
  for (const [number, content] of fieldsOf(message)) if (number === wanted) found = content;
  return found;
}

function bytes(number: number, value: string | Buffer): Buffer {
  const content = Buffer.from(value);
  return Buffer.concat([varint((number << 3) | wireType.bytes), varint(content.length), content]);
}

function varint(value: number): Buffer {
  const digits: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) digits.push((rest & 0x7f) | 0x80);
  return Buffer.from([...digits, rest]);
}
