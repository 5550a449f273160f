import { describe, expect, test } from "vitest";
import type { Claim, Endpoint, Entry } from "../../../src/model/entry.ts";
import { planHost, type Step } from "../../../src/plan/host.ts";
import { hubIdOf } from "../../../src/translate/names.ts";
import { entryOf } from "../../../src/translate/read-back/service-entry.ts";
import { serviceEntryOf } from "../../../src/translate/service-entry.ts";
import { addrsOf, claimOf, inputOf, springEndpointOf } from "../../support/model.ts";

interface Named {
  readonly key: string;
  readonly id: string;
}
const [a, b] = ["shop/a", "shop/b"].map((key) => ({ key, id: hubIdOf(key) })) as [Named, Named];
type Claims = readonly (readonly [Named, Partial<Claim>])[];

const host = "shop/order-service.shop";
const fromEureka = springEndpointOf("10.0.1.1:9000");
const fromConsul = springEndpointOf("10.0.2.1:9001", { name: "order-service", registry: "consul" });
const inGroup = (hostPort: string, registryGroup: string): Endpoint =>
  springEndpointOf(hostPort, { name: "order-service", registry: "nacos", registryGroup });
const stored = (entry: Entry): Entry => entryOf(serviceEntryOf(entry)) ?? entry;
const look = (actual: Entry | undefined, ...list: Claims) => {
  const claims = new Map(list.map(([{ key, id }, claim]) => [id, claimOf(key, claim)]));
  return planHost(inputOf({ host, actual, claims }));
};
const entryAfter = (step: Step): Entry => {
  if (step.op !== "apply") throw new Error(`planned ${step.op}`);
  return step.entry;
};
const madeOf = (...list: Claims): Entry => stored(entryAfter(look(undefined, ...list).step));
const next = (actual: Entry, ...list: Claims): Entry => stored(entryAfter(look(actual, ...list).step));
const warnings = (actual: Entry, of: Named, ...list: Claims) => look(actual, ...list).problems.get(of.id);

describe("a Spring service in two registries", () => {
  const first = madeOf([a, { listed: [fromEureka] }]);
  const both = next(first, [a, { listed: [fromEureka] }], [b, { listed: [fromConsul] }]);

  test("is one entry: name, VIP, port and registry of the incumbent, each endpoint with its own name, hub and port", () => {
    const { metadata, spec } = serviceEntryOf(both);
    expect([both.name, both.vip]).toEqual([first.name, first.vip]);
    expect(metadata.annotations).toMatchObject({ manager: "encs", registry: "eureka" });
    expect(metadata.labels).toMatchObject({ "registry-name": "a" });
    expect(spec.ports).toEqual([{ name: "9000", number: 9000, protocol: "tcp", targetPort: 9000 }]);
    const by = "ecns.easystack.cn/by";
    expect(spec.endpoints).toEqual([
      {
        address: "10.0.1.1",
        ports: { "9000": 9000 },
        labels: { eurekaName: "ORDER-SERVICE", registryName: "a", [by]: a.id },
      },
      {
        address: "10.0.2.1",
        ports: { "9000": 9001 },
        labels: { consulName: "order-service", registryName: "b", [by]: b.id },
      },
    ]);
  });

  test("keeps the name of its hub when an older one joins", () => {
    const ofB = madeOf([b, { listed: [fromConsul] }]);
    const joined = next(ofB, [a, { listed: [fromEureka] }], [b, { listed: [fromConsul] }]);
    expect([ofB.registryName, joined.registryName]).toEqual(["b", "b"]);
  });

  test("whose first hub is gone is that of the other, under the same port and VIP", () => {
    const left = next(both, [b, { listed: [fromConsul] }]);
    expect(left.shape).toEqual({ ...both.shape, service: { ...both.shape.service, registry: "consul" } });
    expect([left.name, left.vip, left.registryName]).toEqual([both.name, both.vip, "b"]);
    expect([addrsOf(left), [...left.hubs.keys()]]).toEqual([[fromConsul.hostPort], [b.id]]);
  });

  test("stays that of the first while its endpoints stay, listed or not", () => {
    const held = next(both, [a, { unlisted: "unknown" }], [b, { listed: [fromConsul] }]);
    expect(held.shape).toEqual(both.shape);
    expect(addrsOf(held)).toEqual(addrsOf(both));
  });

  test("whose other registry has groups takes over the group, but not one of two", () => {
    const moved = (...groups: readonly string[]): Entry =>
      next(first, [b, { listed: groups.map((group, at) => inGroup(`10.0.3.${at}:9000`, group)) }]);
    expect(moved("g1").shape.service).toMatchObject({ registry: "nacos", registryGroup: "g1" });
    expect(moved("g1", "g2").shape.service).toMatchObject({ registry: "nacos", registryGroup: "" });
    expect(moved("g1", "g2").endpoints.size).toBe(2);
  });
});

test("a Spring service in another group, in whatever spelling, is told to be in another group", () => {
  const incumbent = madeOf([a, { listed: [inGroup("10.0.3.1:9000", "g1")] }]);
  const upper = { ...inGroup("10.0.3.2:9000", "g2") };
  const other: Endpoint = { ...upper, service: { ...upper.service, name: "ORDER-SERVICE" } };
  expect(warnings(incumbent, b, [b, { listed: [other, inGroup("10.0.3.1:9000", "g1")] }])).toMatchObject([
    { code: "HostConflict", detail: expect.stringContaining("group g1 already owns this host") },
  ]);
});

describe("a Spring service whose hub says tcp or http", () => {
  const tcp = madeOf([a, { listed: [fromEureka, fromConsul], protocol: "tcp" }]);
  const http = { listed: [fromEureka, fromConsul], protocol: "http" } as const;

  test("is what the hub says, also after an edit, on the same port; its instances stay where they are", () => {
    expect(madeOf([a, http]).shape).toMatchObject({ protocol: "http", port: 9000, portName: "9000" });
    const edited = next({ ...tcp, shape: { ...tcp.shape, port: 8080, portName: "8080" } }, [a, http]);
    expect(edited.shape).toEqual({ ...tcp.shape, protocol: "http", port: 8080, portName: "8080" });
    expect([addrsOf(edited), edited.vip]).toEqual([addrsOf(tcp), tcp.vip]);
    expect(next(edited, [a, { ...http, protocol: "tcp" }]).shape.protocol).toBe("tcp");
  });

  test("follows the edit while the hub cannot vouch for the rest", () => {
    const { shape, endpoints } = next(tcp, [a, { ...http, listed: [fromEureka], unlisted: "unknown" }]);
    expect([shape.protocol, endpoints.size]).toEqual(["http", 2]);
  });

  test("keeps what it is while its hubs differ, keeps every instance, and says so to the one that is not heard", () => {
    const said: Claims = [
      [a, { listed: [fromEureka], protocol: "http" }],
      [b, { listed: [fromConsul], protocol: "tcp" }],
    ];
    const entry = next(tcp, ...said);
    expect([entry.shape, addrsOf(entry)]).toEqual([tcp.shape, addrsOf(tcp)]);
    expect(warnings(tcp, a, ...said)).toEqual([
      {
        at: "ORDER-SERVICE",
        code: "MixedProtocols",
        detail:
          "this hub's spec.protocol is http, but the entry speaks tcp because of another hub; set the same spec.protocol in both hubs",
        severity: "warning",
      },
    ]);
    expect(warnings(tcp, b, ...said)).toBeUndefined();
  });

  test.each<[string, Partial<Claim>]>([
    ["has not listed since the start", { unlisted: "unknown", protocol: "tcp" }],
    ["is missing", { unlisted: "unknown", mayWrite: false }],
  ])("keeps what it is while another hub that has endpoints here %s", (_, silent) => {
    const shared = next(tcp, [a, { listed: [fromEureka], protocol: "tcp" }], [b, { listed: [fromConsul] }]);
    const { shape } = next(shared, [a, { listed: [fromEureka], protocol: "http" }], [b, silent]);
    expect(shape.protocol).toBe("tcp");
  });

  test("an entry without endpoints keeps it", () => {
    expect(next(tcp, [a, { protocol: "http" }]).shape).toEqual(tcp.shape);
  });
});
