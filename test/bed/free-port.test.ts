import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { expect, test } from "vitest";
import { watchProcess } from "./watchdog.ts";

/** Begins to look where every process that runs this begins, tells what it is given and lives on until it is killed. */
function look(
  from: number,
  ...offsets: readonly (readonly number[])[]
): ChildProcessByStdio<null, Readable, null> {
  const script = `
    Math.random = () => ${from};
    const { freePort } = await import(${JSON.stringify(new URL("../support/free-port.ts", import.meta.url).href)});
    const ports = [];
    for (const offsets of ${JSON.stringify(offsets)}) ports.push(await freePort(offsets));
    console.log(ports.join(" "));
    setInterval(() => undefined, 1_000);
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  watchProcess(child.pid as number);
  return child;
}

async function givenTo({ stdout }: ChildProcessByStdio<null, Readable, null>): Promise<readonly number[]> {
  const [line] = (await once(createInterface(stdout), "line")) as [string];
  return line.split(" ").map(Number);
}

test("processes that look at the same moment are given ports of their own, though nobody listens there yet", async () => {
  const processes = Array.from({ length: 3 }, () => look(0.5, [1], []));
  const given = await Promise.all(processes.map(givenTo));
  for (const one of processes) one.kill();
  const ports = given.flatMap(([pair = 0, single = 0]) => [pair, pair + 1, single]);
  expect(new Set(ports).size).toBe(3 * 3);
});

test.each([0, 0.99])(
  "ports with others far from them are found wherever the search begins: %d",
  async (from) => {
    const nacos = [-1000, 1000, 1001]; // at either end of the range most of these are beyond it
    const one = look(from, nacos, nacos);
    const [first = 0, second = 0] = await givenTo(one);
    one.kill();
    expect([...nacos, 0].map((offset) => second + offset)).not.toContain(first);
  },
);
