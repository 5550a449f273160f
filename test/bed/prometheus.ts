import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { debianPackages } from "./debian.ts";
import { awaitReady, startServerProcess } from "./server-process.ts";
import { temporaryFolder } from "./watchdog.ts";

/** Paths of Prometheus' programs, those of the Debian that runs here; downloaded the first time. */
export async function prometheusPrograms(): Promise<Record<"prometheus" | "promtool", string>> {
  const folder = await debianPackages("prometheus", ["prometheus"]);
  const path = (program: string): string => join(folder, "usr", "bin", program);
  return { prometheus: path("prometheus"), promtool: path("promtool") };
}

/** What Prometheus asks for /metrics, with the labels that an installation gives its series. */
export interface ScrapeTarget {
  readonly port: number;
  readonly labels: Readonly<Record<"job" | "namespace" | "pod", string>>;
}

/** One series of an answer. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** An alert of the rules file. */
export interface AlertState {
  readonly name: string;
  readonly state: "inactive" | "pending" | "firing";
  /** "ok", once it has been evaluated. */
  readonly health: string;
  /** Of each alert that is pending or fires. */
  readonly labels: readonly Readonly<Record<string, string>>[];
}

/** A real Prometheus on 127.0.0.1, which scrapes and evaluates every second. */
export interface Prometheus extends AsyncDisposable {
  /** The present value of an expression. @throws Error with Prometheus' words if it is none. */
  query(expression: string): Promise<readonly Sample[]>;
  alerts(): Promise<readonly AlertState[]>;
}

interface Answer<T> {
  readonly error?: string;
  readonly data: T;
}

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly (Pick<AlertState, "name" | "state" | "health"> & {
      readonly alerts: readonly { readonly labels: Readonly<Record<string, string>> }[];
    })[];
  }[];
}

/** Starts it; returns when it answers. `rulesFile` is a file of rules as Prometheus reads it. */
export async function startPrometheus(
  targets: readonly ScrapeTarget[],
  rulesFile: string,
): Promise<Prometheus> {
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("prometheus")).path;
  const port = await freePort();
  const settings = {
    global: { scrape_interval: "1s", evaluation_interval: "1s" },
    rule_files: [rulesFile],
    scrape_configs: targets.map(({ port: from, labels: { job, ...labels } }) => ({
      job_name: job,
      static_configs: [{ targets: [`127.0.0.1:${from}`], labels }],
    })),
  };
  const configFile = join(folder, "prometheus.json");
  await writeFile(configFile, JSON.stringify(settings)); // JSON is YAML
  const { prometheus } = await prometheusPrograms();
  const server = await startServerProcess({
    name: "Prometheus",
    command: prometheus,
    args: [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    cwd: folder,
    logFile: join(folder, "log"),
  });
  starting.defer(() => server.kill());
  const url = `http://127.0.0.1:${port}`;
  await awaitReady("Prometheus", server, () => answers(`${url}/-/ready`));
  const owned = starting.move();
  const get = async <T>(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<T> => {
    const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`);
    const { error, data } = (await response.json()) as Answer<T>;
    if (error !== undefined) throw new Error(`${JSON.stringify(parameters)}: ${error}`);
    return data;
  };
  return {
    async query(expression) {
      const { result } = await get<{ readonly result: readonly Series[] }>("query", { query: expression });
      return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
    async alerts() {
      const { groups } = await get<Rules>("rules", { type: "alert" });
      return groups
        .flatMap(({ rules }) => rules)
        .map(({ name, state, health, alerts }) => ({
          name,
          state,
          health,
          labels: alerts.map(({ labels }) => labels),
        }));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A series of an instant vector: its labels, and when it had which value. */
interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false; // not yet
  }
}
