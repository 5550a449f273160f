import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A string, or an array of them as Java has it: of strings, or of objects. */
export type DubboArgument =
  | string
  | { readonly type: "[string" | "[object"; readonly items: readonly string[] };

/** A call of a method whose result is a string. */
export interface DubboCall {
  readonly interface: string;
  readonly version?: string;
  readonly group?: string;
  readonly method: string;
  /** Descriptors of the parameters' types. Default: as many strings as there are arguments. */
  readonly types?: string;
  readonly args: readonly DubboArgument[];
}

/**
 * One connection that speaks Dubbo 2 with Hessian 2, as an SDK of Dubbo does; without what an SDK does about failures.
 * Calls may overlap. Disposal closes it.
 */
export interface DubboClient extends Disposable {
  /** The answer. @throws Error `no answer within 20000 ms`, `status 80: <message>`, `exception`, or that the connection is closed. */
  call(call: DubboCall): Promise<string>;
  /** A call that nobody answers. */
  send(call: DubboCall): void;
  readonly isOpen: boolean;
}

/** Longer than any SDK waits: on a busy machine the first call of a provider that has just started took more than 5 s. */
const ANSWER_MS = 20_000;

// Source: org.apache.dubbo.remoting.exchange.codec.ExchangeCodec.
const HEADER_LENGTH = 16;
const MAGIC = 0xdabb;
const REQUEST = 0x80;
const TWO_WAY = 0x40;
const EVENT = 0x20;
const HESSIAN_2 = 2;
const OK = 20;
// Source: org.apache.dubbo.rpc.protocol.dubbo.DubboCodec: an int in Hessian's shortest form, 0x90 being 0.
const VALUES: readonly number[] = [0x91, 0x94];

interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

type Waiting = Map<
  bigint,
  { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void }
>;

/** Connects. @throws Error of the connection. */
export async function connectDubbo(host: string, port: number): Promise<DubboClient> {
  const socket = connect(port, host);
  await once(socket, "connect");
  const waiting: Waiting = new Map();
  readAnswers(socket, waiting);
  let last = 0n;
  return {
    get isOpen() {
      return !socket.destroyed;
    },
    async call(call) {
      if (socket.destroyed) throw new Error("the connection is closed");
      const id = ++last;
      const answer = new Promise<Answer>((resolve, reject) => waiting.set(id, { resolve, reject }));
      const timer = setTimeout(
        () => waiting.get(id)?.reject(new Error(`no answer within ${ANSWER_MS} ms`)),
        ANSWER_MS,
      );
      socket.write(frame(id, call, TWO_WAY));
      try {
        return resultOf(await answer);
      } finally {
        clearTimeout(timer);
        waiting.delete(id);
      }
    },
    send: (call) => void socket.write(frame(++last, call)),
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

function readAnswers(socket: Socket, waiting: Waiting): void {
  let buffer: Buffer = Buffer.alloc(0);
  let why = "closed";
  socket.on("data", (chunk) => {
    buffer = Buffer.concat([buffer, chunk as Buffer]);
    while (buffer.length >= HEADER_LENGTH) {
      const end = HEADER_LENGTH + buffer.readUInt32BE(12);
      if (buffer.length < end) return;
      const isAnswer = ((buffer[2] ?? 0) & (REQUEST | EVENT)) === 0;
      const body = buffer.subarray(HEADER_LENGTH, end);
      if (isAnswer) waiting.get(buffer.readBigUInt64BE(4))?.resolve({ status: buffer[3] ?? 0, body });
      buffer = buffer.subarray(end);
    }
  });
  socket.on("error", (error) => (why = error.message));
  socket.on("close", () => {
    for (const { reject } of waiting.values()) reject(new Error(`the connection broke: ${why}`));
  });
}

function frame(id: bigint, call: DubboCall, flags = 0): Buffer {
  const { interface: name, version = "", group, method, args } = call;
  const { types = "Ljava/lang/String;".repeat(args.length) } = call;
  const attachments = { path: name, interface: name, version, ...(group !== undefined && { group }) };
  const body = Buffer.concat([
    ...["2.0.2", name, version, method, types].map(text),
    ...args.map(argument),
    Buffer.from("H"),
    ...Object.entries(attachments).flat().map(text),
    Buffer.from("Z"),
  ]);
  const header = Buffer.alloc(HEADER_LENGTH);
  header.writeUInt16BE(MAGIC, 0);
  header.writeUInt8(REQUEST | flags | HESSIAN_2, 2);
  header.writeBigUInt64BE(id, 4);
  header.writeUInt32BE(body.length, 12);
  return Buffer.concat([header, body]);
}

function resultOf({ status, body }: Answer): string {
  if (status !== OK) throw new Error(`status ${status}: ${readText(body)}`);
  const [kind = 0] = body;
  if (!VALUES.includes(kind)) throw new Error(`exception: ${body.toString("latin1").slice(0, 200)}`);
  return readText(body.subarray(1));
}

/** In Hessian 2; an array as a list of a known length, of up to 7 items. Source: Hessian2Output.writeListBegin. */
function argument(value: DubboArgument): Buffer {
  if (typeof value === "string") return text(value);
  return Buffer.concat([Buffer.from([0x70 + value.items.length]), ...[value.type, ...value.items].map(text)]);
}

/** A string in Hessian 2, of up to 1,023 characters. Source: com.alibaba.com.caucho.hessian.io.Hessian2Output.writeString. */
function text(value: string): Buffer {
  const { length } = value;
  if (length > 1023) throw new Error("only short strings are written here");
  const head = length < 32 ? [length] : [0x30 + (length >> 8), length & 255];
  return Buffer.concat([Buffer.from(head), Buffer.from(value)]);
}

function readText(body: Buffer): string {
  const [first = 0, second = 0] = body;
  const [length, start] = first < 32 ? [first, 1] : [((first - 0x30) << 8) + second, 2];
  return body.subarray(start).toString().slice(0, length);
}
