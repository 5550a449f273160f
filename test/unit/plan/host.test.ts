import { describe, expect, test } from "vitest";
import type { Claim, Endpoint, Entry } from "../../../src/model/entry.ts";
import { planHost, type Step } from "../../../src/plan/host.ts";
import { maxEndpoints } from "../../../src/plan/room.ts";
import { hubIdOf } from "../../../src/translate/names.ts";
import { addrsOf, claimOf, endpointOf, inputOf, springEndpointOf } from "../../support/model.ts";

const [a, b] = ["dubbozk/a", "dubbozk/b"].map((key) => ({ key, id: hubIdOf(key) })) as [Named, Named];
interface Named {
  readonly key: string;
  readonly id: string;
}
const x = endpointOf("10.0.0.1:20880");
const y = endpointOf("10.0.0.2:20880");
type Claims = readonly (readonly [Named, Partial<Claim>])[];

const claims = (list: Claims): ReadonlyMap<string, Claim> =>
  new Map(list.map(([{ key, id }, claim]) => [id, claimOf(key, claim)]));
const plan = (actual: Entry | undefined, list: Claims, overrides: Parameters<typeof inputOf>[0] = {}) =>
  planHost(inputOf({ actual, claims: claims(list), ...overrides }));
const entryAfter = (step: Step): Entry => {
  if (step.op !== "apply") throw new Error(`planned ${step.op}`);
  return step.entry;
};
const made = (...list: Claims): Entry => entryAfter(plan(undefined, list).step);
const byOf = (entry: Entry, one: Endpoint): readonly string[] => [
  ...(entry.endpoints.get(one.hostPort)?.by ?? []),
];

describe("what a claim adds", () => {
  test("nothing is listed: nothing is made", () => {
    expect(plan(undefined, [[a, {}]]).step).toEqual({ op: "none" });
  });

  test("a host that is listed gets its entry", () => {
    expect(made([a, { listed: [y, x] }])).toMatchObject({
      name: "aeraki-org-apache-dubbo-samples-api-greetingservice-1-0-0-dubbozk",
      vip: "240.241.184.190",
      ours: true,
      hubs: new Map([[a.id, a.key]]),
      l7: true,
      registryName: "", // only Spring entries name a hub
    });
    expect(plan(undefined, [[a, { listed: [x] }]]).step).not.toHaveProperty("wakeInMs");
  });

  test("two hubs: the union, and every endpoint says who vouches for it, the oldest first", () => {
    const entry = made([a, { listed: [x] }], [b, { listed: [x, y] }]);
    expect([byOf(entry, x), byOf(entry, y)]).toEqual([[a.id, b.id], [b.id]]);
    expect(entry.endpoints.get(x.hostPort)?.registryName).toBe("a");
    expect(entry.endpoints.get(y.hostPort)?.registryName).toBe("b");
  });

  test("of two descriptions of one endpoint the oldest hub's stands", () => {
    const entry = made(
      [a, { listed: [{ ...x, labels: { v: "a" } }] }],
      [b, { listed: [{ ...x, labels: { v: "b" } }] }],
    );
    expect(entry.endpoints.get(x.hostPort)?.labels).toEqual({ v: "a" });
  });

  test("what the oldest hub has described stands while it can say nothing", () => {
    const [heavy, light] = [
      { ...x, weight: 2 },
      { ...x, labels: { v: "b" } },
    ];
    const before = made([a, { listed: [heavy] }], [b, { listed: [light] }]);
    const { step } = plan(before, [
      [a, { listed: [], unlisted: "unknown" }],
      [b, { listed: [light] }],
    ]);
    expect(entryAfter(step).endpoints).toEqual(before.endpoints);
    const gone = plan(before, [
      [a, { listed: [], unlisted: "gone" }],
      [b, { listed: [light] }],
    ]);
    expect(entryAfter(gone.step).endpoints.get(x.hostPort)).toMatchObject({ labels: { v: "b" } });
    expect(entryAfter(gone.step).endpoints.get(x.hostPort)).not.toHaveProperty("weight");
  });

  test("weights that no hub wants any more go, also from endpoints of which nobody knows", () => {
    const before = made([a, { listed: [{ ...x, weight: 2 }] }], [b, { listed: [{ ...x, weight: 2 }] }]);
    const weightOf = (first: Partial<Claim>, second: Partial<Claim>): number | undefined =>
      entryAfter(
        plan(before, [
          [a, { unlisted: "unknown", ...first }],
          [b, { unlisted: "unknown", ...second }],
        ]).step,
      ).endpoints.get(x.hostPort)?.weight;
    expect(weightOf({}, {})).toBe(2);
    expect(weightOf({ weights: false }, { weights: true })).toBe(2);
    expect(weightOf({ weights: false }, { weights: false })).toBeUndefined();
  });

  test("one contributing hub without L7 suffices", () => {
    expect(made([a, { listed: [x] }], [b, { listed: [y], l7: false }]).l7).toBe(false);
    expect(made([a, { listed: [x] }], [b, { listed: [], l7: false }]).l7).toBe(true);
  });

  test("endpoints are ejected unless all contributing hubs say no; Spring entries say nothing of it", () => {
    const ejects = (...list: Claims): boolean => made(...list).outlierDetection;
    const no = { outlierDetection: false };
    expect(ejects([a, { listed: [x] }])).toBe(true);
    expect(ejects([a, { listed: [x], ...no }])).toBe(false);
    expect(ejects([a, { listed: [x], ...no }], [b, { listed: [y] }])).toBe(true);
    expect(ejects([a, { listed: [x], ...no }], [b, { listed: [], outlierDetection: true }])).toBe(false);
    expect(ejects([a, { listed: [springEndpointOf(x.hostPort)], ...no }])).toBe(true);
  });

  test("an entry is exported to all namespaces that one of the contributing hubs names, and everywhere if one names none", () => {
    const to = (...exportTo: string[]) => ({ exportTo });
    expect(made([a, { listed: [x] }])).not.toHaveProperty("exportTo");
    const both = made([a, { listed: [x], ...to("shop") }], [b, { listed: [y], ...to("app", "shop") }]);
    expect(both.exportTo).toEqual(["app", "shop"]);
    expect(made([a, { listed: [x], ...to("shop") }], [b, { listed: [y] }])).not.toHaveProperty("exportTo");
    expect(made([a, { listed: [x], ...to("shop") }], [b, {}]).exportTo).toEqual(["shop"]);
  });

  test("what a hub that is missing said of identity is not known, so its endpoints are called as before", () => {
    const auto = { identity: "auto" } as const;
    const isPod = { speaksMtls: () => true };
    const mtlsOf = (step: Step): unknown => entryAfter(step).endpoints.get(x.hostPort)?.mtls;
    const before = entryAfter(plan(undefined, [[a, { listed: [x], ...auto }]], isPod).step);
    expect(before.endpoints.get(x.hostPort)?.mtls).toBe(true);
    const missing = { mayWrite: false, unlisted: "unknown" } as const;
    const other = [b, { listed: [y], ...auto }] as const;
    expect(mtlsOf(plan(before, [[a, missing], other], { speaksMtls: () => false }).step)).toBe(true);
    const plain = entryAfter(plan(undefined, [[a, { listed: [x], identity: "none" }]], isPod).step);
    expect(plain.endpoints.get(x.hostPort)).not.toHaveProperty("mtls");
    expect(mtlsOf(plan(plain, [[a, missing], other], isPod).step)).toBeUndefined();
  });

  test("an entry accepts every name that one of the contributing hubs names, and any where none names one", () => {
    const names = (...subjectAltNames: string[]) => ({ subjectAltNames });
    expect(made([a, { listed: [x] }], [b, { listed: [y] }])).not.toHaveProperty("subjectAltNames");
    const both = made([a, { listed: [x], ...names("b") }], [b, { listed: [y], ...names("a", "b") }]);
    expect(both.subjectAltNames).toEqual(["a", "b"]);
    expect(made([a, { listed: [x], ...names("b") }], [b, { listed: [y] }]).subjectAltNames).toEqual(["b"]);
  });

  test("no virtual IP is free: nothing is written", () => {
    const { step } = plan(undefined, [[a, { listed: [x] }]], { vip: undefined });
    expect(step).toEqual({ op: "blocked", reason: "VipsExhausted" });
  });

  test("an entry that was deleted under us comes back as it was", () => {
    const before = made([a, { listed: [x] }]);
    const remembered = { name: "old-name", shape: { ...before.shape, port: 1 } };
    const vip = "240.240.0.9";
    const { step } = plan(undefined, [[a, { listed: [x] }]], { remembered, vip });
    expect(entryAfter(step)).toMatchObject({ ...remembered, vip });
  });
});

describe("what stays and what goes", () => {
  const both = made([a, { listed: [x, y] }]);
  const shared = made([a, { listed: [x] }], [b, { listed: [x] }]);

  test.each<[string, Entry, Claims, readonly Endpoint[], number]>([
    ["its hub says gone", both, [[a, { listed: [x] }]], [x], 0],
    ["its hub cannot tell", both, [[a, { listed: [x], unlisted: "unknown" }]], [x, y], 1],
    ["a pending hub lists nothing", both, [[a, { unlisted: "unknown" }]], [x, y], 2],
    ["its hub is gone, another is not", both, [[b, { listed: [x] }]], [x], 0],
    [
      "one of its two hubs says gone, the other cannot tell",
      shared,
      [
        [a, {}],
        [b, { unlisted: "unknown" }],
      ],
      [x],
      0,
    ],
    [
      "both say gone",
      shared,
      [
        [a, {}],
        [b, {}],
      ],
      [],
      0,
    ],
    ["one says gone, the other no longer exists", shared, [[a, {}]], [], 0],
    [
      "its hub is gone, and another one cannot tell about its own",
      both,
      [[b, { listed: [x], unlisted: "unknown" }]],
      [x],
      0,
    ],
  ])("when %s", (_, actual, list, left, withheld) => {
    const { step, withheld: counts } = plan(actual, list);
    expect(addrsOf(entryAfter(step))).toEqual(left.map(({ hostPort }) => hostPort));
    expect(counts.get(a.id) ?? 0).toBe(withheld);
  });

  test("what is carried over is vouched for by those that cannot tell, only", () => {
    const { step } = plan(shared, [
      [a, {}],
      [b, { unlisted: "unknown" }],
    ]);
    expect(byOf(entryAfter(step), x)).toEqual([b.id]);
    expect([...entryAfter(step).hubs.keys()]).toEqual([b.id]);
  });

  test("an entry that is not empty yet is not deleted, however long ago it was", () => {
    const { step } = plan(both, [[a, {}]], { emptyForMs: 86_400_000 });
    expect(entryAfter(step)).toMatchObject({ emptySince: inputOf().now, endpoints: new Map() });
  });

  test("an endpoint names no hub whose name nobody knows, if another vouches for it", () => {
    const nameless = { ...claimOf("", { unlisted: "unknown" }), name: "" };
    const named = claims([[b, { unlisted: "unknown" }]]);
    const unnamed = [...shared.endpoints].map(([at, one]) => [at, { ...one, registryName: "c" }] as const);
    const actual = { ...shared, endpoints: new Map(unnamed) };
    const { step } = planHost(inputOf({ actual, claims: new Map([[a.id, nameless], ...named]) }));
    expect(entryAfter(step).endpoints.get(x.hostPort)?.registryName).toBe("b");
  });

  test("an endpoint of hubs whose names nobody knows has none", () => {
    const entry = made([a, { listed: [x], name: "" }]);
    expect(entry.endpoints.get(x.hostPort)?.registryName).toBe("");
  });

  test("hubs that do not write change nothing, whatever somebody did to the entry", () => {
    const entry = made([a, { listed: [x, y] }]);
    const silent = { mayWrite: false, unlisted: "unknown" } as const;
    expect(plan(entry, [[a, silent]]).step).toEqual({ op: "none" });
    expect(
      plan(entry, [
        [a, silent],
        [b, { listed: [x] }],
      ]).step.op,
    ).toBe("apply");
  });

  test("an address that is listed with a protocol that the entry cannot have stays as it is, until that is certain", () => {
    const entry = made([a, { listed: [x, y] }]);
    const other: Endpoint = { ...x, protocol: "grpc" };
    const addrs = (unlisted: Claim["unlisted"]) =>
      addrsOf(entryAfter(plan(entry, [[a, { listed: [other, y], unlisted }]]).step));
    expect([addrs("unknown"), addrs("gone")]).toEqual([[x.hostPort, y.hostPort], [y.hostPort]]);
  });

  test("an address that is listed with another protocol, and nothing else, changes the entry's", () => {
    const entry = made([a, { listed: [x] }]);
    const { step } = plan(entry, [[a, { listed: [{ ...x, protocol: "grpc" }], unlisted: "unknown" }]]);
    expect(entryAfter(step)).toMatchObject({ shape: { protocol: "grpc" } });
    expect(addrsOf(entryAfter(step))).toEqual([x.hostPort]);
  });

  test("an entry of ours that names no hub stays as it is: nobody can say that it is gone", () => {
    expect(plan({ ...both, hubs: new Map() }, []).step).toEqual({ op: "none" });
  });

  test("a remembered name that is somebody else's by now is not used", () => {
    const { name, shape } = made([a, { listed: [x] }]);
    const { step } = plan(undefined, [[a, { listed: [x] }]], { remembered: { name: "", shape } });
    expect(entryAfter(step).name).toBe(name);
  });

  test("a move from one hub to the other never loses an endpoint", () => {
    const first = made([a, { listed: [x, y] }]);
    const joined = entryAfter(
      plan(first, [
        [a, { listed: [x, y] }],
        [b, { listed: [x], unlisted: "unknown" }],
      ]).step,
    );
    const moved = entryAfter(
      plan(joined, [
        [a, {}],
        [b, { listed: [x, y] }],
      ]).step,
    );
    expect([addrsOf(joined), addrsOf(moved)]).toEqual([
      [x.hostPort, y.hostPort],
      [x.hostPort, y.hostPort],
    ]);
    expect(byOf(moved, x)).toEqual([b.id]);
    expect(moved).toMatchObject({ name: first.name, vip: first.vip, shape: first.shape });
  });

  test("the name for people stays while its hub vouches, then goes to the oldest", () => {
    const onlyB = made([b, { listed: [x] }]);
    const joined = entryAfter(
      plan(onlyB, [
        [a, { listed: [x] }],
        [b, { listed: [x] }],
      ]).step,
    );
    expect(joined.endpoints.get(x.hostPort)?.registryName).toBe("b");
    const left = entryAfter(
      plan(joined, [
        [a, { listed: [x] }],
        [b, {}],
      ]).step,
    );
    expect(left.endpoints.get(x.hostPort)?.registryName).toBe("a");
  });
});

describe("an entry without endpoints", () => {
  const full = made([a, { listed: [x] }]);
  const emptied = plan(full, [[a, {}]]).step;
  const empty = entryAfter(emptied);

  test("stays for the grace, keeps its hubs, name, VIP and shape, and says since when", () => {
    expect(emptied).toMatchObject({ op: "apply", wakeInMs: 600_000 });
    expect(empty).toMatchObject({
      emptySince: "2024-02-04T03:00:00Z",
      hubs: full.hubs,
      name: full.name,
      vip: full.vip,
    });
    expect(empty.shape).toEqual(full.shape);
  });

  test("is written once, with the same time", () => {
    const again = plan(empty, [[a, {}]], { now: "2024-02-04T03:05:00Z", emptyForMs: 300_000 }).step;
    expect(again).toEqual({ op: "apply", entry: empty, wakeInMs: 300_000 });
  });

  test("is deleted after the grace, not a moment before", () => {
    expect(plan(empty, [[a, {}]], { emptyForMs: 599_999 }).step).toMatchObject({ op: "apply", wakeInMs: 1 });
    expect(plan(empty, [[a, {}]], { emptyForMs: 600_000 }).step).toEqual({
      op: "delete",
      entry: empty,
      why: "empty",
    });
  });

  test("stays past the grace while a hub cannot tell, and is not looked at again and again", () => {
    const { step } = plan(empty, [[a, { unlisted: "unknown" }]], { emptyForMs: 700_000 });
    expect(step).toEqual({ op: "apply", entry: empty });
  });

  test("stays past the grace while one of two hubs cannot tell", () => {
    const shared = { ...empty, hubs: new Map([a, b].map(({ id, key }) => [id, key])) };
    const { step } = plan(
      shared,
      [
        [a, {}],
        [b, { unlisted: "unknown" }],
      ],
      { emptyForMs: 700_000 },
    );
    expect(step).toEqual({ op: "apply", entry: shared });
  });

  test("is deleted at once when nobody claims it any more", () => {
    expect(plan(full, []).step).toEqual({ op: "delete", entry: full, why: "unclaimed" });
  });

  test("loses its mark when an instance returns", () => {
    const refilled = entryAfter(plan(empty, [[a, { listed: [endpointOf("10.0.0.9:7777")] }]]).step);
    expect(refilled.emptySince).toBeUndefined();
    expect(refilled.shape).toEqual(full.shape);
  });

  test("is not deleted when an instance returns after the grace", () => {
    const { step } = plan(empty, [[a, { listed: [x] }]], { emptyForMs: 700_000 });
    expect(addrsOf(entryAfter(step))).toEqual([x.hostPort]);
  });
});

describe("an entry of the old product", () => {
  const { hubs: _, ...rest } = made([a, { listed: [x, y] }]);
  const nobody = [x, y].map(
    (one) => [one.hostPort, { ...one, by: new Set<string>(), registryName: "" }] as const,
  );
  const old: Entry = {
    ...rest,
    ours: false,
    hubs: new Map(),
    vip: "240.240.0.1",
    name: "old",
    endpoints: new Map(nobody),
  };

  test("is left alone until somebody lists its host", () => {
    expect(plan(old, [[a, { unlisted: "unknown" }]]).step).toEqual({ op: "none" });
    expect(plan(old, []).step).toEqual({ op: "none" });
  });

  test("is adopted with its name, VIP and endpoints while the hub settles", () => {
    const adopted = entryAfter(plan(old, [[a, { listed: [x], unlisted: "unknown" }]]).step);
    expect(adopted).toMatchObject({ name: "old", vip: "240.240.0.1", ours: true });
    expect([byOf(adopted, x), byOf(adopted, y)]).toEqual([[a.id], [a.id]]);
  });

  test("loses what its hub does not list once that is settled", () => {
    expect(addrsOf(entryAfter(plan(old, [[a, { listed: [x] }]]).step))).toEqual([x.hostPort]);
  });

  test("keeps what any claiming hub cannot tell about", () => {
    const { step } = plan(old, [
      [a, { listed: [x] }],
      [b, { unlisted: "unknown" }],
    ]);
    expect([byOf(entryAfter(step), x), byOf(entryAfter(step), y)]).toEqual([[a.id, b.id], [b.id]]);
  });
});

describe("problems", () => {
  test("a hub's protocol for Spring services is none of a Dubbo entry's", () => {
    expect(plan(undefined, [[a, { listed: [x], protocol: "grpc" }]]).problems.size).toBe(0);
  });

  test("instances of another protocol are left out and told", () => {
    const tri = endpointOf("10.0.0.3:50052", { protocol: "grpc" });
    const { step, problems } = plan(undefined, [[a, { listed: [x, tri] }]]);
    expect(addrsOf(entryAfter(step))).toEqual([x.hostPort]);
    expect(problems.get(a.id)).toEqual([
      {
        at: `${x.service.name} ${tri.hostPort}`,
        code: "MixedProtocols",
        detail: expect.stringContaining(
          "the instance speaks grpc, but the entry's protocol is dubbo",
        ) as string,
        severity: "rejected",
      },
    ]);
  });

  test.each([
    ["an interface in other case", { kind: "dubbo", name: "org.apache.dubbo.samples.api.greetingservice" }],
    ["a Spring service", { kind: "spring", name: "x" }],
  ] as const)("the incumbent keeps its host against %s", (_, service) => {
    const incumbent = made([a, { listed: [x] }]);
    const other = {
      ...y,
      service: { ...service, serviceKey: "", originalName: "", registry: "", registryGroup: "" },
    };
    const { step, problems } = plan(incumbent, [[a, { listed: [other, x] }]]);
    expect(addrsOf(entryAfter(step))).toEqual([x.hostPort]);
    const detail = `service ${x.service.name} already owns this host; rename one of the two`;
    expect(problems.get(a.id)).toMatchObject([{ code: "HostConflict", severity: "rejected", detail }]);
  });

  test("the incumbent keeps its host against the same name in another group", () => {
    const inGroup = (registryGroup: string, endpoint: typeof x) => ({
      ...endpoint,
      service: { ...endpoint.service, registryGroup },
    });
    const incumbent = made([a, { listed: [inGroup("g2", x)] }]);
    const { step, problems } = plan(incumbent, [[a, { listed: [inGroup("g1", y), inGroup("g2", x)] }]]);
    expect(addrsOf(entryAfter(step))).toEqual([x.hostPort]);
    expect(problems.get(a.id)).toMatchObject([
      {
        code: "HostConflict",
        detail:
          "group g2 already owns this host, and this service is in group g1; give each group its own hub and namespace",
      },
    ]);
  });

  test("the eighth hub of an endpoint is told that it is not recorded", () => {
    const hubs = Array.from({ length: 8 }, (_, i) => ({ key: `ns/h${i}`, id: hubIdOf(`ns/h${i}`) }));
    const problemsOf = (count: number) =>
      plan(
        undefined,
        hubs.slice(0, count).map((hub) => [hub, { listed: [x] }] as const),
      ).problems;
    expect(problemsOf(7).size).toBe(0);
    expect(problemsOf(8).get(hubs[7]?.id ?? "")).toMatchObject([
      {
        code: "TooManyHubs",
        detail: expect.stringContaining("more than 7 hubs") as string,
        severity: "warning",
      },
    ]);
  });

  test("2,000 endpoints stand, those already in the cluster first", () => {
    const many = Array.from({ length: maxEndpoints + 5 }, (_, i) =>
      endpointOf(`10.1.${i >> 8}.${i & 255}:1`),
    );
    const last = many.toSorted((one, other) => (one.hostPort < other.hostPort ? 1 : -1))[0] ?? x;
    const keptOf = (actual: Entry | undefined) =>
      addrsOf(entryAfter(plan(actual, [[a, { listed: many }]]).step));
    const kept = keptOf(made([a, { listed: [last] }]));
    expect(kept).toHaveLength(maxEndpoints);
    expect(kept).toContain(last.hostPort);
    expect(kept).toEqual([...kept].sort());
    expect(keptOf(undefined)).not.toContain(last.hostPort);
    expect(plan(undefined, [[a, { listed: many }]]).problems.get(a.id)).toMatchObject([
      {
        code: "TooManyEndpoints",
        detail: expect.stringContaining("leaves out 5 more") as string,
        severity: "rejected",
      },
    ]);
  });

  test("labels that a full entry drops are told to the hubs whose labels these are", () => {
    const bytesOf = ({ labels }: Endpoint): number => 600 + 200 * Object.keys(labels).length;
    const [counted, more] = [{ version: "1" }, { version: "1", zone: "z", rack: "r" }];
    const at = (number: number, labels: Endpoint["labels"] = more) =>
      endpointOf(`10.1.${number >> 8}.${number & 255}:1`, { labels });
    const listed = [...Array.from({ length: 1_100 }, (_, number) => at(number)), at(1_100, counted)];
    const lists: Claims = [
      [a, { listed }],
      [b, { listed: [at(1_100, counted)] }],
    ];
    const told = (claim: Claims) => plan(undefined, claim, { bytesOf }).problems;
    expect(told(lists)).toEqual(
      new Map([
        [
          a.id,
          [
            {
              at: x.service.name,
              code: "TooManyLabels",
              detail:
                "the entry has no room for all labels (1.2 MB), so its endpoints have only those of the manual and tag, or none; register less metadata, or split the service",
              severity: "warning",
            },
          ],
        ],
      ]),
    );
    const full = Array.from({ length: 1_600 }, (_, number) => at(number));
    const left = full.toSorted((one, other) => (one.hostPort < other.hostPort ? 1 : -1)).slice(0, 1);
    const ofLeft = told([
      [a, { listed: full }],
      [b, { listed: left }],
    ]).get(b.id);
    expect(ofLeft?.map(({ code }) => code)).toEqual(["TooManyEndpoints"]); // it has no labels to lose
    expect(
      told([
        [a, { listed: [at(1, counted)] }],
        [b, { listed: [at(1)] }],
      ]).size,
    ).toBe(0); // another hub describes it, and there is room
  });
});
