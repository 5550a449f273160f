import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RegistryError } from "../../../../src/model/errors.ts";
import type { Service } from "../../../../src/model/service.ts";
import { createEurekaAdapter } from "../../../../src/registries/eureka/adapter.ts";
import { readServices } from "../../../../src/registries/eureka/decode.ts";
import { parseStatus } from "../../../../src/registries/eureka/server-status.ts";
import { NotJsonError } from "../../../../src/runtime/json-cursor.ts";
import { countingDeps } from "../../../contract/counting-deps.ts";
import { type FakeEureka, startFakeEureka } from "../../../fakes/eureka/server.ts";
import { readJsonOf } from "../../../support/read-json.ts";

/** What a server lists; none = it is no list, or no JSON. @throws whatever else. */
function decode(text: string): readonly Service[] {
  const interest = { wants: () => true, known: () => ["stock", "other"] };
  try {
    const listed = readJsonOf((json) => readServices(json, interest, new Map<string, Service>()), text);
    return [...(listed?.services.values() ?? [])];
  } catch (error) {
    if (error instanceof NotJsonError) return [];
    throw error;
  }
}

const instance = {
  ipAddr: "10.42.0.7",
  hostName: "h",
  status: "UP",
  port: { $: 80, "@enabled": "true" },
  securePort: { $: 443, "@enabled": "false" },
  metadata: { zone: "a" },
  dataCenterInfo: { name: "MyOwn" },
};

const hostile = fc.oneof(
  fc.constantFrom(
    "__proto__",
    "constructor",
    "toString",
    "\u0000",
    "\r\n",
    "A".repeat(5_000),
    "http://u:s3cret@h/?t=s3cret",
  ),
  fc.string({ unit: "binary" }),
);
/** Any JSON, with names of fields that Eureka has. */
const oddJson = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.jsonValue(),
    hostile,
    fc.double(),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(
      fc.oneof(fc.constantFrom("$", "@enabled", ...Object.keys(instance)), hostile),
      tie("value"),
    ),
  ),
})).value;
const oddInstance = fc.tuple(fc.constantFrom(...Object.keys(instance)), oddJson).map(([key, value]) => ({
  ...instance,
  [key]: value,
}));

describe("whatever a server lists", () => {
  test("an odd instance costs no other one anything, and is an instance, a problem, or takes no calls", () => {
    fc.assert(
      fc.property(fc.oneof(oddInstance, oddJson), (odd) => {
        const application = [
          { name: "ORDERS", instance: [instance, odd] },
          { name: "FINE", instance: [instance] },
        ];
        const services = decode(JSON.stringify({ applications: { application } }));
        expect(services.map(({ name }) => name)).toEqual(["ORDERS", "FINE"]);
        for (const { instances } of services)
          expect(instances).toContainEqual(expect.objectContaining({ address: "10.42.0.7", port: 80 }));
        expect(services[1]?.problems).toEqual([]);
        for (const { at } of services[0]?.problems ?? []) expect(at.length).toBeLessThan(200);
        expect(JSON.stringify(services[0]?.problems)).not.toContain("s3cret");
      }),
      { numRuns: 500 },
    );
  });

  test("an odd application costs no other one anything, and what it may be is unknown", () => {
    fc.assert(
      fc.property(fc.oneof(oddJson, fc.record({ name: hostile, instance: oddJson })), (odd) => {
        const application = [odd, { name: "FINE", instance: [instance] }];
        const services = decode(JSON.stringify({ applications: { application } }));
        const named = services.filter(({ name }) => name === "FINE");
        expect(named).toMatchObject([{ instances: [{ address: "10.42.0.7" }] }]);
      }),
      { numRuns: 500 },
    );
  });

  test("any JSON, and any text, is a list or a RegistryError", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          oddJson.map((value) => JSON.stringify(value) ?? ""),
        ),
        (text) => {
          decode(text);
          decode(`{"applications":${text}}`);
          decode(`{"applications":{"application":${text}}}`);
          parseStatus(text);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("whatever bytes a server sends", () => {
  let server: FakeEureka;
  beforeAll(async () => {
    server = await startFakeEureka();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const body = JSON.stringify({ applications: { application: [{ name: "ORDERS", instance: [instance] }] } });
  const whole = Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  );

  /** The first thing that a watch comes to. @throws whatever is no RegistryError. */
  async function outcome(raw: Buffer): Promise<"listed" | RegistryError> {
    server.fault("/apps", { raw });
    const tls = { enabled: false, insecureSkipVerify: false };
    const registry = { type: "eureka", address: server.address, pollIntervalMs: 1_000, tls } as const;
    const adapter = createEurekaAdapter({ registry, credentials: {}, wants: () => true }, countingDeps());
    try {
      for await (const snapshot of adapter.watch(AbortSignal.timeout(15_000))) {
        expect(snapshot.services.size).toBeLessThanOrEqual(1);
        return "listed";
      }
    } catch (error) {
      if (error instanceof RegistryError) return error;
      throw error;
    }
    throw new Error("the watch ended by itself");
  }

  test("as they should be", async () => {
    expect(await outcome(whole)).toBe("listed");
  });

  test("cut anywhere are never a list", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), async (end) => {
        expect(await outcome(whole.subarray(0, end))).toBeInstanceOf(RegistryError);
      }),
      { numRuns: 100 },
    );
  });

  test("with bits flipped are a list or a RegistryError", async () => {
    const flips = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(7)), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(flips, async (bits) => {
        const flipped = Buffer.from(whole);
        for (const [at, bit] of bits) flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
        await outcome(flipped);
      }),
      { numRuns: 100 },
    );
  });
});
