import { describe, expect, test } from "vitest";
import { ListingIndex } from "../../../../src/controllers/hub/listing-index.ts";
import type { Service } from "../../../../src/model/service.ts";
import { systemClock } from "../../../../src/runtime/clock.ts";
import { hubOf, instanceOf, serviceOf } from "../../../support/model.ts";

const hub = hubOf();
const one = (name: string, ports: readonly number[] | "unknown" = [20_880], version = ""): Service =>
  serviceOf({
    name,
    instances: ports === "unknown" ? ports : ports.map((port) => instanceOf({ port, version })),
  });
const snapshot = (...services: readonly Service[]) =>
  new Map(services.map((service) => [service.id, service]));
const [aHost, bHost] = ["dubbozk/a.b.dubbozk", "dubbozk/b.b.dubbozk"] as const;

/** An index that has seen a listing. */
function indexOf(...services: readonly Service[]): ListingIndex {
  const index = new ListingIndex();
  index.update(snapshot(...services), hub);
  return index;
}

/** So many that a listing of them is prepared: one more than a listing may have that is taken in at once. */
const crowd = Array.from({ length: 501 }, (_, at) => one(`crowd.S${at}`));

describe("a listing with hundreds of new services", () => {
  test("is prepared ahead: nothing changes before update, which then has nothing left to do", async () => {
    const services = snapshot(one("a.B"), one("b.B", "unknown"), one("c.B", [0]), ...crowd);
    const [index, plain] = [new ListingIndex(), new ListingIndex()];
    const expected = plain.update(services, hub);
    await index.prepare(services, () => hub, systemClock);
    expect([index.size, index.endpoints, index.hasUnreadable, index.problems]).toEqual([0, 0, false, []]);
    services.clear(); // nobody reads it again
    expect(index.update(services, hub)).toEqual(expected);
    expect([...index.hosts()]).toEqual([...plain.hosts()]);
    expect([index.size, index.endpoints, index.hasUnreadable]).toEqual([502, 502, true]);
    expect([index.listed(aHost), index.problems]).toEqual([plain.listed(aHost), plain.problems]);
  });

  test("is judged against the one before: what is lost, found, changed and readable again", async () => {
    const [a, b] = [one("a.B"), one("b.B")];
    const before = snapshot(a, b, one("c.B"), one("d.B", "unknown"), one("e.B"));
    const services = snapshot(a, one("b.B", [1, 2]), one("d.B"), one("e.B", []), ...crowd);
    const [index, plain] = [new ListingIndex(), new ListingIndex()];
    for (const each of [index, plain]) each.update(before, hub);
    await index.prepare(services, () => hub, systemClock);
    const change = index.update(services, hub);
    expect(change).toEqual(plain.update(services, hub));
    expect(change.readAgain).toBe(true);
    expect(change.lost.toSorted()).toEqual(["dubbozk/c.b.dubbozk", "dubbozk/e.b.dubbozk"]);
    expect([change.changed.has(aHost), change.changed.has(bHost), change.found.length]).toEqual([
      false,
      true,
      502,
    ]);
    expect([index.size, index.endpoints, index.hasUnreadable]).toEqual([plain.size, plain.endpoints, false]);
    expect(index.update(services, hub).changed.size).toBe(0);
  });

  test.each<[string, number, readonly Service[]]>([
    ["few of which are new", 501, crowd.slice(0, 1)],
    ["that are not many", 500, []],
  ])("%s, is compared ahead and taken in by update", async (_, count, known) => {
    const services = snapshot(...crowd.slice(0, count));
    const [index, plain] = [indexOf(...known), indexOf(...known)];
    const expected = plain.update(services, hub);
    await index.prepare(services, () => hub, systemClock);
    expect(index.size).toBe(known.length);
    services.clear(); // nobody compares it again
    expect(index.update(services, hub)).toEqual(expected);
    expect([...index.hosts()]).toEqual([...plain.hosts()]);
  });

  test.each([
    [501, "ahead"],
    [500, "by update"],
  ])("of %d is looked into %s", async (count, when) => {
    let reads = 0;
    const counting = crowd.slice(0, count).map((service) => ({
      ...service,
      get instances() {
        reads++;
        return service.instances;
      },
    }));
    const services = snapshot(...counting);
    const index = new ListingIndex();
    await index.prepare(services, () => hub, systemClock);
    const ahead = reads;
    index.update(services, hub);
    expect([ahead > 0, reads > ahead]).toEqual(when === "ahead" ? [true, false] : [false, true]);
  });

  test.each<[string, (services: Map<string, Service>) => readonly [Map<string, Service>, typeof hub]]>([
    ["the hub was edited", (services) => [services, hubOf({ generate_to: "other" })]],
    ["there is another one by now", () => [snapshot(one("a.B")), hub]],
  ])("is forgotten when %s", async (_, next) => {
    const services = snapshot(...crowd);
    const index = new ListingIndex();
    await index.prepare(services, () => hub, systemClock);
    const [other, asked] = next(services);
    const plain = new ListingIndex();
    expect(index.update(other, asked)).toEqual(plain.update(other, asked));
    expect([...index.hosts()]).toEqual([...plain.hosts()]);
  });

  test("is forgotten when something was taken in meanwhile", async () => {
    const services = snapshot(...crowd);
    const index = new ListingIndex();
    await index.prepare(services, () => hub, systemClock);
    index.update(snapshot(one("a.B")), hub);
    expect(index.update(services, hub).lost).toEqual([aHost]);
    expect(index.size).toBe(501);
  });

  test("leaves out what the hub does not want", async () => {
    const picky = hubOf({ services: { include: ["b.*"] } });
    const services = snapshot(one("a.B"), one("b.B"), ...crowd);
    const index = indexOf(one("a.B"));
    await index.prepare(services, () => picky, systemClock);
    const { lost, found } = index.update(services, picky);
    expect([lost, found]).toEqual([[aHost], [bHost]]);
  });
});

describe("a newer listing", () => {
  const [a, b] = [one("a.B"), one("b.B")];

  test.each<[string, readonly Service[], object]>([
    ["the same", [a, b], { changed: [], lost: [], found: [], readAgain: false }],
    [
      "one more instance",
      [one("a.B", [1, 2]), b],
      { changed: [aHost], lost: [], found: [], readAgain: false },
    ],
    ["a service that is gone", [b], { changed: [aHost], lost: [aHost], found: [], readAgain: false }],
    [
      "a service without instances",
      [one("a.B", []), b],
      { changed: [aHost], lost: [aHost], found: [], readAgain: false },
    ],
    [
      "a new one",
      [a, b, one("c.B")],
      { changed: ["dubbozk/c.b.dubbozk"], lost: [], found: ["dubbozk/c.b.dubbozk"], readAgain: false },
    ],
    [
      "another version",
      [one("a.B", [1], "2"), b],
      {
        changed: [aHost, "dubbozk/a.b-2.dubbozk"],
        lost: [aHost],
        found: ["dubbozk/a.b-2.dubbozk"],
        readAgain: false,
      },
    ],
    [
      "one that cannot be read",
      [one("a.B", "unknown"), b],
      { changed: [aHost], lost: [aHost], found: [], readAgain: false },
    ],
  ])("%s", (_, services, expected) => {
    const change = indexOf(a, b).update(snapshot(...services), hub);
    expect({ ...change, changed: [...change.changed] }).toEqual(expected);
  });

  test("a host that two services ask for is lost with the second", () => {
    const [upper, lower] = [one("a.B"), one("a.b", [1])];
    const index = indexOf(upper, lower);
    for (const each of [index, indexOf(lower, upper)])
      expect(each.listed(aHost).map(({ service }) => service.name)).toEqual(["a.B", "a.b"]);
    expect(index.update(snapshot(lower), hub).lost).toEqual([]);
    expect(index.update(snapshot(), hub).lost).toEqual([aHost]);
  });

  test("a host that goes over from one service to another is neither lost nor found", () => {
    const index = indexOf(one("a.B"));
    const change = index.update(snapshot(one("a.B", []), one("a.b")), hub);
    expect([[...change.changed], change.lost, change.found]).toEqual([[aHost], [], []]);
  });

  test("one service in the place of another is a loss and a find", () => {
    const index = indexOf(one("a.B"));
    expect(index.update(snapshot(one("b.B")), hub)).toMatchObject({ lost: [aHost], found: [bHost] });
    const both = indexOf(one("a.B"), one("b.B"));
    const { lost, found } = both.update(snapshot(one("c.B")), hub);
    expect([lost.toSorted(), found]).toEqual([[aHost, bHost], ["dubbozk/c.b.dubbozk"]]);
  });

  test("a service that is as it was is not even looked into", () => {
    let reads = 0;
    const service = one("a.B");
    const same: Service = {
      ...service,
      get name() {
        reads++;
        return service.name;
      },
    };
    const index = indexOf(same);
    expect(reads).toBeGreaterThan(0);
    reads = 0;
    index.update(snapshot(same, b), hub);
    index.update(snapshot(same), hub);
    expect(reads).toBe(0);
    expect([...index.hosts()]).toEqual([aHost]);
  });

  test("counts hosts and endpoints", () => {
    const index = indexOf(one("a.B", [1, 2]), one("b.B", []), one("c.B"));
    expect([index.size, index.endpoints]).toEqual([2, 3]);
    index.update(snapshot(one("a.B", [1])), hub);
    expect([index.size, index.endpoints, [...index.hosts()]]).toEqual([1, 1, [aHost]]);
  });

  test("problems go with their service", () => {
    const index = indexOf(one("a.B", [0]));
    expect(index.problems.map(({ code }) => code)).toEqual(["BadPort"]);
    index.update(snapshot(), hub);
    expect(index.problems).toEqual([]);
  });
});

describe("the hub's filter", () => {
  const [a, b] = [one("a.B"), one("b.B")];
  const onlyB = hubOf({ services: { include: ["b.*"] } });

  test("what it does not want is absent, and lost like what the registry lacks", () => {
    const index = indexOf(a, b);
    const change = index.update(snapshot(a, b), onlyB);
    expect([[...change.changed], change.lost, index.has(aHost), index.has(bHost)]).toEqual([
      [aHost],
      [aHost],
      false,
      true,
    ]);
  });

  test("management services are left out by one glob, however a registry spells them", () => {
    const spring = (name: string): Service => serviceOf({ name, kind: "spring" });
    const services = ["ORDER", "ORDER-MANAGEMENT", "pay", "pay-management", "management-pay"].map(spring);
    const index = indexOf(...services);
    index.update(snapshot(...services), hubOf({ services: { exclude: ["*-management"] } }));
    expect([...index.hosts()]).toEqual(
      ["order", "pay", "management-pay"].map((name) => `dubbozk/${name}.dubbozk`),
    );
  });

  test("what it wants again is found", () => {
    const index = new ListingIndex();
    index.update(snapshot(a, b), onlyB);
    expect(index.update(snapshot(a, b), hub).found).toEqual([aHost]);
  });
});

describe("what cannot be read", () => {
  test("is known by the interface, for every group and version of it", () => {
    const index = indexOf(one("a.B", "unknown"), one("b.B"));
    expect(index.isUnknown("dubbozk/a.b-g-1.dubbozk", "a.B")).toBe(true);
    expect(index.isUnknown(bHost, "b.B")).toBe(false);
  });

  test("is known by the host, for a Spring service", () => {
    const index = indexOf(serviceOf({ name: "APP", kind: "spring", instances: "unknown" }));
    expect(index.isUnknown("dubbozk/app.dubbozk", "APP")).toBe(true);
  });

  test("may be what an entry without its interface is of", () => {
    const index = indexOf(one("a.B", "unknown"), one("b.B"));
    expect(index.isUnknown("dubbozk/c.c.dubbozk", "")).toBe(true);
    expect(index.isUnknown("dubbozk/c.c.dubbozk", undefined)).toBe(false);
    index.update(snapshot(one("a.B"), one("b.B")), hub);
    expect(index.isUnknown("dubbozk/c.c.dubbozk", "")).toBe(false);
  });

  test.each<[string, readonly Service[]]>([
    ["readable", [one("a.B")]],
    ["absent", []],
    ["readable while another no longer is", [one("a.B"), one("b.B", "unknown")]],
  ])("when it is %s again, its entries may turn out to be gone", (_, services) => {
    const index = indexOf(one("a.B", "unknown"), one("b.B"));
    expect(index.update(snapshot(...services), hub).readAgain).toBe(true);
    expect(index.isUnknown(aHost, "a.B")).toBe(false);
  });

  test("and cannot be read the next time either is not readable again", () => {
    const index = indexOf(one("a.B", "unknown"));
    expect(index.update(snapshot(one("a.B", "unknown")), hub).readAgain).toBe(false);
    expect(index.isUnknown(aHost, "a.B")).toBe(true);
  });

  test("is forgotten when the hub gets another target", () => {
    const app = serviceOf({ name: "APP", kind: "spring", instances: "unknown" });
    const index = indexOf(app);
    const moved = hubOf({ generate_to: "other" });
    index.update(new Map(), moved);
    index.update(snapshot(app), moved);
    expect(index.isUnknown("dubbozk/app.dubbozk", "APP")).toBe(false);
    expect(index.isUnknown("other/app.other", "APP")).toBe(true);
  });
});

test("an instance that is exported in two protocols counts once: an entry can have one of them only", () => {
  const both = serviceOf({
    instances: [instanceOf({ port: 20_880 }), instanceOf({ port: 50_051, protocol: "grpc" })],
  });
  const index = indexOf(both);
  expect(index.endpoints).toBe(1);
  index.update(new Map(), hub);
  expect(index.endpoints).toBe(0);
});

describe("a hub that lists more than it may have", () => {
  const names = ["a.B", "b.B", "c.B", "d.B", "e.B"] as const;
  const hostOf = (name: string): string => `dubbozk/${name.toLowerCase()}.dubbozk`;
  const known = new Map(names.map((name) => [name as string, one(name)]));
  const listing = (...listed: readonly string[]) =>
    snapshot(...listed.flatMap((name) => known.get(name) ?? []));
  /** An index that may have three hosts; the cluster has these services of it. */
  const capped = (...owned: readonly string[]) => {
    const hosts = new Set(owned.map(hostOf));
    return {
      hosts,
      index: new ListingIndex({ most: 3, ownedAtMost: () => hosts.size, owned: () => hosts }),
    };
  };
  const namesIn = (index: ListingIndex) => names.filter((name) => index.has(hostOf(name)));

  test("has the first by name, and what is beyond is unknown and told of", () => {
    const { index } = capped();
    const change = index.update(listing("e.B", "d.B", "c.B", "b.B", "a.B"), hub);
    expect(namesIn(index)).toEqual(["a.B", "b.B", "c.B"]);
    expect([index.size, [...index.hosts()].length, index.endpoints, index.isFull]).toEqual([3, 3, 3, true]);
    expect([change.found.length, change.changed.size]).toEqual([3, 3]);
    expect([index.listed(hostOf("d.B")), index.isUnknown(hostOf("d.B"), undefined)]).toEqual([[], true]);
    expect(names.filter((name) => index.isBeyond(hostOf(name)))).toEqual(["d.B", "e.B"]);
    expect(index.problems).toMatchObject([
      {
        at: "d.b.dubbozk",
        code: "TooManyServices",
        detail: expect.stringContaining("2 more are left out"),
        severity: "rejected",
      },
    ]);
  });

  test("keeps what the cluster has of it, however much, and however late by name", () => {
    const { index } = capped("b.B", "c.B", "d.B", "e.B");
    index.update(listing(...names), hub);
    expect(namesIn(index)).toEqual(["b.B", "c.B", "d.B", "e.B"]);
  });

  test("keeps what it has listed before, whatever comes later", () => {
    const { index } = capped();
    index.update(listing("c.B", "d.B", "e.B"), hub);
    const { lost, found, changed } = index.update(listing(...names), hub);
    expect([namesIn(index), lost, found, [...changed]]).toEqual([["c.B", "d.B", "e.B"], [], [], []]);
  });

  test("loses nothing with what was beyond", () => {
    const { index } = capped();
    index.update(listing(...names), hub);
    const { lost, changed } = index.update(listing("a.B", "b.B", "c.B"), hub);
    expect([lost, [...changed], index.isFull, index.problems]).toEqual([
      [],
      [hostOf("d.B"), hostOf("e.B")],
      false,
      [],
    ]);
  });

  test("takes in the next by name when one leaves, and not before the cluster has room", () => {
    const { index, hosts } = capped("a.B", "b.B", "c.B");
    index.update(listing(...names), hub);
    const without = listing("b.B", "c.B", "d.B", "e.B");
    expect(index.update(without, hub)).toMatchObject({ lost: [hostOf("a.B")], found: [] });
    hosts.delete(hostOf("a.B"));
    const { found, changed } = index.update(without, hub);
    expect([found, [...changed]]).toEqual([[hostOf("d.B")], [hostOf("d.B")]]);
    expect(namesIn(index)).toEqual(["b.B", "c.B", "d.B"]);
  });

  test("takes in what the cluster turns out to have of it", () => {
    const { index, hosts } = capped();
    index.update(listing(...names), hub);
    hosts.add(hostOf("e.B"));
    expect(index.update(listing(...names), hub).found).toEqual([hostOf("e.B")]);
  });
});
