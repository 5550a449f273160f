import { once } from "node:events";
import { type AddressInfo, connect, createServer, Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { firstToOpen } from "../../../../src/registries/transport/dialer.ts";
import { eventually } from "../../../support/eventually.ts";
import { fakeClock } from "../../../support/fake-clock.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** Dials of a server that accepts, of one that refuses, and of one that never answers; and what was dialled. */
async function dials() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const made: { readonly kind: string; readonly socket: Socket }[] = [];
  const dial = (kind: string, open: () => Socket) => () => {
    const socket = open();
    closers.push(() => socket.destroy());
    made.push({ kind, socket });
    return socket;
  };
  return {
    made,
    good: dial("good", () => connect(port, "127.0.0.1")),
    refused: dial("refused", () => connect(1, "127.0.0.1")),
    silent: dial("silent", () => new Socket()), // connects to nothing, and nobody says so
  };
}

const opened = (socket: Socket): Promise<Socket> =>
  new Promise((resolve, reject) => {
    socket.once("connect", () => resolve(socket)).once("error", reject);
    socket.once("close", () => reject(new Error("closed")));
  });

const race = (of: readonly (() => Socket)[], clock = fakeClock(), signal = new AbortController().signal) =>
  firstToOpen(of, opened, clock, signal);

test("the first address that answers is taken, and no other is dialled", async () => {
  const { made, good, silent } = await dials();
  const clock = fakeClock();
  const socket = await race([good, silent], clock);
  expect(made).toEqual([{ kind: "good", socket }]);
  expect(clock.pending).toBe(0);
});

test("after one that refuses the next is dialled at once", async () => {
  const { made, good, refused } = await dials();
  const clock = fakeClock();
  expect((await race([refused, refused, good], clock)).connecting).toBe(false);
  expect(made.map(({ kind }) => kind)).toEqual(["refused", "refused", "good"]);
  expect(clock.pending).toBe(0);
});

test("silent ones cost a quarter of a second each, and are given up when another answers", async () => {
  const { made, good, silent } = await dials();
  const clock = fakeClock();
  const socket = race([silent, silent, good], clock);
  clock.advance(249);
  expect(made).toHaveLength(1);
  clock.advance(251);
  expect(made).toHaveLength(3);
  expect(await socket).toBe(made[2]?.socket);
  expect(made.map((one) => one.socket.destroyed)).toEqual([true, true, false]);
  expect(clock.pending).toBe(0);
});

test("a silent one that answers after all wins", async () => {
  const { made, good, silent } = await dials();
  const clock = fakeClock();
  const late = race([silent, silent, silent], clock);
  clock.advance(250);
  made[0]?.socket.emit("connect");
  expect(await late).toBe(made[0]?.socket);
  await turn();
  expect(made.map((one) => one.socket.destroyed)).toEqual([false, true]);
  expect(good).toBeDefined();
});

test("when all fail, the last failure is told", async () => {
  const { made, refused } = await dials();
  await expect(race([refused, refused])).rejects.toThrow("ECONNREFUSED");
  expect(made).toHaveLength(2);
});

test("after an abort no other is dialled", async () => {
  const { made, silent } = await dials();
  const clock = fakeClock();
  const stop = new AbortController();
  const ended = race([silent, silent], clock, stop.signal);
  stop.abort();
  made[0]?.socket.destroy(new Error("stopped"));
  await expect(ended).rejects.toThrow("stopped");
  clock.advance(1_000);
  await eventually(() => expect(made).toHaveLength(1), 1_000);
  expect(clock.pending).toBe(0);
});
