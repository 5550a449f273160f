import type { Snapshot } from "../../model/service.ts";
import type { Deps } from "../../runtime/deps.ts";
import type { RegistryAdapter, RegistryConfig } from "../adapter.ts";
import { tlsOptionsOf } from "../transport/dialer.ts";
import { createHttpClient } from "../transport/http-client.ts";
import { polls } from "../transport/polling.ts";
import { type HttpServer, parseServerUrls, tryAny } from "../transport/servers.ts";
import { createEurekaApi } from "./api.ts";
import { EurekaReader } from "./state.ts";

/** Of Spring Cloud's server; Netflix' own has /eureka/v2. Source: EurekaConstants.DEFAULT_PREFIX of spring-cloud-netflix. */
const defaultPath = "/eureka";
const advice = "Write spec.address as http://eureka:8761/eureka, several servers separated by commas.";

/** Reads `http://a:8761/eureka/,https://b:8761/eureka`: what Eureka's clients call defaultZone. @throws RegistryError InvalidSpec. */
export const parseEurekaAddress = (address: string): readonly HttpServer[] =>
  parseServerUrls(address, defaultPath, advice);

/**
 * Polls the applications of a Eureka server, which does not report changes. Each watch stays with one server, the
 * first in random order that answers; its peers may be behind it. docs/registries/eureka.md describes what it reads
 * and why.
 */
export function createEurekaAdapter(config: RegistryConfig<"eureka">, deps: Deps): RegistryAdapter {
  return { watch: (signal) => watch(config, deps, signal) };
}

function watch(
  { registry, credentials, wants }: RegistryConfig<"eureka">,
  deps: Deps,
  signal: AbortSignal,
): AsyncGenerator<Snapshot> {
  const open = (stop: AbortSignal) => {
    const servers = parseEurekaAddress(registry.address);
    // One connection, so that a proxy that balances connections sends all requests of a round to one server.
    const http = createHttpClient(
      { tls: tlsOptionsOf(registry.tls, credentials), connections: 1 },
      deps.clock,
      stop,
    );
    const first = async (server: (typeof servers)[number]) => {
      const reader = new EurekaReader(createEurekaApi(http, server, credentials), wants);
      return { first: await reader.read(), next: () => reader.read() };
    };
    return tryAny(servers, first, deps);
  };
  // Measured start to start, minus up to 10 % jitter, so that hubs do not poll in step; never busy more than half the
  // time.
  const pauseMs = (tookMs: number): number =>
    Math.max(registry.pollIntervalMs * (0.9 + deps.random() / 10) - tookMs, tookMs);
  return polls(open, pauseMs, deps.clock, signal);
}
