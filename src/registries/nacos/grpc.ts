import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from "node:http2";
import type { Socket } from "node:net";
import { nextTurn } from "../../runtime/clock.ts";
import type { Clock } from "../../runtime/deps.ts";
import { notNow } from "../transport/http-error.ts";

/** A server's own limit is 10 MB. */
const maxMessageBytes = 16 * 1024 * 1024;
/** How much the server may send ahead. With HTTP/2's default of 64 KiB it would wait for us in a list of thousands. */
const windowBytes = 8 * 1024 * 1024;
/** One byte for the compression flag, four for the message length. */
const prefixBytes = 5;
/** gRPC's DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE: proxies answer so for a server that is not there. */
const notNowStatuses: ReadonlySet<string | undefined> = new Set(["4", "8", "14"]);

/** A call without an answer. */
export class GrpcError extends Error {
  override readonly name = "GrpcError";
  /**
   * `late` = the deadline passed; `not-now` = a proxy, or the server, has too much to do or is not there; `foreign` =
   * the other side does not speak this gRPC; `broken` = the connection is broken.
   */
  readonly kind: "late" | "not-now" | "foreign" | "broken";

  constructor(kind: GrpcError["kind"], options: ErrorOptions = {}) {
    super(kind, options);
    this.kind = kind;
  }
}

/** A bidirectional stream. */
export interface GrpcStream {
  write(message: Buffer): void;
}

/**
 * gRPC over one connected socket, as far as Nacos needs it. Messages are bytes; there is no compression and no retry.
 * `close` releases the socket at once, whatever the other side does.
 * Source: grpc/grpc, doc/PROTOCOL-HTTP2.md.
 */
export class GrpcTransport {
  readonly #session: ClientHttp2Session;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #onLost: (error: GrpcError) => void;
  #isClosed = false;

  /** `origin` is that of the server, `http://host:port`. Calls `onLost` once if the connection breaks before `close`. */
  constructor(socket: Socket, origin: string, clock: Clock, onLost: (error: GrpcError) => void) {
    this.#socket = socket;
    this.#clock = clock;
    this.#onLost = onLost;
    this.#session = connect(origin, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: windowBytes },
    });
    this.#session.once("connect", () => this.#session.setLocalWindowSize(windowBytes));
    this.#session.on("error", (cause) => this.#lose(new GrpcError(kindOf(cause), { cause })));
    this.#session.on("goaway", () => this.#lose(new GrpcError("broken")));
    this.#session.on("close", () => this.#lose(new GrpcError("broken")));
    socket.on("error", (cause) => this.#lose(new GrpcError("broken", { cause })));
  }

  /** Sends one message and returns the answer. @throws GrpcError. */
  unary(path: string, message: Buffer, deadlineMs: number): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const stream = this.#open(path);
    if (stream === undefined) return Promise.reject(new GrpcError("broken"));
    const cancel = this.#clock.after(deadlineMs, () =>
      // An answer that arrived while the process was busy counts.
      nextTurn(() => {
        reject(new GrpcError("late"));
        stream.close(constants.NGHTTP2_CANCEL);
      }),
    );
    readMessages(stream, resolve, reject);
    stream.once("close", () => {
      cancel();
      reject(new GrpcError("broken")); // unless it is settled
    });
    stream.end(frame(message));
    return promise;
  }

  /** A stream that lasts as long as the connection; its end is the end of the connection. */
  stream(path: string, onMessage: (message: Buffer) => void): GrpcStream {
    const stream = this.#open(path);
    if (stream !== undefined) {
      readMessages(stream, onMessage, (error) => this.#lose(error));
      // "close" comes only once both sides have ended.
      for (const end of ["end", "close"]) stream.once(end, () => this.#lose(new GrpcError("broken")));
    }
    return {
      write(message) {
        if (stream?.writable) stream.write(frame(message));
      },
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#session.destroy();
    this.#socket.destroy(); // the session alone would wait for the other side
  }

  #open(path: string): ClientHttp2Stream | undefined {
    if (this.#isClosed || this.#session.closed || this.#session.destroyed) return undefined;
    return this.#session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": "registryhub",
    });
  }

  #lose(error: GrpcError): void {
    if (this.#isClosed) return;
    this.close();
    this.#onLost(error);
  }
}

/** Calls `onMessage` for each message of the answer, and `fail` if the answer is malformed or ends with an error. */
function readMessages(
  stream: ClientHttp2Stream,
  onMessage: (message: Buffer) => void,
  fail: (error: GrpcError) => void,
): void {
  const judge = ({ "grpc-status": status = "0" }: IncomingHttpHeaders): void => {
    if (status !== "0") fail(new GrpcError(notNowStatuses.has(String(status)) ? "not-now" : "foreign"));
  };
  const cut = messagesOf(onMessage);
  stream.on("response", (headers) => {
    const { ":status": status = 0, "content-type": type = "" } = headers;
    if (status !== 200) fail(new GrpcError(notNow.has(status) ? "not-now" : "foreign"));
    else if (!type.startsWith("application/grpc")) fail(new GrpcError("foreign"));
    judge(headers);
  });
  stream.on("trailers", judge);
  stream.on("error", (cause) => fail(new GrpcError(kindOf(cause), { cause })));
  stream.on("data", (chunk: Buffer) => {
    if (stream.closed || cut(chunk)) return;
    fail(new GrpcError("foreign"));
    stream.close(constants.NGHTTP2_CANCEL);
  });
}

/**
 * Takes the bytes of a stream and calls `onMessage` for each whole message; false = they are none. Chunks are joined once
 * their message is whole: joining each would take seconds for one of 10 MB.
 */
function messagesOf(onMessage: (message: Buffer) => void): (chunk: Buffer) => boolean {
  let chunks: Buffer[] = [];
  let size = 0;
  let wanted = prefixBytes;
  return (chunk) => {
    chunks.push(chunk);
    size += chunk.length;
    while (size >= wanted) {
      const bytes = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size);
      const end = prefixBytes + bytes.readUInt32BE(1);
      if (bytes[0] !== 0 || end > prefixBytes + maxMessageBytes) return false;
      const isWhole = size >= end;
      if (isWhole) onMessage(bytes.subarray(prefixBytes, end));
      const rest = isWhole ? bytes.subarray(end) : bytes;
      chunks = [rest];
      size = rest.length;
      wanted = isWhole ? prefixBytes : end;
    }
    return true;
  };
}

function frame(message: Buffer): Buffer {
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** A server that does not speak HTTP/2 makes the session fail, not the network. */
function kindOf(error: Error & { readonly code?: string }): GrpcError["kind"] {
  return error.code === "ERR_HTTP2_ERROR" ? "foreign" : "broken";
}
