import { printable } from "../model/problems.ts";
import { isObject } from "./covered.ts";

/** The failed request, for the message; without its query. */
export interface Attempt {
  readonly method: string;
  readonly path: string;
}

interface Failure {
  readonly status: number;
  readonly reason: string;
  readonly text: string;
  readonly retryAfterMs?: number | undefined;
}

const maxTextLength = 1_000;

/**
 * A request that the API server refused, or that got no answer. `status` is the HTTP status; 0 = no usable answer.
 * `reason` is the server's own word (Forbidden, Conflict, Expired ...), refined to NamespaceMissing or
 * ResourceTypeMissing if a 403 or 404 means that, and to Conflict if a 422 is about a uid. For status 0 it is
 * Unreachable, Timeout, TooLarge, BadAnswer or BadKubeconfig.
 * The message ends with the method and path; it never holds a token, a header or a request body.
 */
export class KubeError extends Error {
  override readonly name = "KubeError";
  readonly status: number;
  readonly reason: string;
  /** How long the server asks clients to wait. */
  readonly retryAfterMs: number | undefined;

  constructor(failure: Failure, attempt?: Attempt, options?: ErrorOptions) {
    const text = printable(failure.text.slice(0, maxTextLength)); // it may quote an admission webhook
    super(attempt ? `${text} (${attempt.method} ${attempt.path})` : text, options);
    this.status = failure.status;
    this.reason = failure.reason;
    this.retryAfterMs = failure.retryAfterMs;
  }
}

/** The error for an answer whose HTTP status is not 2xx; `retryAfter` is the header of that name, in seconds. */
export function refused(attempt: Attempt, httpStatus: number, body: string, retryAfter?: string): KubeError {
  return errorOf(attempt, { ...parse(body), code: httpStatus }, retryAfter);
}

/**
 * The error for a Status: an ERROR event of a watch, or the body of a refusal. A proxy that answers in the API server's
 * place may send any other JSON. Source: k8s.io/apimachinery/pkg/apis/meta/v1/types.go (Status, StatusDetails).
 */
export function errorOf(attempt: Attempt, status: unknown, retryAfter?: string): KubeError {
  const { code: stated, message, reason, details } = fieldsOf(status);
  const code = typeof stated === "number" ? stated : 500;
  const seconds = Number(retryAfter ?? fieldsOf(details).retryAfterSeconds);
  const failure = {
    status: code,
    reason: reasonOf(code, reason, fieldsOf(details)),
    text: typeof message === "string" ? message : `the API server answered ${code} without a reason`,
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1_000 : undefined,
  };
  return new KubeError(failure, attempt);
}

/**
 * The error for a request that got no answer: refused connection, reset, bad certificate, unresolvable name; or one that
 * is longer than a string can be.
 */
export function unreachable(attempt: Attempt, origin: string, cause: unknown): KubeError {
  const { code, message } = cause as { code?: string; message?: string };
  if (code === "ERR_STRING_TOO_LONG") {
    const text = `the answer from ${origin} is too long`;
    return new KubeError({ status: 0, reason: "TooLarge", text }, attempt, { cause });
  }
  const what = [code, message].filter((part) => part !== undefined && part !== "").join(": ");
  return new KubeError(
    { status: 0, reason: "Unreachable", text: `no answer from ${origin}: ${what}` },
    attempt,
    { cause },
  );
}

/**
 * Decides which failures a retry can fix. undefined = none; only another object, spec or permission can.
 * Otherwise the minimum time to wait, in ms; 0 = the caller's own backoff.
 */
export function retryDelay(error: KubeError): number | undefined {
  const { status, reason, retryAfterMs } = error;
  const isConflict = status === 409 || reason === "Conflict";
  const retryable = status === 0 || status === 401 || isConflict || status === 429 || status >= 500;
  return retryable || retryAfterMs !== undefined ? (retryAfterMs ?? 0) : undefined;
}

/** Whether less might have been answered: there was too much of it, or not enough time. */
export function isTooMuch({ reason }: KubeError): boolean {
  return reason === "TooLarge" || reason === "Timeout" || reason === "ServerTimeout";
}

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields => (isObject(value) ? value : {});

function parse(body: string): Fields {
  try {
    return fieldsOf(JSON.parse(body));
  } catch {
    return {}; // A proxy's HTML page, or "404 page not found"; only the HTTP status is useful.
  }
}

/**
 * A 404 without a name concerns the resource type: its CRD is not installed. An apply with a uid is told that a uid
 * cannot be changed if the object is another one now.
 */
function reasonOf(httpStatus: number, reason: unknown, { name, kind, causes }: Fields): string {
  const known = Array.isArray(causes) ? causes.map(fieldsOf) : [];
  const isTerminating = known.some((cause) => cause.reason === "NamespaceTerminating");
  if (isTerminating || (httpStatus === 404 && kind === "namespaces")) return "NamespaceMissing";
  if (httpStatus === 404 && name === undefined) return "ResourceTypeMissing";
  if (known.some((cause) => cause.field === "metadata.uid")) return "Conflict";
  if (typeof reason === "string") return reason;
  return httpStatus === 429 ? "TooManyRequests" : "Unknown";
}
