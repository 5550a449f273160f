import { printable } from "./problems.ts";
import type { ReasonOf } from "./reasons.ts";

/** Why the operator cannot read a registry; one code per next step of a person. Each is a reason of RegistrySynced. */
export type RegistryErrorCode = Exclude<ReasonOf<"RegistrySynced", "False">, "InternalError">;

/**
 * The registry, or the network path to it, fails. Adapters throw it, and only `supervise` catches it.
 * `detail` says what failed and names the server; `nextStep` says in one sentence what a person has to check, and not what
 * the program does next: a command that reads once does nothing more. Neither ever holds a secret.
 */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly code: RegistryErrorCode;
  readonly detail: string;
  readonly nextStep: string;
  /** The registry shows that it lost its data (its counters went back), so its next listing is a reset. */
  readonly reset: boolean;

  constructor(
    code: RegistryErrorCode,
    detail: string,
    nextStep: string,
    options: ErrorOptions & { reset?: boolean } = {},
  ) {
    const said = printable(detail); // it may quote the registry
    super(`${said}. ${nextStep}`, options);
    this.code = code;
    this.detail = said;
    this.nextStep = nextStep;
    this.reset = options.reset ?? false;
  }
}
