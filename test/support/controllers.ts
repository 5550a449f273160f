import { join } from "node:path";
import type { Controller } from "../../src/config-options.ts";
import { awaitReady, type ServerProcess, startServerProcess } from "../bed/server-process.ts";
import { temporaryFolder } from "../bed/watchdog.ts";
import { builtProgram } from "./program.ts";

/** One line of a controller's log. */
export interface LogLine {
  readonly level: string;
  /** RFC 3339. */
  readonly time: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** How a process ended after SIGTERM. */
export interface Ending {
  /** null = a signal ended it. */
  readonly exitCode: number | null;
  readonly tookMs: number;
}

/** One controller of the built program as a process of its own. Disposal kills it. */
export interface ControllerProcess extends AsyncDisposable {
  readonly name: Controller;
  /** Another one after each `restart`. */
  readonly pid: number;
  isRunning(): boolean;
  /** What it has logged, in all its starts. @throws Error naming the first line that is not a JSON object. */
  log(): readonly LogLine[];
  /** The same as text, with whatever it said on stderr. */
  readLog(): string;
  /** Asks its HTTP server, e.g. for `/metrics`. */
  get(path: string): Promise<{ readonly status: number; readonly body: string }>;
  /** SIGSTOP and SIGCONT. */
  freeze(): void;
  resume(): void;
  /** kill -9. */
  kill(): Promise<void>;
  /** SIGTERM. @throws Error, having killed it, when it still runs after 10 s. */
  terminate(): Promise<Ending>;
  /** Starts it again, killing it first if it runs; with the flags it had or others. Returns when it serves. */
  restart(flags?: readonly string[]): Promise<void>;
}

/** How the two controllers are started. */
export interface ControllersOptions {
  /** As whom the hub-controller works. */
  readonly hubKubeconfig: string;
  /** As whom the dubbo-controller works. */
  readonly dubboKubeconfig: string;
  /** Flags of the hub-controller, each as `--settle-factor=0.05`. */
  readonly hub?: readonly string[];
  /** Flags of the dubbo-controller. */
  readonly dubbo?: readonly string[];
  /** Node's own of the hub-controller. Default: those of an installation, and traces name the sources. */
  readonly hubNodeFlags?: readonly string[];
  /** Another bundle than that of this checkout. */
  readonly program?: string;
}

/** Both controllers. Disposal kills them. */
export interface Controllers extends AsyncDisposable {
  readonly hub: ControllerProcess;
  readonly dubbo: ControllerProcess;
  /** kill -9 of both. */
  kill(): Promise<void>;
  /** Starts both again, with the flags they had. */
  restart(): Promise<void>;
}

const START_MS = 20_000;

/** Starts both controllers; returns when they serve /healthz, which is before they have listed anything. */
export async function startControllers(options: ControllersOptions): Promise<Controllers> {
  const { hubKubeconfig, dubboKubeconfig, program, hubNodeFlags } = options;
  const launch = program === undefined ? {} : { program };
  await using starting = new AsyncDisposableStack();
  const hub = starting.use(
    await startController("hub-controller", hubKubeconfig, options.hub, {
      ...launch,
      ...(hubNodeFlags && { nodeFlags: hubNodeFlags }),
    }),
  );
  const dubbo = starting.use(
    await startController("dubbo-controller", dubboKubeconfig, options.dubbo, launch),
  );
  const owned = starting.move();
  return {
    hub,
    dubbo,
    kill: async () => void (await Promise.all([hub.kill(), dubbo.kill()])),
    restart: async () => void (await Promise.all([hub.restart(), dubbo.restart()])),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * With what Node is started wherever the program runs: without it the nursery of the heap grows to 128 MB, and the heap may
 * double before garbage is collected. docs/performance.md has the figures.
 */
export const memoryFlags: readonly string[] = ["--max-semi-space-size=8", "--heap-growing-percent=40"];
/**
 * The same for what glibc allocates, since by default every thread has heaps of its own; and for Node's threads, of which
 * half look up names.
 */
export const programEnv = { MALLOC_ARENA_MAX: "2", UV_THREADPOOL_SIZE: "16" } as const;

/** What runs a controller. */
export interface Launch {
  /** Node's own. Default: those of an installation, and traces name the sources. */
  readonly nodeFlags?: readonly string[];
  /** Path of a bundle. Default: that of this checkout, built. */
  readonly program?: string;
}

/** Starts one controller; returns when it serves /healthz. */
export async function startController(
  name: Controller,
  kubeconfig: string,
  flags: readonly string[] = [],
  { nodeFlags = ["--enable-source-maps", ...memoryFlags], ...given }: Launch = {},
): Promise<ControllerProcess> {
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(temporaryFolder(name)).path;
  const program = given.program ?? (await builtProgram());
  const launch = (current: readonly string[]) =>
    startServerProcess({
      name,
      command: process.execPath,
      args: [...nodeFlags, program, name, `--kubeconfig=${kubeconfig}`, ...current],
      env: programEnv,
      cwd: folder,
      logFile: join(folder, "log"),
    });
  let lastFlags = flags;
  let server = await launch(flags);
  starting.defer(() => server.kill());
  let port = await portOf(name, server, 0);
  const owned = starting.move();
  return {
    name,
    get pid() {
      return server.pid;
    },
    isRunning: () => server.isRunning(),
    log: () => linesOf(server),
    readLog: () => server.readLog(),
    async get(path) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return { status: response.status, body: await response.text() };
    },
    freeze: () => server.freeze(),
    resume: () => server.resume(),
    kill: () => server.kill(),
    async terminate() {
      const start = performance.now();
      await server.terminate();
      return { exitCode: server.exitCode, tookMs: performance.now() - start };
    },
    async restart(next = lastFlags) {
      await server.kill();
      lastFlags = next;
      const servedBefore = servingLines(server).length;
      server = await launch(next);
      port = await portOf(name, server, servedBefore);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Waits for the line in which the process tells its port, after `servedBefore` of earlier starts. */
async function portOf(name: string, server: ServerProcess, servedBefore: number): Promise<number> {
  await awaitReady(name, server, () => servingLines(server).length > servedBefore, START_MS);
  return Number(servingLines(server).at(-1)?.port);
}

function servingLines(server: ServerProcess): readonly LogLine[] {
  return linesOf(server).filter(({ msg }) => msg === "serving");
}

function linesOf(server: ServerProcess): readonly LogLine[] {
  const lines = server.readLog().split("\n");
  lines.pop(); // empty, or a line that is being written
  return lines.map(parseLine);
}

function parseLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch (cause) {
    throw new Error(`a line of the log is no JSON: ${line}`, { cause });
  }
}
