/** Why there is no answer: who reads it does something else each time. */
export type HttpErrorKind = "unreachable" | "bad-answer" | "bad-tls-options";

/** The message is a few words, without the URL (its query may hold what is secret) and without volatile parts. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly kind: HttpErrorKind;

  constructor(kind: HttpErrorKind, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.kind = kind;
  }
}
