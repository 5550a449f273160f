import { RegistryError } from "../../model/errors.ts";
import type { Deps } from "../../runtime/deps.ts";
import { type ConsulApi, TooManyConnectionsError } from "./api.ts";

/** A query with a quicker answer is not repeated at once. */
const quickMs = 1_000;
const minPauseMs = 20;
const maxPauseMs = 1_000;
/** The pause when the server has no free connection. */
const crowdedMs = 1_000;
const crowdedTries = 10;

/**
 * Returns a function that a loop calls after each answer. If the answer came soon after the previous one, it pauses
 * for 20 ms to 1 s, longer with each such answer. So an index that moves all the time does not make a busy loop.
 * @throws the signal's reason.
 */
export function createThrottle({ clock, random }: Deps, signal: AbortSignal): () => Promise<void> {
  let answeredAt = clock.monotonic();
  let pauseMs = minPauseMs;
  return async () => {
    const isQuick = clock.monotonic() - answeredAt < quickMs;
    pauseMs = isQuick ? Math.min(pauseMs * 2, maxPauseMs) : minPauseMs;
    if (isQuick) await clock.sleep(pauseMs * (0.5 + random() / 2), signal);
    answeredAt = clock.monotonic();
  };
}

/**
 * As `api`, but waits until the server has a free connection, and calls `onCrowded` each time it has none. @throws
 * RegistryError after about ten seconds.
 */
export function withConnectionRetry(
  api: ConsulApi,
  onCrowded: () => void,
  deps: Deps,
  signal: AbortSignal,
): ConsulApi {
  const patiently = async <T>(request: () => Promise<T>): Promise<T> => {
    for (let tries = 1; ; tries++) {
      try {
        return await request();
      } catch (error) {
        if (!(error instanceof TooManyConnectionsError)) throw error;
        if (tries === crowdedTries) throw crowded(error);
        onCrowded();
        await deps.clock.sleep(crowdedMs * (0.5 + deps.random()), signal);
      }
    }
  };
  return {
    server: api.server,
    ask: (question) => patiently(() => api.ask(question)),
    waitFor: (question, wait) => patiently(() => api.waitFor(question, wait)),
    mayRead: (rights) => patiently(() => api.mayRead(rights)),
  };
}

function crowded(cause: TooManyConnectionsError): RegistryError {
  const advice = "Raise limits.http_max_conns_per_client on the server; each hub uses up to 111 connections.";
  const detail = `${cause.message}: HTTP 429, too many connections from this address`;
  return new RegistryError("RegistryUnreachable", detail, advice, { cause });
}
