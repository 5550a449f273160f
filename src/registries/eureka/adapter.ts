import type { Snapshot } from "../../model/service.ts";
import type { Clock, Deps } from "../../runtime/deps.ts";
import type { RegistryAdapter, RegistryConfig, RegistryTypeTraits } from "../adapter.ts";
import { tlsOptionsOf } from "../transport/dialer.ts";
import { createHttpClient } from "../transport/http-client.ts";
import { polls } from "../transport/polling.ts";
import { type HttpServer, parseServerUrls, shuffled, tryAll } from "../transport/servers.ts";
import { createEurekaApi } from "./api.ts";
import { EurekaReader } from "./state.ts";

/** Of Spring Cloud's server; Netflix' own has /eureka/v2. Source: EurekaConstants.DEFAULT_PREFIX of spring-cloud-netflix. */
const defaultPath = "/eureka";
const advice = "Write spec.address as http://eureka:8761/eureka, several servers separated by commas.";
/** A list takes half a second at 10,000 instances; of several servers, one that is silent must not cost the others more. */
const oneOfManyMs = 5_000;

/** A connection is kept for longer than any pause between two polls. */
const idleMs = 10_000;

/** Reads `http://a:8761/eureka/,https://b:8761/eureka`: what Eureka's clients call defaultZone. @throws RegistryError InvalidSpec. */
export const parseEurekaAddress = (address: string): readonly HttpServer[] =>
  parseServerUrls(address, defaultPath, advice);

/**
 * Polls the applications of a Eureka server, which does not report changes. Each watch asks all servers of the address
 * once, and stays with the one that knows most; its peers may be behind it. docs/registries/eureka.md describes what it
 * reads and why.
 */
export function createEurekaAdapter(config: RegistryConfig<"eureka">, deps: Deps): RegistryAdapter {
  return { watch: (signal) => watch(config, deps, signal) };
}

function watch(config: RegistryConfig<"eureka">, deps: Deps, signal: AbortSignal): AsyncGenerator<Snapshot> {
  const { registry, credentials } = config;
  const open = async (stop: AbortSignal) => {
    const servers = parseEurekaAddress(registry.address);
    const options = {
      tls: tlsOptionsOf(registry.tls, credentials),
      // One connection, kept from one poll to the next, so that what balances connections stays with one server.
      connections: 1,
      limits: deps.limits,
      keepAliveMs: 2 * registry.pollIntervalMs + idleMs,
    };
    const http = createHttpClient(options, deps.clock, stop);
    const listMs = servers.length > 1 ? oneOfManyMs : undefined;
    const answered = await tryAll(shuffled(servers, deps), async (server) => {
      const reader = new EurekaReader(createEurekaApi(http, server, credentials, listMs), config, deps.clock);
      const next = () => readPatiently(reader, registry.pollIntervalMs, deps.clock, stop);
      return { first: await reader.read(), next, rank: reader.rank };
    });
    return answered.reduce((best, one) => (isBetter(one.rank, best.rank) ? one : best));
  };
  // Measured start to start, minus up to 10 % jitter, so that hubs do not poll in step; never busy more than half the
  // time.
  const pauseMs = (tookMs: number): number =>
    Math.max(registry.pollIntervalMs * (0.9 + deps.random() / 10) - tookMs, tookMs);
  return polls(open, pauseMs, deps.clock, signal);
}

/** What fails is read again for the time of two polls, and not for longer than this. */
const maxPatienceMs = 10_000;

/**
 * Reads once more each fifth of a poll interval while a failure may pass. Otherwise every hiccup would end the watch, and
 * nothing would be believed to be gone for 120 s. @throws the last failure.
 */
async function readPatiently(
  reader: EurekaReader,
  pollIntervalMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<Snapshot | undefined> {
  const patienceMs = Math.min(2 * pollIntervalMs, maxPatienceMs);
  const giveUpAt = clock.monotonic() + patienceMs;
  for (;;) {
    try {
      return await reader.read();
    } catch (error) {
      if (clock.monotonic() >= giveUpAt || !reader.mayReadAgain(error)) throw error;
    }
    await clock.sleep(patienceMs / 10, signal);
  }
}

type Rank = EurekaReader["rank"];

/** Whether one peer's first answer is to be preferred to another's. */
const isBetter = (one: Rank, other: Rank): boolean =>
  one.isYoung === other.isYoung ? one.instances > other.instances : other.isYoung;

/** Settling: a restarted server lists a part for up to 90 s, with heartbeats every 30 s. Source: docs/registries/eureka.md. */
export const eureka: RegistryTypeTraits<"eureka"> = {
  create: createEurekaAdapter,
  settleMs: 120_000,
  settleAfterLossMs: 120_000,
};
