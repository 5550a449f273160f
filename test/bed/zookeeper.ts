import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Certificate } from "../support/certificate.ts";
import { freePort } from "../support/free-port.ts";
import { classPath, type JavaModule, javaFlags } from "./java.ts";
import { awaitReady, type ServerProcess, type ServerProgram, startServerProcess } from "./server-process.ts";
import { ask } from "./tcp.ts";
import { temporaryFolder } from "./watchdog.ts";

/** 3.9 is 3.9.4; 3.8 is 3.8.4, the line that Debian 12 ships; 3.4 is 3.4.14, the last of the line that Dubbo 2 grew up with. */
export type ZooKeeperVersion = "3.4" | "3.8" | "3.9";

/** How a ZooKeeper is started. */
export interface ZooKeeperOptions {
  /** Default 3.9. */
  readonly version?: ZooKeeperVersion;
  /** ms; sessions last 2 to 20 ticks. Default 500, so that a client asking for 10 s or more gets 10 s. */
  readonly tickTime?: number;
  /** Default: a free one. */
  readonly port?: number;
  /** Where its data lives; not removed at disposal. Default: a folder that is. */
  readonly dataDir?: string;
  /** MB of Java heap at most; 100,000 providers need more than the default, 128. */
  readonly heapMb?: number;
  /** Whether it has a port for TLS as well. Default: no. */
  readonly tls?: ZooKeeperTls;
  /** Which of an ensemble it is, see {@link startZooKeeperEnsemble}. Default: it stands alone. */
  readonly id?: number;
  /** Further lines of its configuration. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
}

/** Who it is over TLS. */
export interface ZooKeeperTls {
  readonly server: Certificate;
  /** PEM: the CA that has to have signed a client's certificate. Default: clients need none. */
  readonly clientCa?: string;
}

/** A real stand-alone ZooKeeper server. */
export interface ZooKeeper extends AsyncDisposable {
  /** `127.0.0.1:<port>`. */
  readonly address: string;
  readonly port: number;
  /** The same of the port for TLS; without one it is refused. */
  readonly secureAddress: string;
  /** SIGSTOP and SIGCONT: connections stay open, nothing is answered. */
  freeze(): void;
  resume(): void;
  /** kill -9. */
  kill(): Promise<void>;
  /** SIGTERM; its clients see their connections close. */
  stop(): Promise<void>;
  /** Starts it again on the same port (killing it first if it runs), with its data or, with `wipe`, without any. */
  restart(options?: { readonly wipe?: boolean }): Promise<void>;
}

/** Starts a ZooKeeper; returns when it serves (a second). */
export async function startZooKeeper(options: ZooKeeperOptions = {}): Promise<ZooKeeper> {
  const { version = "3.9", tickTime = 500, port = await freePort(), id, tls } = options;
  const securePort = await freePort();
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("zookeeper")).path;
  const dataDir = options.dataDir ?? join(folder, "data");
  await mkdir(dataDir, { recursive: true });
  if (id !== undefined) await writeFile(join(dataDir, "myid"), `${id}`);
  const lines = {
    ...settingsOf(dataDir, port, tickTime),
    ...(tls && (await secured(folder, securePort, tls))),
    ...options.settings,
  };
  const config = join(folder, "zoo.cfg");
  await writeFile(
    config,
    Object.entries(lines)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(""),
  );
  const program = await zooKeeperProgram(version, folder, config, options.heapMb);
  let server = await start(program, port, dataDir);
  starting.defer(() => server.kill());
  const owned = starting.move();
  return {
    address: `127.0.0.1:${port}`,
    port,
    secureAddress: `127.0.0.1:${securePort}`,
    freeze: () => server.freeze(),
    resume: () => server.resume(),
    kill: () => server.kill(),
    stop: () => server.terminate(),
    async restart({ wipe = false } = {}) {
      await server.kill();
      if (wipe) await rm(join(dataDir, "version-2"), { recursive: true, force: true });
      server = await start(program, port, dataDir);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function settingsOf(
  dataDir: string,
  port: number,
  tickTime: number,
): Record<string, string | number | boolean> {
  return {
    tickTime,
    dataDir,
    clientPort: port,
    clientPortAddress: "127.0.0.1",
    maxClientCnxns: 0,
    forceSync: "no", // what a killed process has written is not lost with it
    "admin.enableServer": false, // it would listen on 8080
    "4lw.commands.whitelist": "srvr,conf,cons,dump,mntr,wchs",
  };
}

/** What makes it listen for TLS, too. A store whose name ends with .pem may hold all that belongs together. */
async function secured(folder: string, port: number, { server, clientCa }: ZooKeeperTls) {
  const [keyStore, trustStore] = [join(folder, "server.pem"), join(folder, "ca.pem")];
  await writeFile(keyStore, server.key + server.certificate);
  await writeFile(trustStore, clientCa ?? server.certificate);
  return {
    serverCnxnFactory: "org.apache.zookeeper.server.NettyServerCnxnFactory",
    secureClientPort: port,
    secureClientPortAddress: "127.0.0.1",
    "ssl.keyStore.location": keyStore,
    "ssl.trustStore.location": trustStore,
    "ssl.clientAuth": clientCa === undefined ? "none" : "need",
  };
}

const modules: Readonly<Record<ZooKeeperVersion, JavaModule>> = {
  "3.4": "zookeeper34",
  "3.8": "zookeeper38",
  "3.9": "zookeeper",
};

async function zooKeeperProgram(
  version: ZooKeeperVersion,
  folder: string,
  config: string,
  heapMb: number | undefined,
): Promise<ServerProgram> {
  const main = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
  const heap = heapMb === undefined ? [] : [`-Xmx${heapMb}m`];
  return {
    name: "ZooKeeper",
    command: "java",
    args: [...javaFlags, ...heap, "-cp", await classPath(modules[version]), main, config],
    cwd: folder,
    logFile: join(folder, "zookeeper.log"),
  };
}

async function start(program: ServerProgram, port: number, dataDir: string): Promise<ServerProcess> {
  const server = await startServerProcess(program);
  await awaitReady(program.name, server, async () => (await isServing(port)) && isOurs(port, dataDir));
  return server;
}

/** `ruok` answers before the server serves; `srvr` has a mode only once it does. */
async function isServing(port: number): Promise<boolean> {
  return (await ask(port, "srvr")).includes("\nMode:");
}

/** A stranger on our port has its data elsewhere. */
async function isOurs(port: number, dataDir: string): Promise<boolean> {
  return (await ask(port, "conf")).includes(`dataDir=${dataDir}`);
}
