/** The body of a Kubernetes error answer. Source: k8s.io/apimachinery/pkg/apis/meta/v1/types.go (Status, StatusDetails). */
export interface Status {
  readonly kind?: string;
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: {
    readonly name?: string;
    readonly kind?: string;
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly { readonly reason?: string }[];
  };
}

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
 * ResourceTypeMissing if a 403 or 404 means that. For status 0 it is Unreachable, Timeout, BadAnswer or
 * BadKubeconfig.
 * The message ends with the method and path; it never holds a token, a header or a request body.
 */
export class KubeError extends Error {
  override readonly name = "KubeError";
  readonly status: number;
  readonly reason: string;
  /** How long the server asks clients to wait. */
  readonly retryAfterMs: number | undefined;

  constructor(failure: Failure, attempt?: Attempt, options?: ErrorOptions) {
    const text = failure.text.slice(0, maxTextLength);
    super(attempt ? `${text} (${attempt.method} ${attempt.path})` : text, options);
    this.status = failure.status;
    this.reason = failure.reason;
    this.retryAfterMs = failure.retryAfterMs;
  }
}

/** The error for an answer whose HTTP status is not 2xx; `retryAfter` is the header of that name, in seconds. */
export function refused(attempt: Attempt, httpStatus: number, body: string, retryAfter?: string): KubeError {
  return errorOf(attempt, { ...parseStatus(body), code: httpStatus }, retryAfter);
}

/** The error for a Status: an ERROR event of a watch, or the body of a refusal. */
export function errorOf(attempt: Attempt, status: Status, retryAfter?: string): KubeError {
  const code = status.code ?? 500;
  const seconds = Number(retryAfter ?? status.details?.retryAfterSeconds);
  const failure = {
    status: code,
    reason: reasonOf(code, status),
    text: status.message ?? `the API server answered ${code} without a reason`,
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1_000 : undefined,
  };
  return new KubeError(failure, attempt);
}

/** The error for a request that got no answer: refused connection, reset, bad certificate, unresolvable name. */
export function unreachable(attempt: Attempt, origin: string, cause: unknown): KubeError {
  const { code, message } = cause as { code?: string; message?: string };
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
  const { status, retryAfterMs } = error;
  const retryable = status === 0 || status === 401 || status === 409 || status === 429 || status >= 500;
  return retryable || retryAfterMs !== undefined ? (retryAfterMs ?? 0) : undefined;
}

function parseStatus(body: string): Status {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === "object" && parsed !== null ? parsed : {};
  } catch {
    return {}; // A proxy's HTML page, or "404 page not found"; only the HTTP status is useful.
  }
}

/** A 404 without a name concerns the resource type: its CRD is not installed. */
function reasonOf(httpStatus: number, { reason, details }: Status): string {
  const terminating = details?.causes?.some((cause) => cause.reason === "NamespaceTerminating");
  if (terminating || (httpStatus === 404 && details?.kind === "namespaces")) return "NamespaceMissing";
  if (httpStatus === 404 && details?.name === undefined) return "ResourceTypeMissing";
  return reason ?? (httpStatus === 429 ? "TooManyRequests" : "Unknown");
}
