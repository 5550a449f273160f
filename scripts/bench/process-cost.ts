import { readFile } from "node:fs/promises";

/** What a process has used so far. */
export interface ProcessCost {
  /** Processor time, of the program and of the kernel for it, in ms; counted in steps of 10. */
  readonly cpuMs: number;
  /** Memory that is resident now, and at most so far, in MB. */
  readonly rssMb: number;
  readonly peakMb: number;
}

/** Source: proc(5). Linux counts processor time in 100 ticks per second for every program to see. */
const msPerTick = 10;

/** @throws Error when there is no such process. */
export async function costOf(pid: number): Promise<ProcessCost> {
  const [stat, status] = await Promise.all([
    readFile(`/proc/${pid}/stat`, "utf8"),
    readFile(`/proc/${pid}/status`, "utf8"),
  ]);
  const afterName = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // its first field is the third of all
  const [user = 0, system = 0] = afterName.slice(11, 13).map(Number);
  const mb = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) / 1024;
  return { cpuMs: (user + system) * msPerTick, rssMb: mb("VmRSS"), peakMb: mb("VmHWM") };
}
