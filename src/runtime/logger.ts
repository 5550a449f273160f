import { type DestinationStream, type Logger as Pino, pino } from "pino";
import type { Fields, Logger } from "./deps.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

/** A safety net; no caller should pass these to the logger. */
const secretKeys = ["username", "password", "token", "clientKey", "authorization"];
const redact = secretKeys.flatMap((key) => [key, `*.${key}`]);

/**
 * Writes one JSON line per call: `level`, `time` (RFC 3339), the fields, and the message as `msg`. Pass an Error in
 * the field `error`. The line is written before the call returns, so the last lines of a dying process are not lost.
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
