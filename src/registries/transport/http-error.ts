/** Why there is no answer; callers treat each kind differently. */
export type HttpErrorKind = "unreachable" | "bad-answer" | "bad-tls-options";

/** The message is a few words, without volatile parts and without the URL, whose query may hold a secret. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly kind: HttpErrorKind;

  constructor(kind: HttpErrorKind, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.kind = kind;
  }
}
