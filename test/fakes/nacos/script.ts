/** A request, over gRPC (`ServiceListRequest`) or HTTP (`GET /v1/ns/catalog/services`). */
export interface FakeRequest {
  readonly type: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * What happens to a request instead of, or before, the usual: a refusal with Nacos' code (gRPC) or that status (HTTP),
 * any JSON or text, the bytes of a message or of a frame, silence, a delay, an HTTP or gRPC status, the end of the
 * stream or of the connection.
 */
export type Reaction =
  | { readonly refuse: number; readonly message?: string; readonly type?: string }
  | { readonly answer: unknown; readonly type?: string }
  | { readonly message: Buffer }
  | { readonly frame: Buffer }
  | { readonly delayMs: number }
  | { readonly status: number; readonly contentType?: string }
  | { readonly grpcStatus: number }
  | "hang"
  | "reset"
  | "cut";

/** Which requests: by a part of their type, or by a function. */
export type Match = string | ((request: FakeRequest) => boolean);

/** What has been asked for, and what shall go wrong. */
export class Script {
  readonly requests: FakeRequest[] = [];
  #faults: { readonly match: Match; readonly reaction: Reaction; left: number }[] = [];

  /** From now on, for the next `times` of these requests. */
  fault(match: Match, reaction: Reaction, times = Number.POSITIVE_INFINITY): void {
    this.#faults.push({ match, reaction, left: times });
  }

  heal(): void {
    this.#faults = [];
  }

  /** The requests of a type so far. */
  count(match: Match): number {
    return this.requests.filter((one) => matches(match, one)).length;
  }

  take(request: FakeRequest): Reaction | undefined {
    this.requests.push(request);
    const fault = this.#faults.find(({ match, left }) => left > 0 && matches(match, request));
    if (fault === undefined) return undefined;
    fault.left--;
    return fault.reaction;
  }
}

const matches = (match: Match, request: FakeRequest): boolean =>
  typeof match === "string" ? request.type.includes(match) : match(request);
