/** One line of the table that a bench prints. */
export interface Row {
  readonly what: string;
  readonly value: string;
  /** The same without us, measured in the same run. */
  readonly floor?: string;
  /** What it should be. */
  readonly target?: string;
}

/** What was measured of one registry at one size. */
export interface Section {
  /** "Consul 1.22.3, 1000 × 5". */
  readonly title: string;
  readonly rows: readonly Row[];
}

/** The smallest value that `share` of all are not above. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export const tableHead: readonly string[] = ["| what | measured | floor | target |", "|---|---|---|---|"];

/** The lines of a Markdown table below {@link tableHead}; the first one has the title, in bold. */
export function linesOf({ title, rows }: Section, date: string): readonly string[] {
  const lines = rows.map(
    ({ what, value, floor = "", target = "" }) => `| ${what} | ${value} | ${floor} | ${target} |`,
  );
  return [`| **${title}** | ${date} | | |`, ...lines];
}

/** "p50 620 ms, p99 1.20 s" of some durations in ms. */
export const percentiles = (values: readonly number[]): string =>
  `p50 ${ms(quantile(values, 0.5))}, p99 ${ms(quantile(values, 0.99))}`;

export const ms = (value: number): string =>
  value < 1_000 ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : `${(value / 1_000).toFixed(2)} s`;

/** Runs something `count` times, 50 at once. */
export async function inChunks(count: number, run: (at: number) => Promise<void>): Promise<void> {
  for (let from = 0; from < count; from += 50)
    await Promise.all(Array.from({ length: Math.min(50, count - from) }, (_, at) => run(from + at)));
}
