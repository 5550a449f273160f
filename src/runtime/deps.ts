import type { Instant } from "../model/entry.ts";
import type { RegistryLimits } from "./registry-limits.ts";

/** Everything that is not a function of its arguments comes in through Deps, and through nothing else. */
export interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** For whoever reads registries. Default: those of a process without settings. */
  readonly limits?: RegistryLimits;
}

export interface Clock {
  /** Wall time in milliseconds since 1970: for people, never for deadlines. */
  now(): number;
  /** Monotonic milliseconds: for deadlines, never for people. */
  monotonic(): Instant;
  /** Resolves after `ms`. @throws the signal's reason as soon as it aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Calls `run` once, when `monotonic()` is at least `ms` further, unless the returned function was called before. */
  after(ms: number, run: () => void): () => void;
}

export type Fields = Readonly<Record<string, unknown>>;

/** JSON lines: a constant message and fields; never a secret, never a value inside the message. */
export interface Logger {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  child(fields: Fields): Logger;
}
