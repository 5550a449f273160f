/** One line of the table that a bench prints. */
export interface Row {
  readonly what: string;
  readonly value: string;
  /** The same without us, measured in the same run. */
  readonly floor?: string;
}

/** The smallest value that `share` of all are not above. */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** As Markdown. */
export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(({ what, value, floor = "" }) => `| ${what} | ${value} | ${floor} |`);
  return ["| what | measured | floor |", "|---|---|---|", ...lines].join("\n");
}

/** "p50 620 ms, p99 1.20 s" of some durations in ms. */
export const percentiles = (values: readonly number[]): string =>
  `p50 ${ms(quantile(values, 0.5))}, p99 ${ms(quantile(values, 0.99))}`;

export const ms = (value: number): string =>
  value < 1_000 ? `${Math.round(value)} ms` : `${(value / 1_000).toFixed(2)} s`;

/** Runs something `count` times, 50 at once. */
export async function inChunks(count: number, run: (at: number) => Promise<void>): Promise<void> {
  for (let from = 0; from < count; from += 50)
    await Promise.all(Array.from({ length: Math.min(50, count - from) }, (_, at) => run(from + at)));
}
