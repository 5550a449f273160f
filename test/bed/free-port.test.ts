import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { watchProcess } from "./watchdog.ts";

/** Begins to look where every process that runs this begins, tells its port and lives on until it is killed. */
const looker = `
  Math.random = () => 0.5;
  const { freePort } = await import(${JSON.stringify(new URL("../support/free-port.ts", import.meta.url).href)});
  console.log(await freePort([1]), await freePort());
  setInterval(() => undefined, 1_000);
`;

test("processes that look at the same moment are given ports of their own, though nobody listens there yet", async () => {
  const processes = Array.from({ length: 3 }, () =>
    spawn(process.execPath, ["--input-type=module", "--eval", looker], {
      detached: true,
      stdio: ["ignore", "pipe", "inherit"],
    }),
  );
  for (const { pid } of processes) watchProcess(pid as number);
  const lines = await Promise.all(processes.map(({ stdout }) => once(createInterface(stdout), "line")));
  for (const one of processes) one.kill();
  const given = lines.flatMap(([line]) => {
    const [pair = 0, single = 0] = String(line).split(" ").map(Number);
    return [pair, pair + 1, single];
  });
  expect(new Set(given).size).toBe(3 * 3);
});
