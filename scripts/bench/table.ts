/** One line of the table that a bench prints. */
export interface Row {
  readonly what: string;
  readonly value: string;
  /** The same without us, measured in the same run. */
  readonly floor?: string;
}

/** The smallest value that `share` of all are not above. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** As Markdown. */
export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(({ what, value, floor = "" }) => `| ${what} | ${value} | ${floor} |`);
  return ["| what | measured | floor |", "|---|---|---|", ...lines].join("\n");
}
