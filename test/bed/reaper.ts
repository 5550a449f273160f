/**
 * The program behind watchdog.ts. Reads one line per fact from stdin ("+pid 12", "-pid 12", "+dir /x", "-dir /x");
 * when stdin ends, its parent is gone, however that happened: kills the process groups and removes the folders left.
 */
import { rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

const left = { pid: new Set<string>(), dir: new Set<string>() };

/** False once no process of the group is left. */
function signalGroup(pid: string, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-Number(pid), signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const [, sign, kind, value] = /^([+-])(pid|dir) (.+)$/.exec(line) ?? [];
  if (value === undefined || (kind !== "pid" && kind !== "dir")) continue; // a line cut short by the parent's death
  if (sign === "+") left[kind].add(value);
  else left[kind].delete(value);
}

for (const pid of left.pid) signalGroup(pid, "SIGKILL");
// A dying process may still write into its folder. Bounded, for orphans that nobody collects stay visible.
for (let i = 0; i < 25 && [...left.pid].some((pid) => signalGroup(pid, 0)); i++) await delay(20);
for (const dir of left.dir) rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
