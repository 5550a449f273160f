import type { Dispatcher } from "undici";
import { linkAbort, unlessAborted } from "../runtime/abort.ts";
import type { Clock, Deps } from "../runtime/deps.ts";
import { untilFree } from "../runtime/slices.ts";
import { type ApiEndpoint, type ConnectorOptions, createConnector } from "./connection.ts";
import { KubeError, refused, unreachable } from "./errors.ts";
import { kubeconfigProblem } from "./kubeconfig.ts";
import type { Dispatchers } from "./pool.ts";
import { createSemaphore } from "./semaphore.ts";

const defaultTimeoutMs = 30_000;

export interface ClientOptions extends ConnectorOptions {
  /** Limit of concurrent writes and of connections; watches do not count. */
  readonly concurrency: number;
}

export interface KubeRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** From `collectionPath` or `objectPath`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly contentType?: string;
  /** For a stream: a signal of its own, which keeps a listener. */
  readonly signal: AbortSignal;
  /** From the look at the kubeconfig to the end of the answer; default 30 s. */
  readonly timeoutMs?: number;
}

/** The only way to the API server. It never retries, because the caller knows whether to ask again (`retryDelay`). */
export interface KubeClient {
  /**
   * The answer's JSON, which the caller casts.
   * @throws KubeError for every refusal, silence and unreadable answer; the signal's reason when it aborts.
   */
  request<T>(request: KubeRequest): Promise<T>;
  /**
   * The answer's body as it arrives, without a time limit; `timeoutMs` applies to its headers.
   * @throws KubeError as `request`; while reading, the error of the connection or the signal's reason.
   */
  stream(request: KubeRequest): Promise<AsyncIterable<Buffer>>;
  /** Closes every connection at once. */
  close(): Promise<void>;
}

/** Reads no file and opens no connection before the first request. */
export function createClient(options: ClientOptions, deps: Deps): KubeClient {
  const connector = createConnector(options, deps);
  const writes = createSemaphore(options.concurrency);

  async function connect(): Promise<ApiEndpoint> {
    try {
      return await connector.current();
    } catch (error) {
      throw new KubeError({ status: 0, reason: "BadKubeconfig", text: kubeconfigProblem(error) });
    }
  }

  /** Sends the request within its time limit and passes the body of a 2xx answer to `read`. */
  async function send<T>(
    request: KubeRequest,
    kind: keyof Dispatchers,
    read: (body: Body) => T,
  ): Promise<Awaited<T>> {
    const { signal, stopTimer, unlink } = startLimit(request, deps.clock);
    let origin = "the API server";
    try {
      const connection = await unlessAborted(connect(), signal); // a credential plugin may hang
      origin = connection.origin;
      const options = dispatchOptions(connection, request, signal);
      const { statusCode, headers, body } = await unlessAborted(
        connection.dispatchers[kind].request(options),
        signal,
      );
      if (statusCode >= 200 && statusCode < 300) return await read(body);
      if (statusCode === 401) connector.reload();
      throw refused(request, statusCode, await body.text(), headers["retry-after"]?.toString());
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw error instanceof KubeError ? error : unreachable(request, origin, error);
    } finally {
      stopTimer();
      if (kind === "requests") unlink(); // the reader of a watch ends it with the signal
    }
  }

  return {
    async request<T>(request: KubeRequest): Promise<T> {
      const leave = request.method === "GET" ? undefined : await writes.enter(request.signal);
      try {
        return await send(request, "requests", async (body) => {
          const text = await body.text();
          await untilFree(deps.clock); // as many answers as there are connections may come at once
          return parse<T>(request, text);
        });
      } finally {
        leave?.();
      }
    },
    stream: (request) => send(request, "watches", (body) => body),
    close: () => connector.close(),
  };
}

type Body = Dispatcher.ResponseData["body"];

/**
 * A signal that aborts with the request's signal (until `unlink`), or with a KubeError when time is up (until
 * `stopTimer`).
 */
interface Limit {
  readonly signal: AbortSignal;
  readonly stopTimer: () => void;
  readonly unlink: () => void;
}

function startLimit(request: KubeRequest, clock: Clock): Limit {
  const { signal, timeoutMs = defaultTimeoutMs } = request;
  const controller = new AbortController();
  const unlink = linkAbort(signal, controller);
  const text = `no answer within ${timeoutMs / 1_000} s`;
  const expire = (): void => controller.abort(new KubeError({ status: 0, reason: "Timeout", text }, request));
  return { signal: controller.signal, stopTimer: clock.after(timeoutMs, expire), unlink };
}

function dispatchOptions(
  { origin, pathPrefix, headers }: ApiEndpoint,
  { method, path, query, body, contentType = "application/json" }: KubeRequest,
  signal: AbortSignal,
): Dispatcher.RequestOptions {
  const search = query === undefined ? "" : `?${new URLSearchParams(query).toString()}`;
  return {
    origin,
    path: `${pathPrefix}${path}${search}`,
    method,
    headers: {
      ...headers,
      accept: "application/json",
      ...(body !== undefined && { "content-type": contentType }),
    },
    body: body === undefined ? null : JSON.stringify(body),
    signal,
  };
}

/** The error never quotes the text, because it is an object and might be a Secret. */
function parse<T>(request: KubeRequest, text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new KubeError(
      { status: 0, reason: "BadAnswer", text: "the API server's answer is not JSON" },
      request,
    );
  }
}
