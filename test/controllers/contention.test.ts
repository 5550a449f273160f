import { describe, expect, test } from "vitest";
import type { ServiceEntry } from "../../src/model/istio.ts";
import {
  addressesOf,
  entryOf,
  filtersOf,
  listedHosts,
  said,
  statusOf,
  warningsOf,
  writesSince,
} from "./looks.ts";
import { openSettled, ten, two } from "./scenes.ts";
import { entryOfOldProduct, home, hub, minute, openWorld, second, type World } from "./world.ts";

const key = "demo/aeraki-demo-a-demo";
const [kind, apiVersion] = ["ServiceEntry", "networking.istio.io/v1beta1"] as const;

const empty = (world: World): unknown =>
  world.person.edit("serviceentries", key, (object) => ({
    ...object,
    spec: { ...object.spec, endpoints: [] },
  }));

/** Somebody else's entry, at an address. */
const foreign = (name: string, host: string, address = "10.0.0.1"): ServiceEntry => ({
  apiVersion,
  kind,
  metadata: { namespace: "demo", name },
  spec: {
    hosts: [host],
    addresses: [address],
    resolution: "STATIC",
    ports: [{ name: "tcp", number: 9090, protocol: "TCP" }],
    endpoints: [{ address: "10.0.0.2" }],
  },
});

describe("somebody", () => {
  test("who edits an entry sees it restored at once", async () => {
    const world = await openSettled();
    empty(world);
    await world.settle();
    expect(addressesOf(world, "demo.A")).toEqual(two["demo.A"]);
  });

  describe("who adds a host to an entry (H1)", () => {
    const alias = (world: World): unknown =>
      world.person.edit("serviceentries", key, (object) => ({
        ...object,
        spec: { ...object.spec, hosts: [...(object.spec?.hosts ?? []), "alias.example"] },
      }));
    /** One entry per service, with the first one's name, virtual IP and endpoints as they were. */
    const expectWhole = (world: World, before: ServiceEntry | undefined): void => {
      expect(entryOf(world, "demo.A")?.metadata.name).toBe(before?.metadata.name);
      expect(entryOf(world, "demo.A")?.spec?.addresses).toEqual(before?.spec?.addresses);
      expect(addressesOf(world, "demo.A")).toEqual(two["demo.A"]);
      expect(world.person.list("serviceentries")).toHaveLength(2);
    };

    test("sees it taken away, and nothing else happens", async () => {
      const world = await openSettled();
      const before = entryOf(world, "demo.A");
      alias(world);
      await world.advance(10 * second);
      expectWhole(world, before);
      expect(entryOf(world, "demo.A")?.spec?.hosts).toEqual(before?.spec?.hosts);
    });

    test("while the registry is down costs nothing", async () => {
      const world = await openSettled();
      const before = entryOf(world, "demo.A");
      world.registry().fail();
      alias(world);
      await world.advance(2 * minute);
      expectWhole(world, before);
    });

    test.each(["up", "down"])("while no operator runs and the registry is %s costs nothing", async (is) => {
      const world = await openSettled();
      const before = entryOf(world, "demo.A");
      await world.hubController.stop();
      alias(world);
      if (is === "down") world.registry().fail();
      await world.hubController.start();
      await world.advance(5 * minute);
      expectWhole(world, before);
    });
  });

  test("who gives an adopted entry an address that cannot be believed sees its own restored (H13)", async () => {
    const world = await openSettled();
    const addresses = ["240.240.0.1"];
    const address = (ip: string): unknown =>
      world.person.edit("serviceentries", key, (object) => ({
        ...object,
        spec: { ...object.spec, addresses: [ip] },
      }));
    address("240.240.0.1");
    await world.advance(1 * minute);
    expect(entryOf(world, "demo.A")?.spec?.addresses).toEqual(addresses);
    for (const ip of ["10.0.0.1", "192.168.0.1"]) {
      address(ip);
      await world.advance(1 * minute);
      expect(entryOf(world, "demo.A")?.spec?.addresses).toEqual(addresses);
    }
  });

  test.each(["before", "after"])(
    "who adds an address %s the virtual IP sees it taken away, also after a restart",
    async (where) => {
      const world = await openSettled();
      const put = (ips: readonly string[]): unknown =>
        world.person.edit("serviceentries", key, (object) => ({
          ...object,
          spec: { ...object.spec, addresses: ips },
        }));
      put(["240.240.0.1"]); // it is believed, so it is the one
      await world.advance(10 * second);
      await world.hubController.stop();
      put(where === "before" ? ["240.240.0.2", "240.240.0.1"] : ["240.240.0.1", "fd00::1"]);
      await world.hubController.start();
      await world.advance(1 * minute);
      expect(entryOf(world, "demo.A")?.spec?.addresses).toEqual(["240.240.0.1"]);
    },
  );

  test("who deletes an entry sees it come back at once, with its name and virtual IP", async () => {
    const world = await openSettled();
    const before = entryOf(world, "demo.A");
    world.person.delete("serviceentries", key);
    await world.settle();
    expect(addressesOf(world, "demo.A")).toEqual(two["demo.A"]);
    const same = { metadata: { name: before?.metadata.name }, spec: { addresses: before?.spec.addresses } };
    expect(entryOf(world, "demo.A")).toMatchObject(same);
  });

  describe("who copies an entry under another name", () => {
    const copied = (world: World, name: string): unknown => {
      const { metadata, spec } = entryOf(world, "demo.A") ?? { metadata: {}, spec: {} };
      const { labels, annotations } = metadata as ServiceEntry["metadata"];
      const put = { apiVersion, kind, metadata: { namespace: "demo", name, labels, annotations }, spec };
      return world.person.put(put as ServiceEntry);
    };
    const addresses = ({ person }: World, name: string): unknown =>
      person.get("serviceentries", `demo/${name}`)?.spec.endpoints?.map(({ address }) => address);

    test.each(["a-backup", "z-backup"])(
      "as %s sees the entry followed as before, and the copy left alone and named",
      async (name) => {
        const world = await openSettled();
        await world.dubboController.start();
        const filters = filtersOf(world);
        copied(world, name);
        await world.hubController.restart();
        await world.advance(2 * minute);
        world.registry().set("demo.A", ["10.42.0.9:20880"]);
        await world.advance(20 * second);
        expect(addresses(world, "aeraki-demo-a-demo")).toEqual(["10.42.0.9"]);
        expect(addresses(world, name)).toEqual(["10.42.0.1"]);
        expect(filtersOf(world)).toEqual(filters);
        const { serviceentries, services, endpoints, rejected, problems } = statusOf(world);
        expect({ services, endpoints, rejected }).toEqual({ services: 2, endpoints: 2, rejected: 0 });
        expect(Object.keys(serviceentries)).toEqual(["aeraki-demo-a-demo", "aeraki-demo-b-demo"]);
        expect(problems).toMatchObject([{ at: "demo.a.demo", severity: "warning" }]);
        expect(problems[0]?.problem).toContain(
          `HostConflict: ServiceEntry demo/${name} is a copy of the entry`,
        );
        world.person.delete("serviceentries", `demo/${name}`);
        await world.advance(20 * second);
        expect(statusOf(world).problems).toEqual([]);
      },
    );

    test("and deletes the entry has made the copy the entry, filter included", async () => {
      const world = await openSettled();
      await world.dubboController.start();
      const filters = filtersOf(world);
      copied(world, "a-backup");
      await world.advance(1 * second);
      world.person.delete("serviceentries", key);
      await world.advance(20 * second);
      expect(world.api.writes({ resource: "envoyfilters", verb: "delete" })).toEqual([]);
      world.registry().set("demo.A", ["10.42.0.9:20880"]);
      await world.advance(20 * second);
      expect(world.person.list("serviceentries").map(({ metadata }) => metadata.name)).toEqual([
        "a-backup",
        "aeraki-demo-b-demo",
      ]);
      expect(addresses(world, "a-backup")).toEqual(["10.42.0.9"]);
      expect(filtersOf(world)).toEqual(filters);
      expect(statusOf(world).problems).toEqual([]);
    });
  });

  describe("who holds an entry by a finalizer", () => {
    const hold = (world: World, finalizers: readonly string[]): unknown =>
      world.person.edit("serviceentries", key, (object) => ({
        ...object,
        metadata: { ...object.metadata, finalizers },
      }));
    const deletes = ({ api }: World): number =>
      api.writes({ verb: "delete", resource: "serviceentries" }).length;

    test("keeps it beyond its end, and what returns meanwhile is in it, and in the next one", async () => {
      const world = await openSettled();
      const before = entryOf(world, "demo.A");
      hold(world, ["example.com/hold"]);
      world.registry().remove("demo.A");
      await world.advance(12 * minute);
      expect(entryOf(world, "demo.A")?.metadata).toHaveProperty("deletionTimestamp");
      await world.advance(60 * minute);
      expect(deletes(world)).toBe(1);
      world.registry().set("demo.A", ["10.42.0.9:20880"]);
      await world.advance(1 * second);
      expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
      expect(said(world)).toMatchObject({ Ready: "True Ready" });
      hold(world, []);
      await world.settle();
      expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
      expect(entryOf(world, "demo.A")?.metadata.uid).not.toBe(before?.metadata.uid);
      expect(entryOf(world, "demo.A")?.metadata.name).toBe(before?.metadata.name);
      expect(entryOf(world, "demo.A")?.spec.addresses).toEqual(before?.spec.addresses);
    });

    test("and lets it go when nothing has returned, sees it gone", async () => {
      const world = await openSettled();
      hold(world, ["example.com/hold"]);
      world.registry().remove("demo.A");
      await world.advance(12 * minute);
      hold(world, []);
      await world.advance(1 * minute);
      expect(entryOf(world, "demo.A")).toBeUndefined();
      expect(deletes(world)).toBe(1);
      expect(said(world)).toMatchObject({ Ready: "True Ready" });
    });

    test("and deletes it himself sees it come back at once when he lets it go", async () => {
      const world = await openSettled();
      hold(world, ["example.com/hold"]);
      world.person.delete("serviceentries", key);
      world.registry().set("demo.A", ["10.42.0.9:20880"]);
      await world.advance(1 * minute);
      expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
      hold(world, []);
      await world.settle();
      expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
      expect(entryOf(world, "demo.A")?.metadata).not.toHaveProperty("deletionTimestamp");
    });
  });

  test("who deletes all entries at once sees each come back with its virtual IP, whoever else needs one", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 25 }, (_, at) => [`demo.M${at}`, [`10.42.0.${at + 1}:20880`]]),
    );
    const world = await openSettled({ services: many, options: { vipCidr: "240.241.0.0/26" } });
    const vips = (): readonly unknown[] =>
      world.person.list("serviceentries", home).map(({ metadata, spec }) => [metadata.name, spec.addresses]);
    const before = vips();
    world.person.createNamespace("other");
    world.registry("other:2181").lists(ten);
    for (const { metadata } of world.person.list("serviceentries", home))
      world.person.delete("serviceentries", `${home}/${metadata.name}`);
    world.person.put(hub({ address: "other:2181", generate_to: "other" }, { name: "other" }));
    await world.advance(10 * second);
    expect(listedHosts(world, "other")).toHaveLength(10);
    expect(vips()).toEqual(before);
  });

  test("who leaves only an unreadable copy of an entry, under another name, gets that one repaired", async () => {
    const world = await openSettled();
    const { metadata, spec } = entryOf(world, "demo.A") as ServiceEntry;
    const { labels, annotations } = metadata;
    world.person.put({
      apiVersion: "networking.istio.io/v1beta1",
      kind: "ServiceEntry",
      metadata: { namespace: home, name: "copy", labels, annotations },
      spec: { hosts: spec.hosts, addresses: spec.addresses },
    });
    world.person.delete("serviceentries", `${home}/${metadata.name}`);
    await world.advance(10 * second);
    expect(entryOf(world, "demo.A")?.metadata.name).toBe("copy");
    expect(entryOf(world, "demo.A")?.spec).toEqual(spec);
    expect(said(world)).toMatchObject({ phase: "success", Applied: "True Applied" });
  });

  test("who takes our labels or our address away sees them restored", async () => {
    const world = await openSettled();
    const { metadata, spec } = entryOf(world, "demo.A") ?? {};
    world.person.edit("serviceentries", key, (object) => ({
      ...object,
      metadata: {
        ...object.metadata,
        labels: { ...object.metadata.labels, "hub.ecns.easystack.cn/feedbeef": "" },
      },
      spec: { ...object.spec, addresses: ["10.0.0.1"], ports: [] },
    }));
    await world.advance(1 * second);
    expect(entryOf(world, "demo.A")?.spec).toEqual(spec);
    expect(entryOf(world, "demo.A")?.metadata.labels).toMatchObject(metadata?.labels ?? {});
  });

  test("who adds fields, labels and ports of his own keeps them", async () => {
    const world = await openSettled();
    const before = world.writes().length;
    world.person.edit("serviceentries", key, (object) => ({
      ...object,
      metadata: { ...object.metadata, labels: { ...object.metadata.labels, team: "red" } },
      spec: {
        ...object.spec,
        exportTo: ["."],
        ports: [...(object.spec.ports ?? []), { name: "http", number: 80, protocol: "HTTP" }],
      },
    }));
    await world.advance(1 * minute);
    expect(writesSince(world, before)).toEqual([]);
    world.registry().set("demo.A", ["10.42.0.9:20880"]);
    await world.advance(1 * second);
    const { metadata, spec } = entryOf(world, "demo.A") ?? {};
    expect(metadata?.labels).toMatchObject({ team: "red" });
    expect(spec).toMatchObject({ exportTo: ["."] });
    expect(spec?.ports).toHaveLength(2);
  });

  test("who fights is fought with ever longer pauses, up to 5 minutes, and an Event tells from the third time on", async () => {
    const world = await openSettled();
    const repairs: number[] = [];
    for (let round = 0; round < 12; round++) {
      empty(world);
      await world.settle();
      const start = world.clock.monotonic();
      while (addressesOf(world, "demo.A")?.length === 0) await world.advance(500);
      repairs.push(Math.round((world.clock.monotonic() - start) / 1_000));
    }
    expect(repairs).toEqual([0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    expect(warningsOf(world)).toEqual(["ServiceEntry aeraki-demo-a-demo: Contended"]);
    const metrics = await world.hubController.metrics();
    expect(metrics).toContain('registryhub_repairs_total{kind="ServiceEntry"} 12');
    await world.advance(11 * minute);
    empty(world);
    await world.settle();
    expect(addressesOf(world, "demo.A")).toEqual(two["demo.A"]);
  });

  test("who fights does not keep news waiting", async () => {
    const world = await openSettled();
    for (let round = 0; round < 6; round++) {
      empty(world);
      while (addressesOf(world, "demo.A")?.length === 0) await world.advance(500);
    }
    empty(world);
    await world.settle();
    expect(addressesOf(world, "demo.A")).toEqual([]);
    world.registry().set("demo.A", ["10.42.0.9:20880"]);
    await world.settle();
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
  });
});

describe("a foreign ServiceEntry", () => {
  test("that has a host first keeps it, which is a problem of the hub; the host is ours when it goes", async () => {
    const world = openWorld();
    world.registry().lists(two);
    world.person.put(foreign("theirs", "demo.a.demo"));
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(addressesOf(world, "demo.B")).toEqual(two["demo.B"]);
    expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
    expect(statusOf(world)).toMatchObject({ rejected: 1, services: 1 });
    expect(statusOf(world).problems[0]).toMatchObject({ at: "demo.a.demo", severity: "rejected" });
    expect(statusOf(world).problems[0]?.problem).toContain(
      "HostConflict: ServiceEntry demo/theirs already has this host",
    );
    world.person.delete("serviceentries", "demo/theirs");
    await world.advance(11 * second);
    expect(addressesOf(world, "demo.A")).toEqual(two["demo.A"]);
    expect(statusOf(world)).toMatchObject({ rejected: 0, problems: [] });
  });

  test("of the name that ours would have makes ours take another", async () => {
    const world = openWorld();
    world.registry().lists(two);
    world.person.put(foreign("aeraki-demo-a-demo", "something.else"));
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(entryOf(world, "demo.A")?.metadata.name).toMatch(/^aeraki-demo-a-demo-[0-9a-f]{8}$/);
    expect(world.person.get("serviceentries", key)?.spec.hosts).toEqual(["something.else"]);
  });
});

describe("another ServiceEntry with the virtual IP of one of ours", () => {
  const theirs = "red/theirs";
  const vipOf = (world: World, service = "demo.A", namespace = "demo"): string =>
    entryOf(world, service, namespace)?.spec.addresses?.[0] ?? "";
  const take = (world: World, of: string, vip: string): unknown =>
    world.person.edit("serviceentries", of, (object) => ({
      ...object,
      spec: { ...object.spec, addresses: [vip] },
    }));
  /** One of another namespace, older than ours, whose owner has written these labels and annotations. */
  async function openBesideOlder(
    labels: Readonly<Record<string, string>> = {},
    annotations: Readonly<Record<string, string>> = {},
  ): Promise<World> {
    const world = openWorld();
    world.person.createNamespace("red");
    const stranger = foreign("theirs", "something.else");
    const metadata = { namespace: "red", name: "theirs", labels, annotations };
    const ports = [{ name: "tcp-metaprotocol-dubbo", number: 20_880, protocol: "tcp" }];
    world.person.put({ ...stranger, metadata, spec: { ...stranger.spec, exportTo: ["."], ports } });
    await world.advance(1 * minute);
    world.registry().lists(two);
    world.person.put(hub());
    await world.hubController.start();
    await world.dubboController.start({ foreignServiceEntries: true });
    await world.advance(2 * minute);
    return world;
  }

  test.each<[string, Readonly<Record<string, string>>, Readonly<Record<string, string>>]>([
    ["a stranger's", {}, {}],
    [
      "one that looks like the old product's",
      { manager: "aeraki", registry: "dubbo2istio" },
      { interface: "demo.X" },
    ],
  ])("moves nothing and takes no filter, however old, and is named: %s", async (_, labels, notes) => {
    const world = await openBesideOlder(labels, notes);
    const [vip, filters] = [vipOf(world), filtersOf(world)];
    take(world, theirs, vip);
    await world.advance(1 * minute);
    await world.hubController.restart();
    await world.dubboController.restart();
    await world.advance(1 * minute);
    expect(vipOf(world)).toBe(vip);
    expect(filtersOf(world)).toEqual(filters);
    expect(warningsOf(world)).toEqual([]);
    const [problem, ...more] = statusOf(world).problems;
    expect(problem).toMatchObject({ at: "demo.a.demo", severity: "warning" });
    expect(problem?.problem).toContain("VipShared: ServiceEntry red/theirs,");
    expect(more).toEqual([]);
    world.person.delete("envoyfilters", `istio-system/${filters.find((one) => one.includes("demo.a.demo"))}`);
    await world.advance(5 * second);
    expect(vipOf(world)).toBe(vip);
    expect(filtersOf(world)).toEqual(filters);
    take(world, theirs, "10.0.0.1");
    await world.advance(20 * second);
    expect(statusOf(world).problems).toEqual([]);
  });

  test("does not get it when somebody deletes ours, which comes back with it", async () => {
    const world = await openBesideOlder();
    const vip = vipOf(world);
    take(world, theirs, vip);
    await world.advance(1 * second);
    world.person.delete("serviceentries", key);
    await world.settle();
    expect(vipOf(world)).toBe(vip);
  });

  test("and one more are counted", async () => {
    const world = await openSettled();
    for (const name of ["b", "a"]) world.person.put(foreign(name, `${name}.example`, vipOf(world)));
    await world.advance(20 * second);
    expect(statusOf(world).problems.map(({ problem }) => problem)).toEqual([
      expect.stringContaining("VipShared: ServiceEntry demo/a and 1 more, which"),
    ]);
  });

  test("gives it back if it is ours and somebody has written it there, however old; an Event tells", async () => {
    const world = openWorld();
    world.person.createNamespace("red");
    world.registry("red").lists({ "demo.Red": ["10.42.7.1:20880"] });
    world.person.put(hub({ address: "red", generate_to: "red" }, { namespace: "red" }));
    await world.hubController.start();
    await world.dubboController.start();
    await world.advance(1 * minute);
    world.registry().lists(two);
    world.person.put(hub());
    await world.advance(1 * minute);
    const [vip, own, filters] = [vipOf(world), vipOf(world, "demo.Red", "red"), filtersOf(world)];
    const before = world.api.writes({ resource: "envoyfilters" }).length;
    take(world, "red/aeraki-demo-red-red", vip);
    await world.advance(1 * second);
    expect([vipOf(world), vipOf(world, "demo.Red", "red")]).toEqual([vip, own]);
    expect(warningsOf(world)).toEqual(["ServiceEntry aeraki-demo-red-red: VipMoved"]);
    await world.advance(1 * minute);
    expect(filtersOf(world)).toEqual(filters);
    expect(world.api.writes({ resource: "envoyfilters" }).slice(before)).toEqual([]);
    expect(statusOf(world).problems).toEqual([]);
  });
});

describe("an entry of the old product", () => {
  const old = entryOfOldProduct({ registryName: "hub" });

  test("is adopted where it is, with its virtual IP and what it still has", async () => {
    const world = openWorld();
    world.person.put(old);
    world.registry().lists({ "demo.A": ["10.42.0.9:20880"] });
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(30 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880", "10.42.0.9:20880"]);
    expect(entryOf(world, "demo.A")).toMatchObject({
      metadata: { name: "aeraki-demo-a-demo", labels: { "app.kubernetes.io/managed-by": "registryhub" } },
      spec: { addresses: ["240.240.0.1"] },
    });
    await world.advance(31 * second);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.9:20880"]);
  });

  test("that no hub lists is nobody's matter", async () => {
    const world = openWorld();
    world.person.put(old);
    world.registry().lists({});
    world.person.put(hub());
    await world.hubController.start();
    await world.advance(60 * minute);
    expect(addressesOf(world, "demo.A")).toEqual(["10.42.0.1:20880"]);
  });

  test("of a Spring service is its hub's by name, and a conflict to every other", async () => {
    const spring: ServiceEntry = {
      ...old,
      metadata: {
        namespace: "demo",
        name: "orders.demo",
        labels: { "registry-name": "hub" },
        annotations: { manager: "encs", registry: "eureka" },
      },
      spec: {
        ...old.spec,
        hosts: ["orders.demo"],
        ports: [{ name: "8080", number: 8080, protocol: "tcp", targetPort: 8080 }],
        endpoints: [{ address: "10.42.0.1", ports: { "8080": 8080 }, labels: { registryName: "hub" } }],
      },
    };
    const world = openWorld();
    world.person.put(spring);
    world.registry("eureka").lists({ ORDERS: ["10.42.0.9:8080"] }, "spring");
    world.person.put(hub({ type: "eureka", address: "eureka" }, { name: "other" }));
    await world.hubController.start();
    await world.advance(1 * minute);
    expect(statusOf(world, "demo/other").problems[0]?.problem).toContain("HostConflict");
    expect(addressesOf(world, "ORDERS")).toEqual(["10.42.0.1:8080"]);
    world.person.put(hub({ type: "eureka", address: "eureka" }));
    await world.advance(3 * minute);
    expect(addressesOf(world, "ORDERS")).toEqual(["10.42.0.9:8080"]);
  });
});

test("a status that the old product left behind is replaced", async () => {
  const world = openWorld();
  world.registry().lists(two);
  world.person.put(hub());
  const conditions = [{ failed_reason: "no such host", record_time: "2024-02-04T02:53:25Z" }];
  world.person.editStatus("registryhubs", "demo/hub", (object) => ({
    ...object,
    status: { phase: "failed", conditions },
  }));
  await world.hubController.start();
  await world.advance(1 * minute);
  expect(said(world)).toMatchObject({ phase: "success", Ready: "True Ready" });
  expect(statusOf(world).conditions).toHaveLength(4);
});
