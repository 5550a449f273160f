import { inspect } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { RegistryError } from "../../../../src/model/errors.ts";
import { encodePayload } from "../../../../src/registries/nacos/payload.ts";
import { parseServiceInfo } from "../../../../src/registries/nacos/service-info.ts";
import { ServiceTable } from "../../../../src/registries/nacos/state.ts";
import { frame } from "../../../fakes/nacos/grpc-front.ts";
import type { Reaction } from "../../../fakes/nacos/script.ts";
import { metadataOf, process as processOf, provider, providersOf, settle, startStage } from "./stage.ts";

const names = [
  "order",
  "shop",
  providersOf("a.B"),
  "providers:",
  "consumers:a.B",
  "__proto__",
  "\ud800",
  "a@@b",
  "x".repeat(600),
];
const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(null, "", "\u0000\u001b[2J", "__proto__", -1, 1e308, [], {}, "\ud800"),
);
const host = fc.record(
  {
    ip: fc.oneof(fc.ipV4(), fc.ipV6(), odd),
    port: fc.oneof(fc.integer(), odd),
    weight: odd,
    healthy: odd,
    enabled: odd,
    metadata: fc.oneof(
      fc.dictionary(fc.string(), fc.string()),
      fc.constant({ "dubbo.metadata.revision": "r1", "dubbo.endpoints": "[{" }),
      odd,
    ),
  },
  { requiredKeys: [] },
);
const serviceInfo = fc.record(
  {
    name: fc.constantFrom(...names),
    groupName: fc.constantFrom("DEFAULT_GROUP", "", "a@@b"),
    hosts: fc.oneof(fc.array(host), odd),
  },
  { requiredKeys: [] },
);
const body = fc.oneof(
  odd,
  fc.record({
    resultCode: fc.constantFrom(200, 500, 403),
    errorCode: fc.oneof(fc.integer(), odd),
    serviceInfo: fc.oneof(serviceInfo, odd),
  }),
  fc.record({
    resultCode: fc.constant(200),
    count: odd,
    serviceNames: fc.oneof(fc.array(fc.constantFrom(...names)), odd),
    content: odd,
  }),
);

/** A good message with some bits turned and its end cut off. */
const damaged = fc
  .record({ at: fc.array(fc.nat(400), { maxLength: 4 }), bit: fc.nat(7), cut: fc.nat(60) })
  .map(({ at, bit, cut }) => {
    const text = JSON.stringify({
      resultCode: 200,
      errorCode: 0,
      serviceInfo: { name: "order", groupName: "DEFAULT_GROUP", hosts: [] },
    });
    const message = encodePayload({ type: "SubscribeServiceResponse", body: text });
    for (const one of at) message[one % message.length] = (message[one % message.length] ?? 0) ^ (1 << bit);
    return message.subarray(0, message.length - cut);
  });
const reaction: fc.Arbitrary<Reaction> = fc.oneof(
  body.map((answer) => ({ answer })),
  fc.string().map((answer) => ({ answer })),
  damaged.map((message) => ({ message })),
  damaged.map((frame) => ({ frame })),
  fc.uint8Array({ maxLength: 64 }).map((bytes) => ({ frame: Buffer.from(bytes) })),
  fc.constantFrom(0, 1, 300, 301, 302, 400, 403, 409, 500, 503, -401, 50_311).map((refuse) => ({ refuse })),
  fc.nat(16).map((grpcStatus) => ({ grpcStatus: grpcStatus + 1 })),
  fc.constantFrom(200, 302, 404, 429, 502, 503).map((status) => ({ status })),
  fc.constantFrom("hang", "reset", "cut"),
);
const types = [
  "ServerCheckRequest",
  "HealthCheckRequest",
  "ServiceListRequest",
  "SubscribeServiceRequest",
  "ServiceQueryRequest",
  "ConfigQueryRequest",
  "NamingFuzzyWatchRequest",
  "GET /v1/ns/catalog",
  "GET /v3/admin",
  "POST /v",
];
const pushes = [
  "NotifySubscriberRequest",
  "NamingFuzzyWatchSyncRequest",
  "NamingFuzzyWatchChangeNotifyRequest",
  "SetupAckRequest",
  "ClientDetectionRequest",
  "",
];

/** What is wrong with the end of a watch; "" = nothing. */
function faultIn(error: unknown): string {
  if (error === undefined) return "";
  if (!(error instanceof RegistryError)) return `no RegistryError: ${inspect(error)}`;
  const { message } = error;
  if (message.length > 1_000 || /\p{Cc}|s3cret/u.test(message)) return `an unfit message: ${message}`;
  return "";
}

test("whatever a Nacos answers and pushes is a list, an unknown or a RegistryError", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("2.0" as const, "2.3" as const, "3.1" as const),
      fc.array(
        fc.record({ type: fc.constantFrom(...types), reaction, times: fc.integer({ min: 1, max: 5 }) }),
        { minLength: 1, maxLength: 4 },
      ),
      fc.array(
        fc.record({
          type: fc.constantFrom(...pushes),
          body: fc.oneof(
            body,
            serviceInfo.map((info) => ({ serviceInfo: info })),
          ),
        }),
        { maxLength: 5 },
      ),
      fc.array(damaged, { maxLength: 1 }),
      async (version, faults, pushed, frames) => {
        const user = { username: "reader", password: "s3cret" };
        await using stage = await startStage({ version, users: [user] });
        const { nacos } = stage;
        nacos.register("order", [{ ip: "10.42.0.1", port: 8080 }]);
        nacos.register("shop", [processOf("10.42.0.2", "remote")]);
        nacos.setConfig("shop", "r1", metadataOf("a.B"));
        nacos.register(providersOf("a.B"), [provider("a.B", "10.42.0.3")]);
        for (const { type, reaction: to, times } of faults) nacos.fault(type, to, times);
        const watch = stage.watch({ groups: [], credentials: user, known: () => names });
        for (let step = 0; step < 12; step++) {
          stage.clock.advance(2_500);
          await settle(6);
          const push = pushed[step];
          if (push !== undefined) nacos.front.push(push.type, push.body);
          if (step === 8) for (const one of frames) nacos.front.pushFrame(frame(one));
        }
        await watch.abort();
        expect(faultIn(await watch.ended)).toBe("");
        for (const { services } of watch.snapshots)
          for (const { instances } of services.values())
            expect(instances === "unknown" || Array.isArray(instances)).toBe(true);
      },
    ),
    { numRuns: 60 },
  );
});

test("whatever a ServiceInfo holds, one publication after another is the same", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(serviceInfo, { maxLength: 6 }), async (infos) => {
      const config = () => Promise.resolve("missing" as const);
      const table = new ServiceTable({ wants: () => true, config });
      const set = (): void => {
        for (const { name = "", groupName: group = "", ...info } of infos)
          table.set({ group, name }, parseServiceInfo(info));
      };
      set();
      await table.publish();
      set();
      await table.retry();
      const again = await table.publish();
      // Two states of one service make a difference; one state makes none.
      const ids = new Set(infos.map(({ name, groupName }) => `${groupName ?? ""}@@${name ?? ""}`));
      expect(again === undefined || ids.size < infos.length).toBe(true);
    }),
  );
});
