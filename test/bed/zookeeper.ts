import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { classPath, javaFlags } from "./java.ts";
import { awaitReady, type ServerProcess, type ServerProgram, startServerProcess } from "./server-process.ts";
import { ask } from "./tcp.ts";
import { temporaryFolder } from "./watchdog.ts";

/** How a ZooKeeper is started. */
export interface ZooKeeperOptions {
  /** ms; sessions last 2 to 20 ticks. Default 500, so that a client asking for 10 s or more gets 10 s. */
  readonly tickTime?: number;
  /** Default: a free one. */
  readonly port?: number;
  /** Where its data lives; not removed at disposal. Default: a folder that is. */
  readonly dataDir?: string;
  /** MB of Java heap at most; 100,000 providers need more than the default, 128. */
  readonly heapMb?: number;
}

/** A real stand-alone ZooKeeper server. */
export interface ZooKeeper extends AsyncDisposable {
  /** `127.0.0.1:<port>`. */
  readonly address: string;
  readonly port: number;
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
  const { tickTime = 500, port = await freePort() } = options;
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder("zookeeper")).path;
  const dataDir = options.dataDir ?? join(folder, "data");
  await mkdir(dataDir, { recursive: true });
  const config = join(folder, "zoo.cfg");
  await writeFile(config, settings(dataDir, port, tickTime));
  const program = await zooKeeperProgram(folder, config, options.heapMb);
  let server = await start(program, port, dataDir);
  starting.defer(() => server.kill());
  const owned = starting.move();
  return {
    address: `127.0.0.1:${port}`,
    port,
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

function settings(dataDir: string, port: number, tickTime: number): string {
  const lines = {
    tickTime,
    dataDir,
    clientPort: port,
    clientPortAddress: "127.0.0.1",
    maxClientCnxns: 0,
    "admin.enableServer": false, // it would listen on 8080
    "4lw.commands.whitelist": "srvr,conf,cons,dump,mntr,wchs",
  };
  return Object.entries(lines)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}

async function zooKeeperProgram(
  folder: string,
  config: string,
  heapMb: number | undefined,
): Promise<ServerProgram> {
  const main = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
  const heap = heapMb === undefined ? [] : [`-Xmx${heapMb}m`];
  return {
    name: "ZooKeeper",
    command: "java",
    args: [...javaFlags, ...heap, "-cp", await classPath("zookeeper"), main, config],
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
