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
