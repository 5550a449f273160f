import type { Socket } from "node:net";
import type { Instant } from "../../model/entry.ts";
import { RegistryError, type RegistryErrorCode } from "../../model/errors.ts";
import { nextTurn } from "../../runtime/clock.ts";
import type { Clock } from "../../runtime/deps.ts";
import { SeveralMap } from "../../runtime/several-map.ts";
import { sliceMs } from "../../runtime/slices.ts";
import { describeNetworkError } from "../transport/dial.ts";
import { BadTlsOptionsError, socketTo, type TlsOptions } from "../transport/dialer.ts";
import type { Server } from "../transport/servers.ts";
import {
  connectRequest,
  createFrameSplitter,
  createReader,
  frame,
  int,
  nextXid,
  opcode,
  type Reader,
  readSession,
  xid,
} from "./wire.ts";

/**
 * The requested timeout; the server grants what its tickTime allows. It is short, because it limits how soon a frozen
 * server is noticed. A short session loses nothing, because a lost connection ends the watch anyway.
 */
const sessionTimeoutMs = 12_000;

/** How long the server may take to read the close request. */
const goodbyeMs = 300;

export interface ConnectionOptions {
  readonly server: Server;
  /** The IP address of `server` to dial. */
  readonly ip: string;
  readonly tls?: TlsOptions;
  /** How long connecting and the new session may take together. */
  readonly handshakeMs: number;
}

/** An answer: the server's error code and, if it is 0, the record. */
export interface Reply {
  readonly error: number;
  readonly record: Reader;
}

interface Pending {
  readonly sentAt: Instant;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One session on one server. After a third of its timeout without a request it sends a ping. After two thirds without
 * a byte, or without any answer to a request that waits, it counts as broken: a frozen server closes nothing, and one
 * that is half frozen may answer pings.
 */
export class ZkConnection {
  /** What to call, once, when a watch of a path fires. Paths have the chroot. */
  readonly watches = new SeveralMap<string, () => void>();
  readonly #options: ConnectionOptions;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #socket: Socket;
  readonly #opened = Promise.withResolvers<number>();
  readonly #pending = new Map<number, Pending>();
  #onLost: (error: Error) => void = () => undefined;
  #state: "opening" | "open" | "closed" = "opening";
  #lastXid = 0;
  #lastZxid = 0n;
  #heardAt = 0;
  /** When a part of an answer to a request was heard. */
  #answeredAt = 0;
  #spokeAt = 0;
  /** When the slice of this turn of the event loop is over; undefined = nothing was read in it. */
  #sliceEnds: Instant | undefined;
  #cancelTimer: () => void;

  /**
   * Opens a session. It lives until `close`, an abort of `signal`, or its loss.
   * @throws RegistryError when the server grants no session; the signal's reason.
   */
  static async open(options: ConnectionOptions, clock: Clock, signal: AbortSignal): Promise<ZkConnection> {
    signal.throwIfAborted();
    const connection = new ZkConnection(options, clock, signal);
    connection.#keepAlive(await connection.#opened.promise);
    return connection;
  }

  private constructor(options: ConnectionOptions, clock: Clock, signal: AbortSignal) {
    this.#options = options;
    this.#clock = clock;
    this.#signal = signal;
    this.#socket = dial(options);
    const split = createFrameSplitter((body) => this.#onFrame(body));
    this.#socket.on("data", (chunk) => this.#onData(chunk, split));
    this.#socket.on("error", (error) => this.#fail("RegistryUnreachable", describeNetworkError(error)));
    this.#socket.on("close", () => this.#fail("RegistryUnreachable", closed[this.#state]));
    this.#cancelTimer = clock.after(options.handshakeMs, () =>
      this.#fail("RegistryUnreachable", this.#silence()),
    );
    signal.addEventListener("abort", this.close, { once: true });
    this.#socket.write(connectRequest(sessionTimeoutMs));
  }

  /** Has `onLost` called once if the connection breaks, after every open request was rejected with the same error. */
  whenLost(onLost: (error: Error) => void): void {
    this.#onLost = onLost;
  }

  /** The newest transaction in any answer. */
  get zxid(): bigint {
    return this.#lastZxid;
  }

  /** @throws RegistryError when the connection is broken or breaks; the signal's reason after an abort. */
  request(operation: number, ...record: readonly Buffer[]): Promise<Reply> {
    this.#lastXid = nextXid(this.#lastXid);
    return this.#send(this.#lastXid, operation, record);
  }

  /** Adds an identity to the session; otherwise as `request`. */
  authenticate(...record: readonly Buffer[]): Promise<Reply> {
    return this.#send(xid.auth, opcode.auth, record);
  }

  /** Closes the session and releases the socket, at the latest after `goodbyeMs`. */
  readonly close = (): void => this.#end(this.#signal.reason ?? new Error("the connection was closed"));

  #send(number: number, operation: number, record: readonly Buffer[]): Promise<Reply> {
    const { promise, ...pending } = Promise.withResolvers<Reply>();
    if (this.#state === "closed") pending.reject(this.#failure("RegistryUnreachable", closed.closed));
    else {
      this.#pending.set(number, { ...pending, sentAt: this.#clock.monotonic() });
      this.#write(int(number), int(operation), ...record);
    }
    return promise;
  }

  #write(...parts: readonly Buffer[]): void {
    this.#spokeAt = this.#clock.monotonic();
    // Requests of one tick are sent together, because a system call costs more than a small frame.
    if (this.#socket.writableCorked === 0) {
      this.#socket.cork();
      queueMicrotask(() => this.#socket.uncork());
    }
    this.#socket.write(frame(...parts));
  }

  #onData(chunk: Buffer, split: (chunk: Buffer) => boolean): void {
    this.#heardAt = this.#clock.monotonic();
    this.#pace(this.#heardAt);
    try {
      const isWithinFrame = split(chunk);
      if (isWithinFrame) this.#answeredAt = this.#heardAt;
    } catch (error) {
      if (!(error instanceof RangeError)) {
        this.#lose(error as Error); // a bug: the reader must hear of it, because nobody catches what a socket's handler throws
        return;
      }
      // Later on it could be anything that is registered, such as a token.
      const start = `; it starts with ${JSON.stringify(chunk.toString("latin1", 0, 16))}`;
      const quoted = this.#state === "opening" ? start : "";
      this.#fail("RegistryBadResponse", `the answer is not ZooKeeper's: ${error.message}${quoted}`);
    }
  }

  /** Node reads up to 2 MB of a socket before anything else has its turn, and what it brings takes 100 ms to take in. */
  #pace(now: Instant): void {
    if (this.#sliceEnds === undefined) {
      this.#sliceEnds = now + sliceMs;
      nextTurn(() => {
        this.#sliceEnds = undefined;
        this.#socket.resume();
      });
    } else if (now >= this.#sliceEnds) this.#socket.pause();
  }

  #onFrame(body: Buffer): void {
    const record = createReader(body);
    if (this.#state === "opening") {
      const timeoutMs = readSession(record);
      this.#state = "open";
      this.#opened.resolve(timeoutMs);
      return;
    }
    const number = record.int();
    const zxid = record.long();
    const error = record.int();
    if (number === xid.event) {
      record.int(); // type
      record.int(); // state
      const path = record.text();
      const watching = this.watches.get(path);
      this.watches.deleteAll(path);
      for (const changed of watching) changed();
      return;
    }
    if (zxid > this.#lastZxid) this.#lastZxid = zxid;
    const pending = this.#pending.get(number);
    if (pending === undefined) return;
    this.#answeredAt = this.#heardAt;
    this.#pending.delete(number);
    pending.resolve({ error, record });
  }

  #keepAlive(timeoutMs: number): void {
    if (this.#state === "closed") return;
    const now = this.#clock.monotonic();
    this.#cancelTimer();
    const patienceMs = (timeoutMs * 2) / 3;
    const [oldest] = this.#pending.values();
    const waitsSince = Math.max(oldest?.sentAt ?? now, this.#answeredAt);
    if (now - this.#heardAt >= patienceMs) {
      this.#fail("RegistryUnreachable", "the server stopped answering");
      return;
    }
    if (now - waitsSince >= patienceMs) {
      this.#fail("RegistryUnreachable", "the server answers pings, but no longer reads");
      return;
    }
    if (now - this.#spokeAt >= timeoutMs / 3) this.#write(int(xid.ping), int(opcode.ping));
    this.#cancelTimer = this.#clock.after(timeoutMs / 12, () => this.#keepAlive(timeoutMs));
  }

  #fail(code: RegistryErrorCode, what: string): void {
    this.#lose(this.#failure(code, what));
  }

  #lose(error: Error): void {
    const wasOpen = this.#state === "open";
    this.#end(error);
    if (wasOpen) this.#onLost(error);
  }

  #silence(): string {
    const seconds = this.#options.handshakeMs / 1_000;
    return this.#socket.connecting
      ? `no answer within ${seconds} s`
      : `accepted, but silent for ${seconds} s: the server is starting, frozen, slow, or not a ZooKeeper server`;
  }

  #failure(code: RegistryErrorCode, what: string): RegistryError {
    const { server, tls } = this.#options;
    const doing = this.#state === "opening" ? `connect ${server.name}` : `connection to ${server.name}`;
    const check =
      tls === undefined ? "spec.address" : "spec.address and ca.crt, tls.crt and tls.key of the Secret";
    return new RegistryError(code, `${doing}: ${what}`, `Check ${check}.`);
  }

  /** The only way to end; everybody gets the first reason. */
  #end(reason: unknown): void {
    if (this.#state === "closed") return;
    const polite = this.#state === "open" && !(reason instanceof RegistryError);
    this.#state = "closed";
    this.#cancelTimer();
    this.#signal.removeEventListener("abort", this.close);
    if (polite) sayGoodbye(this.#socket, this.#clock);
    else this.#socket.destroy();
    this.#opened.reject(reason);
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#pending.clear();
  }
}

/** Why the server closed the connection, by the connection's state. */
const closed = {
  opening:
    "the server closed the connection without an answer: it is starting, has no quorum, or expects TLS",
  open: "closed by the server",
  closed: "closed",
} as const;

function dial({ server, ip, tls }: ConnectionOptions): Socket {
  try {
    return socketTo({ ...server, secure: tls !== undefined }, ip, tls ?? {});
  } catch (cause) {
    if (!(cause instanceof BadTlsOptionsError)) throw cause;
    const detail = `the operator cannot set up TLS to ${server.name}: ${cause.message}`;
    throw new RegistryError("SecretInvalid", detail, "Check them in the Secret of spec.secretRef.", {
      cause,
    });
  }
}

/** Frees the session on the server, which would otherwise keep it until its timeout. */
function sayGoodbye(socket: Socket, clock: Clock): void {
  const cancel = clock.after(goodbyeMs, () => socket.destroy());
  socket.once("close", cancel);
  socket.end(frame(int(0), int(opcode.closeSession)));
}
