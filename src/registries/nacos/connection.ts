import type { Socket } from "node:net";
import * as z from "zod";
import { RegistryError, type RegistryErrorCode } from "../../model/errors.ts";
import type { Clock } from "../../runtime/deps.ts";
import { describeNetworkError } from "../transport/dial.ts";
import { BadTlsOptionsError, type Dialer } from "../transport/dialer.ts";
import { grpcPortOffset, type NacosServer } from "./address.ts";
import { GrpcError, type GrpcStream, GrpcTransport } from "./grpc.ts";
import { decodePayload, encodePayload, type Payload } from "./payload.ts";
import { BadServiceInfoError } from "./service-info.ts";

/** The time limit of each handshake step and of a health check. */
const handshakeMs = 3_000;
const requestMs = 10_000;
/**
 * Sent whatever other traffic there is. A server probes clients that are silent for 20 s, and may drop them in the
 * same moment (measured on 2.3 and 3.1). The check also notices a frozen server.
 */
const healthCheckMs = 5_000;
/** A server binds the connection shortly after the client announces it. */
const bindPauseMs = 20;
export interface ConnectionOptions {
  readonly server: NacosServer;
  readonly dial: Dialer;
  /** Whether to speak TLS. */
  readonly secure: boolean;
  readonly onPush: (type: string, body: unknown) => void;
  /** Called once if the connection breaks after it was opened. */
  readonly onLost: (error: Error) => void;
}

/** The fields of the answer, or why there are none. */
export type NacosResponse =
  | { readonly isOk: true; readonly body: unknown }
  | { readonly isOk: false; readonly code: number; readonly message: string };

/** The error codes of a refused request. Source: alibaba/nacos, NacosException, ErrorCode. */
export const errorCodes = {
  forbidden: 403,
  noHandler: 302,
  overLimit: 503,
  fuzzyWatchLimits: [50_310, 50_311],
} as const;

/** Codes that make the connection useless, whatever the request was. */
const starting = 300;
const unusable: readonly number[] = [301, -401];

const answerSchema = z.object({
  resultCode: z.number().default(200),
  errorCode: z.number().default(0),
  message: z.string().nullish(),
});
const serverCheckSchema = z.object({ supportAbilityNegotiation: z.boolean().nullish() });
const pushSchema = z.object({ requestId: z.string().nullish() });
const setupAckSchema = z.object({ abilityTable: z.record(z.string(), z.boolean()).nullish() });

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
  /** undefined = the acknowledgement did not come in time, or the connection has ended. */
  readonly #setupAck = Promise.withResolvers<ReadonlySet<string> | undefined>();
  #abilities: ReadonlySet<string> = new Set();
  #state: "opening" | "open" | "closed" = "opening";
  #failure: unknown;
  #requests = 0;
  #cancelTimer: () => void = () => undefined;

  /** Returns once the server accepts requests. @throws RegistryError; the signal's reason. */
  static async open(options: ConnectionOptions, clock: Clock, signal: AbortSignal): Promise<NacosConnection> {
    const { server, dial, secure } = options;
    const socket = await dial({ host: server.host, port: server.port + grpcPortOffset, secure }).catch(
      (cause: unknown) => {
        if (signal.aborted) throw signal.reason;
        throw notDialled(options, cause);
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
    const { name } = options.server;
    this.#transport = new GrpcTransport(socket, name, clock, (error) => this.#fail(describe(error)));
    this.#stream = this.#transport.stream("/BiRequestStream/requestBiStream", (message) =>
      this.#onPush(message),
    );
    signal.addEventListener("abort", this.close, { once: true });
  }

  /** The server's optional features, such as `fuzzyWatch`. */
  get abilities(): ReadonlySet<string> {
    return this.#abilities;
  }

  /**
   * Sends one request; `type` is the simple name of its class, `token` the access token. @throws RegistryError when
   * the connection is useless or becomes so; the signal's reason after an abort.
   */
  async request(
    type: string,
    fields: object,
    token?: string,
    deadlineMs = requestMs,
  ): Promise<NacosResponse> {
    const headers: Record<string, string> = token === undefined ? {} : { accessToken: token };
    const requestId = String(++this.#requests);
    const payload = await this.#call(
      { type, headers, body: JSON.stringify({ ...fields, requestId }) },
      deadlineMs,
    );
    const body = this.#parse(payload);
    const { resultCode, errorCode, message } = this.#shaped(answerSchema, payload, body);
    if (resultCode === 200) return { isOk: true, body };
    const code = errorCode === 0 ? resultCode : errorCode;
    if (unusable.includes(code)) throw this.#fail("the server no longer knows the connection");
    // The code for a missing configuration is the same.
    if (code === starting && payload.type === "ErrorResponse") throw this.#fail("the server is starting");
    return { isOk: false, code, message: message ?? "" };
  }

  /** Closes the connection; pending requests are rejected. */
  readonly close = (): void => this.#end(this.#signal.reason ?? new Error("the connection was closed"));

  async #shakeHands(): Promise<void> {
    const check = await this.request("ServerCheckRequest", {}, undefined, handshakeMs);
    if (!check.isOk)
      throw this.#error("RegistryBadResponse", `the server refused the check: ${check.message}`);
    this.#write("ConnectionSetupRequest", setup);
    if (negotiates(check.body)) this.#abilities = await this.#acknowledged();
    const giveUpAt = this.#clock.monotonic() + handshakeMs;
    while (!(await this.#isBound(this.#clock.monotonic() > giveUpAt)))
      await this.#clock.sleep(bindPauseMs, this.#signal);
    this.#state = "open";
    this.#checkHealth();
  }

  async #acknowledged(): Promise<ReadonlySet<string>> {
    const cancel = this.#clock.after(handshakeMs, () => this.#setupAck.resolve(undefined));
    const abilities = await this.#setupAck.promise;
    cancel();
    this.#throwIfClosed();
    if (abilities !== undefined) return abilities;
    throw this.#error("RegistryUnreachable", `no answer within ${handshakeMs / 1_000} s`);
  }

  /** Whether the server knows the connection yet. */
  async #isBound(isLast: boolean): Promise<boolean> {
    const payload: Payload = { type: "HealthCheckRequest", body: '{"requestId":"0"}' };
    const answer = await this.#call(payload, handshakeMs);
    if (answer.type !== "ErrorResponse") return true;
    if (isLast)
      throw this.#error("RegistryUnreachable", "the server is starting and does not accept requests yet");
    return false;
  }

  #checkHealth(): void {
    if (this.#state === "closed") return;
    this.#cancelTimer = this.#clock.after(healthCheckMs, () => {
      this.request("HealthCheckRequest", {}, undefined, handshakeMs).then(
        () => this.#checkHealth(),
        (error: unknown) => {
          if (error instanceof RegistryError) this.#lose(error); // unless the connection has ended and reported it
        },
      );
    });
  }

  async #call(payload: Payload, deadlineMs: number): Promise<Payload> {
    this.#throwIfClosed();
    try {
      return decodePayload(
        await this.#transport.unary("/Request/request", encodePayload(payload), deadlineMs),
      );
    } catch (error) {
      this.#throwIfClosed();
      if (error instanceof GrpcError) throw this.#fail(describe(error, deadlineMs));
      if (error instanceof RangeError) throw this.#fail(notNacos);
      throw error;
    }
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
      const payload = decodePayload(message);
      const body = this.#parse(payload);
      const { requestId } = this.#shaped(pushSchema, payload, body);
      if (payload.type === "SetupAckRequest") {
        const { abilityTable } = this.#shaped(setupAckSchema, payload, body);
        this.#setupAck.resolve(
          new Set(Object.keys(abilityTable ?? {}).filter((name) => abilityTable?.[name])),
        );
        return;
      }
      this.#write(payload.type.replace(/Request$/, "Response"), {
        requestId,
        resultCode: 200,
        errorCode: 0,
        success: true,
      });
      if (payload.type === "ConnectResetRequest")
        this.#fail("the server asked its clients to reconnect, as it does when it scales");
      else this.#options.onPush(payload.type, body);
    } catch (error) {
      if (error instanceof RegistryError) this.#lose(error);
      else if (isMalformed(error))
        this.#lose(this.#error("RegistryBadResponse", "a push does not have Nacos' form"));
      else this.#lose(error as Error); // a bug: the reader must hear of it, because nobody catches what a stream's handler throws
    }
  }

  #parse({ type, body }: Payload): unknown {
    try {
      return JSON.parse(body);
    } catch {
      throw this.#error("RegistryBadResponse", `the body of ${type} is not JSON`);
    }
  }

  #shaped<T>(schema: z.ZodType<T>, { type }: Payload, body: unknown): T {
    const result = schema.safeParse(body);
    if (result.success) return result.data;
    throw this.#error("RegistryBadResponse", `${type} does not have Nacos' form`);
  }

  /** Ends the connection and reports the reason to its reader. */
  #fail(what: string): RegistryError {
    const error = this.#error(what === notNacos ? "RegistryBadResponse" : "RegistryUnreachable", what);
    this.#lose(error);
    return error;
  }

  #lose(error: Error): void {
    const wasOpen = this.#state === "open";
    this.#end(error);
    if (wasOpen) this.#options.onLost(error);
  }

  #error(code: RegistryErrorCode, what: string): RegistryError {
    return connectionError(
      this.#options,
      this.#state === "opening" ? "connect" : "connection to",
      code,
      what,
    );
  }

  /** The only way to end; everybody gets the first reason. */
  #end(reason: unknown): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#failure = reason;
    this.#cancelTimer();
    this.#signal.removeEventListener("abort", this.close);
    this.#setupAck.resolve(undefined);
    this.#transport.close();
  }
}

/** Whether the server will acknowledge the set-up. Source: absent on 2.0.3, true on 2.3.2 and 3.1.0. */
function negotiates(check: unknown): boolean {
  return serverCheckSchema.safeParse(check).data?.supportAbilityNegotiation === true;
}

/** Without the label a server accepts list requests but refuses subscriptions (measured). */
const setup = {
  clientVersion: "Nacos-Node-Client:v2.3.2",
  labels: { source: "sdk", module: "naming", AppName: "registryhub" },
  abilityTable: { fuzzyWatch: true },
};

const notNacos = "the server is not a Nacos server";

function connectionError(
  { server, secure }: ConnectionOptions,
  doing: string,
  code: RegistryErrorCode,
  what: string,
  options: ErrorOptions = {},
): RegistryError {
  const detail = `${doing} ${server.name} over gRPC, port ${server.port + grpcPortOffset}: ${what}`;
  const tls = secure ? "; check ca.crt, tls.crt and tls.key of the Secret" : "";
  const check = `Check spec.address and that this port is reachable${tls}.`;
  return new RegistryError(code, detail, check, options);
}

function notDialled(options: ConnectionOptions, cause: unknown): RegistryError {
  const what = describeNetworkError(cause);
  if ((cause as NodeJS.ErrnoException).syscall === "getaddrinfo") {
    const advice = "Check spec.address.";
    return new RegistryError("RegistryUnreachable", `lookup ${options.server.host}: ${what}`, advice, {
      cause,
    });
  }
  const code = cause instanceof BadTlsOptionsError ? "SecretInvalid" : "RegistryUnreachable";
  return connectionError(options, "connect", code, what, { cause });
}

/** Describes the error in a few words, without volatile parts. */
function describe({ kind, cause }: GrpcError, deadlineMs = handshakeMs): string {
  if (kind === "late") return `no answer within ${deadlineMs / 1_000} s`;
  if (kind === "foreign") return notNacos;
  return cause === undefined ? "the server closed the connection" : describeNetworkError(cause);
}

/** Whether the error is malformed data of the server. */
const isMalformed = (error: unknown): boolean =>
  error instanceof z.ZodError || error instanceof BadServiceInfoError || error instanceof RangeError;
