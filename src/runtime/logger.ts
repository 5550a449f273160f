import { type DestinationStream, type Logger as Pino, pino } from "pino";
import type { Fields, Logger } from "./deps.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

/** A second net: nothing should hand these to the logger in the first place. */
const secretKeys = ["username", "password", "token", "clientKey", "authorization"];
const redact = secretKeys.flatMap((key) => [key, `*.${key}`]);

/**
 * Writes one JSON line per call: `level`, `time` (RFC 3339), the fields, and the message as `msg`. An Error belongs into the
 * field `error`. Lines are written before the call returns, so the last words of a dying process are not lost.
 */
export function createLogger(
  level: LogLevel,
  destination: DestinationStream = pino.destination({ fd: 1, sync: true }),
): Logger {
  return wrap(
    pino(
      {
        level,
        base: null,
        redact,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        serializers: { error: pino.stdSerializers.err },
      },
      destination,
    ),
  );
}

function wrap(logger: Pino): Logger {
  const at =
    (level: LogLevel) =>
    (message: string, fields: Fields = {}): void =>
      logger[level](fields, message);
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => wrap(logger.child(fields)),
  };
}
