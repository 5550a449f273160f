import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { archiveFlags, prepareArchive } from "./class-archive.ts";
import { classPath, javaFlags } from "./java.ts";
import { startNacos } from "./nacos.ts";
import { awaitReady, startServerProcess } from "./server-process.ts";
import { temporaryFolder } from "./watchdog.ts";

/** What a Spring Cloud application registers in Nacos, and where. */
export interface SpringProviderOptions {
  /** `<host>:<port>` of the Nacos server. */
  readonly registry: string;
  /** How it logs in there. Default: not at all. */
  readonly login?: { readonly username: string; readonly password: string };
  /** Its name, and the service's. Default `demo-application`. */
  readonly application?: string;
  /** The address it registers. Default 127.0.0.1, where it really listens. */
  readonly ip?: string;
  /** Where it listens and what it registers. Default: a free one. */
  readonly port?: number;
  /** Spring's own settings, e.g. `"spring.cloud.nacos.discovery.metadata.zone": "a"`. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** A running application that answers `GET /hello`. Disposal kills it. */
export interface SpringProvider extends AsyncDisposable {
  readonly ip: string;
  readonly port: number;
  readonly pid: number;
  /** SIGTERM: it deregisters; returns when it has ended. */
  stop(): Promise<void>;
  /** kill -9: the server notices the closed connection. */
  kill(): Promise<void>;
}

const DISCOVERY = "spring.cloud.nacos.discovery";
const STOP_MS = 30_000;

/** Starts a real Spring Cloud Alibaba application; returns when it has registered (some seconds). */
export async function startSpringProvider(options: SpringProviderOptions): Promise<SpringProvider> {
  return launch(options, await archiveFlags("spring-nacos"));
}

/** Builds what a provider needs. Returns the class path. */
export function prepareSpring(): Promise<string> {
  return prepareArchive("spring-nacos", async (flags) => {
    await using nacos = await startNacos({ version: "2.3" });
    await using provider = await launch({ registry: nacos.address }, flags);
    await provider.stop();
  });
}

async function launch(options: SpringProviderOptions, archive: readonly string[]): Promise<SpringProvider> {
  const { application = "demo-application", ip = "127.0.0.1", port = await freePort() } = options;
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("spring")).path;
  const name = `Spring application ${application}`;
  const server = await startServerProcess({
    name,
    command: "java",
    args: [
      ...javaFlags,
      ...archive,
      ...systemProperties({ ...options, application, ip, port }, folder),
      "-cp",
      await classPath("spring-nacos"),
      "registryhub.bed.SpringProvider",
    ],
    cwd: folder,
    logFile: join(folder, "provider.log"),
  });
  starting.defer(() => server.kill());
  await awaitReady(name, server, () => /^READY$/m.test(server.readLog()));
  const owned = starting.move();
  return {
    ip,
    port,
    pid: server.pid,
    stop: () => server.terminate(STOP_MS),
    kill: () => server.kill(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function systemProperties(
  options: SpringProviderOptions & Required<Pick<SpringProviderOptions, "application" | "ip" | "port">>,
  folder: string,
): string[] {
  const { username = "", password = "" } = options.login ?? {};
  const properties = {
    "user.home": folder, // the client keeps its cache files there
    "java.io.tmpdir": folder,
    "nacos.logging.default.config.enabled": "false", // it would write log files
    "logging.level.root": "warn",
    "spring.main.banner-mode": "off",
    "spring.application.name": options.application,
    "server.address": "127.0.0.1",
    "server.port": String(options.port),
    [`${DISCOVERY}.server-addr`]: options.registry,
    [`${DISCOVERY}.username`]: username,
    [`${DISCOVERY}.password`]: password,
    [`${DISCOVERY}.ip`]: options.ip,
    ...options.properties,
  };
  return Object.entries(properties).map(([name, value]) => `-D${name}=${value}`);
}
