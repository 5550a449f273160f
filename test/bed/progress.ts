const REPORT_EVERY_MS = 10_000;

/** One line on stderr, where it mixes with no command's output. */
export function say(text: string): void {
  process.stderr.write(`bed: ${text}\n`);
}

/** Runs something slow and says so: when it starts, every ten seconds, and when it is done. */
export async function withProgress<T>(what: string, run: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const elapsed = () => `${Math.round((performance.now() - start) / 1000)} s`;
  say(`${what} ...`);
  const timer = setInterval(() => say(`${what} ... ${elapsed()}`), REPORT_EVERY_MS);
  try {
    const result = await run();
    say(`${what}: done in ${elapsed()}`);
    return result;
  } finally {
    clearInterval(timer);
  }
}
