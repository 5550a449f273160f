import { createHash } from "node:crypto";
import type { RequestOptions } from "node:https";
import { Agent, type Dispatcher, ProxyAgent } from "undici";
import type { Logger } from "../runtime/deps.ts";

/** Watches have their own connections: they never end, so nothing may wait for them. */
export interface Dispatchers {
  readonly requests: Dispatcher;
  readonly watches: Dispatcher;
}

/** The connections to one API server. A new way to it replaces all of them. */
export interface Pool {
  /** The connections with these certificates, through this proxy. Requests on older connections finish there. */
  with(tls: RequestOptions, proxyUrl: string | undefined): Dispatchers;
  /** Closes every connection at once. */
  close(): Promise<void>;
}

/** `connections` limits the connections for requests. Calls `beforeWrite` as ClientOptions says. */
export function createPool(connections: number, logger: Logger, beforeWrite: () => void): Pool {
  const open = new Set<Dispatcher>();
  let newest: ({ readonly key: string } & Dispatchers) | undefined;

  function add(dispatcher: Dispatcher): Dispatcher {
    open.add(dispatcher);
    return dispatcher;
  }

  function retire(old: Dispatcher): void {
    old.close().then(
      () => open.delete(old),
      (error: unknown) => logger.warn("closing old API server connections failed", { error }),
    );
  }

  return {
    with(options, proxyUrl) {
      const tls = tlsOf(options);
      const key = createHash("sha256")
        .update(JSON.stringify([tls, proxyUrl]))
        .digest("hex");
      if (newest?.key === key) return newest;
      for (const old of open) retire(old);
      newest = {
        key,
        requests: add(openDispatcher(tls, proxyUrl, connections)).compose(asking(beforeWrite)),
        watches: add(openDispatcher(tls, proxyUrl, null)),
      };
      return newest;
    },
    async close() {
      await Promise.all([...open].map((dispatcher) => dispatcher.destroy()));
    },
  };
}

/**
 * Calls `beforeWrite` when a write goes out on its connection, and not when undici is given it: undici keeps every request
 * until the end of the turn of the event loop, or until a connection is free, and the process may be stopped in between.
 */
function asking(beforeWrite: () => void): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) => {
    if (options.method === "GET") return dispatch(options, handler);
    return dispatch(options, {
      onRequestStart(controller, context) {
        beforeWrite(); // undici fails the request with what it throws, and sends nothing
        handler.onRequestStart?.(controller, context);
      },
      onResponseStart: (...args) => handler.onResponseStart?.(...args),
      onResponseData: (...args) => handler.onResponseData?.(...args),
      onResponseEnd: (...args) => handler.onResponseEnd?.(...args),
      onResponseError: (...args) => handler.onResponseError?.(...args),
    });
  };
}

type TlsOptions = Pick<RequestOptions, "ca" | "cert" | "key" | "servername" | "rejectUnauthorized">;

function tlsOf({ ca, cert, key, servername, rejectUnauthorized }: RequestOptions): TlsOptions {
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(servername !== undefined && { servername }),
    ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
  };
}

/**
 * HTTP/1.1, because it is faster here than one HTTP/2 connection. No time limits, because every request has its own.
 */
function openDispatcher(
  tls: TlsOptions,
  proxyUrl: string | undefined,
  connections: number | null,
): Dispatcher {
  const options = {
    connections,
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    // Shorter than the 90 s after which the API server closes idle connections.
    keepAliveTimeout: 60_000,
    keepAliveMaxTimeout: 60_000,
  };
  if (proxyUrl !== undefined) return new ProxyAgent({ ...options, uri: proxyUrl, requestTls: tls });
  return new Agent({
    ...options,
    connect: { ...tls, timeout: 10_000, keepAlive: true, keepAliveInitialDelay: 30_000 },
  });
}
