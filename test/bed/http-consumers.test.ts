import { expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startConsul } from "./consul.ts";
import { startProxy } from "./fault-proxy.ts";
import { startHttpConsumer } from "./http-consumer.ts";
import { startSpringProvider } from "./spring-provider.ts";

test("a Spring consumer keeps connections or not, and counts what fails", { timeout: 120_000 }, async () => {
  await using consul = await startConsul();
  const options = { registry: "consul", address: consul.address } as const;
  await using provider = await startSpringProvider(options);
  await using proxy = await startProxy("127.0.0.1", provider.port);
  await using consumer = await startHttpConsumer();
  const url = `http://${proxy.address}/greeting`;
  const greeting = `Hello from demo-application:${provider.port}`;

  expect(await consumer.calls({ url }, 20)).toMatchObject({ ok: 20, failed: 0, answers: { [greeting]: 20 } });
  expect(proxy.accepted).toBe(1);
  expect(await consumer.calls({ url, keepAlive: false }, 20)).toMatchObject({
    ok: 20,
    failed: 0,
    errors: [],
  });
  expect(proxy.accepted).toBe(20); // the first of them takes the one that was kept
  expect((await consumer.call({ url: `${url}?length=2000000` })).length).toBe(2_000_000);
  expect((await consumer.call({ url: `http://${proxy.address}/greetings` })).text).toBe("41"); // as the provider counts
  await expect(consumer.call({ url: `http://${proxy.address}/nothing` })).rejects.toThrow("404");
  await expect(consumer.call({ url: `${url}?sleep=5000` })).rejects.toThrow(/time/i);

  const loops = await Promise.all(
    [true, false].map((keepAlive) => consumer.loop({ url, keepAlive }, { perSecond: 50, parallel: 2 })),
  );
  for (const loop of loops)
    await eventually(async () => expect((await loop.counts()).ok).toBeGreaterThan(30), 10_000);
  for (const loop of loops) expect(await loop.counts()).toMatchObject({ failed: 0, errors: [] });
  await provider.kill();
  for (const loop of loops)
    await eventually(async () => expect((await loop.counts()).failed).toBeGreaterThan(10), 20_000);
  await using next = await startSpringProvider({ ...options, application: "next", port: provider.port });
  for (const loop of loops) {
    const answer = `Hello from next:${next.port}`;
    await eventually(async () => expect((await loop.counts()).answers).toHaveProperty([answer]), 20_000);
    const { failed, inFlight, errors, longestGapMs } = await loop.stop();
    expect({ inFlight, failed }).toEqual({
      inFlight: 0,
      failed: errors.reduce((sum, { count }) => sum + count, 0),
    });
    expect(longestGapMs).toBeGreaterThan(200); // ten calls failed in it
  }
});
