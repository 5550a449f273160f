import type { Operation } from "./jute.ts";

/** A request as a fault sees it. */
export interface FakeRequest {
  readonly operation: Operation | "connect" | "unknown";
  /** "" where the request has none. */
  readonly path: string;
  readonly session: bigint;
}

/**
 * What happens instead of a good answer: none at all, the connection's end, a late one, one in pieces with time between
 * them, one with an error code, other bytes, the good one changed, or only its first bytes and then the end.
 */
export type Fault =
  | "hang"
  | "drop"
  | { readonly delayMs: number }
  | { readonly pieceBytes: number; readonly everyMs: number }
  | { readonly error: number }
  | { readonly bytes: Buffer }
  | { readonly change: (answer: Buffer) => Buffer }
  | { readonly cut: number };

/** Decides about one request; undefined = a good answer. */
export type FaultRule = (request: FakeRequest) => Fault | undefined;

/** What a test has the server do badly. */
export class Faults {
  readonly #rules = new Set<FaultRule>();
  /** Every request since the last `forget`, in order. */
  readonly requests: FakeRequest[] = [];
  /** Answers leave in pieces of so many bytes. */
  pieceBytes = Number.POSITIVE_INFINITY;

  /** The newest rule that has an opinion decides. Returns how to take it away. */
  add(rule: FaultRule): () => void {
    this.#rules.add(rule);
    return () => this.#rules.delete(rule);
  }

  heal(): void {
    this.#rules.clear();
    this.pieceBytes = Number.POSITIVE_INFINITY;
  }

  next(request: FakeRequest): Fault | undefined {
    this.requests.push(request);
    return [...this.#rules]
      .reverse()
      .map((rule) => rule(request))
      .find((fault) => fault !== undefined);
  }

  /** The paths that were read since the last call, sorted. */
  reads(): readonly string[] {
    const read = ["getData", "getChildren", "getChildren2"];
    const paths = this.requests.filter(({ operation }) => read.includes(operation)).map(({ path }) => path);
    this.requests.length = 0;
    return paths.toSorted();
  }
}
