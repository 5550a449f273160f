/** A wall time in RFC 3339 with whole seconds, as Kubernetes writes times. */
export function rfc3339(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.\d+Z$/, "Z");
}

/**
 * The same with microseconds, the only form that the API server accepts for a MicroTime. Source:
 * k8s.io/apimachinery/pkg/apis/meta/v1/micro_time.go.
 */
export function rfc3339Micro(wallMs: number): string {
  return new Date(wallMs).toISOString().replace("Z", "000Z");
}

/** Wall time in ms; undefined when `text` is not a time. */
export function parseTime(text: string): number | undefined {
  const wallMs = Date.parse(text);
  return Number.isNaN(wallMs) ? undefined : wallMs;
}

/** The milliseconds of a duration such as 45s, 10m or 24h. @throws Error that says what the text is not. */
export function duration(text: string): number {
  const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
  const [, amount, unit] = /^(\d{1,9})(ms|s|m|h)$/.exec(text) ?? [];
  if (!unit) throw new Error("not a duration such as 45s, 10m or 24h");
  return Number(amount) * unitMs[unit as keyof typeof unitMs];
}
