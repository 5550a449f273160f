import type { Tools } from "../../src/controllers/writes/object-writer.ts";
import type { EventNote } from "../../src/kube/events.ts";
import { createHubMetrics, type HubMetrics } from "../../src/runtime/metrics.ts";
import { inProcessClient } from "../fakes/api-server/in-process.ts";
import { createFakeApiServer, type FakeApiServer } from "../fakes/api-server/server.ts";
import { type FakeClock, fakeClock } from "./fake-clock.ts";

/** What a worker that writes works with, and what it has told so far. */
export interface WriterTools {
  readonly clock: FakeClock;
  /** It has the namespace `demo`. */
  readonly api: FakeApiServer;
  readonly tools: Tools<HubMetrics>;
  /** The level, the message and the fields of each line of the log. */
  readonly lines: readonly (readonly [string, string, object | undefined])[];
  readonly notes: readonly EventNote[];
  /** Namespaces. */
  readonly recalled: readonly string[];
  /** The value of a series of /metrics, e.g. `vip_pool_size`; undefined = there is none. */
  metric(series: string): Promise<string | undefined>;
}

export function writerTools(): WriterTools {
  const clock = fakeClock();
  const api = createFakeApiServer(clock);
  api.person.createNamespace("demo");
  const [lines, notes, recalled]: [[string, string, object | undefined][], EventNote[], string[]] = [
    [],
    [],
    [],
  ];
  const at = (level: string) => (message: string, fields?: object) =>
    void lines.push([level, message, fields]);
  const logger = {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: () => logger,
  };
  const metrics = createHubMetrics(clock);
  const tools = {
    client: inProcessClient(api, { user: "registryhub", userAgent: "test", concurrency: 4 }, clock),
    events: { record: (note: EventNote) => void notes.push(note) },
    metrics,
    deps: { clock, random: () => 0.5, logger },
    signal: new AbortController().signal,
    recall: (namespace: string) => void recalled.push(namespace),
  };
  const metric = async (series: string): Promise<string | undefined> => {
    const all = (await metrics.render()).split("\n");
    return all
      .find((line) => line.startsWith(`registryhub_${series} `))
      ?.split(" ")
      .at(-1);
  };
  return { clock, api, tools, lines, notes, recalled, metric };
}
