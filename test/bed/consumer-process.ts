import { join } from "node:path";
import { converse } from "./conversation.ts";
import { awaitReady, type ServerProgram, startServerProcess } from "./server-process.ts";
import { temporaryFolder } from "./watchdog.ts";

/** What a call answered. */
export interface Answer {
  /** Its first 200 characters. */
  readonly text: string;
  /** Of the whole, in characters. */
  readonly length: number;
}

/** What came of calls: each that began is in flight, or counted once as ok or failed. */
export interface CallCounts {
  readonly ok: number;
  readonly failed: number;
  readonly inFlight: number;
  /** How often each text was the answer (its first 200 characters); the 101st text and later ones are `(others)`. */
  readonly answers: Readonly<Record<string, number>>;
  readonly errors: readonly CallErrors[];
  /** The longest time without a good answer: since the start, between two, and until now or the last call's end. */
  readonly longestGapMs: number;
  /** How long good answers took; nothing without one. */
  readonly latencyMs: { readonly p50?: number; readonly p99?: number; readonly max?: number };
}

/** The calls that failed alike. */
export interface CallErrors {
  /** `<what the library threw>: <what is at its root>`, with `#` for times, ids and ports. */
  readonly message: string;
  readonly count: number;
  /** The first one, whole. */
  readonly example: string;
  /** Milliseconds since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
}

/** Calls that go on. */
export interface CallLoop {
  /** So far. */
  counts(): Promise<CallCounts>;
  /** Begins no further call and waits for those in flight. Returns the counts of all. */
  stop(): Promise<CallCounts>;
}

/** How many calls a loop makes. */
export interface Pace {
  readonly perSecond: number;
  /** How many calls are in flight at most. Default 1. A call that takes longer than its turn costs turns: there is no catching up. */
  readonly parallel?: number;
}

/** A program of its own that makes calls; what a call is, is the kind's. Disposal kills it. */
export interface ConsumerProcess<Call> extends AsyncDisposable {
  /** One call. @throws Error with what the library said. */
  call(call: Call): Promise<Answer>;
  /** As many calls as fast as `parallel` threads (default 1) make them. */
  calls(call: Call, times: number, parallel?: number): Promise<CallCounts>;
  /** Calls at a steady rate until it is stopped. */
  loop(call: Call, pace: Pace): Promise<CallLoop>;
  /** SIGTERM: it closes its connections and ends. */
  stop(): Promise<void>;
  /** kill -9. */
  kill(): Promise<void>;
}

/** How it is started: a program that reads requests from stdin as `java/calls/…/Consumer.java` does. */
export interface ConsumerPlan<Call> extends Pick<ServerProgram, "name" | "command"> {
  /** Given the folder in which it runs, and which goes with it. */
  readonly args: (folder: string) => readonly string[];
  /** The call as the program takes it. */
  readonly describe: (call: Call) => object;
}

const STOP_MS = 30_000;

/** Starts a consumer; returns when it is ready for calls. */
export async function startConsumer<Call>(plan: ConsumerPlan<Call>): Promise<ConsumerProcess<Call>> {
  const { args, describe, ...program } = plan;
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("consumer")).path;
  const conversation = converse(plan.name);
  const server = await startServerProcess({
    ...program,
    args: args(folder),
    cwd: folder,
    logFile: join(folder, "consumer.log"),
    talk: conversation.begin,
  });
  starting.defer(() => server.kill());
  const ask = async <T>(request: object) => (await conversation.ask(server, request)) as T;
  let ready = false;
  void ask({ do: "ready" }).then(
    () => {
      ready = true;
    },
    () => {}, // it has ended, which awaitReady tells with its log
  );
  await awaitReady(plan.name, server, () => ready);
  const owned = starting.move();
  let loops = 0;
  return {
    call: (call) => ask({ do: "call", call: describe(call) }),
    calls: (call, times, parallel = 1) => ask({ do: "calls", call: describe(call), times, parallel }),
    async loop(call, { perSecond, parallel = 1 }) {
      const loop = `loop ${++loops}`;
      await ask({ do: "start", loop, call: describe(call), perSecond, parallel });
      return { counts: () => ask({ do: "read", loop }), stop: () => ask({ do: "stop", loop }) };
    },
    stop: () => server.terminate(STOP_MS),
    kill: () => server.kill(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
