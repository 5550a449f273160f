import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startServerProcess } from "../../test/bed/server-process.ts";
import { temporaryFolder } from "../../test/bed/watchdog.ts";
import { RESULTS, type ResultLine, type Tally } from "../../test/support/tally.ts";

/** A suite as a process that writes its results as test/support/tally.ts does. */
export interface SuiteProcess {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** How many processors it keeps busy, about; `all` is alone on the machine. */
  readonly processors: number | "all";
}

interface Running {
  readonly suite: SuiteProcess;
  /** E.g. `crd 1/2`: how many of its files have ended. */
  progress(): string;
  readonly ended: Promise<Tally>;
}

const POLL_MS = 200;
const PROGRESS_MS = 60_000;

/**
 * Runs each suite once: in this order, and beside each other as long as all that runs keeps no more than `processors` busy.
 * What a suite prints is printed as a whole when it ends; lines between say what runs. When this process ends, however that
 * happens, everything ends that it has started.
 *
 * A suite that fails without a failed test, or in which no test has passed, counts as one that failed.
 */
export async function runSuites(
  suites: readonly SuiteProcess[],
  processors: number,
  write: (text: string) => void,
): Promise<Tally> {
  await using folder = temporaryFolder("suites");
  const waiting = [...suites];
  const running = new Set<Running>();
  const tallies: Tally[] = [];
  const startedAt = performance.now();
  const report = (): void => {
    const runs = [...running].map((one) => one.progress()).join(", ");
    const waits = waiting.map(({ name }) => name).join(", ");
    const minutes = Math.floor((performance.now() - startedAt) / 60_000);
    write(`make test, ${minutes} min; running: ${runs}${waits && `; to come: ${waits}`}\n`);
  };
  const timer = setInterval(report, PROGRESS_MS);
  try {
    while (waiting.length + running.size > 0) {
      for (const suite of startable(
        waiting,
        [...running].map((one) => one.suite),
        processors,
      )) {
        waiting.splice(waiting.indexOf(suite), 1);
        running.add(await start(suite, folder.path, write));
      }
      report();
      const { one, tally } = await Promise.race(
        [...running].map(async (each) => ({ one: each, tally: await each.ended })),
      );
      running.delete(one);
      tallies.push(tally);
    }
  } finally {
    clearInterval(timer);
  }
  return {
    passed: tallies.reduce((sum, { passed }) => sum + passed, 0),
    failures: tallies.flatMap(({ failures }) => failures),
  };
}

/** Which of those that wait may begin beside those that run. */
function startable(
  waiting: readonly SuiteProcess[],
  running: readonly SuiteProcess[],
  processors: number,
): readonly SuiteProcess[] {
  const beside = [...running];
  return waiting.filter((suite) => {
    const fits = beside.length === 0 || sumOf([...beside, suite], processors) <= processors;
    if (fits) beside.push(suite);
    return fits;
  });
}

const sumOf = (suites: readonly SuiteProcess[], all: number): number =>
  suites.reduce((sum, { processors }) => sum + (processors === "all" ? all : processors), 0);

async function start(suite: SuiteProcess, folder: string, write: (text: string) => void): Promise<Running> {
  const { name, command, args } = suite;
  const results = join(folder, `${name}.results`);
  const startedAt = performance.now();
  const server = await startServerProcess({
    name,
    command,
    args,
    env: { [RESULTS]: results },
    cwd: process.cwd(),
    logFile: join(folder, `${name}.log`),
  });
  const end = async (): Promise<Tally> => {
    while (server.isRunning()) await delay(POLL_MS);
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    write(`\n--- ${name}: ${seconds} s ---\n${server.readLog().trim()}\n--- end of ${name} ---\n`);
    return tallyOf(name, resultsIn(results), server.exitCode);
  };
  return {
    suite,
    progress() {
      const lines = resultsIn(results);
      const files = lines.find((line) => "files" in line)?.files ?? 0;
      return `${name} ${lines.filter((line) => "ended" in line).length}/${files}`;
    },
    ended: end(),
  };
}

function resultsIn(file: string): readonly ResultLine[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  lines.pop(); // empty, or a line that is being written
  return lines.map((line) => JSON.parse(line) as ResultLine);
}

function tallyOf(name: string, lines: readonly ResultLine[], exitCode: number | null): Tally {
  const { passed, failures } = lines.find((line) => "passed" in line) ?? { passed: 0, failures: [] };
  if (failures.length > 0) return { passed, failures };
  if (exitCode !== 0)
    return {
      passed,
      failures: [`✗ ${name}: ended with ${exitCode === null ? "a signal" : `exit code ${exitCode}`}`],
    };
  return { passed, failures: passed === 0 ? [`✗ ${name}: no test ran`] : [] };
}
