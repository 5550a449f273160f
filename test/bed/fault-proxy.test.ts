import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { type FaultProxy, startProxy } from "./fault-proxy.ts";

const echo = createServer((socket) => socket.on("error", () => socket.destroy()).pipe(socket));
let proxy: FaultProxy;
let client: Client;

interface Client {
  readonly socket: Socket;
  received: string;
  end: string | undefined;
}

/** A connection that keeps what it receives and how it ended. */
function open(): Client {
  const socket = connect(proxy.port, "127.0.0.1");
  const opened: Client = { socket, received: "", end: undefined };
  socket.on("data", (chunk) => (opened.received += String(chunk)));
  socket.on("error", (error: NodeJS.ErrnoException) => (opened.end = error.code));
  socket.on("close", () => (opened.end ??= "closed"));
  return opened;
}

beforeEach(async () => {
  const port = await freePort();
  await once(echo.listen(port, "127.0.0.1"), "listening");
  proxy = await startProxy("127.0.0.1", port);
  client = open();
  client.socket.write("hello ");
  await once(client.socket, "data");
});

afterEach(async () => {
  client.socket.destroy();
  await proxy[Symbol.asyncDispose]();
  echo.close();
  await once(echo, "close");
});

describe("a fault proxy", () => {
  test("cut resets what is open and serves what comes", async () => {
    proxy.cut();
    await eventually(() => expect(client.end).toBe("ECONNRESET"), 5_000);
    const next = open();
    next.socket.end("again");
    await eventually(() => expect(next).toMatchObject({ received: "again", end: "closed" }), 5_000);
    expect(proxy.accepted).toBe(2);
  });

  test("refuse resets and refuses until healed", async () => {
    await proxy.refuse();
    await eventually(() => expect(client.end).toBe("ECONNRESET"), 5_000);
    const refused = open();
    await eventually(() => expect(refused.end).toBe("ECONNREFUSED"), 5_000);
    await proxy.heal();
    const next = open();
    next.socket.end("again");
    await eventually(() => expect(next.received).toBe("again"), 5_000);
  });

  test("stall holds bytes back and lets them through when healed", async () => {
    proxy.stall();
    client.socket.write("world");
    const late = open();
    late.socket.write("late");
    await eventually(() => expect(proxy.open).toBe(2), 5_000);
    expect([client.received, late.received]).toEqual(["hello ", ""]);
    await proxy.heal();
    await eventually(() => expect([client.received, late.received]).toEqual(["hello world", "late"]), 5_000);
    late.socket.destroy();
  });

  test("swallow loses what is sent, and heal resets who lost something", async () => {
    proxy.swallow();
    client.socket.write("lost");
    const silent = open();
    silent.socket.write("lost");
    await eventually(() => expect(proxy.swallowedBytes).toBe(8), 5_000);
    expect([client.end, silent.end]).toEqual([undefined, undefined]);
    await proxy.heal();
    await eventually(() => expect([client.end, silent.end]).toEqual(["ECONNRESET", "ECONNRESET"]), 5_000);
  });

  test("trickle forwards at its pace, and the rest at once when healed", async () => {
    proxy.trickle(1_000);
    client.socket.write("x".repeat(100_000));
    await eventually(() => expect(client.received.length).toBeGreaterThan(50), 5_000);
    expect(client.received.length).toBeLessThan(5_000);
    await proxy.heal();
    await eventually(() => expect(client.received.length).toBe(100_006), 5_000);
  });
});
