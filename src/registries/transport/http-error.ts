import { RegistryError } from "../../model/errors.ts";

/** Why there is no answer; callers treat each kind differently. */
export type HttpErrorKind =
  | "unreachable"
  | "bad-answer"
  | "too-large"
  | "redirected"
  | "bad-tls-options"
  | "bad-header";

/** The message is a few words, without volatile parts and without the URL, whose query may hold a secret. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly kind: HttpErrorKind;

  constructor(kind: HttpErrorKind, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.kind = kind;
  }
}

/** Where a redirect is not followed. */
export const redirectAdvice = "Write the address that it redirects to into spec.address.";

/** Statuses of a server that is starting or has too much to do, or of a proxy before one that is not there. */
export const notNow: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/**
 * What it means for the registry that `doing` got no answer of a server of this kind ("a Nacos server"). Whatever is not
 * an HttpError is returned as it is.
 */
export function httpFailure(doing: string, error: unknown, server: string): unknown {
  if (!(error instanceof HttpError)) return error;
  const detail = `${doing}: ${error.message}`;
  const options = { cause: error };
  switch (error.kind) {
    case "unreachable": {
      const advice = "Check spec.address.";
      return new RegistryError("RegistryUnreachable", detail, advice, options);
    }
    case "bad-answer": {
      const advice = `Check that spec.address is that of ${server}.`;
      return new RegistryError("RegistryBadResponse", detail, advice, options);
    }
    case "too-large": {
      const advice = `Check that spec.address is that of ${server}. If it is, raise --max-answer-bytes.`;
      return new RegistryError("RegistryBadResponse", detail, advice, options);
    }
    case "redirected":
      return new RegistryError("RegistryBadResponse", detail, redirectAdvice, options);
    case "bad-header": {
      const advice = "Remove blanks and line breaks from the values of the Secret.";
      return new RegistryError("SecretInvalid", detail, advice, options);
    }
    case "bad-tls-options": {
      const advice = "Check that ca.crt, tls.crt and tls.key of the Secret are PEM.";
      return new RegistryError("SecretInvalid", detail, advice, options);
    }
  }
}
