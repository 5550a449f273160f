import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createBackoff } from "../../../src/kube/backoff.ts";
import { KubeError, refused, retryDelay } from "../../../src/kube/errors.ts";
import { createSemaphore } from "../../../src/kube/semaphore.ts";
import { linesOf } from "../../../src/kube/watch.ts";

const attempt = { method: "PATCH", path: "/api/v1/namespaces/ns/configmaps/one" };

describe("refusals", () => {
  test.each([
    ["conflict", 409, "{}", undefined, 0],
    ["too many requests", 429, "", "7", 7_000],
    ["internal error", 500, "<html>secret page</html>", undefined, 0],
    ["unavailable, with a time in the body", 503, '{"details":{"retryAfterSeconds":3}}', undefined, 3_000],
    ["refused credentials", 401, "{}", undefined, 0],
    ["forbidden", 403, "{}", undefined, undefined],
    ["not found", 404, "{}", undefined, undefined],
    ["invalid", 422, "{}", undefined, undefined],
  ])("%s: %i", (_, status, body, retryAfter, delayMs) => {
    const error = refused(attempt, status, body, retryAfter);
    expect(error.status).toBe(status);
    expect(retryDelay(error)).toBe(delayMs);
    expect(error.message).toContain("(PATCH /api/v1/namespaces/ns/configmaps/one)");
    expect(error.message).not.toContain("secret");
  });

  test("a body that is JSON and no Status says no more than its HTTP status", () => {
    const odd = [
      '{"message":["x"]}',
      '{"details":7,"reason":{}}',
      '{"details":{"causes":"x"}}',
      '"x"',
      "null",
    ];
    for (const body of odd)
      expect(refused(attempt, 503, body)).toMatchObject({ status: 503, reason: "Unknown" });
  });

  test("a message of an admission webhook is one line without control characters (I18)", () => {
    const body = JSON.stringify({ message: "denied:\n\u001b[2Jno" });
    expect(refused(attempt, 403, body).message).toMatch(/^denied: \uFFFD\[2Jno \(PATCH/);
  });

  test("a long message is cut", () => {
    const error = refused(attempt, 422, JSON.stringify({ message: "x".repeat(100_000) }));
    expect(error.message.length).toBeLessThan(1_200);
  });
});

describe("gate", () => {
  test("never more than its limit are inside, and all get in", async () => {
    const gate = createSemaphore(3);
    const { signal } = new AbortController();
    let inside = 0;
    let most = 0;
    const visit = async (): Promise<void> => {
      const leave = await gate.enter(signal);
      most = Math.max(most, ++inside);
      await Promise.resolve();
      inside -= 1;
      leave();
    };
    await Promise.all(Array.from({ length: 50 }, visit));
    expect({ most, inside }).toEqual({ most: 3, inside: 0 });
  });

  test("who gives up waiting takes no place", async () => {
    const gate = createSemaphore(1);
    const leave = await gate.enter(new AbortController().signal);
    const impatient = new AbortController();
    const waiting = gate.enter(impatient.signal);
    const patient = gate.enter(new AbortController().signal);
    impatient.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    leave();
    (await patient)();
    (await gate.enter(new AbortController().signal))();
  });
});

describe("backoff", () => {
  const errorOf = (status: number, retryAfterMs?: number): KubeError =>
    new KubeError({ status, reason: "Test", text: "test", retryAfterMs });
  const backoffAt = (time: { now: number }) =>
    createBackoff({
      random: () => 1,
      clock: {
        now: () => 0,
        monotonic: () => time.now,
        sleep: () => Promise.resolve(),
        after: () => () => undefined,
      },
    });

  test("doubles to 30 s, to 5 s while a type or right is missing, and forgets after a quiet minute", () => {
    const time = { now: 0 };
    const backoff = backoffAt(time);
    const delays = Array.from({ length: 8 }, () => backoff.next(errorOf(500)).delayMs);
    expect(delays).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(backoff.next(errorOf(404)).delayMs).toBe(5_000);
    time.now += 66_000;
    expect(backoff.next(errorOf(500))).toEqual({ delayMs: 500, failures: 1 });
  });

  test("waits as long as the server asks for", () => {
    expect(backoffAt({ now: 0 }).next(errorOf(429, 45_000)).delayMs).toBe(45_000);
  });
});

test("lines survive any cut into chunks, and an unfinished one is dropped", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: "grapheme" })),
      fc.array(fc.nat(40)),
      async (texts, sizes) => {
        const lines = texts.map((text) => JSON.stringify(text));
        const bytes = Buffer.from(`${lines.map((line) => `${line}\n`).join("")}{"unfinish`);
        const found: string[] = [];
        for await (const some of linesOf(chunksOf(bytes, sizes))) found.push(...some);
        expect(found).toEqual(lines);
      },
    ),
  );
});

async function* chunksOf(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (const size of sizes) {
    yield bytes.subarray(at, at + size);
    at += size;
  }
  yield bytes.subarray(at);
}
