import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../support/free-port.ts";
import { cacheKey, cacheRoot, fillCache } from "./cache.ts";
import type { DubboProvider } from "./dubbo-provider.ts";
import { withProgress } from "./progress.ts";
import { run } from "./run.ts";
import { awaitReady, startServerProcess } from "./server-process.ts";
import { canConnect } from "./tcp.ts";
import { temporaryFolder } from "./watchdog.ts";

/** What a dubbo-go provider registers, and where. */
export interface DubboGoProviderOptions {
  readonly registry: "nacos" | "zookeeper";
  /** `<host>:<port>` of the registry. */
  readonly address: string;
  /** How it logs in to the registry. Default: not at all. */
  readonly login?: { readonly username: string; readonly password: string };
  /** Default `tri`. With `dubbo` and remote metadata dubbo-go 3.3.1 crashes. */
  readonly protocol?: "dubbo" | "tri";
  readonly version?: string;
  readonly group?: string;
  /** Where it really listens and what it registers. Default: a free one. */
  readonly port?: number;
  /** The address it registers. Default 10.42.0.58. */
  readonly host?: string;
  /** Name of its application. Default `demo-application`. */
  readonly application?: string;
  /** Whether it keeps what it serves in the registry or is asked for it. Default `local`. */
  readonly metadata?: "local" | "remote";
}

const MODULE = new URL("dubbo-go/", import.meta.url);
const STOP_MS = 30_000;

/**
 * Starts a real dubbo-go provider, which registers its application and no interface; returns when it listens. It is
 * registered within a second. (Stopped, it deregisters at once and lives on for 3 s.)
 */
export async function startDubboGoProvider(options: DubboGoProviderOptions): Promise<DubboProvider> {
  const { host = "10.42.0.58", port = await freePort() } = options;
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("dubbo-go")).path;
  const name = "dubbo-go provider";
  const server = await startServerProcess({
    name,
    command: await prepareDubboGo(),
    args: flags(options, port),
    env: { DUBBO_IP_TO_REGISTRY: host },
    cwd: folder,
    logFile: join(folder, "provider.log"),
  });
  starting.defer(() => server.kill());
  await awaitReady(name, server, () => canConnect(port));
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

/** Path of the provider's program; built at the first use (a minute or two). */
export async function prepareDubboGo(): Promise<string> {
  const sources = ["go.mod", "go.sum", "main.go"].map((name) => new URL(name, MODULE));
  const path = join(cacheRoot(), `dubbo-go-${await cacheKey(sources)}`);
  const buildCache = `${path}-go-build`; // removed when the build is done; one that was killed goes on with it
  await fillCache(path, [{ path, build: (temporaryPath) => build(temporaryPath, buildCache) }], buildCache);
  return path;
}

async function build(path: string, buildCache: string): Promise<void> {
  const args = ["build", "-mod=readonly", "-trimpath", "-ldflags", "-s -w", "-o", path, "."];
  await withProgress("building the dubbo-go provider", () =>
    run("go", args, {
      cwd: fileURLToPath(MODULE),
      env: { CGO_ENABLED: "0", GOCACHE: buildCache, GOWORK: "off" },
    }),
  );
}

function flags(options: DubboGoProviderOptions, port: number): string[] {
  const given: Record<string, string | undefined> = {
    registry: options.registry,
    address: options.address,
    username: options.login?.username,
    password: options.login?.password,
    protocol: options.protocol,
    version: options.version,
    group: options.group,
    application: options.application,
    port: String(port),
    "remote-metadata": String(options.metadata === "remote"),
  };
  return Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [`-${name}=${value}`]));
}
