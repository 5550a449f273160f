import { describe, expect, test } from "vitest";
import type { DubboControllerOptions } from "../../src/controllers/dubbo/controller.ts";
import type { EnvoyFilter, ServiceEntry } from "../../src/model/istio.ts";
import { entryOf, filtersOf, warningsOf, writesSince } from "./looks.ts";
import { ten, two } from "./scenes.ts";
import { hub, minute, openWorld, rootNamespace, second, type World } from "./world.ts";

/** Both controllers, a hub and two Dubbo services on one port. */
async function openRouted(options: Partial<DubboControllerOptions> = {}): Promise<World> {
  const world = openWorld();
  world.registry().lists(two);
  world.person.put(hub());
  await world.hubController.start();
  await world.dubboController.start(options);
  await world.advance(2 * minute);
  return world;
}

const vipOf = (world: World, service: string): string => entryOf(world, service)?.spec.addresses?.[0] ?? "";
const outbound = (world: World, service: string): string =>
  `aeraki-outbound-${service.toLowerCase()}.demo-${vipOf(world, service)}-20880`;
const buffer = "aeraki-outbound-buffer-20880";
const entryKey = "demo/aeraki-demo-a-demo";

/** A Dubbo entry of somebody else. */
function foreign(
  labels: Readonly<Record<string, string>>,
  more: Partial<ServiceEntry["spec"]> = {},
): ServiceEntry {
  return {
    apiVersion: "networking.istio.io/v1beta1",
    kind: "ServiceEntry",
    metadata: { namespace: "demo", name: "theirs", labels, annotations: { interface: "demo.X" } },
    spec: {
      hosts: ["demo.x.demo"],
      addresses: ["10.0.0.1"],
      ports: [{ name: "tcp-metaprotocol-dubbo", number: 20_880, protocol: "tcp" }],
      ...more,
    },
  };
}

describe("the filters of an entry", () => {
  test("are one per entry, and one more for their port", async () => {
    const world = await openRouted();
    expect(filtersOf(world)).toEqual([buffer, outbound(world, "demo.A"), outbound(world, "demo.B")].sort());
    const filter = world.person.get("envoyfilters", `${rootNamespace}/${outbound(world, "demo.A")}`);
    expect(filter?.metadata.annotations).toMatchObject({ "ecns.easystack.cn/serviceentry": entryKey });
    expect(JSON.stringify(filter?.spec)).toContain('"interface":"demo.A"');
    const first = world.api.writes({ resource: "envoyfilters" })[0]?.name;
    expect(first).toBe(buffer);
  });

  test("of ten entries at once are there at once: the filter of their port is written once", async () => {
    const world = openWorld();
    await world.dubboController.start();
    await world.advance(1 * minute);
    world.registry().lists(ten);
    world.person.put(hub());
    const held = world.api.hold({ resource: "envoyfilters", verb: "patch" });
    await world.hubController.start();
    await world.settle();
    held.open();
    await world.settle();
    expect(filtersOf(world)).toHaveLength(11);
    const writes = world.api.writes({ resource: "envoyfilters" });
    expect(writes.filter(({ name }) => name === buffer)).toHaveLength(1);
    expect(writes.map(({ code }) => code).filter((code) => code === 409)).toEqual([]);
  });

  test("that a finalizer keeps are deleted once, are the entry's again when it returns, and then come back", async () => {
    const world = await openRouted();
    const filter = `${rootNamespace}/${outbound(world, "demo.A")}`;
    const hold = (finalizers: readonly string[]): unknown =>
      world.person.edit("envoyfilters", filter, (object) => ({
        ...object,
        metadata: { ...object.metadata, finalizers },
      }));
    hold(["example.com/hold"]);
    world.registry().remove("demo.A");
    await world.advance(60 * minute);
    expect(world.api.writes({ resource: "envoyfilters", verb: "delete" })).toHaveLength(1);
    world.registry().set("demo.A", ["10.42.0.9:20880"]);
    await world.advance(1 * minute);
    hold([]);
    await world.settle();
    expect(world.person.get("envoyfilters", filter)?.metadata).not.toHaveProperty("deletionTimestamp");
    expect(filtersOf(world)).toHaveLength(3);
  });

  test("stay as they are while instances come and go", async () => {
    const world = await openRouted();
    const before = world.writes().length;
    world.registry().set("demo.A", ["10.42.0.9:20880", "10.42.0.10:20881"]);
    await world.advance(1 * minute);
    world.registry().set("demo.A", []);
    await world.advance(5 * minute);
    expect(writesSince(world, before).filter((write) => write.includes("envoyfilters"))).toEqual([]);
  });

  test("go after their entry, that of the port with its last", async () => {
    const world = await openRouted();
    const [a, b] = [outbound(world, "demo.A"), outbound(world, "demo.B")];
    world.registry().remove("demo.A");
    await world.advance(11 * minute);
    expect(filtersOf(world)).toEqual([buffer, b].sort());
    world.registry().remove("demo.B");
    await world.advance(11 * minute);
    expect(filtersOf(world)).toEqual([]);
    const order = world
      .writes()
      .filter(({ verb }) => verb === "delete")
      .map(({ name }) => name);
    expect(order).toEqual(["aeraki-demo-a-demo", a, "aeraki-demo-b-demo", b, buffer]);
  });

  test("stay when a person deletes the entry, which is back within a second", async () => {
    const world = await openRouted();
    const before = world.writes().length;
    world.person.delete("serviceentries", entryKey);
    await world.advance(1 * minute);
    expect(writesSince(world, before).filter((write) => write.includes("envoyfilters"))).toEqual([]);
  });

  test("are put back when somebody edits or deletes them, and in a fight with pauses and an Event", async () => {
    const world = await openRouted();
    const key = `${rootNamespace}/${outbound(world, "demo.A")}`;
    const spec = world.person.get("envoyfilters", key)?.spec;
    world.person.delete("envoyfilters", key);
    await world.settle();
    expect(world.person.get("envoyfilters", key)?.spec).toEqual(spec);
    for (let round = 0; round < 5; round++) {
      world.person.edit("envoyfilters", key, (object) => ({ ...object, spec: { configPatches: [] } }));
      await world.advance(10 * second);
      expect(world.person.get("envoyfilters", key)?.spec).toEqual(spec);
    }
    expect(warningsOf(world)).toEqual([`EnvoyFilter ${outbound(world, "demo.A")}: Contended`]);
    world.person.delete("envoyfilters", `${rootNamespace}/${buffer}`);
    await world.settle();
    expect(filtersOf(world)).toContain(buffer);
  });

  test("of one entry may be switched off by its annotation", async () => {
    const world = await openRouted();
    world.person.edit("serviceentries", entryKey, (object) => ({
      ...object,
      metadata: {
        ...object.metadata,
        annotations: { ...object.metadata.annotations, "ecns.easystack.cn/l7": "false" },
      },
    }));
    await world.advance(5 * second);
    expect(filtersOf(world)).toEqual([buffer, outbound(world, "demo.B")].sort());
    await world.advance(10 * minute);
    expect(filtersOf(world)).toHaveLength(2);
  });

  test("have an inbound one as well with --inbound-filters", async () => {
    const world = await openRouted({ inboundFilters: true });
    expect(filtersOf(world)).toContain("aeraki-inbound-demo.a.demo-20880");
    expect(filtersOf(world)).toHaveLength(5);
    await world.dubboController.restart({ inboundFilters: false });
    await world.advance(5 * second);
    expect(filtersOf(world)).toHaveLength(3);
  });

  test("that were left behind while the controller did not run go at its start", async () => {
    const world = await openRouted();
    await world.dubboController.stop();
    world.registry().lists({});
    await world.advance(30 * minute);
    expect(filtersOf(world)).toHaveLength(3);
    await world.dubboController.start();
    await world.advance(5 * second);
    expect(filtersOf(world)).toEqual([]);
  });

  test("of a namespace that is not watched are left alone", async () => {
    const world = await openRouted({ watchNamespaces: ["other"] });
    expect(filtersOf(world)).toEqual([]);
  });
});

describe("somebody else's", () => {
  test("entry has filters only with --foreign-serviceentries and the label of Aeraki", async () => {
    const world = openWorld();
    world.person.put(foreign({ manager: "aeraki" }));
    await world.dubboController.start();
    await world.advance(5 * second);
    expect(filtersOf(world)).toEqual([]);
    await world.dubboController.restart({ foreignServiceEntries: true });
    await world.advance(5 * second);
    expect(filtersOf(world)).toEqual([buffer, "aeraki-outbound-demo.x.demo-10.0.0.1-20880"].sort());
  });

  test("entry that has our label and an address that is not ours to give has none", async () => {
    const world = openWorld();
    world.person.put(foreign({ "app.kubernetes.io/managed-by": "registryhub" }));
    await world.dubboController.start();
    await world.advance(5 * second);
    expect(filtersOf(world)).toEqual([]);
  });

  test("filter of a name that ours needs is left alone, which an Event tells; of the same listener it is taken over", async () => {
    const world = openWorld();
    world.registry().lists(two);
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(1 * second);
    const filter = (name: string, listener: string): EnvoyFilter => ({
      apiVersion: "networking.istio.io/v1alpha3",
      kind: "EnvoyFilter",
      metadata: { namespace: rootNamespace, name },
      spec: { configPatches: [{ match: { listener: { name: listener } } }] },
    });
    world.person.put(filter(outbound(world, "demo.A"), "something"));
    world.person.put(filter(outbound(world, "demo.B"), `${vipOf(world, "demo.B")}_20880`));
    await world.dubboController.start();
    await world.advance(5 * second);
    expect(warningsOf(world)).toEqual([`EnvoyFilter ${outbound(world, "demo.A")}: NameTaken`]);
    const labelsOf = (service: string) =>
      world.person.get("envoyfilters", `${rootNamespace}/${outbound(world, service)}`)?.metadata.labels;
    expect(labelsOf("demo.A")).toBeUndefined();
    expect(labelsOf("demo.B")).toMatchObject({ "app.kubernetes.io/managed-by": "dubbo-controller" });
  });
});

describe("what a person has to mend", () => {
  test("a right that is missing is an Event in default, about the root namespace", async () => {
    const world = openWorld();
    world.api.forbid({ resource: "envoyfilters", verb: "patch" });
    world.registry().lists(two);
    world.person.put(hub());
    await world.hubController.start();
    await world.dubboController.start();
    await world.advance(1 * minute);
    expect(warningsOf(world)).toEqual([`Namespace ${rootNamespace}: Forbidden`]);
  });

  test("a list that may not be read is one as well, and nothing is decided meanwhile", async () => {
    const world = await openRouted();
    await world.dubboController.stop();
    const end = world.api.forbid({ resource: "serviceentries", user: "dubbo-controller" });
    world.registry().lists({});
    await world.dubboController.start();
    await world.advance(30 * minute);
    expect(warningsOf(world)).toContain(`Namespace ${rootNamespace}: Forbidden`);
    expect(filtersOf(world)).toHaveLength(3);
    end();
    await world.advance(10 * second);
    expect(filtersOf(world)).toEqual([]);
  });

  test("another root namespace of the mesh is an Event, a metric and a line of the log", async () => {
    const world = openWorld();
    const config = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace: rootNamespace, name: "istio" },
    };
    world.person.put({ ...config, data: { mesh: "rootNamespace: mesh-root\n" } });
    await world.dubboController.start();
    await world.advance(1 * second);
    expect(warningsOf(world)).toEqual(["ConfigMap istio: RootNamespaceMismatch"]);
    expect(await world.dubboController.metrics()).toContain("registryhub_root_namespace_mismatch 1");
    world.person.put({ ...config, data: { mesh: `rootNamespace: "${rootNamespace}"\n` } });
    await world.advance(10 * minute);
    expect(await world.dubboController.metrics()).toContain("registryhub_root_namespace_mismatch 0");
  });

  test("that of a revision counts as well, and no other ConfigMap of Istio's (I23)", async () => {
    const world = openWorld();
    const put = (name: string, data: object): unknown =>
      world.person.put({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { namespace: rootNamespace, name, labels: { "istio.io/rev": "1-26" } },
        data,
      });
    put("istio-sidecar-injector-1-26", { config: "rootNamespace: mesh-root\n" });
    await world.dubboController.start();
    await world.advance(1 * second);
    expect(warningsOf(world)).toEqual([]);
    put("istio-1-26", { mesh: "rootNamespace: mesh-root\n" });
    await world.advance(10 * minute);
    expect(warningsOf(world)).toEqual(["ConfigMap istio-1-26: RootNamespaceMismatch"]);
    expect(await world.dubboController.metrics()).toContain("registryhub_root_namespace_mismatch 1");
  });

  test("more than 1,000 filters are an Event, once", async () => {
    const world = openWorld();
    for (let at = 0; at < 1_001; at++)
      world.person.put({
        apiVersion: "networking.istio.io/v1alpha3",
        kind: "EnvoyFilter",
        metadata: { namespace: rootNamespace, name: `filter-${at}` },
        spec: {},
      });
    await world.dubboController.start();
    await world.advance(1 * minute);
    expect(warningsOf(world)).toEqual([`Namespace ${rootNamespace}: ManyEnvoyFilters`]);
    expect(await world.dubboController.metrics()).toContain("registryhub_envoyfilters 1001");
  });

  test("a queue that has worked on one key for longer than a while is stuck", async () => {
    const world = await openRouted();
    world.api.hold({ resource: "envoyfilters", verb: "patch" });
    world.person.delete("envoyfilters", `${rootNamespace}/${outbound(world, "demo.A")}`);
    await world.advance(25 * second);
    expect(world.dubboController.stuckLoops(20 * second)).toEqual(["filters"]);
    expect(await world.dubboController.metrics()).toContain('registryhub_queue_depth{queue="filters"} 0');
  });
});
