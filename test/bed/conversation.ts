import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { ServerProcess } from "./server-process.ts";

type Reply = { readonly result?: unknown; readonly error?: string };

/** Talks with a program: one JSON object per line, requests with an id, and in any order a reply for each. */
export interface Conversation {
  /** For {@link ServerProgram.talk}. */
  begin(stdin: Writable, stdout: Readable): void;
  /** The reply's result. @throws Error with the reply's error, or when the program ends first. */
  ask(server: ServerProcess, request: object): Promise<unknown>;
}

/** A conversation with a program that messages call `name`. */
export function converse(name: string): Conversation {
  const waiting = new Map<number, (reply: Reply) => void>();
  let lastId = 0;
  let requests: Writable | undefined;
  return {
    begin(stdin, stdout) {
      requests = stdin;
      stdin.on("error", () => stdin.destroy()); // it has ended: the end of its stdout tells
      const replies = createInterface({ input: stdout });
      replies.on("line", (line) => {
        const { id, ...reply } = JSON.parse(line) as { readonly id: number };
        waiting.get(id)?.(reply);
        waiting.delete(id);
      });
      replies.on("close", () => {
        for (const answer of waiting.values()) answer({ error: "it has ended" });
        waiting.clear();
      });
    },
    async ask(server, request) {
      if (!server.isRunning()) throw new Error(`${name} has ended: ${server.readLog().slice(-1000)}`);
      const id = ++lastId;
      const { promise, resolve } = Promise.withResolvers<Reply>();
      waiting.set(id, resolve);
      requests?.write(`${JSON.stringify({ id, ...request })}\n`);
      const reply = await promise;
      if (reply.error !== undefined) throw new Error(`${name}: ${reply.error}`);
      return reply.result;
    },
  };
}
