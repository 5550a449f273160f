import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { ZkConnection } from "../../../../src/registries/zookeeper/connection.ts";
import { WatchedNodes } from "../../../../src/registries/zookeeper/watched-nodes.ts";
import { frame, int, opcode } from "../../../../src/registries/zookeeper/wire.ts";
import { fakeClock } from "../../../support/fake-clock.ts";

const answers = 200;
const answerBytes = 64 * 1024;

/** Calls `run` in every turn of the event loop, until that returns false. */
function inEveryTurn(run: () => boolean): void {
  setImmediate(() => run() && inEveryTurn(run));
}

/** Grants a session, and answers everything else with records of 64 KiB, all at once. */
async function serve() {
  const server = createServer((socket: Socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      socket.write(frame(int(0), int(12_000), Buffer.alloc(8), int(0)));
      socket.once("data", () => {
        const header = (xid: number) => [int(xid), Buffer.alloc(8), int(0)];
        for (let xid = 1; xid <= answers; xid++)
          socket.write(frame(...header(xid), Buffer.alloc(answerBytes)));
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, close: () => server.close() };
}

test("while answers come without a pause, everything else has its turn every 5 ms", async () => {
  const { port, close } = await serve();
  const clock = fakeClock();
  const abort = new AbortController();
  const server = { host: "127.0.0.1", port, name: "zk" };
  const connection = await ZkConnection.open(
    { server, ip: "127.0.0.1", handshakeMs: 2_000 },
    clock,
    abort.signal,
  );
  let inTurn = 0;
  let most = 0;
  inEveryTurn(() => {
    inTurn = 0;
    return !abort.signal.aborted;
  });
  const read = Array.from({ length: answers }, async () => {
    await connection.request(opcode.ping);
    clock.advance(10); // what the answer costs
    inTurn += 1;
    most = Math.max(most, inTurn);
  });
  await Promise.all(read);
  expect(most).toBeLessThanOrEqual(4);
  abort.abort();
  close();
});

test("the names of a new listing are compared with those of the last one in slices", async () => {
  const clock = fakeClock();
  const turns: number[] = [];
  let before = clock.monotonic();
  let isOver = false;
  inEveryTurn(() => {
    turns.push(clock.monotonic() - before);
    before = clock.monotonic();
    return !isOver;
  });
  /** A look at one of its names takes 1 ms. */
  class Names extends Set<string> {
    override has(name: string): boolean {
      clock.advance(1);
      return super.has(name);
    }
    override *[Symbol.iterator](): SetIterator<string> {
      for (const name of this.keys()) {
        clock.advance(1);
        yield name;
      }
    }
  }
  const named = (kind: string) => new Names(Array.from({ length: 100 }, (_, at) => `${kind}${at}`));
  const nodes = new WatchedNodes(
    async (name) => name,
    () => undefined,
    clock,
  );
  expect((await nodes.sync(named("old"))).size).toBe(100);
  expect([...(await nodes.sync(named("new"))).keys()]).toEqual([...named("new").keys()]);
  isOver = true;
  expect(Math.max(...turns)).toBeLessThanOrEqual(2 * 5);
});
