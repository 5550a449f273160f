/** One event of a watch, as it is sent. */
export interface SentEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: unknown;
}

/** The answer to one watch request: events in the batches in which they were told, until somebody ends it. */
export interface WatchStream extends AsyncIterable<readonly SentEvent[]> {
  push(event: SentEvent): void;
  /** What was pushed is still read; then the stream ends, or throws `error`. */
  end(error?: Error): void;
  /** Nothing is told any more, and nobody notices: a connection that is dead. */
  hang(): void;
}

/** `onEnd` is called once, when the reader has left or the stream is over. */
export function createWatchStream(onEnd: () => void): WatchStream {
  let waiting: SentEvent[] = [];
  let wake = Promise.withResolvers<void>();
  let ending: { readonly error: Error | undefined } | undefined;
  let isHanging = false;
  return {
    push(event) {
      if (isHanging || ending) return;
      waiting.push(event);
      wake.resolve();
    },
    end(error) {
      ending ??= { error };
      onEnd();
      wake.resolve();
    },
    hang() {
      isHanging = true;
    },
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          if (waiting.length > 0) {
            const batch = waiting;
            waiting = [];
            yield batch;
          } else if (ending) {
            if (ending.error) throw ending.error;
            return;
          } else {
            await wake.promise;
            wake = Promise.withResolvers<void>();
          }
        }
      } finally {
        onEnd();
      }
    },
  };
}
