import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { archiveFlags, prepareArchive } from "./class-archive.ts";
import { classPath, type JavaModule, javaFlags } from "./java.ts";
import { awaitReady, startServerProcess } from "./server-process.ts";
import { temporaryFolder } from "./watchdog.ts";
import { startZooKeeper } from "./zookeeper.ts";

/** 2.7 is 2.7.23, which registers interfaces; 3.3 is 3.3.6, which by default registers its application too. */
export type DubboVersion = "2.7" | "3.3";

/** What a Dubbo provider registers, and where. */
export interface DubboProviderOptions {
  /** Default 2.7. */
  readonly dubbo?: DubboVersion;
  /** As Dubbo takes it, e.g. `zookeeper://127.0.0.1:2181` or `nacos://127.0.0.1:8848`. */
  readonly registry: string;
  /** How it logs in to the registry. Default: not at all. */
  readonly login?: { readonly username: string; readonly password: string };
  /** Default `dubbo`; `tri` with 3.3 only. */
  readonly protocol?: "dubbo" | "tri";
  readonly version?: string;
  readonly group?: string;
  /** Where it really listens (on all addresses, as Dubbo does) and what it registers. Default: a free one. */
  readonly port?: number;
  /** The address it registers. Default 10.42.0.57; Dubbo refuses 127.0.0.1. */
  readonly host?: string;
  /** Name of its application. Default `demo-provider`. */
  readonly application?: string;
  /** Named in its answers. Default `p1`. */
  readonly id?: string;
  /** Parameters added to the URL of its service. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** Dubbo's own settings, e.g. `"dubbo.application.register-mode": "instance"`. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** A running provider of `org.apache.dubbo.samples.api.GreetingService`. Disposal kills it. */
export interface DubboProvider extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** SIGTERM: it deregisters within 100 ms; returns when it has ended (Dubbo takes 4 s to close its port). */
  stop(): Promise<void>;
  /** kill -9: its registration stays until its session expires. */
  kill(): Promise<void>;
}

// Dubbo uses reflection on these where JDK 17 needs to be asked.
const OPENED = ["java.base/java.lang", "java.base/java.math", "java.base/java.util"];

const STOP_MS = 30_000;

const MODULES: Readonly<Record<DubboVersion, JavaModule>> = { "2.7": "dubbo", "3.3": "dubbo3" };

/** Starts a real Dubbo provider; returns when it has registered (a second or two). */
export async function startDubboProvider(options: DubboProviderOptions): Promise<DubboProvider> {
  return launch(options, await archiveFlags(MODULES[options.dubbo ?? "2.7"]));
}

/** Builds what a provider needs. Returns the class path. */
export function prepareDubbo(dubbo: DubboVersion): Promise<string> {
  return prepareArchive(MODULES[dubbo], async (flags) => {
    await using zooKeeper = await startZooKeeper();
    const options = { dubbo, registry: `zookeeper://${zooKeeper.address}`, version: "1.0.0" };
    await using provider = await launch(options, flags);
    await provider.stop();
  });
}

async function launch(options: DubboProviderOptions, archive: readonly string[]): Promise<DubboProvider> {
  const { host = "10.42.0.57", port = await freePort() } = options;
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("dubbo")).path;
  const name = `Dubbo provider ${options.id ?? "p1"}`;
  const server = await startServerProcess({
    name,
    command: "java",
    args: [
      ...javaFlags,
      ...archive,
      ...OPENED.flatMap((part) => ["--add-opens", `${part}=ALL-UNNAMED`]),
      "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
      "-Dnacos.logging.default.config.enabled=false", // it would write log files
      `-Duser.home=${folder}`, // Dubbo keeps its cache files there
      ...systemProperties(options, port),
      "-cp",
      await classPath(MODULES[options.dubbo ?? "2.7"]),
      "registryhub.bed.Provider",
    ],
    env: { DUBBO_IP_TO_REGISTRY: host },
    cwd: folder,
    logFile: join(folder, "provider.log"),
  });
  starting.defer(() => server.kill());
  await awaitReady(name, server, () => /^READY$/m.test(server.readLog()));
  const owned = starting.move();
  return {
    host,
    port,
    pid: server.pid,
    stop: () => server.terminate(STOP_MS),
    kill: () => server.kill(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function systemProperties(options: DubboProviderOptions, port: number): string[] {
  const {
    application = "demo-provider",
    protocol = "dubbo",
    id = "p1",
    parameters = {},
    properties = {},
  } = options;
  const all: Record<string, string | undefined> = {
    ...properties,
    "bed.registry": options.registry,
    "bed.username": options.login?.username,
    "bed.password": options.login?.password,
    "bed.version": options.version,
    "bed.group": options.group,
    "bed.application": application,
    "bed.protocol": protocol,
    "bed.id": id,
    "bed.port": String(port),
  };
  for (const [name, value] of Object.entries(parameters)) all[`bed.parameter.${name}`] = value;
  return Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`-D${name}=${value}`]));
}
