import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { withLock } from "./lock.ts";

/** Takes the lock, and is then too busy to answer whoever waits. */
const busyHolder = `
  import { withLock } from ${JSON.stringify(new URL("lock.ts", import.meta.url).href)};
  await withLock(process.argv[1], async () => {
    console.log("locked");
    await new Promise((resolve) => setTimeout(resolve, 10));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
`;

test("whoever waits has the lock when its holder is killed, however busy that was", async () => {
  const path = `lock-test-${process.pid}`;
  const holder = spawn(process.execPath, ["--input-type=module", "--eval", busyHolder, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(createInterface(holder.stdout), "line");
  const waiting = withLock(path, async () => "mine");
  setTimeout(() => holder.kill("SIGKILL"), 200);
  expect(await waiting).toBe("mine");
});
