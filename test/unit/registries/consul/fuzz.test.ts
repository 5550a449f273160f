import * as fc from "fast-check";
import { expect, test } from "vitest";
import { RegistryError } from "../../../../src/model/errors.ts";
import {
  allServices,
  createConsulApi,
  healthOf,
  type Question,
  TooManyConnectionsError,
} from "../../../../src/registries/consul/api.ts";
import {
  changedBetween,
  decodeService,
  isAbout,
  readChecks,
  readHealth,
} from "../../../../src/registries/consul/decode.ts";
import type { UseOfBytes } from "../../../../src/registries/transport/http-client.ts";
import { type FakeAnswer, type Fault, startFakeConsul } from "../../../fakes/consul/server.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { readJsonOf } from "../../../support/read-json.ts";
import { readOf } from "./reader.ts";

const hostileText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("__proto__", "constructor", "..", ".", "%", "a//b", "\u0000", "ß", "İ", "x".repeat(5_000)),
);
/** An entry as Consul writes it, of which any part may be of any kind. */
const oddEntry = fc.record(
  {
    Node: fc.oneof(
      fc.record({
        Node: fc.anything(),
        Address: fc.oneof(hostileText, fc.anything()),
        Datacenter: hostileText,
      }),
      fc.anything(),
    ),
    Service: fc.oneof(
      fc.record({
        Service: fc.oneof(fc.constant("order"), hostileText, fc.anything()),
        Address: fc.oneof(hostileText, fc.anything()),
        Port: fc.oneof(fc.integer(), fc.double(), fc.anything()),
        Tags: fc.oneof(fc.array(hostileText), fc.anything()),
        Meta: fc.oneof(fc.dictionary(hostileText, hostileText), fc.anything()),
        Weights: fc.anything(),
        Kind: fc.oneof(fc.constant(""), fc.anything()),
      }),
      fc.anything(),
    ),
    Checks: fc.oneof(fc.array(fc.anything()), fc.anything()),
  },
  { requiredKeys: [] },
);
const entries = fc.array(fc.oneof(oddEntry, fc.anything()), { maxLength: 30 });

test("whatever the entries of a service are, there is a service, in one order, of bounded words", () => {
  fc.assert(
    fc.property(entries, (body) => {
      const selection = { tags: ["blue"], includeWarning: true };
      const healthOf = (said: readonly unknown[]) => {
        const health = readJsonOf((json) => readHealth(json, selection), said);
        if (health === undefined) throw new Error("no list");
        return health;
      };
      const health = healthOf(body);
      const { instances, problems } = decodeService("order", health);
      expect(decodeService("order", healthOf(body.toReversed())).instances).toEqual(instances);
      expect(instances.length).toBeLessThanOrEqual(body.length);
      for (const { at, detail } of problems) expect(at.length + detail.length).toBeLessThan(500);
      expect(health.length).toBe(body.length);
      expect([...health.nodes].every((node) => typeof node === "string")).toBe(true);
      expect(typeof isAbout("order", health)).toBe("boolean");
      const checks = readJsonOf(readChecks, body);
      if (typeof checks !== "object") throw new Error("no list of use");
      expect(changedBetween(checks, checks).nodes.size).toBe(0);
    }),
    { numRuns: 150 },
  );
});

const answers = fc.record({
  status: fc.oneof({ weight: 4, arbitrary: fc.constant(200) }, fc.integer({ min: 200, max: 599 })),
  headers: fc.record(
    {
      "x-consul-index": fc.oneof(
        fc.nat().map(String),
        fc.constantFrom("-1", "0", "1e99", "NaN", "", "9007199254740993"),
      ),
      "x-consul-default-acl-policy": fc.constantFrom("allow", "deny", "?"),
      "x-consul-results-filtered-by-acls": fc.constantFrom("true", "false"),
      "x-consul-knownleader": fc.constantFrom("true", "false"),
      "x-consul-lastcontact": fc.constantFrom("0", "7", "-1", "x"),
      "content-encoding": fc.constantFrom("gzip", "identity"),
      location: fc.constantFrom("/", "http://127.0.0.1:1/", "%", "ftp://x"),
    },
    { requiredKeys: [] },
  ),
  text: fc.oneof(
    fc.json(),
    fc.string({ unit: "binary" }),
    fc.constant("[]"),
    entries.map((it) => JSON.stringify(it) ?? ""),
  ),
});

test("whatever an answer is, it is read, or it is a RegistryError without its words", async () => {
  const server = { name: "consul:8500", host: "consul", port: 8500, baseUrl: "http://consul:8500" };
  const secret = "s3cret-token";
  await fc.assert(
    fc.asyncProperty(answers, fc.boolean(), async (answer, isCatalog) => {
      const http = {
        getList: <T>(_: string, __: unknown, use: UseOfBytes<T>): Promise<T> =>
          use({ ...answer, bytes: Buffer.from(answer.text) }, new AbortController().signal),
        postJson: () => Promise.resolve(answer),
      };
      const api = createConsulApi(http, server, { datacenter: "", token: secret }, fakeClock());
      const selection = { tags: [], includeWarning: false };
      const question: Question<unknown> = isCatalog ? allServices : healthOf("order", selection);
      const outcomes = await Promise.allSettled([
        api.ask(question),
        api.waitFor(question, { index: 1, seconds: 1 }),
        api.mayRead([{ resource: "node", name: "" }]),
      ]);
      for (const outcome of outcomes) {
        if (outcome.status === "fulfilled") continue;
        expect([RegistryError, TooManyConnectionsError]).toContain(outcome.reason.constructor);
        expect(String(outcome.reason)).not.toContain(secret);
        expect(String(outcome.reason)).not.toMatch(/[\p{Cc}]/u);
      }
    }),
    { numRuns: 300 },
  );
});

/** What a fault does to a request, once per index of the list. */
const faults = fc.array(
  fc.oneof(
    fc.constant("truth" as const),
    fc.constantFrom("hang" as const, "cut" as const, "cut within" as const),
    fc.constantFrom(400, 403, 404, 429, 500, 502, 504).map((status): FakeAnswer => ({ status })),
    fc
      .constantFrom("<html>", "{}", "[]", "null", '{"order":[', "[[[[[[", `{"__proto__":[]}`)
      .map((body): FakeAnswer => ({ status: 200, headers: { "x-consul-index": "12" }, body })),
    fc.uint8Array({ maxLength: 200 }).map(
      (bytes): FakeAnswer => ({
        status: 200,
        headers: { "content-encoding": "gzip" },
        body: Buffer.from(bytes),
      }),
    ),
    fc.record({ at: fc.nat(), bit: fc.nat(7) }),
  ),
  { minLength: 1, maxLength: 40 },
);

test("whatever a server does, its services are listed, unknown or not told: never an error of ours, never one less", async () => {
  await fc.assert(
    fc.asyncProperty(faults, async (plan) => {
      const clock = fakeClock();
      const server = await startFakeConsul({ clock, tokens: { t: { services: [""], nodes: [""] } } });
      const names = ["order", "pay", "50%"];
      for (const name of names) server.register(name, [{ address: "10.42.0.1", port: 80 }]);
      let at = 0;
      const fault: Fault = (_, truth) => {
        const what = plan[at++ % (plan.length + 3)]; // some requests in a row are answered well
        if (what === undefined || what === "truth") return undefined;
        if (typeof what === "string" || "status" in what) return what;
        return truth().then((answer) => ({ ...answer, body: flipped(String(answer.body ?? ""), what) }));
      };
      server.fault(fault);
      await using reading = await readOf(server, clock, { token: "t", known: () => names });
      for (let step = 0; step < 5; step++) {
        server.touch();
        await reading.pass(11_000);
      }
      expect([RegistryError, undefined]).toContain(reading.error?.constructor);
      const isFlipped = plan.some((what) => typeof what === "object" && "bit" in what);
      const isLie = plan.some(
        (what) => typeof what === "object" && "body" in what && String(what.body).startsWith("{"),
      );
      for (const { services } of isFlipped || isLie ? [] : reading.snapshots)
        expect(names.filter((name) => !services.has(name))).toEqual([]);
    }),
    { numRuns: 40 },
  );
});

function flipped(text: string, { at, bit }: { readonly at: number; readonly bit: number }): Buffer {
  const bytes = Buffer.from(text);
  const place = at % Math.max(bytes.length, 1);
  bytes[place] = (bytes[place] ?? 0) ^ (1 << bit);
  return bytes;
}
