import type { Socket } from "node:net";
import * as z from "zod";
import { RegistryError, type RegistryErrorCode } from "../../model/errors.ts";
import { inTime, nextTurn } from "../../runtime/clock.ts";
import type { Clock } from "../../runtime/deps.ts";
import { parseJson } from "../../runtime/json.ts";
import { describeNetworkError } from "../transport/dial.ts";
import { BadTlsOptionsError, type Dialer } from "../transport/dialer.ts";
import { grpcPortOffset, type NacosServer } from "./address.ts";
import { GrpcError, type GrpcStream, GrpcTransport } from "./grpc.ts";
import { decodePayload, encodePayload, type Payload } from "./payload.ts";
import {
  abilitiesIn,
  connectionVerdict,
  errorCodes,
  type NacosResponse,
  negotiates,
  readResponse,
} from "./response.ts";

/** The time limit of each handshake step and of each try of a health check. */
const handshakeMs = 3_000;
/**
 * How long a request may take: longer than the health check takes to notice a server that answers nobody. The health check
 * alone tells such a server from one that is silent about some things, however many these are.
 */
export const requestMs = 12_000;
/**
 * Sent whatever other traffic there is. A server probes clients that are silent for 20 s, and may drop them in the
 * same moment (measured on 2.3 and 3.1). The check also notices a frozen server. It is tried twice, because a JVM that
 * collects garbage, or a process that gets no time, is silent for seconds.
 */
const healthCheckMs = 5_000;
const healthTries = 2;
/** A server binds the connection shortly after the client announces it. */
const bindPauseMs = 20;

export interface ConnectionOptions {
  readonly server: NacosServer;
  /** One of its addresses. */
  readonly ip: string;
  readonly dial: Dialer;
  /** Whether to speak TLS. */
  readonly secure: boolean;
  /** `body` is undefined if it is not JSON. */
  readonly onPush: (type: string, body: unknown) => void;
}

const pushSchema = z.object({ requestId: z.unknown() });

/**
 * One connection to one server, for requests and pushes. Each push is answered, because the server would otherwise
 * repeat it. A server binds all subscriptions of a client to this connection, so nobody replaces it silently: when it
 * breaks, the reader ends.
 * Source: alibaba/nacos, GrpcClient, GrpcBiStreamRequestAcceptor; the servers' behaviour was measured on 2.0.3, 2.3.2
 * and 3.1.0.
 */
export class NacosConnection {
  readonly #options: ConnectionOptions;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #transport: GrpcTransport;
  readonly #stream: GrpcStream;
  readonly #clientIp: string;
  /** The server's features in its acknowledgement; none once the connection has ended. */
  readonly #setupAck = Promise.withResolvers<ReadonlySet<string>>();
  #abilities: ReadonlySet<string> = new Set();
  #state: "opening" | "open" | "closed" = "opening";
  #failure: unknown;
  #requests = 0;
  #onLost: (error: Error) => void = () => undefined;
  #cancelTimer: () => void = () => undefined;

  /** Returns once the server accepts requests. @throws RegistryError; the signal's reason. */
  static async open(options: ConnectionOptions, clock: Clock, signal: AbortSignal): Promise<NacosConnection> {
    const { server, ip, dial, secure } = options;
    const socket = await dial({ host: server.host, ip, port: server.port + grpcPortOffset, secure }).catch(
      (cause: unknown) => {
        if (signal.aborted) throw signal.reason;
        const code = cause instanceof BadTlsOptionsError ? "SecretInvalid" : "RegistryUnreachable";
        throw connectionError(options, "connect", code, describeNetworkError(cause), { cause });
      },
    );
    const connection = new NacosConnection(options, socket, clock, signal);
    try {
      await connection.#shakeHands();
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  private constructor(options: ConnectionOptions, socket: Socket, clock: Clock, signal: AbortSignal) {
    this.#options = options;
    this.#clock = clock;
    this.#signal = signal;
    const { server, secure } = options;
    const port = String(server.port + grpcPortOffset);
    const origin = `${secure ? "https" : "http"}://${server.name.replace(/\d+$/, port)}`;
    this.#clientIp = socket.localAddress ?? "";
    this.#transport = new GrpcTransport(socket, origin, clock, (error) => this.#fail(error));
    this.#stream = this.#transport.stream("/BiRequestStream/requestBiStream", (message) =>
      this.#onPush(message),
    );
    signal.addEventListener("abort", this.close, { once: true });
  }

  /** The server's optional features, such as `fuzzyWatch`. */
  get abilities(): ReadonlySet<string> {
    return this.#abilities;
  }

  /** Calls `onLost` once if the connection breaks, at once if it has. */
  whenLost(onLost: (error: Error) => void): void {
    if (this.#state === "closed") onLost(this.#failure as Error);
    else this.#onLost = onLost;
  }

  /**
   * Sends one request; `type` is the simple name of its class, `token` the access token. One that has no answer, or none
   * of use, counts as refused. @throws RegistryError when the connection is useless or becomes so; the signal's reason
   * after an abort.
   */
  async request(type: string, fields: object, token?: string): Promise<NacosResponse> {
    const requestId = String(++this.#requests);
    const body = JSON.stringify({ ...fields, requestId });
    const headers: Record<string, string> = token === undefined ? {} : { accessToken: token };
    try {
      return this.#read(await this.#call({ type, headers, body }, requestMs));
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error;
      return { isOk: false, code: errorCodes.noAnswer, message: "" };
    }
  }

  /** Closes the connection; pending requests are rejected. */
  readonly close = (): void => this.#end(this.#signal.reason ?? new Error("the connection was closed"));

  async #shakeHands(): Promise<void> {
    const check = await this.#insist({ type: "ServerCheckRequest", body: "{}" });
    if (!check.isOk)
      throw this.#error("RegistryBadResponse", `the server refused the check (error ${check.code})`);
    this.#write("ConnectionSetupRequest", setup);
    if (negotiates(check.body)) {
      const late = (): RegistryError =>
        this.#error("RegistryUnreachable", `no answer within ${handshakeMs / 1_000} s`);
      this.#abilities = await inTime(
        this.#setupAck.promise,
        { ms: handshakeMs, late },
        this.#clock,
        this.#signal,
      );
      this.#throwIfClosed();
    }
    const giveUpAt = this.#clock.monotonic() + handshakeMs;
    while (!(await this.#isBound(this.#clock.monotonic() > giveUpAt)))
      await this.#clock.sleep(bindPauseMs, this.#signal);
    this.#state = "open";
    this.#checkHealth();
  }

  /** Whether the server knows the connection yet. */
  async #isBound(isLast: boolean): Promise<boolean> {
    const { isOk } = await this.#insist(healthCheck);
    if (!isOk && isLast)
      throw this.#error("RegistryUnreachable", "the server is starting and does not accept requests yet");
    return isOk;
  }

  #checkHealth(): void {
    if (this.#state === "closed") return;
    this.#cancelTimer = this.#clock.after(healthCheckMs, () => {
      this.#insist(healthCheck, healthTries).then(
        () => this.#checkHealth(),
        (error: unknown) => this.#lose(error as Error), // unless the connection has ended and reported it
      );
    });
  }

  /** An answer without which the connection is useless. */
  async #insist(payload: Payload, tries = 1): Promise<NacosResponse> {
    try {
      return this.#read(await this.#call(payload, handshakeMs));
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error;
      if (tries > 1) return this.#insist(payload, tries - 1);
      throw this.#fail(error);
    }
  }

  /** @throws GrpcError when only this call fails; else as `request`. */
  async #call(payload: Payload, deadlineMs: number): Promise<Payload> {
    this.#throwIfClosed();
    try {
      const message = encodePayload({ ...payload, clientIp: this.#clientIp });
      return decodePayload(await this.#transport.unary("/Request/request", message, deadlineMs));
    } catch (error) {
      await new Promise<void>(nextTurn); // the connection may have broken with the call
      this.#throwIfClosed();
      throw error instanceof RangeError ? new GrpcError("foreign") : error;
    }
  }

  /**
   * @throws RegistryError when the answer shows that the connection is useless (a server that has not bound it yet does
   * not know it); GrpcError when it is malformed.
   */
  #read(payload: Payload): NacosResponse {
    const response = readResponse(payload);
    if (response === undefined) throw new GrpcError("foreign");
    const verdict = connectionVerdict(payload.type, response);
    const isBinding = this.#state === "opening" && !response.isOk && response.code !== errorCodes.starting;
    if (verdict !== undefined && !isBinding) throw this.#useless(verdict);
    return response;
  }

  #throwIfClosed(): void {
    if (this.#state === "closed") throw this.#failure;
  }

  #write(type: string, body: object): void {
    this.#stream.write(encodePayload({ type, body: JSON.stringify(body) }));
  }

  #onPush(message: Buffer): void {
    if (this.#state === "closed") return;
    try {
      const { type, body: text } = decodePayload(message);
      const body = parseJson(text);
      if (type === "SetupAckRequest") {
        this.#setupAck.resolve(abilitiesIn(body));
        return;
      }
      const { requestId } = pushSchema.safeParse(body).data ?? {};
      const answer = { requestId, resultCode: 200, errorCode: 0, success: true };
      this.#write(type.replace(/Request$/, "Response"), answer);
      if (type === "ConnectResetRequest")
        this.#useless("the server asked its clients to reconnect, as it does when it scales");
      else this.#options.onPush(type, body);
    } catch (error) {
      if (error instanceof RangeError) this.#fail(new GrpcError("foreign"));
      else this.#lose(error as Error); // a bug: the reader must hear of it, because nobody catches what a stream's handler throws
    }
  }

  /** Ends the connection and reports the reason to its reader. */
  #fail({ kind, cause }: GrpcError): RegistryError {
    if (kind === "late") return this.#useless(`no answer within ${handshakeMs / 1_000} s`);
    if (kind === "not-now") return this.#useless("the server, or a proxy before it, is not ready");
    if (kind === "foreign") return this.#useless("the server is not a Nacos server", "RegistryBadResponse");
    return this.#useless(
      cause === undefined ? "the server closed the connection" : describeNetworkError(cause),
    );
  }

  #useless(what: string, code: RegistryErrorCode = "RegistryUnreachable"): RegistryError {
    const error = this.#error(code, what);
    this.#lose(error);
    return error;
  }

  #lose(error: Error): void {
    const wasOpen = this.#state === "open";
    this.#end(error);
    if (wasOpen) this.#onLost(error);
  }

  #error(code: RegistryErrorCode, what: string): RegistryError {
    const doing = this.#state === "opening" ? "connect" : "connection to";
    return connectionError(this.#options, doing, code, what);
  }

  /** The only way to end; everybody gets the first reason. */
  #end(reason: unknown): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#failure = reason;
    this.#cancelTimer();
    this.#signal.removeEventListener("abort", this.close);
    this.#setupAck.resolve(new Set());
    this.#transport.close();
  }
}

/** The error of a connection, or of an attempt to make one. */
function connectionError(
  { server, secure }: ConnectionOptions,
  doing: string,
  code: RegistryErrorCode,
  what: string,
  options: ErrorOptions = {},
): RegistryError {
  const detail = `${doing} ${server.name} over gRPC, port ${server.port + grpcPortOffset}: ${what}`;
  const tls = secure ? "; check ca.crt, tls.crt and tls.key of the Secret" : "";
  return new RegistryError(
    code,
    detail,
    `Check spec.address and that this port is reachable${tls}.`,
    options,
  );
}

/** Without the label a server accepts list requests but refuses subscriptions (measured). */
const setup = {
  clientVersion: "Nacos-Node-Client:v2.3.2",
  labels: { source: "sdk", module: "naming", AppName: "registryhub" },
  abilityTable: { fuzzyWatch: true },
};

const healthCheck: Payload = { type: "HealthCheckRequest", body: '{"requestId":"0"}' };
