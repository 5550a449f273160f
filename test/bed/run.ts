import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { watchProcess } from "./watchdog.ts";

/** How a command is run, beyond its arguments. */
export interface RunOptions {
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What the command reads from stdin; nothing without it. */
  readonly input?: string;
}

const INSTALL_HINTS: Readonly<Record<string, string>> = {
  go: "install Go 1.26 or newer (https://go.dev/dl)",
  mvn: "install Maven 3.8 or newer (Debian: apt-get install maven)",
  python3: "install Python 3 with pip (Debian: apt-get install python3-pip)",
  java: "install a JDK, 17 or newer (Debian: apt-get install default-jdk-headless)",
};

/** The error of a program that is not there, with what to install. */
export function notFound(command: string, cause: unknown): Error {
  const hint = INSTALL_HINTS[command] ?? "check the path";
  return new Error(`cannot run ${command}: not found; ${hint}`, { cause });
}

/**
 * Runs a command to its end and returns what it wrote to stdout. It does not outlive this process.
 *
 * @throws Error with the end of its stderr (or stdout) when it fails, with what to install when it is missing.
 */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const child = spawn(command, args, {
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const output = Promise.all([text(child.stdout), text(child.stderr)]);
  try {
    await once(child, "spawn");
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === "ENOENT" ? notFound(command, error) : error;
  }
  const unwatch = watchProcess(child.pid as number);
  child.stdin.on("error", () => child.stdin.destroy()); // it ended without reading: its exit code tells
  child.stdin.end(options.input);
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  unwatch();
  const [stdout, stderr] = await output;
  if (code === 0) return stdout;
  const said = (stderr.trim() || stdout.trim()).slice(-4000);
  throw new Error(`${command} ${args.join(" ")} failed (${signal ?? `exit code ${code}`}): ${said}`);
}
