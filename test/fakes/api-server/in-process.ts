import type { KubeClient, KubeRequest } from "../../../src/kube/client.ts";
import { KubeError, refused, unreachable } from "../../../src/kube/errors.ts";
import { createSemaphore } from "../../../src/kube/semaphore.ts";
import type { Clock } from "../../../src/runtime/deps.ts";
import type { Answer } from "./answer.ts";
import { copied } from "./fields.ts";
import { parseRequest } from "./request.ts";
import type { FakeApiServer } from "./server.ts";
import type { SentEvent, WatchStream } from "./watch-stream.ts";

const origin = "fake://api-server";
const defaultTimeoutMs = 30_000;

/** As whom the client speaks. */
export interface ClientIdentity {
  readonly user: string;
  readonly userAgent: string;
  /** Writes in flight at once. */
  readonly concurrency: number;
}

/** A KubeClient without a socket: it promises what `createClient` does, and its time is the clock's. */
export function inProcessClient(server: FakeApiServer, identity: ClientIdentity, clock: Clock): KubeClient {
  const { user, userAgent, concurrency } = identity;
  const closing = new AbortController();
  const writes = createSemaphore(concurrency);

  /** The answer, unless time is up, the signal aborts, or the client is closed before. */
  async function ask(request: KubeRequest): Promise<Answer> {
    const { timeoutMs = defaultTimeoutMs, method, path, query, contentType, body } = request;
    const signal = AbortSignal.any([request.signal, closing.signal]);
    signal.throwIfAborted();
    const text = `no answer within ${timeoutMs / 1_000} s`;
    const over = Promise.withResolvers<never>();
    const stopTimer = clock.after(timeoutMs, () =>
      over.reject(new KubeError({ status: 0, reason: "Timeout", text }, request)),
    );
    const aborted = (): void => over.reject(signal.reason);
    signal.addEventListener("abort", aborted, { once: true });
    const raw = {
      method,
      path,
      user,
      userAgent,
      ...(query && { query }),
      ...(contentType && { contentType }),
    };
    try {
      const parsed = parseRequest({ ...raw, body: copied(body) });
      return await Promise.race([server.handle(parsed).catch(broken(request)), over.promise]);
    } finally {
      stopTimer();
      signal.removeEventListener("abort", aborted);
    }
  }

  async function accepted(request: KubeRequest): Promise<Answer> {
    const answer = await ask(request);
    if (answer.code < 300) return answer;
    const text = typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body);
    throw refused(request, answer.code, text, answer.headers?.["retry-after"]);
  }

  return {
    async request<T>(request: KubeRequest): Promise<T> {
      const leave = request.method === "GET" ? undefined : await writes.enter(request.signal);
      const { body } = await accepted(request).finally(leave);
      if (typeof body === "string")
        throw new KubeError(
          { status: 0, reason: "BadAnswer", text: "the API server answered something other than JSON" },
          request,
        );
      return copied(body) as T;
    },
    async stream(request) {
      const { watch } = await accepted(request);
      if (watch === undefined) throw new Error("only watches are streams");
      return linesOf(watch, AbortSignal.any([request.signal, closing.signal]));
    },
    async close() {
      closing.abort(new Error("the client is closed"));
    },
  };
}

const broken =
  (request: KubeRequest) =>
  (error: unknown): never => {
    throw unreachable(request, origin, error);
  };

/** @throws the signal's reason as soon as it aborts. */
async function* linesOf(watch: WatchStream, signal: AbortSignal): AsyncGenerator<Buffer> {
  const stop = (): void => watch.end(signal.reason as Error);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    for await (const events of watch) yield lines(events);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** As HTTP carries a watch. */
export function lines(events: readonly SentEvent[]): Buffer {
  return Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(""));
}
