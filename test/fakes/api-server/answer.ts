import type { ApiRequest } from "./request.ts";
import { type ApiType, qualified } from "./types.ts";
import type { WatchStream } from "./watch-stream.ts";

/** What the server answers: JSON, a page of text, or a watch. */
export interface Answer {
  readonly code: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text is sent as it is, everything else as JSON. */
  readonly body: unknown;
  readonly watch?: WatchStream;
}

/** The `details` of a Status. Source: k8s.io/apimachinery/pkg/apis/meta/v1/types.go (StatusDetails). */
interface StatusDetails {
  readonly name?: string;
  readonly kind?: string;
  readonly retryAfterSeconds?: number;
  readonly causes?: readonly { readonly reason?: string; readonly field?: string }[];
}

/** Thrown where a request is refused; it never leaves the server. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly answer: Answer;

  constructor(answer: Answer) {
    super(`refused with ${answer.code}`);
    this.answer = answer;
  }
}

/** A Status of failure. `retryAfter` in seconds. */
export function failure(
  code: number,
  reason: string,
  message: string,
  details: StatusDetails = {},
  retryAfter?: number,
): Answer {
  const body = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    details,
    code,
  };
  return { code, body, ...(retryAfter !== undefined && { headers: { "retry-after": `${retryAfter}` } }) };
}

/** Overload: 429 with Retry-After, as API priority and fairness answers. */
export const tooManyRequests = (seconds: number): Answer =>
  failure(
    429,
    "TooManyRequests",
    "Too many requests, please try again later.",
    { retryAfterSeconds: seconds },
    seconds,
  );

/** What a webhook or a policy says no with. */
export const deniedByWebhook = (message: string): Answer =>
  failure(403, "Forbidden", `admission webhook "policy.example.org" denied the request: ${message}`, {
    name: "policy",
    kind: "policy",
  });

/** The group is unknown, or the type is in it no more: its CRD is not installed. */
export const typeMissing = (): Answer => ({ code: 404, body: "404 page not found\n" });

/** Source of the words: k8s.io/apimachinery/pkg/api/errors/errors.go, k8s.io/apiserver responsewriters. */
export function forbidden({ user, verb, resource, group, namespace, name }: ApiRequest): Answer {
  const what = group === "" ? resource : `${resource}.${group}`;
  const where = namespace === "" ? "at the cluster scope" : `in the namespace "${namespace}"`;
  const named = name === "" ? what : `${what} "${name}"`;
  const message = `${named} is forbidden: User "${user}" cannot ${verb} resource "${resource}" in API group "${group}" ${where}`;
  return failure(403, "Forbidden", message, { ...(name !== "" && { name }), kind: resource });
}

export const notFound = (type: ApiType, name: string): Answer =>
  failure(404, "NotFound", `${qualified(type)} "${name}" not found`, { name, kind: type.plural });

export const namespaceMissing = (name: string): Answer =>
  failure(404, "NotFound", `namespaces "${name}" not found`, { name, kind: "namespaces" });

export function namespaceTerminating(type: ApiType, name: string, namespace: string): Answer {
  const message = `${qualified(type)} "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`;
  return failure(403, "Forbidden", message, {
    name,
    kind: type.plural,
    causes: [{ reason: "NamespaceTerminating" }],
  });
}

export const alreadyExists = (type: ApiType, name: string): Answer =>
  failure(409, "AlreadyExists", `${qualified(type)} "${name}" already exists`, { name, kind: type.plural });

export function conflict(type: ApiType, name: string, why: string): Answer {
  const message = `Operation cannot be fulfilled on ${qualified(type)} "${name}": ${why}`;
  return failure(409, "Conflict", message, { name, kind: type.plural });
}

export const invalid = (
  { kind, plural, group }: ApiType,
  name: string,
  problem: string,
  field?: string,
): Answer =>
  failure(422, "Invalid", `${kind}.${group} "${name}" is invalid: ${problem}`, {
    name,
    kind: plural,
    ...(field !== undefined && { causes: [{ reason: "FieldValueInvalid", field }] }),
  });

/** Of a list or a watch at a resourceVersion that nobody remembers. */
export const expired = (): Answer =>
  failure(410, "Expired", "The provided continue parameter is too old to display a consistent list result.");
