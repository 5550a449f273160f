import type { Fields } from "../../runtime/deps.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import type { Tools } from "./object-writer.ts";

/** The line of the log that has the stack. */
const line = "internal error";

/** Reports a bug that stopped the work on one thing: in the log, with its stack, and in the metrics. */
export function reportBug(
  { deps, metrics }: Pick<Tools, "deps" | "metrics">,
  about: Parameters<Metrics["internalError"]>[0],
  fields: Fields,
  error: unknown,
): void {
  metrics.internalError(about);
  deps.logger.error(line, { about, ...fields, error });
}

/** A bug, for the hub's status. Its own message is only for the log, because it may quote anything. */
export function bugFailure(
  what: "hub" | "host",
  error: unknown,
): { readonly detail: string; readonly nextStep: string } {
  const kind = error instanceof Error ? error.name : typeof error;
  return {
    detail: `a bug of the operator (${kind}) stopped its work on this ${what}`,
    nextStep: `Report it with the line "${line}" of the operator's log.`,
  };
}
