import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { cacheKey, cacheRoot, fillCache } from "./cache.ts";
import { buildGo, linkerFlags } from "./go-programs.ts";
import { withProgress } from "./progress.ts";
import { type ProviderProcess, startProvider } from "./provider-process.ts";
import { canConnect } from "./tcp.ts";

/** What a dubbo-go provider registers, and where. */
export interface DubboGoProviderOptions {
  readonly registry: "nacos" | "zookeeper";
  /** `<host>:<port>` of the registry. */
  readonly address: string;
  /** Below which group of the registry it registers. Default: none. */
  readonly registryGroup?: string;
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

/**
 * Starts a real dubbo-go provider, which registers its application and no interface; returns when it listens. It is
 * registered within a second. (Stopped, it deregisters at once and lives on for 3 s.)
 */
export async function startDubboGoProvider(options: DubboGoProviderOptions): Promise<ProviderProcess> {
  const { host = "10.42.0.58", port = await freePort() } = options;
  return startProvider({
    name: "dubbo-go provider",
    host,
    port,
    command: await prepareDubboGo(),
    args: () => flags(options, port),
    env: { DUBBO_IP_TO_REGISTRY: host },
    isReady: () => canConnect(port),
  });
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
  await withProgress("building the dubbo-go provider", () =>
    buildGo(MODULE, ".", path, buildCache, ["-ldflags", linkerFlags()]),
  );
}

function flags(options: DubboGoProviderOptions, port: number): string[] {
  const given: Record<string, string | undefined> = {
    registry: options.registry,
    address: options.address,
    "registry-group": options.registryGroup,
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
