import type { RequestOptions } from "node:https";
import type { KubeConfig } from "@kubernetes/client-node";
import type { Deps } from "../runtime/deps.ts";
import { type KubeconfigPlaces, loadKubeConfig } from "./kubeconfig.ts";
import { createPool, type Dispatchers } from "./pool.ts";

const refreshMs = 10_000;
const reloadMs = 1_000;

/** The current way to the API server. */
export interface ApiEndpoint {
  /** "https://10.0.0.1:6443". */
  readonly origin: string;
  /** The prefix of every path; "" unless the server is behind a gateway. */
  readonly pathPrefix: string;
  /** Credentials and User-Agent. Never logged. */
  readonly headers: Readonly<Record<string, string>>;
  readonly dispatchers: Dispatchers;
}

export interface ConnectorOptions extends KubeconfigPlaces {
  readonly userAgent: string;
  /** Limit of connections, not counting those of watches. */
  readonly concurrency: number;
  /** Called when each write goes out on its connection. If it throws, nothing is sent, and the write fails with that error. */
  readonly beforeWrite?: () => void;
}

export interface Connector {
  /** @throws the error of the kubeconfig, its files or its credential plugin. */
  current(): Promise<ApiEndpoint>;
  /** Drops the cached credentials after the server refused them, so that the next request re-reads them. */
  reload(): void;
  /** Closes every connection at once. */
  close(): Promise<void>;
}

/**
 * Keeps one connection pool and follows the kubeconfig. It re-reads tokens, certificates and the CA every 10 s. If
 * the CA or the client certificate changed, a new pool replaces the old one, which first finishes its requests.
 */
export function createConnector(options: ConnectorOptions, deps: Deps): Connector {
  const pool = createPool(options.concurrency, deps.logger, options.beforeWrite ?? (() => undefined));
  let config: KubeConfig | undefined;
  let current: Promise<ApiEndpoint> | undefined;
  let refreshAt = 0;
  let reloadAt = 0;

  async function refresh(): Promise<ApiEndpoint> {
    config ??= loadKubeConfig(options);
    const cluster = config.getCurrentCluster();
    if (cluster === null) throw new Error("the kubeconfig has no current cluster");
    const https: RequestOptions = {};
    await config.applyToHTTPSOptions(https);
    const { origin, pathname } = new URL(cluster.server);
    return {
      origin,
      pathPrefix: pathname.replace(/\/$/, ""),
      headers: { ...headersOf(https), "user-agent": options.userAgent },
      dispatchers: pool.with(https, cluster.proxyUrl),
    };
  }

  return {
    async current() {
      if (current === undefined || deps.clock.monotonic() >= refreshAt) {
        refreshAt = deps.clock.monotonic() + refreshMs;
        current = refresh();
      }
      try {
        return await current;
      } catch (error) {
        current = undefined;
        throw error;
      }
    },
    reload() {
      if (deps.clock.monotonic() < reloadAt) return;
      reloadAt = deps.clock.monotonic() + reloadMs;
      config = undefined;
      current = undefined;
    },
    close: () => pool.close(),
  };
}

function headersOf({ headers, auth }: RequestOptions): Record<string, string> {
  const pairs = Object.entries(headers ?? {}).map(([name, value]) => [
    name.toLowerCase(),
    String(value).trim(),
  ]);
  if (auth) pairs.push(["authorization", `Basic ${Buffer.from(auth).toString("base64")}`]);
  return Object.fromEntries(pairs);
}
