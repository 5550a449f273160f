import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import type { CallCounts } from "./consumer-process.ts";
import { type DubboConsumer, type DubboTarget, startDubboConsumer } from "./dubbo-consumer.ts";
import { startDubboProvider } from "./dubbo-provider.ts";
import { temporaryFolder } from "./watchdog.ts";

const HOST = "provider.test";
const versioned = { version: "1.0.0", group: "g1" };
const pairs = [
  { consumer: "2.7", provider: "2.7", protocol: "dubbo" },
  { consumer: "2.7", provider: "3.3", protocol: "dubbo" },
  { consumer: "3.3", provider: "2.7", protocol: "dubbo" },
  { consumer: "3.3", provider: "3.3", protocol: "dubbo" },
  { consumer: "3.3", provider: "3.3", protocol: "tri" },
] as const;

const stack = new AsyncDisposableStack();
let hostsFile: string;
const consumers = new Map<string, DubboConsumer>();

beforeAll(async () => {
  hostsFile = join(stack.use(temporaryFolder("hosts")).path, "hosts");
  await writeFile(hostsFile, `127.0.0.1 ${HOST}\n`);
  for (const dubbo of ["2.7", "3.3"] as const)
    consumers.set(dubbo, stack.use(await startDubboConsumer({ dubbo, hostsFile, later: true })));
}, 180_000);
afterAll(() => stack.disposeAsync());

const consumerOf = (dubbo: string): DubboConsumer => {
  const consumer = consumers.get(dubbo);
  if (!consumer) throw new Error(`no consumer of ${dubbo}`);
  return consumer;
};

const failures = ({ errors }: CallCounts) => errors.reduce((sum, { count }) => sum + count, 0);

describe.each(pairs)("Dubbo $consumer calls $provider over $protocol", { timeout: 120_000 }, (pair) => {
  const { provider: dubbo, protocol } = pair;
  const options = { registry: "N/A", dubbo, protocol } as const;
  const target = { host: HOST, protocol } as const;

  test("whatever the kind of call", async () => {
    const consumer = consumerOf(pair.consumer);
    await using provider = await startDubboProvider({ ...options, ...versioned, later: true });
    const to: DubboTarget = { ...target, ...versioned, port: provider.port };

    expect((await consumer.call({ to })).text).toBe("Hello world from p1");
    expect((await consumer.call({ to, method: "sayGoodbye" })).text).toBe("Goodbye world from p1");
    expect((await consumer.call({ to, generic: true, arguments: ["you"] })).text).toBe("Hello you from p1");
    expect((await consumer.call({ to, method: "$echo", arguments: ["so?"] })).text).toBe("so?");
    expect((await consumer.call({ to, length: 2_000_000 })).length).toBe(2_000_000);
    const { text } = await consumer.call({ to, answer: "attachments", attachments: { user: "jo" } });
    expect(text).toContain("user=jo");

    const slow = { to: { ...to, timeoutMs: 300 }, sleepMs: 1_500 };
    await expect(consumer.call(slow)).rejects.toThrow(/timeout|timed out|DEADLINE/i);
    // A provider of Triple that lacks a version answers with what it has: `dubbo.rpc.tri.resolve-fallback-to-default`.
    const otherVersion = await consumer.call({ to: { ...to, version: "2.0.0" } }).then(
      (answer) => answer.text,
      (error: unknown) => String(error),
    );
    expect(otherVersion).toContain(protocol === "tri" ? "Hello world from p1" : "RpcException");
  });

  test("at a steady rate, and counts what fails", async () => {
    const consumer = consumerOf(pair.consumer);
    await using provider = await startDubboProvider(options);
    const to: DubboTarget = { ...target, port: provider.port };
    expect(await consumer.calls({ to }, 100, 4)).toMatchObject({
      ok: 100,
      failed: 0,
      inFlight: 0,
      answers: { "Hello world from p1": 100 },
      errors: [],
    });
    expect((await consumer.call({ to, answer: "calls" })).text).toBe("101"); // as the provider counts them

    const loop = await consumer.loop({ to }, { perSecond: 100, parallel: 2 });
    await eventually(async () => expect((await loop.counts()).ok).toBeGreaterThan(50), 10_000);
    expect(await loop.counts()).toMatchObject({ failed: 0, errors: [] });
    await provider.kill();
    const killedAt = Date.now();
    await eventually(async () => expect((await loop.counts()).failed).toBeGreaterThan(10), 20_000);
    const counts = await loop.stop();
    expect(counts.inFlight).toBe(0);
    expect(failures(counts)).toBe(counts.failed);
    expect(Math.min(...counts.errors.map(({ firstAt }) => firstAt))).toBeGreaterThanOrEqual(killedAt - 1_000);
    expect(counts.longestGapMs).toBeGreaterThanOrEqual(Date.now() - killedAt - 3_000);
    expect(counts.latencyMs.p50).toBeLessThanOrEqual(counts.latencyMs.p99 ?? 0);
  });
});

/** What is called, and by whom, over Dubbo's own protocol; tri answers every call. */
const dubboPairs = pairs.filter(({ protocol }) => protocol === "dubbo");

test.each(dubboPairs)("Dubbo $consumer calls $provider and waits for no answer", async (pair) => {
  const consumer = consumerOf(pair.consumer);
  await using provider = await startDubboProvider({ registry: "N/A", dubbo: pair.provider });
  const to: DubboTarget = { host: HOST, port: provider.port };
  expect(await consumer.call({ to, oneWay: true })).toEqual({ text: "null", length: 4 });
  let looks = 0;
  await eventually(async () => {
    looks++;
    expect((await consumer.call({ to, answer: "calls" })).text).toBe(String(looks + 1));
  }, 5_000);
});

test("Dubbo 3.3 can send fastjson2, which 2.7 does not know", { timeout: 60_000 }, async () => {
  await using provider = await startDubboProvider({ registry: "N/A", dubbo: "3.3" });
  await using older = await startDubboProvider({ registry: "N/A", dubbo: "2.7" });
  const parameters = { serialization: "fastjson2", "prefer.serialization": "fastjson2" };
  const to = { host: HOST, timeoutMs: 1_000, parameters };
  const consumer = consumerOf("3.3");
  expect((await consumer.call({ to: { ...to, port: provider.port } })).text).toBe("Hello world from p1");
  await expect(consumer.call({ to: { ...to, port: older.port } })).rejects.toThrow("RpcException");
});
