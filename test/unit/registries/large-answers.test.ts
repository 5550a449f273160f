import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type FakeConsul, type Fault, startFakeConsul } from "../../fakes/consul/server.ts";
import { type FakeEureka, startFakeEureka } from "../../fakes/eureka/server.ts";
import { eurekaList, eurekaListOf, gzipBomb, largeBody } from "../../fakes/large-bodies.ts";
import { eventually } from "../../support/eventually.ts";
import type { Line, Task } from "../../support/read-in-little-memory.ts";

/** What docs/operations.md says that the manifests' 768 MiB give the heap. */
const heapMiB = 384;
const program = fileURLToPath(new URL("../../support/read-in-little-memory.ts", import.meta.url));

const gzip = { "content-encoding": "gzip", "content-type": "application/json" };

async function eurekaWith(stack: AsyncDisposableStack, body: Buffer): Promise<FakeEureka> {
  const server = stack.use(await startFakeEureka());
  server.fault("/apps", { status: 200, headers: gzip, body });
  return server;
}

async function consulWith(stack: AsyncDisposableStack, services: number, fault: Fault): Promise<FakeConsul> {
  const server = stack.use(await startFakeConsul());
  for (let at = 0; at < services; at++) server.register(`bad-${at}`, [{ address: "10.42.1.1", port: 80 }]);
  server.fault(fault);
  return server;
}

const answer = (body: Buffer) => ({
  status: 200,
  headers: { ...gzip, "x-consul-index": "7", "x-consul-default-acl-policy": "allow" },
  body,
});

const pairs = (count: number): string =>
  `{${Array.from({ length: count }, (_, at) => `"${at}":""`).join(",")}}`;

/** Each of them took a process of this size down, or held everybody up for seconds. */
async function badRegistries(stack: AsyncDisposableStack): Promise<Task["bad"]> {
  const manyPairs = (at: number): string =>
    `{"status":"UP","ipAddr":"10.42.0.${at % 250}","port":${at},"metadata":${pairs(500)}}`;
  const lists: Readonly<Record<string, Buffer>> = {
    "a large list": eurekaList(60),
    "empty objects": eurekaListOf(60, "{}"),
    "malformed instances": eurekaListOf(4, '{"status":"UP","port":{"$":"x","@enabled":7}}'),
    "an instance without an end": eurekaListOf(40, `{"status":"UP","metadata":${pairs(4_000_000)}}`),
    "small pairs": eurekaListOf(20, manyPairs),
    "blanks for ever": gzipBomb(),
  };
  const eurekas = await Promise.all(
    Object.entries(lists).map(async ([name, body]) => {
      const { address } = await eurekaWith(stack, body);
      return { name, type: "eureka", address } as const;
    }),
  );
  const empties = answer(largeBody(15, "[", "{}", "]"));
  const health = await consulWith(stack, 20, ({ path }) => (path.includes("/health/") ? empties : undefined));
  const names = answer(largeBody(20, "{", (at) => `"${at}":[]`, "}"));
  const catalog = await consulWith(stack, 1, ({ path }) => (path.includes("/catalog/") ? names : undefined));
  return [
    ...eurekas,
    { name: "services of empty objects", type: "consul", address: health.address },
    { name: "millions of services", type: "consul", address: catalog.address },
  ];
}

test("a small process reads what bad registries answer, and hears of a calm one's changes meanwhile", async ({
  annotate,
}) => {
  await using stack = new AsyncDisposableStack();
  const calm = stack.use(await startFakeConsul());
  calm.register("order", [{ address: "10.42.0.1", port: 80 }]);
  const task: Task = { bad: await badRegistries(stack), calm: calm.address };

  const child = spawn(process.execPath, [`--max-old-space-size=${heapMiB}`, program, JSON.stringify(task)]);
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  stack.defer(() => void child.kill("SIGKILL"));
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += String(chunk);
  });
  const lines: Line[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(JSON.parse(line) as Line));
  const listed = (): number => lines.findLast((line) => "calm" in line)?.calm ?? 0;
  await eventually(() => expect({ listed: listed(), stderr }).toEqual({ listed: 1, stderr: "" }), 20_000);

  child.stdin.write("go\n");
  const tookMs: number[] = [];
  let isRunning = true;
  void exited.then(() => {
    isRunning = false;
  });
  for (let count = 2; isRunning; count++) {
    const at = performance.now();
    calm.register("order", [{ address: `10.42.0.${count}`, port: 80 }]);
    await eventually(() => expect(!isRunning || listed() >= count).toBe(true), 10_000);
    if (isRunning) tookMs.push(performance.now() - at);
  }
  expect({ exitCode: await exited, stderr }).toEqual({ exitCode: 0, stderr: "" });

  const outcomes = Object.fromEntries(
    lines.flatMap((line) => ("outcome" in line ? [[line.name, line.outcome] as const] : [])),
  );
  expect(outcomes).toMatchObject({
    "a large list": expect.stringMatching(/^\d{4} services$/),
    "empty objects": expect.stringContaining("lists more than 200000 entries"),
    "malformed instances": "1 services",
    "an instance without an end": "1 services",
    "small pairs": expect.stringContaining("lists more than 1000000 pairs of metadata"),
    "blanks for ever": expect.stringContaining(
      "the answer is larger than 67108864 bytes, which is --max-answer-bytes",
    ),
    "services of empty objects": "20 services",
    "millions of services": expect.stringContaining("lists more than 200000 entries"),
  });
  const malformed = lines.find((line) => "name" in line && line.name === "malformed instances");
  expect(malformed).toMatchObject({
    problems: expect.arrayContaining([expect.stringMatching(/more are malformed/)]),
  });
  expect(malformed && "problems" in malformed && malformed.problems).toHaveLength(21);
  expect(tookMs.length).toBeGreaterThan(5);
  const slowest = Math.round(Math.max(...tookMs));
  await annotate(
    `${tookMs.length} changes meanwhile, the slowest in ${slowest} ms; ${JSON.stringify(lines.at(-1))}`,
  );
}, 180_000);
