import type { Socket } from "node:net";
import type { Clock } from "../../../src/runtime/deps.ts";
import type { FakeRequest, Fault, Faults } from "./faults.ts";
import {
  bool,
  bytes,
  type EventType,
  errors,
  events,
  frame,
  frames,
  int,
  long,
  type Operation,
  operationOf,
  type RequestReader,
  requestReader,
  text,
  texts,
} from "./jute.ts";
import {
  type Acl,
  digestId,
  type Identity,
  isAllowed,
  permission,
  ZnodeError,
  type Znodes,
} from "./znodes.ts";

/** What a connection needs of its server. */
export interface Host {
  readonly clock: Clock;
  readonly maxSessionMs: number;
  readonly faults: Faults;
  /** The tree of this moment: a server that lost its data has another. */
  znodes(): Znodes;
  /** Opens or goes on with a session; undefined = there is none of this id. */
  attach(id: bigint, timeoutMs: number): bigint | undefined;
  heard(session: bigint): void;
  end(session: bigint): void;
}

type Watches = Map<string, Set<"data" | "child">>;

/** One connection of a client, with the watches that live on it. */
export class FakeConnection {
  readonly #socket: Socket;
  readonly #host: Host;
  readonly #identities: Identity[] = [{ scheme: "ip", id: "127.0.0.1" }];
  readonly #watches: Watches = new Map();
  #session: bigint | undefined;
  /** Answers leave in the order of the requests, whatever delays one of them. */
  #turn: Promise<void> = Promise.resolve();

  constructor(socket: Socket, host: Host) {
    this.#socket = socket;
    this.#host = host;
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on(
      "data",
      frames((body) => this.#onFrame(body)),
    );
  }

  get session(): bigint | undefined {
    return this.#session;
  }

  /** Tells of a change that is watched; who may not read the node loses the watch and hears nothing. */
  notify(type: EventType, path: string, acl: Acl): void {
    const kinds = this.#watches.get(path);
    const fired = [...(kinds ?? [])].filter((kind) => fires(type, kind));
    for (const kind of fired) kinds?.delete(kind);
    if (kinds?.size === 0) this.#watches.delete(path);
    if (fired.length === 0 || !isAllowed(acl, permission.read, this.#identities)) return;
    const header = [int(-1), long(-1), int(0)];
    this.#later(undefined, () => this.#socket.write(frame(...header, int(type), int(3), text(path))));
  }

  #onFrame(body: Buffer): void {
    const reader = requestReader(body);
    if (this.#session === undefined) {
      this.#connect(reader);
      return;
    }
    const xid = reader.int();
    const operation = operationOf(reader.int());
    this.#host.heard(this.#session);
    this.#answer(operation, xid, reader);
  }

  #connect(reader: RequestReader): void {
    reader.int();
    reader.long();
    const timeoutMs = Math.min(reader.int(), this.#host.maxSessionMs);
    const session = this.#host.attach(reader.long(), timeoutMs);
    this.#session = session ?? 0n;
    const password = bytes(Buffer.alloc(16));
    const answer = frame(
      int(0),
      int(session === undefined ? 0 : timeoutMs),
      long(session ?? 0n),
      password,
      bool(false),
    );
    this.#send({ operation: "connect", path: "", session: this.#session }, () => answer);
  }

  #answer(operation: Operation | undefined, xid: number, reader: RequestReader): void {
    const session = this.#session ?? 0n;
    const path = hasPath(operation) ? reader.text() : "";
    this.#send({ operation: operation ?? "unknown", path, session }, (error) => {
      const znodes = this.#host.znodes();
      try {
        if (error !== undefined) throw new ZnodeError(error);
        const record = this.#perform(operation, path, reader, session);
        return frame(int(xid), long(znodes.zxid), int(0), record);
      } catch (failure) {
        if (!(failure instanceof ZnodeError)) throw failure;
        return frame(int(xid), long(znodes.zxid), int(failure.code));
      }
    });
    if (operation === "closeSession") this.#host.end(session);
  }

  /** Carries a request out and sends the answer, unless a fault has something else in mind. */
  #send(request: FakeRequest, answer: (error?: number) => Buffer): void {
    const fault = this.#host.faults.next(request);
    if (fault === "drop") this.#socket.destroy();
    else if (fault === "hang") return;
    else if (typeof fault === "object" && "pieceBytes" in fault) {
      const whole = answer();
      for (let at = 0; at < whole.length; at += fault.pieceBytes) {
        const piece = whole.subarray(at, at + fault.pieceBytes);
        this.#later({ delayMs: fault.everyMs }, () => this.#socket.write(piece));
      }
    } else this.#later(fault, () => this.#write(fault, answer));
  }

  #write(fault: Fault | undefined, answer: (error?: number) => Buffer): void {
    if (this.#socket.destroyed) return;
    if (typeof fault !== "object" || "delayMs" in fault) this.#writePieces(answer());
    else if ("error" in fault) this.#writePieces(answer(fault.error));
    else if ("bytes" in fault) this.#socket.write(fault.bytes);
    else if ("change" in fault) this.#writePieces(fault.change(answer()));
    else if ("cut" in fault) this.#socket.end(answer().subarray(0, fault.cut));
  }

  #writePieces(answer: Buffer): void {
    const size = this.#host.faults.pieceBytes;
    for (let at = 0; at < answer.length; at += size) this.#socket.write(answer.subarray(at, at + size));
  }

  #later(fault: Fault | undefined, write: () => void): void {
    const delayMs = typeof fault === "object" && "delayMs" in fault ? fault.delayMs : 0;
    if (delayMs === 0 && this.#queued === 0) {
      write();
      return;
    }
    this.#queued++;
    this.#turn = this.#turn.then(async () => {
      if (delayMs > 0) await new Promise<void>((resolve) => this.#host.clock.after(delayMs, resolve));
      this.#queued--;
      write();
    });
  }
  #queued = 0;

  #perform(operation: Operation | undefined, path: string, reader: RequestReader, session: bigint): Buffer {
    const znodes = this.#host.znodes();
    const who = this.#identities;
    switch (operation) {
      case "ping":
      case "closeSession":
        return Buffer.alloc(0);
      case "auth":
        return this.#addIdentity(reader);
      case "sync":
        return text(path);
      case "create":
        return this.#create(path, reader, session);
      case "delete":
        znodes.delete(path, who);
        return Buffer.alloc(0);
      case "setData":
        znodes.setData(path, Buffer.from(reader.bytes()), who);
        return znodes.stat(path);
      case "setAcl":
        znodes.setAcl(path, readAcl(reader), who);
        return znodes.stat(path);
      case "exists":
        if (reader.bool()) this.#watch(path, "data");
        return znodes.stat(path);
      case "getData": {
        const data = znodes.data(path, who);
        if (reader.bool()) this.#watch(path, "data");
        return Buffer.concat([bytes(data), znodes.stat(path)]);
      }
      case "getChildren":
      case "getChildren2": {
        const children = znodes.children(path, who);
        if (reader.bool()) this.#watch(path, "child");
        return operation === "getChildren"
          ? texts(children)
          : Buffer.concat([texts(children), znodes.stat(path)]);
      }
      case undefined:
        throw new ZnodeError(errors.unimplemented);
    }
  }

  #create(path: string, reader: RequestReader, session: bigint): Buffer {
    const data = Buffer.from(reader.bytes());
    const acl = readAcl(reader);
    const owner = (reader.int() & 1) === 1 ? session : 0n;
    this.#host.znodes().create(path, data, acl, owner, this.#identities);
    return text(path);
  }

  #addIdentity(reader: RequestReader): Buffer {
    reader.int();
    const scheme = reader.text();
    if (scheme !== "digest") throw new ZnodeError(errors.authFailed);
    this.#identities.push({ scheme, id: digestId(reader.bytes().toString()) });
    return Buffer.alloc(0);
  }

  #watch(path: string, kind: "data" | "child"): void {
    const kinds = this.#watches.get(path) ?? new Set();
    this.#watches.set(path, kinds.add(kind));
  }
}

const fires = (type: EventType, kind: "data" | "child"): boolean =>
  type === events.deleted || (type === events.childrenChanged) === (kind === "child");

const hasPath = (operation: Operation | undefined): boolean =>
  operation !== undefined && !["ping", "auth", "closeSession"].includes(operation);

function readAcl(reader: RequestReader): Acl {
  return Array.from({ length: reader.int() }, () => ({
    perms: reader.int(),
    scheme: reader.text(),
    id: reader.text(),
  }));
}
