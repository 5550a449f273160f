/** A wall time in RFC 3339 with whole seconds, as Kubernetes writes times. */
export function rfc3339(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.\d+Z$/, "Z");
}

/** Wall time in ms; undefined when `text` is no time. */
export function parseTime(text: string): number | undefined {
  const wallMs = Date.parse(text);
  return Number.isNaN(wallMs) ? undefined : wallMs;
}
