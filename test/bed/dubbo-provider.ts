import { freePort } from "../support/free-port.ts";
import { archiveFlags, prepareArchive } from "./class-archive.ts";
import { classPath, type JavaModule, javaFlags, systemProperties } from "./java.ts";
import { type ProviderProcess, startProvider } from "./provider-process.ts";
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
  /** Whether it listens on that address alone, which then has to be one of this machine. Default false: on all. */
  readonly listensOnHost?: boolean;
  /** Name of its application. Default `demo-provider`. */
  readonly application?: string;
  /** Named in its answers. Default `p1`. */
  readonly id?: string;
  /** Parameters added to the URL of its service. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** Dubbo's own settings, e.g. `"dubbo.application.register-mode": "instance"`. */
  readonly properties?: Readonly<Record<string, string>>;
}

// Dubbo uses reflection on these where JDK 17 needs to be asked.
const OPENED = ["java.base/java.lang", "java.base/java.math", "java.base/java.util"];

const MODULES: Readonly<Record<DubboVersion, JavaModule>> = { "2.7": "dubbo", "3.3": "dubbo3" };

/**
 * Starts a real Dubbo provider of `org.apache.dubbo.samples.api.GreetingService`; returns when it has registered (a second
 * or two). Stopped, it deregisters within 100 ms and takes 4 s to close its port.
 */
export async function startDubboProvider(options: DubboProviderOptions): Promise<ProviderProcess> {
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

async function launch(options: DubboProviderOptions, archive: readonly string[]): Promise<ProviderProcess> {
  const { host = "10.42.0.57", port = await freePort() } = options;
  const classes = await classPath(MODULES[options.dubbo ?? "2.7"]);
  return startProvider({
    name: `Dubbo provider ${options.id ?? "p1"}`,
    host,
    port,
    command: "java",
    args: (folder) => [
      ...javaFlags,
      ...archive,
      ...OPENED.flatMap((part) => ["--add-opens", `${part}=ALL-UNNAMED`]),
      "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
      "-Dnacos.logging.default.config.enabled=false", // it would write log files
      `-Duser.home=${folder}`, // Dubbo keeps its cache files there
      ...systemProperties(propertiesOf(options, port)),
      "-cp",
      classes,
      "registryhub.bed.Provider",
    ],
    env: { DUBBO_IP_TO_REGISTRY: host, ...(options.listensOnHost && { DUBBO_IP_TO_BIND: host }) },
    isReady: (log) => /^READY$/m.test(log),
  });
}

function propertiesOf(options: DubboProviderOptions, port: number): Record<string, string | undefined> {
  const {
    application = "demo-provider",
    protocol = "dubbo",
    id = "p1",
    parameters = {},
    properties = {},
  } = options;
  const ofUrl = Object.entries(parameters).map(([name, value]) => [`bed.parameter.${name}`, value]);
  return {
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
    ...Object.fromEntries(ofUrl),
  };
}
