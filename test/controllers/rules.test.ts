import { describe, expect, test } from "vitest";
import type { DubboControllerOptions } from "../../src/controllers/dubbo/controller.ts";
import type { RegistryHub } from "../../src/model/registryhub.ts";
import { failure } from "../fakes/api-server/answer.ts";
import { instanceAt } from "../fakes/registries.ts";
import { entryOf, eventsOf, filtersOf, writesSince } from "./looks.ts";
import { edit, openSettled, two } from "./scenes.ts";
import { home, hubKey, minute, rootNamespace, second, type World } from "./world.ts";

const host = "demo.a.demo";
const port = 20_880;
const rulesName = `aeraki-rules-${host}`;
const cluster = (subset = ""): string => `outbound|${port}|${subset}|${host}`;
const outbound = (world: World): string =>
  `aeraki-outbound-${host}-${entryOf(world, "demo.A")?.spec.addresses?.[0]}-${port}`;

/** A route of a VirtualService. */
const to = (subset?: string, weight?: number) => ({
  destination: { host, ...(subset !== undefined && { subset }) },
  ...(weight !== undefined && { weight }),
});
const toGray = [{ match: [{ method: { exact: "sayHello" } }], route: [to("gray")] }];
const byTag = [{ match: [{ headers: { "dubbo.tag": { exact: "gray" } } }], route: [to("gray")] }];

const rule = (spec: object, metadata: object = {}) => ({
  apiVersion: "networking.istio.io/v1beta1" as const,
  kind: "VirtualService" as const,
  metadata: { namespace: home, name: "a", ...metadata },
  spec: { hosts: [host], ...spec },
});
const subsets = (names: readonly string[], spec: object = {}, metadata: object = {}) => ({
  apiVersion: "networking.istio.io/v1beta1" as const,
  kind: "DestinationRule" as const,
  metadata: { namespace: home, name: "a", ...metadata },
  spec: { host, subsets: names.map((name) => ({ name, labels: { tag: name } })), ...spec },
});

interface Scene {
  readonly spec?: Partial<RegistryHub["spec"]>;
  readonly options?: Partial<DubboControllerOptions>;
  readonly prepare?: (world: World) => void;
}

/** Both controllers, two Dubbo services, the subsets gray and blue of the first. */
async function open({ spec = {}, options, prepare }: Scene = {}): Promise<World> {
  const world = await openSettled({ services: two, spec });
  world.person.put(subsets(["gray", "blue"]));
  prepare?.(world);
  await world.dubboController.start(options);
  await world.advance(1 * minute);
  return world;
}

/** The same, with rules. */
async function openRuled(scene: Scene = {}, http: unknown = toGray): Promise<World> {
  const world = await open(scene);
  await says(world, { http });
  return world;
}

/** Somebody writes the VirtualService of the host. */
async function says(world: World, spec: object, metadata: object = {}): Promise<void> {
  world.person.put(rule(spec, metadata));
  await world.advance(2 * second);
}

interface Route {
  readonly match: unknown;
  readonly route: {
    readonly cluster?: string;
    readonly weighted_clusters?: { readonly clusters: readonly { name: string; weight: number }[] };
  };
}

/** Where the calls of the first service go, by its rules: the clusters of each route; undefined = it has no rules. */
function routes({ person }: World, namespace = rootNamespace): readonly string[] | undefined {
  const filter = person.get("envoyfilters", `${namespace}/${rulesName}`);
  if (filter === undefined) return undefined;
  const [patch] = filter.spec.configPatches as readonly {
    patch: { value: { typed_config: { multiple_route_config: { route_config: { routes: Route[] }[] } } } };
  }[];
  const configs = patch?.patch.value.typed_config.multiple_route_config.route_config ?? [];
  expect(configs[1]?.routes).toEqual(configs[0]?.routes);
  return configs[0]?.routes.map(
    ({ route }) =>
      route.cluster ??
      route.weighted_clusters?.clusters.map((one) => `${one.name} ${one.weight}`).join(", ") ??
      "",
  );
}

const listener = (world: World, namespace = rootNamespace): string =>
  JSON.stringify(world.person.get("envoyfilters", `${namespace}/${outbound(world)}`)?.spec);

/** "VirtualService a: RuleRefused SubsetMissing …" of each Event about a VirtualService, also of repeats. */
const told = ({ api }: World): readonly string[] =>
  api
    .writes({ resource: "events" })
    .map(
      ({ body }) =>
        body as { involvedObject: { kind: string; name: string }; reason: string; message: string },
    )
    .filter(({ involvedObject }) => involvedObject.kind === "VirtualService")
    .map(({ involvedObject, reason, message }) => `${involvedObject.name}: ${reason} ${message}`);

const refused = async (world: World): Promise<readonly string[]> =>
  (await world.dubboController.metrics())
    .split("\n")
    .filter((line) => line.startsWith("registryhub_refused_rules{") && !line.endsWith(" 0"))
    .map((line) => line.slice("registryhub_refused_rules".length));

const writesOf = (world: World, since: number): readonly string[] =>
  writesSince(world, since).filter((write) => write.includes("envoyfilters"));

describe("a VirtualService of a Dubbo service", () => {
  test("becomes rules: one change of the listener, and an object of their own", async () => {
    const world = await open();
    const plain = listener(world);
    expect(plain).not.toContain("config_discovery");
    const since = world.writes().length;
    await says(world, { http: toGray });
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
    expect(listener(world)).toContain(`"name":"dubbo|${host}","config_discovery"`);
    expect(writesOf(world, since)).toEqual([
      `patch envoyfilters ${rulesName}`,
      `patch envoyfilters ${outbound(world)}`,
    ]);
    expect(told(world)).toEqual([
      "a: SubsetEmpty calls for gray fail: no endpoint of demo.a.demo has the labels of that subset",
    ]);
    expect(await refused(world)).toEqual([]);
  });

  test("is edited: only the rules change, and with an equal meaning nothing that a proxy sees", async () => {
    const world = await openRuled();
    const since = world.writes().length;
    await says(world, { http: [...byTag, ...toGray] });
    await says(world, { http: [{ route: [to("gray", 5), to(undefined, 95)] }] });
    expect(routes(world)).toEqual([`${cluster("gray")} 5, ${cluster()} 95`, cluster()]);
    expect(writesOf(world, since)).toEqual([1, 2].map(() => `patch envoyfilters ${rulesName}`));
  });

  test("that is all right from the start is one more object for its service alone", async () => {
    const world = await open({ prepare: ({ person }) => void person.put(rule({ http: toGray })) });
    expect(filtersOf(world).filter((name) => name.includes("rules"))).toEqual([rulesName]);
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
  });

  test("that says what holds without it changes nothing", async () => {
    const world = await open();
    const since = world.writes().length;
    await says(world, {
      http: [{ match: [{ method: { exact: "sayHello" } }], route: [to()] }, { route: [to()] }],
    });
    expect(writesOf(world, since)).toEqual([]);
    expect(told(world)).toEqual([]);
  });

  test("that ends: what holds without it is written and stays, and so does the listener", async () => {
    const world = await openRuled();
    const since = world.writes().length;
    world.person.delete("virtualservices", `${home}/a`);
    await world.advance(10 * minute);
    expect(routes(world)).toEqual([cluster()]);
    expect(writesOf(world, since)).toEqual([`patch envoyfilters ${rulesName}`]);
    await world.dubboController.restart();
    await world.advance(10 * minute);
    expect(writesOf(world, since)).toHaveLength(1);
    await says(world, { http: toGray });
    expect(writesOf(world, since)).toEqual([1, 2].map(() => `patch envoyfilters ${rulesName}`));
  });

  test("that ends while the controller is down ends when it is up", async () => {
    const world = await openRuled();
    await world.dubboController.stop();
    world.person.delete("virtualservices", `${home}/a`);
    await world.dubboController.start();
    await world.advance(1 * minute);
    expect(routes(world)).toEqual([cluster()]);
  });

  test("that is broken is refused, told and counted, and the last rules stay, over restarts too", async () => {
    const world = await openRuled();
    const since = world.writes().length;
    await says(world, { http: [{ ...toGray[0], timeout: "1s" }] });
    await world.dubboController.restart();
    await world.advance(10 * minute);
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
    expect(writesOf(world, since)).toEqual([]);
    expect(told(world)).toContain(
      "a: RuleRefused UnsupportedField: spec.http[0].timeout is nothing that rules for Dubbo can express; nothing has changed",
    );
    expect(await refused(world)).toEqual(['{reason="UnsupportedField"} 1']);
    await says(world, { http: byTag });
    expect(await refused(world)).toEqual([]);
    expect(writesOf(world, since)).toEqual([`patch envoyfilters ${rulesName}`]);
  });

  test("that is broken from the start makes nothing", async () => {
    const world = await open();
    const since = world.writes().length;
    await says(world, { http: toGray, tcp: [] });
    expect(writesOf(world, since)).toEqual([]);
    expect(told(world).join()).toContain("UnsupportedField: spec.tcp ");
    world.person.delete("virtualservices", `${home}/a`);
    await world.advance(1 * second);
    expect(await refused(world)).toEqual([]);
  });

  test("stays as it is while instances come and go", async () => {
    const world = await openRuled();
    const since = world.writes().length;
    world.registry().set("demo.A", ["10.42.0.9:20880", "10.42.0.10:20880"]);
    await world.advance(1 * minute);
    expect(writesOf(world, since)).toEqual([]);
  });

  test("has no say while the entry has no filters, and again when it has", async () => {
    const world = await openRuled();
    edit(world, { l7: false });
    await world.advance(1 * minute);
    expect(filtersOf(world).filter((name) => name.includes(host))).toEqual([]);
    edit(world, { l7: true });
    await world.advance(1 * minute);
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
  });

  test("goes with the entry", async () => {
    const world = await openRuled();
    world.registry().remove("demo.A");
    await world.advance(20 * minute);
    expect(filtersOf(world).filter((name) => name.includes(host))).toEqual([]);
    expect(await refused(world)).toEqual([]);
    world.registry().set("demo.A", ["10.42.0.1:20880"]);
    await world.advance(1 * minute);
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
  });

  test("has its filters repaired when somebody edits or deletes them", async () => {
    const world = await openRuled();
    const before = listener(world);
    world.person.delete("envoyfilters", `${rootNamespace}/${rulesName}`);
    await world.advance(1 * second);
    world.person.edit("envoyfilters", `${rootNamespace}/${outbound(world)}`, (object) => ({
      ...object,
      spec: { configPatches: [] },
    }));
    await world.advance(10 * second);
    expect(JSON.parse(listener(world))).toEqual(JSON.parse(before));
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
  });

  test("that is refused outlives the deletion of its filter", async () => {
    const world = await openRuled();
    await says(world, { http: toGray, tls: [] });
    world.person.delete("envoyfilters", `${rootNamespace}/${rulesName}`);
    await world.advance(10 * second);
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
  });

  test("with apply-rules-now changes the listener once for each new value", async () => {
    const world = await openRuled();
    const note = (value: string) => ({ annotations: { "ecns.easystack.cn/apply-rules-now": value } });
    const since = world.writes().length;
    await says(world, { http: byTag }, note("1"));
    expect(writesOf(world, since)).toEqual([
      `patch envoyfilters ${rulesName}`,
      `patch envoyfilters ${outbound(world)}`,
    ]);
    await says(world, { http: toGray }, note("1"));
    await says(world, { http: toGray });
    await world.dubboController.restart();
    await world.advance(1 * minute);
    expect(writesOf(world, since).slice(2)).toEqual([`patch envoyfilters ${rulesName}`]);
    await says(world, { http: toGray }, note("2\n|x"));
    expect(writesOf(world, since).slice(3)).toEqual([
      `patch envoyfilters ${rulesName}`,
      `patch envoyfilters ${outbound(world)}`,
    ]);
    await says(world, { http: toGray, tcp: [] }, note("3"));
    expect(writesOf(world, since)).toHaveLength(5);
  });
});

describe("whose word counts", () => {
  test("of two VirtualServices of one host the older's; the other's when that is gone", async () => {
    const world = await openRuled();
    await world.advance(5 * second);
    await says(world, { http: byTag.map((one) => ({ ...one, route: [to("blue")] })) }, { name: "b" });
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
    expect(told(world).at(-1)).toContain("b: RuleRefused NotAlone: spec.hosts");
    expect(await refused(world)).toEqual(['{reason="NotAlone"} 1']);
    world.person.delete("virtualservices", `${home}/a`);
    await world.advance(1 * second);
    expect(routes(world)).toEqual([cluster("blue"), cluster()]);
    expect(await refused(world)).toEqual([]);
  });

  test("that is deleted says nothing any more, also where the next one is refused", async () => {
    const world = await openRuled();
    await says(world, { hosts: [host], tcp: [] }, { name: "relic" });
    world.person.delete("virtualservices", `${home}/a`);
    await world.advance(1 * second);
    expect(routes(world)).toEqual([cluster()]);
  });

  test.each([
    ["a further host", [host, "demo.b.demo"]],
    ["a name without the namespace", ["demo.a"]],
    ["a wildcard", ["*.demo"]],
  ])("%s is refused, and what was in force before stays", async (_, hosts) => {
    const world = await openRuled();
    await says(world, { hosts, http: byTag });
    await world.dubboController.restart();
    await world.advance(1 * minute);
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
    expect(told(world).join()).toContain("a: RuleRefused UnsupportedHost: spec.hosts must be");
    expect(await refused(world)).toEqual(['{reason="UnsupportedHost"} 1']);
    world.person.delete("virtualservices", `${home}/a`);
    await world.advance(1 * second);
    expect(routes(world)).toEqual([cluster()]);
    expect(await refused(world)).toEqual([]);
  });

  test("a wildcard that was there before the entries is told of once, however many it means", async () => {
    const world = await open({
      prepare: ({ person }) => void person.put(rule({ hosts: ["*.demo"], http: toGray })),
    });
    await world.advance(10 * minute);
    expect(told(world).map((one) => one.split(":")[0])).toEqual(["a"]);
    expect(await refused(world)).toEqual(['{reason="UnsupportedHost"} 1']);
  });

  test.each([
    ["another gateway", { gateways: ["mesh", "edge"] }, "spec.gateways"],
    ["some namespaces", { exportTo: ["."] }, "spec.exportTo"],
  ])("that of a VirtualService for %s does not", async (_, spec, field) => {
    const world = await open();
    await says(world, { http: toGray, ...spec });
    expect(routes(world)).toBeUndefined();
    expect(told(world).join()).toContain(`RuleRefused UnsupportedField: ${field} must be absent`);
  });

  test.each([
    ["for gateways alone", { gateways: ["edge"] }, {}],
    ["in another namespace", {}, { namespace: "default" }],
    ["of a host that is none of ours", { hosts: ["demo.x.demo"] }, {}],
    ["of every host", { hosts: ["*"] }, {}],
  ])("a VirtualService %s is none of the controller's business", async (_, spec, metadata) => {
    const world = await open();
    await says(world, { http: toGray, ...spec }, metadata);
    expect(routes(world)).toBeUndefined();
    expect(told(world)).toEqual([]);
  });

  test("mesh as the only gateway and * as exportTo say what their absence says", async () => {
    const world = await open();
    await says(world, { http: toGray, gateways: ["mesh"], exportTo: ["*"], hosts: ["Demo.A.demo"] });
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
  });

  test("an entry that only has the operator's label gives none over a host of another namespace", async () => {
    const world = await open({ prepare: ({ person }) => person.createNamespace("evil") });
    const entry = entryOf(world, "demo.A");
    if (entry === undefined) throw new Error("no entry");
    const { name, labels, annotations } = entry.metadata;
    world.person.put({
      ...entry,
      metadata: { namespace: "evil", name, ...(labels && { labels }), ...(annotations && { annotations }) },
      spec: { ...entry.spec, addresses: ["240.241.9.9"] },
    });
    await says(world, { http: toGray }, { namespace: "evil" });
    expect(routes(world)).toBeUndefined();
  });
});

describe("a subset", () => {
  test("that no DestinationRule has is refused, and accepted once one has it", async () => {
    const world = await open();
    await says(world, { http: [{ route: [to("green")] }] });
    expect(routes(world)).toBeUndefined();
    expect(told(world).join()).toContain("SubsetMissing: spec.http[0].route[0].destination.subset is green");
    world.person.put(subsets(["green"], {}, { name: "b" }));
    await world.advance(1 * second);
    expect(routes(world)).toEqual([cluster("green"), cluster()]);
    expect(await refused(world)).toEqual([]);
  });

  test("that vanishes: its calls go to all endpoints at once, which is told, until it is back, over a restart too", async () => {
    const world = await openRuled({}, [{ route: [to("gray", 1), to("blue", 9)] }]);
    const listenerBefore = listener(world);
    world.person.put(subsets(["blue"]));
    await world.settle();
    expect(routes(world)).toEqual([`${cluster()} 1, ${cluster("blue")} 9`, cluster()]);
    await world.advance(1 * second);
    expect(told(world).join()).toContain("a: SubsetVanished calls for gray go to all endpoints");
    const listenerAfter = listener(world);
    expect(listenerAfter).not.toBe(listenerBefore); // so that connections end that call it
    const since = world.writes().length;
    await world.dubboController.restart();
    await world.advance(1 * minute);
    expect(writesOf(world, since)).toEqual([]);
    world.person.put(subsets(["blue", "gray"]));
    await world.settle();
    expect(routes(world)).toEqual([`${cluster("gray")} 1, ${cluster("blue")} 9`, cluster()]);
    expect(listener(world)).toBe(listenerAfter);
    world.person.put(subsets(["blue"]));
    await world.settle();
    expect([listenerBefore, listenerAfter]).not.toContain(listener(world));
  });

  test("that vanishes after an edit, or the end of the rules, changes the listener, because connections still call it", async () => {
    const world = await openRuled();
    await says(world, { http: [{ route: [to("blue")] }] });
    const before = listener(world);
    world.person.put(subsets(["blue"]));
    await world.advance(1 * second);
    const edited = listener(world);
    expect(edited).not.toBe(before);
    world.person.delete("virtualservices", `${home}/a`);
    await world.advance(1 * second);
    expect(listener(world)).toBe(edited);
    world.person.delete("destinationrules", `${home}/a`);
    await world.advance(1 * second);
    expect(listener(world)).not.toBe(edited);
    expect(routes(world)).toEqual([cluster()]);
  });

  test("that vanishes after all have followed an edit changes no listener, nor does one that nobody named", async () => {
    const world = await openRuled();
    const note = { annotations: { "ecns.easystack.cn/apply-rules-now": "1" } };
    await says(world, { http: [{ route: [to("blue")] }] }, note);
    const before = listener(world);
    world.person.put(subsets(["blue", "green"]));
    await world.advance(1 * second);
    world.person.put(subsets(["blue"]));
    await world.advance(1 * second);
    await world.dubboController.restart();
    await world.advance(1 * minute);
    expect(listener(world)).toBe(before);
  });

  test("that vanishes while the VirtualService is refused is named no more either", async () => {
    const world = await openRuled();
    await says(world, { http: toGray, tcp: [] });
    world.person.delete("destinationrules", `${home}/a`);
    await world.settle();
    expect(routes(world)).toEqual([cluster()]);
    world.person.put(subsets(["gray"]));
    await world.settle();
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
  });

  test.each([
    ["elsewhere", {}, { namespace: "default" }],
    ["for some workloads", { workloadSelector: { matchLabels: { app: "x" } } }, {}],
    ["for some namespaces", { exportTo: ["."] }, {}],
    ["of a wildcard", { host: "*.demo" }, {}],
  ])("of a rule %s does not count", async (_, spec, metadata) => {
    const world = await open();
    world.person.put(subsets(["green"], spec, { name: "b", ...metadata }));
    await says(world, { http: [{ route: [to("green")] }] });
    expect(routes(world)).toBeUndefined();
    expect(told(world).join()).toContain("SubsetMissing");
  });

  test.each([
    ["elsewhere", {}, { namespace: "default" }],
    ["for the root namespace alone", { exportTo: ["."] }, { namespace: rootNamespace }],
    ["for some workloads", { workloadSelector: { matchLabels: { app: "x" } } }, {}],
    ["for some namespaces", { exportTo: ["."] }, {}],
    ["for all, in other words", { exportTo: ["*"] }, {}],
  ])("that a rule %s hides is refused, and named no more if it was in force", async (_, spec, metadata) => {
    const world = await openRuled();
    const before = listener(world);
    const hiding = subsets(["blue"], spec, { name: "b", ...metadata });
    world.person.put(hiding);
    await world.settle();
    expect(routes(world)).toEqual([cluster()]);
    const isStrange = hiding.metadata.namespace !== home;
    expect(listener(world) === before).toBe(isStrange); // no stranger has connections cut
    await says(world, { http: byTag });
    expect(told(world).join()).toContain("SubsetShadowed: spec.http[0].route[0].destination.subset is gray");
    expect(await refused(world)).toEqual(['{reason="SubsetShadowed"} 1']);
    world.person.delete("destinationrules", `${hiding.metadata.namespace}/b`);
    await world.settle();
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
  });

  test.each([
    ["of a wildcard beside it", { host: "*.demo" }, {}],
    ["of a wildcard beside it, for some", { host: "*.demo", exportTo: ["."] }, {}],
    ["of a wildcard elsewhere", { host: "*.demo" }, { namespace: "default" }],
    ["in the root namespace, where consumers look last", {}, { namespace: rootNamespace }],
    ["of a wildcard in the root namespace", { host: "*" }, { namespace: rootNamespace }],
    ["elsewhere that is for others", { exportTo: ["team-a"] }, { namespace: "default" }],
    ["of another host", { host: "demo.b.demo" }, {}],
    ["with the same subset elsewhere", { subsets: [{ name: "gray" }] }, { namespace: "default" }],
  ])("is hidden by no rule %s", async (_, spec, metadata) => {
    const world = await open();
    world.person.put(subsets([], spec, { name: "b", ...metadata }));
    await says(world, { http: toGray });
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
  });

  test("is in one of the rules that Istio merges, which have the same exportTo", async () => {
    const world = await open();
    world.person.put(subsets(["gray", "blue"], { exportTo: ["*", "x"] }));
    world.person.put(subsets(["green"], { exportTo: ["x", "*"] }, { name: "b" }));
    await says(world, { http: [{ route: [to("gray", 1), to("green", 1)] }] });
    expect(routes(world)).toEqual([`${cluster("gray")} 1, ${cluster("green")} 1`, cluster()]);
  });

  test("is hidden by no rule in a namespace that does not see the entry", async () => {
    const world = await open({
      spec: { exportTo: ["team-a"] },
      prepare: ({ person }) => person.createNamespace("team-a"),
    });
    world.person.put(subsets([], {}, { namespace: "default", name: "b" }));
    await says(world, { http: toGray });
    expect(routes(world, "team-a")).toEqual([cluster("gray"), cluster()]);
    world.person.put(subsets([], {}, { namespace: "team-a", name: "b" }));
    await world.settle();
    expect(routes(world, "team-a")).toEqual([cluster()]);
  });

  test("without endpoints is looked for once for each version of the entry and of the rules", async () => {
    const world = await openRuled();
    const list = { resource: "serviceentries", user: "dubbo-controller" } as const;
    const looks = (since: number): number =>
      world.api.requests
        .slice(since)
        .filter(
          ({ resource, user, verb }) => resource === list.resource && user === list.user && verb === "list",
        ).length;
    const since = world.api.requests.length;
    await says(world, { http: byTag });
    expect(looks(since)).toBe(1);
    world.person.put(subsets([], { host }, { name: "b" }));
    world.person.delete("envoyfilters", `${rootNamespace}/${rulesName}`);
    await world.advance(1 * minute);
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
    expect(looks(since)).toBe(1);
  });

  test("with endpoints is nothing to tell of; without them it is told once, and its calls fail, as Istio has it", async () => {
    const tagged = (tag: string) => instanceAt("10.42.0.1:20880", "dubbo", { metadata: { tag } });
    const world = await open();
    world.registry().set("demo.A", [tagged("gray")]);
    await world.advance(1 * minute);
    await says(world, { http: toGray });
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
    expect(told(world)).toEqual([]);
    world.registry().set("demo.A", [tagged("blue")]);
    await world.advance(20 * minute);
    expect(told(world)).toEqual([
      "a: SubsetEmpty calls for gray fail: no endpoint of demo.a.demo has the labels of that subset",
    ]);
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
  });

  test("of an entry that cannot be read is nothing to tell of", async () => {
    const world = await open();
    const list = { resource: "serviceentries", verb: "list", user: "dubbo-controller" } as const;
    world.api.refuse(list, () => failure(503, "ServiceUnavailable", "starting"));
    await says(world, { http: toGray });
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
    expect(told(world)).toEqual([]);
  });
});

const noVirtualServices = { resource: "virtualservices", verb: "list", user: "dubbo-controller" } as const;

describe("what cannot be listed", () => {
  test.each(["virtualservices", "destinationrules"])(
    "without the right to %s nobody has rules, which the log says at level debug, and they begin with the right",
    async (resource) => {
      let allow = (): void => undefined;
      const world = await open({
        prepare: ({ api, person }) => {
          allow = api.forbid({ ...noVirtualServices, resource });
          person.put(rule({ http: toGray }));
        },
      });
      expect(routes(world)).toBeUndefined();
      const lines = world.dubboController.log.filter((line) => JSON.stringify(line).includes(resource));
      expect(lines.map(({ level, message }) => `${level} ${message}`)).toEqual(["debug a right is missing"]);
      allow();
      await world.advance(11 * minute);
      expect(routes(world)).toEqual([cluster("gray"), cluster()]);
    },
  );

  test.each(["virtualservices", "destinationrules"])(
    "the right to %s goes: the rules stay, also over a restart, and end once it is back and they have ended",
    async (resource) => {
      const world = await openRuled();
      const since = world.writes().length;
      const allows = [
        world.api.forbid({ ...noVirtualServices, resource, verb: "watch" }),
        world.api.forbid({ ...noVirtualServices, resource }),
      ];
      await world.advance(20 * minute);
      world.person.delete("virtualservices", `${home}/a`);
      await world.advance(1 * minute);
      await world.dubboController.restart();
      await world.advance(20 * minute);
      expect(writesOf(world, since)).toEqual([]);
      expect(routes(world)).toEqual([cluster("gray"), cluster()]);
      for (const allow of allows) allow();
      await world.advance(11 * minute);
      expect(routes(world)).toEqual([cluster()]);
    },
  );

  test("without the right to virtualservices a subset that vanishes is seen", async () => {
    const world = await openRuled();
    await world.dubboController.stop();
    world.api.forbid(noVirtualServices);
    await world.dubboController.start();
    await world.advance(1 * minute);
    const before = listener(world);
    world.person.delete("destinationrules", `${home}/a`);
    await world.advance(1 * second);
    expect(routes(world)).toEqual([cluster()]);
    expect(listener(world)).not.toBe(before);
    world.person.put(subsets(["gray"]));
    await world.advance(1 * second);
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
  });

  test("an API server that does not answer for a while is no end of rules", async () => {
    const world = await openRuled();
    const since = world.writes().length;
    await world.dubboController.stop();
    const end = world.api.refuse({ resource: "virtualservices" }, () =>
      failure(503, "ServiceUnavailable", "starting"),
    );
    await world.dubboController.start();
    await world.advance(5 * minute);
    expect(writesOf(world, since)).toEqual([]);
    end();
    await world.advance(1 * minute);
    expect(writesOf(world, since)).toEqual([]);
  });

  test("the type VirtualService may be missing", async () => {
    const world = await open({
      prepare: ({ api }) =>
        void api.refuse({ resource: "virtualservices" }, () => failure(404, "NotFound", "no such type")),
    });
    expect(filtersOf(world)).toHaveLength(3);
    expect(world.dubboController.log.filter(({ level }) => level === "error")).toEqual([]);
  });
});

test("--dubbo-rules=false: nobody has rules, those in force end, and nothing is listed", async () => {
  const world = await openRuled();
  await world.dubboController.stop();
  const asked = world.api.requests.length;
  await world.dubboController.start({ dubboRules: false });
  await world.advance(1 * minute);
  expect(routes(world)).toEqual([cluster()]);
  expect(listener(world)).toContain("config_discovery");
  const lists = world.api.requests.slice(asked).filter(({ resource }) => resource === "virtualservices");
  expect(lists).toEqual([]);
});

test("rules that the API server does not take change no listener, and do so once it takes them", async () => {
  const world = await open();
  const plain = listener(world);
  const deny = () =>
    world.api.refuse({ resource: "envoyfilters", verb: "patch", name: rulesName }, () =>
      failure(403, "Forbidden", "a policy denies it"),
    );
  const allow = deny();
  await says(world, { http: toGray });
  expect(listener(world)).toBe(plain);
  allow();
  await world.advance(20 * minute);
  expect(listener(world)).toContain("config_discovery");
  const begun = listener(world);
  const allowAgain = deny();
  const annotations = { "ecns.easystack.cn/apply-rules-now": "1" };
  await says(world, { http: byTag }, { annotations });
  expect(listener(world)).toBe(begun);
  allowAgain();
  await world.advance(20 * minute);
  expect(listener(world)).not.toBe(begun);
});

test("a port that the entry has no more refuses rules that name it, and ends none that are in force", async () => {
  const named = [{ route: [{ destination: { host, subset: "gray", port: { number: port } } }] }];
  const world = await openRuled({}, named);
  expect(routes(world)).toEqual([cluster("gray"), cluster()]);
  await world.hubController.stop();
  const { namespace, name } = entryOf(world, "demo.A")?.metadata ?? {};
  world.person.edit("serviceentries", `${namespace}/${name}`, (object) => ({
    ...object,
    spec: { ...object.spec, ports: [{ ...object.spec.ports?.[0], number: 20_881 }] },
  }));
  await world.advance(1 * minute);
  const onOther = [cluster("gray"), cluster()].map((one) => one.replace(`${port}`, "20881"));
  expect(routes(world)).toEqual(onOther);
  const refusals = told(world).filter((one) => one.includes("RuleRefused"));
  expect(refusals).toEqual([
    "a: RuleRefused UnsupportedField: spec.http[0].route[0].destination.port must be absent, or number: 20881; nothing has changed",
  ]);
  const since = world.writes().length;
  await world.dubboController.restart();
  await world.advance(10 * minute);
  expect(writesOf(world, since)).toEqual([]);
  expect(routes(world)).toEqual(onOther);
});

test("rules that could not begin, and have ended since, do not begin later", async () => {
  const world = await open();
  await world.hubController.stop();
  const hub = world.person.get("registryhubs", hubKey);
  if (hub === undefined) throw new Error("no hub");
  world.person.delete("registryhubs", hubKey);
  await world.advance(1 * second);
  await says(world, { http: toGray });
  expect(routes(world)).toBeUndefined();
  world.person.delete("virtualservices", `${home}/a`);
  await world.advance(1 * second);
  await says(world, { http: toGray, tcp: [] });
  const { namespace, name } = hub.metadata;
  world.person.put({ ...hub, metadata: { name, ...(namespace !== undefined && { namespace }) } });
  await world.advance(1 * minute);
  expect(routes(world)).toBeUndefined();
  await says(world, { http: toGray });
  expect(routes(world)).toEqual([cluster("gray"), cluster()]);
});

test("a service without the right to new filters gets no rules, and one that has rules keeps and changes them", async () => {
  const world = await openRuled();
  await world.dubboController.restart({ dubboPorts: [] });
  await world.advance(1 * minute);
  await says(world, { http: byTag.map((one) => ({ ...one, route: [to("blue")] })) });
  expect(routes(world)).toEqual([cluster("blue"), cluster()]);
  const other = "demo.b.demo";
  world.person.put(subsets(["gray"], { host: other }, { name: "b" }));
  const route = [{ destination: { host: other, subset: "gray" } }];
  await says(world, { hosts: [other], http: [{ route }] }, { name: "b" });
  expect(filtersOf(world)).not.toContain(`aeraki-rules-${other}`);
  expect(listener(world)).toContain("config_discovery");
});

describe("rules of an entry that is exported to some namespaces", () => {
  const [a, b] = ["team-a", "team-b"];
  const teams = ({ person }: World): void => {
    for (const name of [a, b]) person.createNamespace(name);
  };
  const places = ({ person }: World): readonly string[] =>
    person
      .list("envoyfilters")
      .filter(({ metadata }) => metadata.name === rulesName)
      .map(({ metadata }) => metadata.namespace ?? "")
      .sort();

  test("are where its filter is, and move with it: the new ones first", async () => {
    const world = await openRuled({ spec: { exportTo: [a] }, prepare: teams });
    expect(places(world)).toEqual([a]);
    world.person.put(subsets([]));
    await world.advance(1 * second);
    world.person.put(subsets(["gray"]));
    await world.advance(1 * second);
    const before = listener(world, a);
    const since = world.writes().length;
    edit(world, { exportTo: [b] });
    await world.advance(1 * minute);
    expect(places(world)).toEqual([b]);
    expect(routes(world, b)).toEqual([cluster("gray"), cluster()]);
    expect(listener(world, b)).toContain("config_discovery");
    const moves = world.writes(since).filter(({ resource }) => resource === "envoyfilters");
    const verbs = moves.map(({ verb, namespace }) => `${verb} ${namespace}`);
    expect(verbs.lastIndexOf(`patch ${b}`)).toBeLessThan(verbs.indexOf(`delete ${a}`));
    edit(world, { exportTo: ["*"] });
    await world.advance(1 * minute);
    expect(places(world)).toEqual([rootNamespace]);
    expect(routes(world)).toEqual([cluster("gray"), cluster()]);
    expect(listener(world)).toBe(before);
  });

  test("move also while their VirtualService is refused, and after the controller was down", async () => {
    const world = await openRuled({ prepare: teams });
    await says(world, { http: toGray, tcp: [] });
    await world.dubboController.stop();
    edit(world, { exportTo: [a, b] });
    await world.advance(10 * second);
    await world.dubboController.start();
    await world.advance(1 * minute);
    expect(places(world)).toEqual([a, b]);
    for (const namespace of [a, b]) expect(routes(world, namespace)).toEqual([cluster("gray"), cluster()]);
  });

  test("wait where they are until all is known, if the entry moves while the controller is down", async () => {
    const world = await openRuled({ spec: { exportTo: [a] }, prepare: teams });
    world.person.delete("destinationrules", `${home}/a`);
    await world.advance(1 * second);
    await world.dubboController.stop();
    edit(world, { exportTo: [b] });
    await world.advance(10 * second);
    const end = world.api.refuse({ resource: "virtualservices" }, () =>
      failure(503, "ServiceUnavailable", "starting"),
    );
    const since = world.writes().length;
    await world.dubboController.start();
    await world.advance(1 * minute);
    expect(writesOf(world, since).filter((write) => write.includes(host))).toEqual([]);
    end();
    await world.advance(1 * minute);
    world.person.put(subsets(["gray"]));
    await world.advance(1 * second);
    expect(places(world)).toEqual([b]);
    expect(routes(world, b)).toEqual([cluster("gray"), cluster()]);
  });

  test("that somebody else wrote in our name count in no other namespace", async () => {
    const world = await open({ prepare: teams });
    const end = world.api.refuse({ resource: "virtualservices" }, () =>
      failure(503, "ServiceUnavailable", "starting"),
    );
    await world.dubboController.stop();
    const forged = { virtualService: "demo/a", http: toGray };
    world.person.put({
      apiVersion: "networking.istio.io/v1alpha3",
      kind: "EnvoyFilter",
      metadata: {
        namespace: a,
        name: rulesName,
        labels: { "app.kubernetes.io/managed-by": "dubbo-controller" },
        annotations: {
          "ecns.easystack.cn/serviceentry": "demo/aeraki-demo-a-demo",
          "ecns.easystack.cn/root-namespace": rootNamespace,
          "ecns.easystack.cn/rules": JSON.stringify(forged),
        },
      },
      spec: { configPatches: [{ applyTo: "EXTENSION_CONFIG", patch: { value: { c: cluster("gray") } } }] },
    });
    await world.dubboController.start();
    await world.advance(1 * minute);
    expect(places(world)).toEqual([]);
    expect(listener(world)).not.toContain("config_discovery");
    end();
    await says(world, { http: toGray, tcp: [] });
    await world.advance(1 * minute);
    expect(places(world)).toEqual([]);
  });

  test("go with the entry", async () => {
    const world = await openRuled({ spec: { exportTo: [a, b] }, prepare: teams });
    expect(places(world)).toEqual([a, b]);
    world.person.delete("registryhubs", hubKey);
    await world.advance(20 * minute);
    expect(world.person.list("envoyfilters")).toEqual([]);
  });
});

test("an event of a VirtualService or a DestinationRule touches only its host", async () => {
  const world = await openRuled();
  const reads = world.api.requests.length;
  world.person.put(rule({ hosts: ["elsewhere.demo"], http: [] }, { name: "other" }));
  world.person.put(subsets(["x"], { host: "elsewhere.demo" }, { name: "other" }));
  await world.advance(1 * second);
  expect(world.api.requests.slice(reads)).toEqual([]);
  expect(eventsOf(world).filter((one) => one.includes("RuleRefused"))).toEqual([]);
});
