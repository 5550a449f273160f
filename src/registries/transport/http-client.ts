import { Agent, type Dispatcher } from "undici";
import { linkAbort, unlessAborted } from "../../runtime/abort.ts";
import type { Clock } from "../../runtime/deps.ts";
import { createRegistryLimits, type RegistryLimits } from "../../runtime/registry-limits.ts";
import type { SharedMemory } from "../../runtime/shared-memory.ts";
import { DialRefusedError, describeNetworkError } from "./dial.ts";
import { BadTlsOptionsError, createDialer, type TlsOptions } from "./dialer.ts";
import { type BodyLimit, readBody } from "./http-body.ts";
import { HttpError } from "./http-error.ts";

const defaultTimeoutMs = 10_000;
/** For an answer that takes memory from others. A query that waits for news may take longer, but not with that. */
const turnMs = 10_000;
const defaultConnections = 20;
/** Of a text, which is in memory as a whole, and so is what it says: ten times as much, if that is many small things. */
const maxTextBytes = 4 * 1_024 * 1_024;
const maxRedirects = 3;
/** Requests at once on one connection, where the server speaks HTTP/2 and allows as many. */
const maxStreams = 250;

const redirects = new Set([301, 302, 303, 307, 308]);

export interface HttpClientOptions {
  readonly tls?: TlsOptions;
  /** Limit of connections to one origin, and so of its requests in flight; default 20. */
  readonly connections?: number;
  readonly limits?: RegistryLimits | undefined;
  /**
   * How long an idle connection is kept; default 4 s, before common servers close it. A server that says how long it
   * keeps it is believed.
   */
  readonly keepAliveMs?: number;
}

export interface HttpOptions {
  /** Hold the login, so they are sent only to the URL's own origin. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The media type to ask for; default application/json. */
  readonly accept?: string;
  /**
   * Asks once more over another connection if the connection closes before an answer begins: the server may have
   * closed it, idle, while the request was on its way. Only of a GET, and not for queries that wait.
   */
  readonly askAgain?: boolean;
  /** From the call to the last byte, redirects included; default 10 s. */
  readonly timeoutMs?: number;
  /** Limit of a text, decoded; default 4 MiB. */
  readonly maxBytes?: number;
  /** Ends only this exchange, with its reason. */
  readonly signal?: AbortSignal;
}

/** An answer without its body. */
export interface HttpHead {
  readonly status: number;
  /** Names in lower case; repeated headers are joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** The origin that answered, if it is not the one that was asked. */
  readonly redirectedTo?: string;
}

export interface HttpAnswer extends HttpHead {
  /** Always read as UTF-8, whatever the header says, because registries write UTF-8. */
  readonly text: string;
}

export interface HttpBytes extends HttpHead {
  /** The body, decoded. */
  readonly bytes: Buffer;
}

/** What is made of an answer while its body is in memory. */
export type UseOfBytes<T> = (answer: HttpBytes, signal: AbortSignal) => Promise<T>;

export interface ListOptions extends Omit<HttpOptions, "maxBytes"> {
  /** Whether the list grows with the fleet, so that it may have `--max-answer-bytes`; any other has a quarter of it. */
  readonly isOfFleet: boolean;
}

/** The only way to a registry over HTTP. It never asks again on its own, because the caller knows whether to. */
export interface HttpClient {
  /** How many connections it has opened so far: while there is no other one, the same server answers. */
  connections(): number;
  /**
   * Follows up to three redirects: never from https to http, and to another origin only if there are no `headers`. An
   * answer to a request without its login would be another's.
   * @throws HttpError when there is no complete answer; the reason of the client's signal or of its own. A status is
   * never an error.
   */
  get(url: string, options?: HttpOptions): Promise<HttpAnswer>;
  /**
   * As `get`, of an answer that may be large, which is in memory only until `use` is through; the time limit is that of
   * the answer. The answers of all hubs share the memory for that and take turns, so whoever needs more than 256 KiB may
   * wait, and then has 10 s for the rest of the answer. @throws what `use` throws, too; it is given the client's signal.
   */
  getList<T>(url: string, options: ListOptions, use: UseOfBytes<T>): Promise<T>;
  /** As `get`, but returns a redirect as it is, because a form is meant for one server only. */
  postForm(url: string, fields: Readonly<Record<string, string>>, options?: HttpOptions): Promise<HttpAnswer>;
  /** As `postForm`, with a body of JSON. */
  postJson(url: string, body: unknown, options?: HttpOptions): Promise<HttpAnswer>;
}

interface Sent extends Pick<HttpOptions, "askAgain"> {
  readonly limit: BodyLimit;
  readonly takeTurn: () => Promise<void>;
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

/**
 * A client for one watch; every connection closes when `signal` aborts. `resolveDialable` checks each new connection,
 * also behind a redirect. It speaks HTTP/2 where `tls.protocols` and the server say so, else HTTP/1.1.
 */
export function createHttpClient(options: HttpClientOptions, clock: Clock, signal: AbortSignal): HttpClient {
  const { limits: { memory, maxAnswerBytes } = defaultLimits } = options;
  const { send, connections } = createTransport(options, clock, signal);
  const limited = createLimiter(memory, clock, signal);

  /** One exchange, and what is made of it while its body is in memory. */
  async function exchange<T>(
    options: HttpOptions,
    limit: BodyLimit,
    ask: (sent: Pick<Sent, "limit" | "takeTurn">, stop: AbortSignal) => Promise<HttpBytes>,
    use: UseOfBytes<T>,
  ): Promise<T> {
    let isOver = false;
    let giveBack: (() => void) | undefined;
    let stopTimer: (() => void) | undefined;
    const slow = new AbortController();
    const unlink = options.signal && linkAbort(options.signal, slow);
    const takeTurn = async (stop: AbortSignal): Promise<void> => {
      if (giveBack !== undefined) return; // before a redirect
      const free = await memory.take(send, limit.bytes, stop);
      if (isOver) return free();
      giveBack = free;
      stopTimer = clock.after(turnMs, () => slow.abort(tooSlow()));
    };
    try {
      const answer = await limited({ ...options, signal: slow.signal }, (stop) =>
        ask({ limit, takeTurn: () => takeTurn(stop) }, stop),
      );
      stopTimer?.();
      return await use(answer, signal);
    } finally {
      isOver = true;
      stopTimer?.();
      unlink?.();
      giveBack?.();
    }
  }

  const get = <T>(url: string, options: HttpOptions, limit: BodyLimit, use: UseOfBytes<T>): Promise<T> => {
    const { headers = {}, accept = "application/json", askAgain = false } = options;
    const asked = { askAgain, method: "GET", headers: { accept, ...headers }, body: null } as const;
    const hasLogin = Object.keys(headers).length > 0;
    const ask = (sent: Pick<Sent, "limit" | "takeTurn">, stop: AbortSignal) =>
      follow(send, new URL(url), { ...asked, ...sent }, hasLogin, stop);
    return exchange(options, limit, ask, use);
  };

  const textLimit = ({ maxBytes = maxTextBytes }: HttpOptions): BodyLimit => ({ bytes: maxBytes });

  const post = (url: string, contentType: string, body: string, options: HttpOptions) => {
    const headers = { ...options.headers, "content-type": contentType };
    const asked = { askAgain: false, method: "POST", headers, body } as const;
    const ask = (sent: Pick<Sent, "limit" | "takeTurn">, stop: AbortSignal) =>
      send(new URL(url), { ...asked, ...sent }, stop);
    return exchange(options, textLimit(options), ask, textOf);
  };

  return {
    connections,
    get: (url, options = {}) => get(url, options, textLimit(options), textOf),
    getList: (url, options, use) => get(url, options, listLimit(maxAnswerBytes, options), use),
    postForm: (url, fields, options = {}) =>
      post(url, "application/x-www-form-urlencoded", new URLSearchParams(fields).toString(), options),
    postJson: (url, body, options = {}) => post(url, "application/json", JSON.stringify(body), options),
  };
}

const tooSlow = (): HttpError =>
  new HttpError("unreachable", `the answer did not end within ${turnMs / 1_000} s`);

/** Of tests, and of whoever reads a registry without settings. */
const defaultLimits = createRegistryLimits();

const textOf = async ({ bytes, ...head }: HttpBytes): Promise<HttpAnswer> => ({
  ...head,
  text: bytes.toString("utf8"),
});

function listLimit(maxAnswerBytes: number, { isOfFleet }: ListOptions): BodyLimit {
  return isOfFleet
    ? { bytes: maxAnswerBytes, setting: "which is --max-answer-bytes" }
    : { bytes: Math.floor(maxAnswerBytes / 4), setting: "which is a quarter of --max-answer-bytes" };
}

async function follow(
  send: Send,
  first: URL,
  sent: Sent,
  hasLogin: boolean,
  stop: AbortSignal,
): Promise<HttpBytes> {
  let url = first;
  for (let hops = 0; hops <= maxRedirects; hops++) {
    const answer = await send(url, sent, stop).catch((error: unknown) => {
      throw hops === 0 ? error : redirected(url, error);
    });
    const { location } = answer.headers;
    if (location === undefined || !redirects.has(answer.status))
      return url.origin === first.origin ? answer : { ...answer, redirectedTo: url.origin };
    url = target(location, url);
    if (url.origin !== first.origin && hasLogin)
      throw new HttpError("redirected", `redirected to ${url.origin}, where the login is not sent`);
  }
  throw new HttpError("bad-answer", `more than ${maxRedirects} redirects`);
}

type Limited = <T>(options: HttpOptions, exchange: (limit: AbortSignal) => Promise<T>) => Promise<T>;

/**
 * Runs an exchange with a signal that aborts with the client's signal, with the exchange's own, or with an HttpError
 * when time is up.
 */
function createLimiter(memory: SharedMemory, clock: Clock, signal: AbortSignal): Limited {
  const running = new Set<AbortController>();
  const stop = (): void => {
    for (const limit of running) limit.abort(signal.reason);
  };
  signal.addEventListener("abort", stop, { once: true });
  return async ({ timeoutMs = defaultTimeoutMs, signal: own }, exchange) => {
    signal.throwIfAborted();
    own?.throwIfAborted();
    const limit = new AbortController();
    const unlink = own && linkAbort(own, limit);
    const late = (): void => {
      const within = `within ${timeoutMs / 1_000} s`;
      const what = memory.isAwaitedBy(limit.signal)
        ? `no room for the answer ${within}, because the answers of other hubs take all memory for answers`
        : `no answer ${within}`;
      limit.abort(new HttpError("unreachable", what));
    };
    const stopTimer = clock.after(timeoutMs, late);
    running.add(limit);
    try {
      return await unlessAborted(exchange(limit.signal), limit.signal);
    } catch (error) {
      throw limit.signal.aborted ? limit.signal.reason : httpError(error);
    } finally {
      stopTimer();
      unlink?.();
      running.delete(limit);
    }
  };
}

type Send = (url: URL, sent: Sent, stop: AbortSignal) => Promise<HttpBytes>;

/** Sends one request and reads its whole answer, whatever its status; and counts its connections. */
function createTransport(options: HttpClientOptions, clock: Clock, signal: AbortSignal) {
  let count = 0;
  const agent = openAgent(options, clock, signal, () => count++);
  const close = (): void => void agent.destroy();
  signal.addEventListener("abort", close, { once: true });
  const send: Send = async (url, { method, headers, body, askAgain, limit, takeTurn }, stop) => {
    const request = () =>
      agent.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method,
        headers: { "accept-encoding": "gzip", "user-agent": "registryhub", ...headers },
        body,
        signal: stop,
      });
    const answer = await request().catch((error: unknown) => {
      if (askAgain && !stop.aborted && isClosed(error)) return request();
      throw error;
    });
    const flat = flatHeaders(answer.headers);
    const bytes = await readBody(answer.body, flat["content-encoding"], limit, takeTurn);
    return { status: answer.statusCode, headers: flat, bytes };
  };
  return { send, connections: () => count };
}

const isClosed = (error: unknown): boolean =>
  ["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"].includes((error as NodeJS.ErrnoException).code ?? "");

function openAgent(options: HttpClientOptions, clock: Clock, signal: AbortSignal, opened: () => void): Agent {
  const { tls = {}, limits = defaultLimits } = options;
  const dial = createDialer(tls, clock, signal, limits.allowedCidrs);
  return new Agent({
    connections: options.connections ?? defaultConnections,
    ...(options.keepAliveMs !== undefined && { keepAliveTimeout: options.keepAliveMs }),
    allowH2: options.tls?.protocols?.includes("h2") ?? false,
    h2Options: { maxConcurrentStreams: maxStreams, pingInterval: 0 },
    // The request's own time limit is the only one.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect({ hostname, protocol, port }, settle) {
      const secure = protocol === "https:";
      const endpoint = { host: hostname, port: Number(port || (secure ? 443 : 80)), secure };
      dial(endpoint).then(
        (socket) => {
          opened();
          settle(null, socket);
        },
        (error: unknown) => settle(error as Error, null),
      );
    },
  });
}

/** @throws HttpError when the target is not a URL, or would leave https. */
function target(location: string, from: URL): URL {
  const url = URL.parse(location, from.href);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new HttpError("bad-answer", "redirected to something that is not http or https");
  if (from.protocol === "https:" && url.protocol === "http:")
    throw new HttpError("bad-answer", `redirected from https to ${url.origin}`);
  return url;
}

function redirected(to: URL, error: unknown): HttpError {
  const { kind, message } = httpError(error);
  return new HttpError(kind, `redirected to ${to.origin}: ${message}`, { cause: error });
}

function flatHeaders(headers: Dispatcher.ResponseData["headers"]): HttpAnswer["headers"] {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(", ") : value;
  return flat;
}

/**
 * Besides network errors, undici throws its parser's errors, and an AssertionError when an answer breaks its
 * assumptions (the status line "HTTP/1.1 0 ", measured on Nacos). Those errors blame the answer, not the network.
 */
function httpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof BadTlsOptionsError)
    return new HttpError("bad-tls-options", error.message, { cause: error });
  const { code = "" } = error as NodeJS.ErrnoException;
  if (code === "UND_ERR_INVALID_ARG") {
    const message = "a value of the Secret has characters that an HTTP header cannot carry";
    return new HttpError("bad-header", message); // the library's message may quote it
  }
  if (code === "UND_ERR_SOCKET" || code === "UND_ERR_INFO")
    return new HttpError("unreachable", "connection closed", { cause: error });
  const isOfNetwork = error instanceof DialRefusedError || (error instanceof Error && error.name === "Error");
  if (!isOfNetwork) return new HttpError("bad-answer", "the answer is not HTTP", { cause: error });
  return new HttpError("unreachable", describeNetworkError(error), { cause: error });
}
