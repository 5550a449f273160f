import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { notFound } from "./run.ts";
import { watchProcess } from "./watchdog.ts";

/** A server's program and how it is started. */
export interface ServerProgram {
  /** What messages call it. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Where its stdout and stderr go; appended to at every start. */
  readonly logFile: string;
  /** Given the program's stdin and stdout, which otherwise are nothing and the log file. */
  readonly talk?: (stdin: Writable, stdout: Readable) => void;
}

/** A running server. It is killed when this process ends, however that happens. */
export interface ServerProcess {
  readonly pid: number;
  isRunning(): boolean;
  /** null while it runs, and when a signal ended it. */
  readonly exitCode: number | null;
  /** SIGSTOP and SIGCONT: connections stay open, nothing is answered once `freeze` returns. @throws Error after 10 s. */
  freeze(): void;
  resume(): void;
  /** SIGKILL, also for a frozen one. Returns when it is gone; at once if it already is. */
  kill(): Promise<void>;
  /** SIGTERM. Returns when it is gone. @throws Error, having killed it, when that takes longer than `deadlineMs`. */
  terminate(deadlineMs?: number): Promise<void>;
  /** What it wrote to its log file, in all its starts. */
  readLog(): string;
}

const TERMINATE_MS = 10_000;
const FREEZE_MS = 10_000;
const READY_POLL_MS = 25;

/** Starts a server's program; returns before it is ready, see {@link awaitReady}. */
export async function startServerProcess(program: ServerProgram): Promise<ServerProcess> {
  const log = openSync(program.logFile, "a");
  const child = spawn(program.command, program.args, {
    cwd: program.cwd,
    env: { ...process.env, ...program.env },
    detached: true, // Ctrl-C is for us; what happens to our servers is then our decision
    stdio: program.talk ? ["pipe", "pipe", log] : ["ignore", log, log],
  });
  closeSync(log);
  try {
    await once(child, "spawn");
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === "ENOENT" ? notFound(program.command, error) : error;
  }
  const unwatch = watchProcess(child.pid as number);
  if (child.stdin && child.stdout) program.talk?.(child.stdin, child.stdout);
  const exited = once(child, "exit").then(unwatch);
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  return {
    pid: child.pid as number,
    isRunning,
    get exitCode() {
      return child.exitCode;
    },
    freeze() {
      child.kill("SIGSTOP");
      awaitStopped(child.pid as number);
    },
    resume: () => void child.kill("SIGCONT"),
    readLog: () => readFileSync(program.logFile, "utf8"),
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
    async terminate(deadlineMs = TERMINATE_MS) {
      if (!isRunning()) return;
      child.kill("SIGTERM");
      child.kill("SIGCONT");
      const timer = setTimeout(() => child.kill("SIGKILL"), deadlineMs);
      await exited;
      clearTimeout(timer);
      if (child.signalCode === "SIGKILL")
        throw new Error(`${program.name} did not stop within ${deadlineMs} ms of SIGTERM`);
    },
  };
}

/** A signal stops a busy process when it is next scheduled; until then its other threads go on answering. */
function awaitStopped(pid: number): void {
  const deadline = performance.now() + FREEZE_MS;
  while (!threadStates(pid).every((state) => state === "T")) {
    if (performance.now() > deadline)
      throw new Error(`process ${pid} still ran ${FREEZE_MS} ms after SIGSTOP`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); // sleeps 1 ms
  }
}

/** A letter for each of a process's threads, see proc_pid_stat(5); none of one that ends meanwhile. */
function threadStates(pid: number): string[] {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).map((task) => {
    const stat = statOf(`${tasks}/${task}/stat`);
    return stat.charAt(stat.lastIndexOf(")") + 2); // the name before it may hold spaces and brackets
  });
}

function statOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return "";
    throw error;
  }
}

/**
 * Returns once `isReady` says so and the process still lives: then the one that answered was ours and no stranger.
 *
 * @throws Error with the end of its log when it exits or when `deadlineMs` pass; the process is killed then.
 */
export async function awaitReady(
  name: string,
  server: ServerProcess,
  isReady: () => boolean | Promise<boolean>,
  deadlineMs = 60_000,
): Promise<void> {
  const start = performance.now();
  const fail = async (what: string): Promise<never> => {
    await server.kill();
    throw new Error(`${name} ${what}. The end of its log:\n${server.readLog().trim().slice(-3000)}`);
  };
  for (;;) {
    const ready = await isReady();
    if (!server.isRunning()) await fail("exited before it was ready");
    if (ready) return;
    if (performance.now() - start > deadlineMs) await fail(`was not ready within ${deadlineMs} ms`);
    await delay(READY_POLL_MS);
  }
}
