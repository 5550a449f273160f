import { describe, expect, test } from "vitest";
import type { DubboControllerOptions } from "../../src/controllers/dubbo/controller.ts";
import type { ServiceEntry } from "../../src/model/istio.ts";
import type { Listed } from "../fakes/registries.ts";
import { entryOf, filtersOf, said, statusOf, warningsOf, writesSince } from "./looks.ts";
import { edit, openSettled, two } from "./scenes.ts";
import { dubboPorts, hub, minute, openWorld, rootNamespace, second, type World } from "./world.ts";

/** A service on the port of MySQL. */
const odd = { "demo.A": ["10.42.0.1:3306"] } satisfies Readonly<Record<string, Listed>>;
const anyPort = [{ from: 1, to: 65_535, isAllowed: true }];
const vipOf = (world: World, service: string): string => entryOf(world, service)?.spec.addresses?.[0] ?? "";
const outbound = (world: World, port: number): string =>
  `aeraki-outbound-demo.a.demo-${vipOf(world, "demo.A")}-${port}`;
const ofPort = "aeraki-outbound-buffer-3306";
const filterWrites = (world: World, since: number): readonly string[] =>
  writesSince(world, since).filter((write) => write.includes("envoyfilters"));
const withheld = async (world: World): Promise<readonly string[]> =>
  (await world.dubboController.metrics())
    .split("\n")
    .filter((line) => line.startsWith("registryhub_withheld_filters") && !line.endsWith(" 0"));

/** The same, with filters that an earlier version made, and this version at work. */
async function openUpgraded(options: Partial<DubboControllerOptions> = {}): Promise<World> {
  const world = await openSettled({ services: odd });
  await world.dubboController.start({ dubboPorts: anyPort, ...options });
  await world.advance(1 * minute);
  await world.dubboController.restart({ dubboPorts, ...options });
  await world.advance(1 * minute);
  return world;
}

describe("a port that is not allowed", () => {
  test("gets no filter, neither of the service nor of the port, and the hub says why", async () => {
    const world = await openSettled({ services: { ...odd, "demo.B": ["10.42.0.2:20880"] } });
    await world.dubboController.start({ inboundFilters: true });
    await world.advance(1 * minute);
    const name = `demo.b.demo-${vipOf(world, "demo.B")}-20880`;
    expect(filtersOf(world)).toEqual([
      "aeraki-inbound-demo.b.demo-20880",
      "aeraki-outbound-buffer-20880",
      `aeraki-outbound-${name}`,
    ]);
    expect(statusOf(world).problems).toEqual([
      {
        at: "demo.a.demo",
        problem: expect.stringMatching(/^PortNotAllowed: port 3306 is not one of .*--dubbo-ports/) as string,
        severity: "warning",
      },
    ]);
    expect(said(world)).toMatchObject({ phase: "success", Applied: "True Applied" });
    expect(await withheld(world)).toEqual(['registryhub_withheld_filters{reason="PortNotAllowed"} 1']);
  });

  test("is no problem of a service that wants no filter", async () => {
    const world = await openSettled({ services: odd, spec: { l7: false } });
    expect(statusOf(world).problems).toEqual([]);
  });

  test.each([{ inboundFilters: false }, { inboundFilters: true }])(
    "keeps the filters that it has: an upgrade writes and deletes none, %j",
    async (options) => {
      const world = await openSettled({ services: odd });
      await world.dubboController.start({ dubboPorts: anyPort, ...options });
      await world.advance(1 * minute);
      const before = world.writes().length;
      const filters = world.person.list("envoyfilters", rootNamespace);
      expect(filters).toHaveLength(options.inboundFilters ? 3 : 2);
      await world.dubboController.restart({ dubboPorts, ...options });
      await world.hubController.restart();
      await world.advance(60 * minute);
      // The port's own filter alone changes: where others may be, nothing is ejected.
      expect(filterWrites(world, before)).toEqual([`patch envoyfilters ${ofPort}`]);
      const others = (list: typeof filters) => list.filter(({ metadata }) => metadata.name !== ofPort);
      expect(others(world.person.list("envoyfilters", rootNamespace))).toEqual(others(filters));
    },
  );

  test("has a filter put back that somebody deletes or edits", async () => {
    const world = await openUpgraded({ inboundFilters: true });
    const filters = filtersOf(world);
    const specs = world.person.list("envoyfilters", rootNamespace).map(({ spec }) => spec);
    for (const name of filters) world.person.delete("envoyfilters", `${rootNamespace}/${name}`);
    await world.advance(1 * minute);
    expect(filtersOf(world)).toEqual(filters);
    for (const name of filters)
      world.person.edit("envoyfilters", `${rootNamespace}/${name}`, (one) => ({ ...one, spec: {} }));
    await world.advance(1 * minute);
    expect(world.person.list("envoyfilters", rootNamespace).map(({ spec }) => spec)).toEqual(specs);
  });

  test("has no filter put back that somebody deleted while nobody ran", async () => {
    const world = await openUpgraded();
    await world.dubboController.stop();
    world.person.delete("envoyfilters", `${rootNamespace}/${outbound(world, 3306)}`);
    await world.dubboController.start();
    await world.advance(1 * minute);
    expect(filtersOf(world)).toEqual([]);
  });

  test("keeps its filter through another virtual IP, the new one first", async () => {
    const world = await openUpgraded();
    const [vip, before] = [vipOf(world, "demo.A"), world.writes().length];
    world.person.edit("serviceentries", "demo/aeraki-demo-a-demo", (one) => ({
      ...one,
      spec: { ...one.spec, addresses: ["240.241.7.7"] },
    }));
    await world.advance(1 * minute);
    expect(vipOf(world, "demo.A")).toBe("240.241.7.7");
    expect(filterWrites(world, before)).toEqual([
      "patch envoyfilters aeraki-outbound-demo.a.demo-240.241.7.7-3306",
      `delete envoyfilters aeraki-outbound-demo.a.demo-${vip}-3306`,
    ]);
  });

  test("loses its filters with l7: false, and gets none afterwards", async () => {
    const world = await openUpgraded();
    edit(world, { l7: false });
    await world.advance(1 * minute);
    expect(filtersOf(world)).toEqual([]);
    edit(world, { l7: true });
    await world.advance(1 * minute);
    expect(filtersOf(world)).toEqual([]);
  });

  test("loses its filters with its entry, and gets none when it returns", async () => {
    const world = await openUpgraded();
    world.registry().lists({});
    await world.advance(30 * minute);
    expect(filtersOf(world)).toEqual([]);
    world.registry().lists(odd);
    await world.advance(1 * minute);
    expect(vipOf(world, "demo.A")).not.toBe("");
    expect(filtersOf(world)).toEqual([]);
  });

  test("gets no inbound filter beside the outbound one that it has", async () => {
    const world = await openUpgraded();
    await world.dubboController.restart({ inboundFilters: true });
    await world.advance(1 * minute);
    expect(filtersOf(world)).toEqual([outbound(world, 3306), "aeraki-outbound-buffer-3306"].sort());
  });

  test("of the old product keeps that one's filter, which is taken over", async () => {
    const world = await openSettled({ services: odd });
    world.person.put({
      apiVersion: "networking.istio.io/v1alpha3",
      kind: "EnvoyFilter",
      metadata: { namespace: rootNamespace, name: outbound(world, 3306) },
      spec: { configPatches: [{ match: { listener: { name: `${vipOf(world, "demo.A")}_3306` } } }] },
    });
    await world.dubboController.start();
    await world.advance(1 * minute);
    expect(filtersOf(world)).toEqual([outbound(world, 3306), "aeraki-outbound-buffer-3306"].sort());
  });
});

/** What a tenant may write into his own namespace: it has our label, and says that a hub of ours made it. */
function forged(namespace: string, name: string, vip: string, hubs: string, id: string): ServiceEntry {
  return {
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: {
      namespace,
      name,
      labels: {
        "app.kubernetes.io/managed-by": "registryhub",
        ...(id && { [`hub.ecns.easystack.cn/${id}`]: "" }),
      },
      annotations: { interface: "demo.X", "ecns.easystack.cn/hubs": hubs },
    },
    spec: {
      hosts: [`${name}.${namespace}`],
      addresses: [vip],
      ports: [{ name: "tcp-metaprotocol-dubbo", number: 20_880, protocol: "tcp" }],
    },
  };
}

/** The id of demo/hub. */
const id = "cd209941";

describe("an entry behind which no hub stands", () => {
  test.each([
    ["names none", forged("evil", "x", "240.241.9.9", "", "")],
    ["names one that does not exist", forged("evil", "x", "240.241.9.9", "evil/hub", "12345678")],
    ["names one with another target", forged("evil", "x", "240.241.9.9", "demo/hub", id)],
    ["names one in its annotation only", forged("demo", "x", "240.241.9.9", "demo/hub", "")],
  ])("gets no filter: it %s", async (_, entry) => {
    const world = openWorld();
    world.person.createNamespace("evil");
    world.person.put(hub({ suspend: true }));
    world.person.put(entry);
    await world.dubboController.start();
    await world.advance(1 * minute);
    expect(filtersOf(world)).toEqual([]);
    expect(await withheld(world)).toEqual(['registryhub_withheld_filters{reason="NoHub"} 1']);
  });

  test("keeps the filters that it has", async () => {
    const world = await openSettled({ spec: { policy: "upsert-only" } });
    await world.dubboController.start();
    await world.advance(1 * minute);
    await world.hubController.stop();
    const [filters, before] = [filtersOf(world), world.writes().length];
    expect(filters).toHaveLength(3);
    world.person.delete("registryhubs", "demo/hub");
    await world.dubboController.restart();
    await world.advance(10 * minute);
    expect(filterWrites(world, before)).toEqual([]);
    world.person.delete("envoyfilters", `${rootNamespace}/${outbound(world, 20_880)}`);
    await world.advance(1 * minute);
    expect(filtersOf(world)).toEqual(filters);
  });

  test("gets its filter as soon as its hub exists, and with the hub's target", async () => {
    const world = openWorld();
    world.person.put(forged("demo", "x", "240.241.9.9", "demo/hub", id));
    world.person.put(hub({ generate_to: "elsewhere", suspend: true }));
    await world.dubboController.start();
    await world.advance(1 * minute);
    expect(filtersOf(world)).toEqual([]);
    edit(world, { generate_to: "demo" });
    await world.settle();
    expect(filtersOf(world)).toHaveLength(2);
    expect(await withheld(world)).toEqual([]);
  });

  test("takes no virtual IP from one of ours, however old, also where neither has a filter yet", async () => {
    const world = openWorld();
    world.person.createNamespace("evil");
    world.person.put(forged("evil", "x", "10.0.0.1", "evil/hub", "12345678"));
    await world.advance(1 * minute);
    world.registry().lists(two);
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(1 * second);
    const addresses = [vipOf(world, "demo.A")];
    world.person.edit("serviceentries", "evil/x", (one) => ({ ...one, spec: { ...one.spec, addresses } }));
    await world.dubboController.start();
    await world.advance(1 * minute);
    expect(filtersOf(world)).toContain(outbound(world, 20_880));
    expect(filtersOf(world)).toHaveLength(3);
  });
});

describe("while the hubs cannot be listed", () => {
  test("existing filters stay and are put back, new ones wait, and it is told once", async () => {
    const world = await openSettled();
    await world.dubboController.start();
    await world.advance(1 * minute);
    await world.dubboController.stop();
    const before = world.writes().length;
    const end = world.api.forbid({ resource: "registryhubs", user: "dubbo-controller" });
    world.registry().lists({ ...two, "demo.C": ["10.42.0.3:20881"] });
    await world.dubboController.start();
    await world.advance(10 * minute);
    expect(filterWrites(world, before)).toEqual([]);
    expect(await withheld(world)).toEqual(['registryhub_withheld_filters{reason="HubsUnknown"} 1']);
    expect(warningsOf(world)).toEqual([`Namespace ${rootNamespace}: Forbidden`]);
    const lines = world.dubboController.log.filter(
      ({ level, fields }) => level !== "info" && fields.resource === "registryhubs",
    );
    expect(lines.map(({ level, message }) => `${level} ${message}`)).toEqual(["warn not watching"]);
    const filters = filtersOf(world);
    for (const name of filters) world.person.delete("envoyfilters", `${rootNamespace}/${name}`);
    await world.advance(1 * minute);
    expect(filtersOf(world)).toEqual(filters);
    world.registry().remove("demo.B");
    await world.advance(30 * minute);
    expect(filtersOf(world)).toHaveLength(2);
    end();
    await world.advance(10 * second);
    expect(filtersOf(world)).toHaveLength(4);
    expect(await withheld(world)).toEqual([]);
  });
});
