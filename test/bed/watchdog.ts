import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

type Tell = (fact: string) => void;

// One watchdog per process, started with the first thing it has to watch over.
let tell: Tell | undefined;

function startWatchdog(): Tell {
  const child = spawn(process.execPath, [fileURLToPath(new URL("reaper.ts", import.meta.url))], {
    detached: true, // not in our process group: Ctrl-C and a group's kill must not reach it
    stdio: ["pipe", "ignore", "inherit"],
  });
  child.unref();
  // Neither the child nor its pipe may keep a program from ending.
  (child.stdin as unknown as { unref(): void }).unref();
  return (fact) => void child.stdin.write(`${fact}\n`);
}

function note(fact: string): void {
  tell ??= startWatchdog();
  tell(fact);
}

/** Has the process group `pid` killed when this process ends, even by `kill -9`. Returns how to take that back. */
export function watchProcess(pid: number): () => void {
  note(`+pid ${pid}`);
  return () => note(`-pid ${pid}`);
}

/** A folder that goes away with its disposal, or with this process, even by `kill -9`. */
export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

/** A new empty folder `registryhub-bed-<name>-<random>` in the system's temporary folder. */
export function temporaryFolder(name: string): TemporaryFolder {
  const path = join(realpathSync(tmpdir()), `registryhub-bed-${name}-${randomBytes(5).toString("hex")}`);
  note(`+dir ${path}`);
  mkdirSync(path, { mode: 0o700 });
  return {
    path,
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
      note(`-dir ${path}`);
    },
  };
}
