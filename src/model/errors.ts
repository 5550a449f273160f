import type { ReasonOf } from "./reasons.ts";

/** Why a registry cannot be read: one code per thing an operator would do next. Each is a RegistrySynced reason. */
export type RegistryErrorCode = ReasonOf<"RegistrySynced", "False">;

/**
 * The registry, or the way to it, is ill. Thrown by adapters, caught once, by `supervise`.
 * `detail` says what failed and names the server; `nextStep` says in one sentence what to check, and not what the program
 * does next: a command that reads once does nothing more. Neither ever holds a secret.
 */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly code: RegistryErrorCode;
  readonly detail: string;
  readonly nextStep: string;
  /** The registry shows that it lost its data (its counters went back): what it lists next is a reset. */
  readonly reset: boolean;

  constructor(
    code: RegistryErrorCode,
    detail: string,
    nextStep: string,
    options: ErrorOptions & { reset?: boolean } = {},
  ) {
    super(`${detail}. ${nextStep}`, options);
    this.code = code;
    this.detail = detail;
    this.nextStep = nextStep;
    this.reset = options.reset ?? false;
  }
}
