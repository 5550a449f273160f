import { Agent, type Dispatcher } from "undici";
import { linkAbort, unlessAborted } from "../../runtime/abort.ts";
import type { Clock } from "../../runtime/deps.ts";
import { DialRefusedError, describeNetworkError } from "./dial.ts";
import { BadTlsOptionsError, createDialer, type TlsOptions } from "./dialer.ts";
import { decodeBody, readBody } from "./http-body.ts";
import { HttpError } from "./http-error.ts";

const defaultTimeoutMs = 10_000;
const defaultConnections = 20;
/** Room for 50,000 services, more than any measured registry answer. */
const defaultMaxBytes = 64 * 1024 * 1024;
const maxRedirects = 3;

const redirects = new Set([301, 302, 303, 307, 308]);

export interface HttpClientOptions {
  readonly tls?: TlsOptions;
  /** Limit of connections to one origin, and so of its requests in flight; default 20. */
  readonly connections?: number;
  /** Limit of a body, both as sent and as decoded; default 64 MiB. */
  readonly maxBytes?: number;
}

export interface HttpOptions {
  /** Sent only to the URL's own origin. */
  readonly headers?: Readonly<Record<string, string>>;
  /** From the call to the last byte, redirects included; default 10 s. */
  readonly timeoutMs?: number;
  /** Ends only this exchange, with its reason. */
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case; repeated headers are joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** The only way to a registry over HTTP. It never retries, because the caller knows whether to ask again. */
export interface HttpClient {
  /**
   * Follows up to three redirects: to another origin without the headers, and never from https to http.
   * @throws HttpError when there is no complete answer; the reason of the client's signal or of its own. A status is
   * never an error.
   */
  get(url: string, options?: HttpOptions): Promise<HttpAnswer>;
  /** As `get`, but returns a redirect as it is, because a form is meant for one server only. */
  postForm(url: string, fields: Readonly<Record<string, string>>, options?: HttpOptions): Promise<HttpAnswer>;
  /** As `postForm`, with a body of JSON. */
  postJson(url: string, body: unknown, options?: HttpOptions): Promise<HttpAnswer>;
}

interface Sent {
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

/**
 * A client for one watch; every connection closes when `signal` aborts. `resolveDialable` checks each new connection,
 * also behind a redirect. HTTP/1.1 only. Idle connections close after 4 s (undici's default), before common servers
 * close them.
 */
export function createHttpClient(options: HttpClientOptions, clock: Clock, signal: AbortSignal): HttpClient {
  const send = createTransport(options, clock, signal);
  const limited = createLimiter(clock, signal);

  async function follow(first: URL, headers: Headers, limit: AbortSignal): Promise<HttpAnswer> {
    let url = first;
    for (let hops = 0; hops <= maxRedirects; hops++) {
      const isHome = url.origin === first.origin;
      const sent = { method: "GET", headers: isHome ? headers : {}, body: null } as const;
      const answer = await send(url, sent, limit).catch((error: unknown) => {
        throw hops === 0 ? error : redirected(url, error);
      });
      const { location } = answer.headers;
      if (location === undefined || !redirects.has(answer.status)) return answer;
      url = target(location, url);
    }
    throw new HttpError("bad-answer", `more than ${maxRedirects} redirects`);
  }

  const post = (
    url: string,
    contentType: string,
    body: string,
    options: HttpOptions,
  ): Promise<HttpAnswer> => {
    const sent = {
      method: "POST",
      headers: { ...options.headers, "content-type": contentType },
      body,
    } as const;
    return limited(options, (limit) => send(new URL(url), sent, limit));
  };

  return {
    get: (url, options = {}) =>
      limited(options, (limit) => follow(new URL(url), options.headers ?? {}, limit)),
    postForm: (url, fields, options = {}) =>
      post(url, "application/x-www-form-urlencoded", new URLSearchParams(fields).toString(), options),
    postJson: (url, body, options = {}) => post(url, "application/json", JSON.stringify(body), options),
  };
}

type Headers = Readonly<Record<string, string>>;
type Limited = <T>(options: HttpOptions, exchange: (limit: AbortSignal) => Promise<T>) => Promise<T>;

/**
 * Runs an exchange with a signal that aborts with the client's signal, with the exchange's own, or with an HttpError
 * when time is up.
 */
function createLimiter(clock: Clock, signal: AbortSignal): Limited {
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
    const late = (): void =>
      limit.abort(new HttpError("unreachable", `no answer within ${timeoutMs / 1_000} s`));
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

type Send = (url: URL, sent: Sent, limit: AbortSignal) => Promise<HttpAnswer>;

/** Sends one request and reads its whole answer, whatever its status. */
function createTransport(options: HttpClientOptions, clock: Clock, signal: AbortSignal): Send {
  const maxBytes = options.maxBytes ?? defaultMaxBytes;
  const agent = openAgent(options, clock, signal);
  const close = (): void => void agent.destroy();
  signal.addEventListener("abort", close, { once: true });
  return async (url, { method, headers, body }, limit) => {
    const answer = await agent.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method,
      headers: { "accept-encoding": "gzip", "user-agent": "registryhub", ...headers },
      body,
      signal: limit,
    });
    const flat = flatHeaders(answer.headers);
    const bytes = await readBody(answer.body as AsyncIterable<Buffer>, maxBytes);
    return {
      status: answer.statusCode,
      headers: flat,
      text: await decodeBody(bytes, flat["content-encoding"], maxBytes),
    };
  };
}

function openAgent(options: HttpClientOptions, clock: Clock, signal: AbortSignal): Agent {
  const dial = createDialer(options.tls ?? {}, clock, signal);
  return new Agent({
    connections: options.connections ?? defaultConnections,
    allowH2: false,
    // The request's own time limit is the only one.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect({ hostname, protocol, port }, settle) {
      const secure = protocol === "https:";
      const endpoint = { host: hostname, port: Number(port || (secure ? 443 : 80)), secure };
      dial(endpoint).then(
        (socket) => settle(null, socket),
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
  if (code === "UND_ERR_SOCKET") return new HttpError("unreachable", "connection closed", { cause: error });
  const isOfNetwork = error instanceof DialRefusedError || (error instanceof Error && error.name === "Error");
  if (!isOfNetwork) return new HttpError("bad-answer", "the answer is not HTTP", { cause: error });
  return new HttpError("unreachable", describeNetworkError(error), { cause: error });
}
